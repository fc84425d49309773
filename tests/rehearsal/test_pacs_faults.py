"""A PACS that is away, silent, breaks off or never answers, behind a link; and a link that is weak."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import until
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import StationPeer
from tests.rehearsal.link import Link
from tests.rehearsal.machine import FilmMachine
from tests.rehearsal.proof import proved
from tests.rehearsal.table import Table

FAULTS = ("refuses", "silent", "breaks", "mute")
SLOW = ("silent", "breaks")  # a minute each, and rarely broken


@pytest.fixture
def link(own_orthanc: OrthancPeer) -> Iterator[Link]:
    with Link(own_orthanc.dicom_port).running() as line:
        yield line


@pytest.fixture
def station(tmp_path: Path, own_orthanc: OrthancPeer, link: Link, a_bundle: Path) -> Iterator[StationPeer]:
    """A running station with ``link`` between it and ``own_orthanc``."""
    more = (
        f'[[destination]]\nname = "pacs"\nhost = "127.0.0.1"\nport = {link.port}\nae_title = "{own_orthanc.ae_title}"\n'
    )
    peer = StationPeer(tmp_path / "station", bundle=a_bundle, more=more)
    peer.start()
    yield peer
    peer.kill()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_pacs_that_fails_gets_everything_once_when_it_is_back(
    fault: str,
    station: StationPeer,
    machine: FilmMachine,
    link: Link,
    own_orthanc: OrthancPeer,
    table: Table,
    often: bool,
) -> None:
    if fault in SLOW and not often:
        pytest.skip("make rehearse does it")
    times = 10 if often else 1
    for _ in range(times):
        link.mode = fault
        link.cut()
        for _ in range(2):
            machine.send()
        until(lambda: len(station.images()) == len(machine.acknowledged))
        until(lambda: station.get("/api/queue")["waiting"] or station.get("/api/queue")["sending"])
        link.mode = "open"
        link.cut()
    row = table.add(proved(f"PACS {fault}", station, machine, own_orthanc, times=times, back=[]))
    assert (row.lost, row.doubled) == (0, 0)


def test_a_weak_link_that_is_cut_twice_loses_and_doubles_nothing(
    station: StationPeer, machine: FilmMachine, link: Link, own_orthanc: OrthancPeer, table: Table, often: bool
) -> None:
    link.kbit_per_second, link.delay_seconds = (256, 0.3) if often else (4096, 0.05)
    for number in range(20 if often else 4):
        machine.send()
        if number in (1, 3):
            link.cut()
    row = table.add(proved("weak link, cut twice", station, machine, own_orthanc, times=2, back=[]))
    assert (row.lost, row.doubled) == (0, 0)
