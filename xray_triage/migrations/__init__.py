"""The history of the desk's tables, one Alembic revision a file; casebook.py has it run."""
