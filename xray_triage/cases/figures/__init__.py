"""What is counted over all cases: the figures of the page, and what metrics and checks ask for."""
