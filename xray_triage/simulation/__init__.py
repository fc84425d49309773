"""Stand-ins for what a station meets: films, a PACS, a specialist, a whole demonstration. No station needs it."""
