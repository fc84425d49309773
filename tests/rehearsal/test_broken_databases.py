"""A database that is lost or damaged: the station makes it anew by itself, and every film is in its case again."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.peers.orthanc import OrthancPeer
from tests.peers.station import StationPeer
from tests.rehearsal.machine import FilmMachine
from tests.rehearsal.proof import proved, settled
from tests.rehearsal.table import Table

FILMS = 3
PAGE = 4096


def database_gone(database: Path, _: random.Random) -> None:
    for path in database.parent.glob("station.db*"):
        path.unlink()


def database_cut(database: Path, chance: random.Random) -> None:
    with database.open("r+b") as stream:
        stream.truncate(int(database.stat().st_size * chance.uniform(0.1, 0.9)))


def page_overwritten(database: Path, chance: random.Random) -> None:
    pages = database.stat().st_size // PAGE
    with database.open("r+b") as stream:
        for _ in range(4):
            stream.seek(chance.randrange(pages) * PAGE)
            stream.write(bytes(chance.randbytes(PAGE)))


def journal_zeroed(database: Path, _: random.Random) -> None:
    journal = database.with_name("station.db-wal")
    if journal.exists():
        journal.write_bytes(bytes(journal.stat().st_size))


@pytest.mark.parametrize("damage", [database_gone, database_cut, page_overwritten, journal_zeroed])
def test_a_broken_database_costs_no_film(
    damage: Callable[[Path, random.Random], None],
    station: StationPeer,
    machine: FilmMachine,
    own_orthanc: OrthancPeer,
    table: Table,
    often: bool,
) -> None:
    chance, times, back = random.Random(damage.__name__), 10 if often else 1, []
    for _ in range(times):
        for _ in range(FILMS):
            machine.send()
        settled(station, machine)
        station.kill()
        damage(station.folder / "data" / "station.db", chance)
        back.append(station.start(until="/healthz"))
        station.forget_token()
    row = table.add(proved(damage.__name__.replace("_", " "), station, machine, own_orthanc, times=times, back=back))
    assert (row.lost, row.doubled) == (0, 0)
