"""station.toml and its environment overrides, checked whole before anything starts. Knows nothing of what uses it."""
