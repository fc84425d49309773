"""Databases that have a station's tables: the migrations run once a process of tests, then the outcome is copied."""

import functools
import tempfile
from pathlib import Path

from dicom_router.store.database import Database, migrate_router, open_database
from xray_triage.cases.casebook import migrate_cases


def make_tables(url: str) -> None:
    """Let the migrations make a station's tables in the database at ``url``."""
    database = open_database(url)
    migrate_router(database)
    migrate_cases(database)
    database.close()


def open_in(path: Path) -> Database:
    """The SQLite database in ``path``; where none is, one that has a station's tables and nothing in them."""
    lay_in(path)
    return open_database(f"sqlite:///{path}")


def lay_in(path: Path) -> None:
    """Put one there, unless there is one."""
    if not path.exists():
        path.write_bytes(_with_tables())


@functools.cache
def _with_tables() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "station.db"
        make_tables(f"sqlite:///{path}")
        return path.read_bytes()
