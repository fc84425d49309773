"""The workshop: films to a model bundle. Not installed at a station; torch is imported here alone."""
