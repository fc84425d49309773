"""Fixtures of the reading room's and the desk's tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from dicom_router.store.database import Database
from tests.databases import open_in
from tests.xray_triage.desk import TestDesk, open_desk
from xray_triage.config.records import Standing


@pytest.fixture
def desk(database: Database, tmp_path: Path) -> Iterator[TestDesk]:
    """A desk, once over each database."""
    opened = open_desk(database, tmp_path)
    yield opened
    opened.renderer.close()


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[TestDesk]:
    """A desk on SQLite, where the database is not what is tested."""
    with desk_in(tmp_path) as opened:
        yield opened


@contextmanager
def desk_in(
    folder: Path,
    *,
    spool: Path | None = None,
    reserve_bytes: int = 0,
    peers: Mapping[str, tuple[Standing, ...]] | None = None,
) -> Iterator[TestDesk]:
    """A desk on SQLite whose database lies in ``folder``, anew or as it was left, and its spool there or elsewhere."""
    database = open_in(folder / "desk.db")
    opened = open_desk(database, spool or folder, reserve_bytes=reserve_bytes, peers=peers)
    yield opened
    opened.renderer.close()
    database.close()
