"""The pages people see, each in a module of its own; their live parts are renewed by htmx upon an event."""
