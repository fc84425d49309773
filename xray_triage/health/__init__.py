"""The station's health: what a check is, and the self-check on demand. Knows no page."""
