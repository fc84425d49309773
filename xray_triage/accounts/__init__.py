"""Who works at the station: users, passwords, sessions, tokens, what they did. Knows no page and no film."""
