"""Is the station well? Checks in plain words, for the page, for programs and for the command line."""
