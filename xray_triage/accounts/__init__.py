"""Who works at the station: users, passwords, sessions, tokens, and the trail of what they did. Knows no page and no film."""
