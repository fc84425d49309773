"""The history of this package's tables, one Alembic revision a file; casebook.py has it run."""
