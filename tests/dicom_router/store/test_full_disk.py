"""A full disk, while receiving and while committing: said so, nothing half done, healed when space returns."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from dicom_router.dicom.instance import SpooledFile, reference_to
from dicom_router.errors import SpoolFull
from dicom_router.store.database import migrate_router, open_database
from dicom_router.store.inbox import Inbox, Outcome
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from tests.disks import fill, small_disk
from tests.factories import StoppedClock, film, film_bytes


@pytest.fixture
def a_small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of one megabyte."""
    with small_disk(tmp_path / "small", 1) as folder:
        yield folder


def test_the_reserve_is_never_eaten(a_small_disk: Path) -> None:
    spool = Spool(a_small_disk / "spool", reserve_bytes=500_000)
    assert 0 < spool.free_bytes() <= 550_000
    with spool.begin() as incoming, pytest.raises(SpoolFull, match="reserve"):
        incoming.write(bytes(600_000))
    with spool.begin() as incoming:
        incoming.write(bytes(400_000))
        assert incoming.keep("").size_bytes == 400_000


def test_nothing_is_begun_when_only_the_reserve_is_left(tmp_path: Path) -> None:
    spool = Spool(tmp_path, reserve_bytes=1 << 60)
    assert spool.free_bytes() == 0
    with pytest.raises(SpoolFull, match="free some disk"):
        spool.begin()
    assert spool.collect_incoming() == 0


def test_receiving_on_a_full_disk_leaves_no_trace_and_goes_on_when_space_returns(a_small_disk: Path) -> None:
    spool = Spool(a_small_disk / "spool")
    small, large = film_bytes(film(rows=400, columns=400)), film_bytes(film(rows=700, columns=700))
    first = spool.keep(io.BytesIO(small))
    for _ in range(3):
        with pytest.raises(SpoolFull):
            spool.keep(io.BytesIO(large))
    assert list(spool.keys()) == [first.key]
    assert spool.collect_incoming() == 0
    spool.delete(first.key)
    assert spool.keep(io.BytesIO(large)).size_bytes == len(large)


def test_a_disk_that_fills_up_in_mid_file_is_said_so(a_small_disk: Path) -> None:
    spool = Spool(a_small_disk / "spool")
    with spool.begin() as incoming:
        incoming.write(bytes(100_000))
        fill(a_small_disk)
        with pytest.raises(SpoolFull):
            incoming.write(bytes(100_000))
    assert spool.collect_incoming() == 0


def test_a_commit_on_a_full_disk_leaves_no_half_rows_and_goes_on_when_space_returns(a_small_disk: Path) -> None:
    clock = StoppedClock()
    database = open_database(f"sqlite:///{a_small_disk / 'station.db'}")
    migrate_router(database)
    ledger = Ledger(database, clock=clock, node="station/front")
    inbox = Inbox(database, ledger, Outbox(database, ledger, clock=clock), clock=clock, destinations=["pacs"])

    def record() -> Outcome:
        instance = reference_to(film(PatientID="P1"))
        spooled = SpooledFile(key="0" * 32, sha256="0" * 64, size_bytes=1)
        return inbox.record(instance=instance, spooled=spooled, calling_ae_title="XRAY", peer_host="127.0.0.1")

    def record_until_full() -> None:
        while record() is Outcome.NEW:
            outcomes.append(Outcome.NEW)

    outcomes: list[Outcome] = []
    filler = fill(a_small_disk)
    with pytest.raises(sa.exc.OperationalError, match=r"full|disk I/O"):
        record_until_full()
    assert inbox.unread() == len(outcomes)
    filler.unlink()
    assert record() is Outcome.NEW
    assert inbox.unread() == len(outcomes) + 1
    database.close()
    open_database(f"sqlite:///{a_small_disk / 'station.db'}").close()
