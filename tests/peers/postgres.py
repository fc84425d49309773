"""A real PostgreSQL on loopback for the contract suites."""
