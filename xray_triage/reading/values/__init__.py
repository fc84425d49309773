"""Single values as machines write them, where the standard is not kept: dates, ages, texts. Knows no dataset."""
