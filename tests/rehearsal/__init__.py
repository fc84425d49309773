"""The rehearsal: what may befall a station in the field, done to a running one; ``make rehearse`` prints its table."""
