"""The history of the router's tables, one Alembic revision a file; database.py runs it."""
