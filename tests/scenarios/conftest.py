"""Fixtures of the scenarios: stations that run no longer than their test."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.peers.station import StationPeer

MakeStation = Callable[..., StationPeer]


@pytest.fixture
def make_station(tmp_path: Path) -> Iterator[MakeStation]:
    """Makes stations, each in a folder of its own, e.g. ``make_station(pacs=own_orthanc)``; the test starts them.

    One that still runs at the end of the test, for the test failed, is killed.
    """
    made: list[StationPeer] = []

    def make(**options: object) -> StationPeer:
        made.append(StationPeer(tmp_path / f"station-{len(made)}", **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for station in made:
        station.kill()
