"""Fixtures of the reading room's and the desk's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from dicom_router.database import Database, migrate_router, open_database
from tests.triage.desk import TestDesk, open_desk


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[TestDesk]:
    """A desk, once over each database."""
    opened = open_desk(database, tmp_path)
    yield opened
    opened.darkroom.close()


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[TestDesk]:
    """A desk on SQLite, where the database is not what is tested."""
    database = open_database(f"sqlite:///{tmp_path / 'desk.db'}")
    migrate_router(database)
    opened = open_desk(database, tmp_path)
    yield opened
    opened.darkroom.close()
    database.close()
