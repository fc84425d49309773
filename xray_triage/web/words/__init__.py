"""The page's words in both languages. Knows no HTML and no route."""
