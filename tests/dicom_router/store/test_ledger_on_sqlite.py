"""What the ledger costs a station: a claim reads no finished work, and asking in vain writes nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicom_router.store.database import Database
from dicom_router.store.ledger import Ledger
from tests.databases import open_in
from tests.factories import StoppedClock


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_in(tmp_path / "station.db")
    yield opened
    opened.close()


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, clock=StoppedClock(), node="station/reader")


def enqueue(ledger: Ledger, database: Database, *keys: str) -> None:
    with database.write() as connection:
        for key in keys:
            ledger.enqueue(connection, kind="read", key=key)


def plans(database: Database, statements: list[tuple[str, tuple[object, ...]]]) -> list[str]:
    with database.read() as connection:
        return [
            step.detail
            for statement, parameters in statements
            for step in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def test_a_claim_reads_no_finished_work_and_sorts_nothing(ledger: Ledger, database: Database) -> None:
    statements: list[tuple[str, tuple[object, ...]]] = []

    def note(_connection: object, _cursor: object, text: str, parameters: tuple[object, ...], *_: object) -> None:
        if not text.startswith("BEGIN"):
            statements.append((text, parameters))

    enqueue(ledger, database, "a")
    sa.event.listen(database.engine, "before_cursor_execute", note)
    assert ledger.claim("read") is not None
    assert ledger.unfinished("read") == 1
    assert ledger.free_leases(forgive=False) == 1
    sa.event.remove(database.engine, "before_cursor_execute", note)

    steps = plans(database, statements)
    assert any("USING INDEX work_ready" in step or "USING COVERING INDEX work_ready" in step for step in steps)
    assert any("INDEX work_timed" in step for step in steps)
    assert not [step for step in steps if step == "SCAN work" or "TEMP B-TREE" in step or "work_kind_key" in step]


def test_asking_in_vain_writes_nothing(ledger: Ledger, database: Database, tmp_path: Path) -> None:
    enqueue(ledger, database, "done", "leased", "postponed")
    done, leased, postponed = (ledger.claim("read") for _ in range(3))
    assert done is not None
    assert leased is not None
    assert postponed is not None
    with database.write() as connection:
        ledger.finish(connection, done)
    ledger.postpone(postponed, seconds=300, error="link down")

    def files() -> dict[str, tuple[int, bytes]]:
        on_disk = [path for path in tmp_path.iterdir() if not path.name.endswith("-shm")]  # that one is memory
        return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in on_disk}

    before = files()
    for _ in range(50):
        assert ledger.claim("read") is None
    assert files() == before
