"""Who may connect and ask, and how much: connections, requests, visitors, errors. Knows no case."""
