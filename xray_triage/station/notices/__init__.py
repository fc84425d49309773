"""Tells people who are not at the page that something happened, without a word of any patient."""
