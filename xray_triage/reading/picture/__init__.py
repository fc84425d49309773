"""The bytes of a film -> the picture that a doctor would see, in its window and its proportions."""
