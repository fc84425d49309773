"""A station killed with -9 whose database is lost or damaged: it says so, and every film is back in its case."""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.factories import film_file, until
from tests.peers.dcmtk import storescu
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE, StationPeer
from tests.scenarios.conftest import MakeStation
from tests.xray_triage.bundles import make_bundle
from xray_triage.simulation import phantom

FILMS = 3
PAGE_BYTES = 4096


def in_one_file(path: Path) -> None:
    """What a checkpoint does, as the weeks do to a station that runs."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def remove(path: Path) -> None:
    for part in path.parent.glob("station.db*"):
        part.unlink()


def zero_the_journal(path: Path) -> None:
    journal = path.with_name("station.db-wal")
    assert journal.stat().st_size
    journal.write_bytes(bytes(journal.stat().st_size))


def cut_the_journal(path: Path) -> None:
    journal = path.with_name("station.db-wal")
    journal.write_bytes(journal.read_bytes()[: journal.stat().st_size // 3])


def overwrite_a_page(path: Path) -> None:
    in_one_file(path)
    content = bytearray(path.read_bytes())
    middle = len(content) // PAGE_BYTES // 2 * PAGE_BYTES
    content[middle : middle + PAGE_BYTES] = b"\xa5" * PAGE_BYTES
    path.write_bytes(content)


def cut(path: Path) -> None:
    in_one_file(path)
    path.write_bytes(path.read_bytes()[: 5 * PAGE_BYTES])


def no_database(path: Path) -> None:
    remove(path)
    path.write_bytes(b"this was a database once " * 1000)


def empty(path: Path) -> None:
    remove(path)
    path.touch()


SAYS = {remove: "lost", empty: "lost", zero_the_journal: "journal", cut_the_journal: ""}


@pytest.mark.parametrize("harm", [remove, empty, no_database, cut, overwrite_a_page, zero_the_journal, cut_the_journal])
def test_every_film_is_back_in_its_case(
    harm: Callable[[Path], None], make_station: MakeStation, own_orthanc: OrthancPeer, tmp_path: Path
) -> None:
    station = make_station(pacs=own_orthanc, bundle=make_bundle(tmp_path / "bundle"))
    station.start()
    films = [phantom.dataset(phantom.render(seed=seed, rows=600, columns=500)) for seed in range(FILMS)]
    for number, film in enumerate(films):
        path = film_file(tmp_path / f"{number}.dcm", film)
        assert storescu(station.dicom_port, path, called=AE_TITLE).returncode == 0
    uids = {str(film.SOPInstanceUID) for film in films}
    until(lambda: station.images().keys() == uids and station.is_done())
    sent = sorted(own_orthanc.sop_instance_uids())
    station.kill()
    harm(station.folder / "data" / "station.db")
    station.forget_token()
    seconds = station.start()
    until(lambda: station.images().keys() == uids and station.is_done())
    assert {image["status"] for image in station.images().values()} == {"read"}
    assert sorted(own_orthanc.sop_instance_uids()) == sent  # nothing of ours taken for a film, nothing made twice
    why = SAYS.get(harm, "damaged")
    (check,) = (check for check in told(station) if check["name"] == "database")
    assert check["state"] == ("warning" if why else "ok"), check
    assert f" {why}: " in f"{check['detail']} : "
    assert seconds < 60
    assert "reader stopped" not in station.log()


def told(station: StationPeer) -> list[dict[str, str]]:
    return [json.loads(line) for line in station.cli("check", "--json").stdout.splitlines()]
