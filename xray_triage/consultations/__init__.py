"""A question to a specialist, from the button to the answer that came back. Knows no page."""
