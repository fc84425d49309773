"""A doctor's own result of a case: its versions, its paper, its way to other systems."""
