"""The clock of a mini-PC without a battery: 1970 at boot, ten years ahead, 400 days back, under load."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import until
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import StationPeer
from tests.rehearsal.machine import FilmMachine
from tests.rehearsal.proof import proved
from tests.rehearsal.table import Table

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")
JUMPS = ("@1970-01-01 00:01:00", "+3650d", "-400d", "+0d")


@pytest.fixture
def clock(tmp_path: Path) -> Path:
    """The file that says what time it is for the station, as libfaketime reads it."""
    if not FAKETIME.exists():
        pytest.skip("clock jumps need libfaketime: apt-get install libfaketime")
    path = tmp_path / "clock"
    path.write_text(JUMPS[0])
    return path


@pytest.fixture
def station(tmp_path: Path, own_orthanc: OrthancPeer, a_bundle: Path, clock: Path) -> Iterator[StationPeer]:
    """A running station whose wall clock ``clock`` sets."""
    environment = {
        "LD_PRELOAD": str(FAKETIME),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    peer = StationPeer(tmp_path / "station", pacs=own_orthanc, bundle=a_bundle, environment=environment)
    peer.start()
    yield peer
    peer.kill()


def test_a_clock_that_jumps_loses_and_doubles_nothing(
    station: StationPeer, machine: FilmMachine, own_orthanc: OrthancPeer, clock: Path, table: Table, often: bool
) -> None:
    times = 0
    with machine.sending():
        for _ in range(10 if often else 1):
            for jump in JUMPS:
                clock.write_text(jump)
                times += 1
                before = len(machine.acknowledged)
                until(lambda before=before: len(machine.acknowledged) >= before + 2)  # type: ignore[misc]
    row = table.add(proved("clock jumps", station, machine, own_orthanc, times=times, back=[]))
    assert (row.lost, row.doubled) == (0, 0)
