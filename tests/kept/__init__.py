"""Databases as a named version of the program left them: what every later version must bring to its own tables.

``python -m tests.kept VERSION`` adds those of today: once, when a version is named. Never make one anew.
"""
