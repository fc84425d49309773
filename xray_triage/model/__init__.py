"""Which model is used, how it is loaded and proved, and whether it still fits the films here. Knows no page."""
