"""Backups of a running station, and how a station comes back from one. Knows no page and no PACS."""
