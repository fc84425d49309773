"""How good is the model here? Figures on labelled films, and what another threshold would change.

Knows films through the station's own reading, cases as values. It must never know a database, a network or a page.
"""
