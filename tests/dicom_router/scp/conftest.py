"""A listener over a real spool and a real database, for every test of this folder."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from dicom_router.clock import SystemClock
from dicom_router.dicom.instance import Arrival
from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.storage import Storage
from dicom_router.store.database import Database
from dicom_router.store.inbox import Inbox
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import Outbox
from dicom_router.store.refusals import Refusals
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.databases import open_in
from tests.peers.dcmtk import echoscu
from tests.peers.machine import Machine


@dataclass
class Station:
    """A listener over a real spool and a real database. ``kept`` grows by one with each call of on_kept."""

    folder: Path
    database: Database
    inbox: Inbox
    spool: Spool
    listener: Listener
    refusals: Refusals
    kept: list[int] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.listener.port

    def arrivals(self) -> list[Arrival]:
        with self.database.read() as connection:
            found = connection.exec_driver_sql("select arrival_id from arrival order by 1").scalars().all()
        return [self.inbox.get(arrival_id) for arrival_id in found]

    def dataset_bytes(self, arrival: Arrival) -> bytes:
        with self.spool.open(arrival.spooled.key) as stream:
            return encoded_dataset(stream.read())

    def files(self) -> list[Path]:
        return [path for path in self.folder.rglob("*") if path.is_file()]


MakeStation = Callable[..., Station]


def open_listener(
    *,
    limits: ListenerLimits,
    spool: Spool,
    inbox: Inbox,
    on_kept: Callable[[], None],
    max_instance_bytes: int,
    refusals: Refusals | None = None,
) -> Listener:
    """Ours. Another that takes the same arguments is held to the same tests."""
    storage = Storage(spool=spool, inbox=inbox, on_kept=on_kept, max_instance_bytes=max_instance_bytes)
    return Listener(limits=limits, host="127.0.0.1", port=0, providers=(Echo(), storage), refusals=refusals)


@contextmanager
def running_station(
    folder: Path,
    *,
    reserve_bytes: int = 0,
    max_instance_bytes: int = 1 << 30,
    listen: Callable[..., Listener] = open_listener,
    **limits: object,
) -> Iterator[Station]:
    clock = SystemClock()
    database = open_in(folder / "station.db")
    ledger = Ledger(database, clock=clock, node="test/front")
    inbox = Inbox(database, ledger, Outbox(database, ledger, clock=clock), clock=clock)
    spool = Spool(folder / "spool", reserve_bytes=reserve_bytes)
    kept: list[int] = []
    refusals = Refusals(database, clock=clock, spool_id=None)
    listener = listen(
        limits=ListenerLimits(**{"ae_title": "XRAYTRIAGE", **limits}),  # type: ignore[arg-type]
        spool=spool,
        inbox=inbox,
        on_kept=lambda: kept.append(inbox.unread()),
        max_instance_bytes=max_instance_bytes,
        refusals=refusals,
    )
    listener.start()
    try:
        yield Station(folder / "spool", database, inbox, spool, listener, refusals, kept)
    finally:
        listener.stop()
        refusals.flush()
        database.close()


@pytest.fixture
def make_station(tmp_path: Path) -> Iterator[MakeStation]:
    with ExitStack() as running:
        yield lambda **options: running.enter_context(running_station(tmp_path, **options))


@pytest.fixture
def station(make_station: MakeStation) -> Station:
    return make_station()


@pytest.fixture(scope="module")
def busy_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """One for all the tests that leave no film behind."""
    with running_station(tmp_path_factory.mktemp("busy")) as station:
        yield station


def encoded_dataset(file: bytes) -> bytes:
    """What comes after the file meta information, whose length is in its first element."""
    return file[144 + int.from_bytes(file[140:144], "little") :]


def raw(dataset: Dataset) -> bytes:
    encoded = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    assert encoded is not None
    return encoded


def store(station: Station, dataset: bytes, uid: str, **options: object) -> tuple[int, str]:
    with Machine(station.port) as machine:
        machine.associate()
        return machine.store(dataset, sop_instance_uid=uid, **options)  # type: ignore[arg-type]


def is_served(station: Station) -> bool:
    return echoscu(station.port).returncode == 0
