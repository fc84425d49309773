"""A disk that fills under load: films are refused with 0xA700, pages stay, all heals when space returns."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.factories import until
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import StationPeer
from tests.rehearsal.machine import FilmMachine
from tests.rehearsal.proof import proved
from tests.rehearsal.table import Table

OUT_OF_RESOURCES = 0xA700
MEGABYTES = 200  # of which the station keeps 100 in reserve


@pytest.fixture
def a_small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}M", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, timeout=60).returncode != 0:
        pytest.skip("mounting a small filesystem needs root")
    yield folder
    subprocess.run(["umount", folder], check=True, timeout=60)


@pytest.fixture
def station(a_small_disk: Path, own_orthanc: OrthancPeer, a_bundle: Path) -> Iterator[StationPeer]:
    """A running station on ``a_small_disk``."""
    peer = StationPeer(a_small_disk / "station", pacs=own_orthanc, bundle=a_bundle)
    peer.start()
    yield peer
    peer.kill()


def test_a_disk_that_fills_refuses_films_and_heals(
    station: StationPeer,
    machine: FilmMachine,
    a_small_disk: Path,
    own_orthanc: OrthancPeer,
    table: Table,
    often: bool,
) -> None:
    times, back, filler = 20 if often else 1, [], a_small_disk / "somebody else"
    with machine.sending():
        for _ in range(times):
            before, refused = len(machine.acknowledged), len(machine.refusals)
            until(lambda before=before: len(machine.acknowledged) > before)  # type: ignore[misc]
            fill(filler)
            until(lambda refused=refused: OUT_OF_RESOURCES in machine.refusals[refused:])  # type: ignore[misc]
            assert station.status("/healthz") == 200
            assert station.status("/readyz") == 503
            filler.unlink()
            started, before = time.monotonic(), len(machine.acknowledged)
            until(lambda before=before: len(machine.acknowledged) > before)  # type: ignore[misc]
            back.append(time.monotonic() - started)
    row = table.add(proved("full disk", station, machine, own_orthanc, times=times, back=back))
    assert (row.lost, row.doubled) == (0, 0)


def fill(filler: Path) -> None:
    """Take all space that is left, as somebody else would."""
    with filler.open("wb", buffering=0) as stream:
        try:
            while stream.write(bytes(1 << 16)):
                pass
        except OSError:
            return
