"""A database knows the spools that its rows point into, and takes no other for one of them."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicom_router.errors import SpoolMismatch
from dicom_router.store.database import Database
from dicom_router.store.ledger import Ledger
from dicom_router.store.marker import MARKER_FILE, new_marker, read_marker, write_marker
from dicom_router.store.spools import bind_spool, sole_holder
from dicom_router.store.tables import spool, work
from tests.factories import StoppedClock


def a_folder(tmp_path: Path, name: str = "spool") -> Path:
    (tmp_path / name).mkdir(exist_ok=True)
    return tmp_path / name


def bind(database: Database, folder: Path, *, ae_title: str = "XA", alone: bool = False) -> str:
    return bind_spool(database, folder, ae_title=ae_title, alone=alone, clock=StoppedClock())


def test_a_spool_is_named_once_and_known_from_then_on(database: Database, tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    first = bind(database, folder)
    marker = read_marker(folder)
    assert marker is not None
    assert marker.id == first == bind(database, folder)
    with database.read() as connection:
        assert connection.scalars(sa.select(spool.c.ae_title)).all() == ["XA"]


def test_the_first_spool_of_a_database_gets_the_rows_of_before_and_no_later_one(
    database: Database, tmp_path: Path
) -> None:
    before = Ledger(database, clock=StoppedClock(), node="before")
    with database.write() as connection:
        before.enqueue(connection, kind="read", key="1")
    first = bind(database, a_folder(tmp_path))
    with database.write() as connection:
        before.enqueue(connection, kind="read", key="2")
    bind(database, a_folder(tmp_path, "other"), ae_title="XB")
    with database.read() as connection:
        found = {row.key: row.spool_id for row in connection.execute(sa.select(work.c.key, work.c.spool_id))}
    assert found == {"1": first, "2": None}


def test_a_station_that_was_renamed_or_moved_keeps_its_spool(database: Database, tmp_path: Path) -> None:
    folder = a_folder(tmp_path)
    first = bind(database, folder)
    assert bind(database, folder, ae_title="XNEW") == first
    folder.rename(tmp_path / "elsewhere")
    assert bind(database, tmp_path / "elsewhere", ae_title="XNEW") == first


def test_two_stations_of_one_name_on_one_database_are_refused_and_told_what_to_do(
    database: Database, tmp_path: Path
) -> None:
    first = bind(database, a_folder(tmp_path))
    other = a_folder(tmp_path, "other")
    with pytest.raises(SpoolMismatch, match="ae_title of its own"):
        bind(database, other)
    assert read_marker(other) is None
    write_marker(other, new_marker(StoppedClock()))
    with pytest.raises(SpoolMismatch, match="ae_title of its own") as refused:
        bind(database, other)
    told = str(refused.value)
    (other / MARKER_FILE).write_text(told[told.index("{") : told.index("}") + 1])  # as it says, when that one is gone
    assert bind(database, other) == first


def test_a_station_may_not_take_the_name_of_another(database: Database, tmp_path: Path) -> None:
    bind(database, a_folder(tmp_path))
    other = a_folder(tmp_path, "other")
    bind(database, other, ae_title="XB")
    with pytest.raises(SpoolMismatch, match="has a station XA already"):
        bind(database, other, ae_title="XA")


@pytest.mark.parametrize("spoilt", [None, b"\0" * 80])
def test_a_lost_or_spoilt_marker_is_written_again_where_the_spool_lay(
    database: Database, tmp_path: Path, spoilt: bytes | None
) -> None:
    folder = a_folder(tmp_path)
    first = bind(database, folder)
    (folder / MARKER_FILE).unlink()
    if spoilt is not None:
        (folder / MARKER_FILE).write_bytes(spoilt)
    assert bind(database, folder) == first
    assert json.loads((folder / MARKER_FILE).read_text())["id"] == first


def test_the_rows_of_a_database_beside_its_spool_are_of_that_spool_whatever_they_call_it(
    database: Database, tmp_path: Path
) -> None:
    first = bind(database, a_folder(tmp_path), alone=True)
    with database.write() as connection:
        Ledger(database, clock=StoppedClock(), node="x", spool_id=first).enqueue(connection, kind="read", key="1")
    restored = a_folder(tmp_path, "of another computer")
    assert bind(database, restored, ae_title="XNEW", alone=True) == first  # it had no name yet
    other, marker = a_folder(tmp_path, "used before"), new_marker(StoppedClock())
    write_marker(other, marker)
    assert bind(database, other, alone=True) == marker.id
    assert read_marker(other) == marker
    assert Ledger(database, clock=StoppedClock(), node="x", spool_id=marker.id).claim("read")
    with database.read() as connection:
        assert connection.scalars(sa.select(spool.c.spool_id)).all() == [marker.id]


def test_a_spool_is_held_by_one_station_at_a_time(database: Database, tmp_path: Path) -> None:
    spool_id = bind(database, a_folder(tmp_path))
    with sole_holder(database, spool_id) as first, sole_holder(database, spool_id) as second:
        assert (first, second) == (True, database.is_sqlite)
    with sole_holder(database, spool_id) as again:
        assert again
