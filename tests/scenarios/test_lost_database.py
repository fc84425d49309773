"""A station killed with -9 whose database is lost or damaged: it says so, and every film is back in its case."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.factories import film_file, until
from tests.peers.dcmtk import storescu
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE, StationPeer
from tests.scenarios.conftest import MakeStation
from tests.xray_triage.bundles import make_bundle
from xray_triage.simulation import phantom

pytestmark = pytest.mark.slow

FILMS = 2
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


@pytest.fixture(scope="module")
def a_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "calm")


SAYS = {remove: "lost", empty: "lost", zero_the_journal: "journal", cut_the_journal: ""}


@pytest.mark.parametrize("harm", [remove, empty, no_database, cut, overwrite_a_page, zero_the_journal, cut_the_journal])
def test_every_film_is_back_in_its_case(
    harm: Callable[[Path], None], make_station: MakeStation, own_orthanc: OrthancPeer, a_bundle: Path
) -> None:
    station = make_station(pacs=own_orthanc, bundle=a_bundle)
    station.start()
    uids = send_films(station)
    sent = sorted(own_orthanc.sop_instance_uids())
    station.kill()
    harm(station.folder / "data" / "station.db")
    station.forget_token()
    station.start()
    until(lambda: station.images().keys() == uids and station.is_done())
    assert {image["status"] for image in station.images().values()} == {"read"}
    assert sorted(own_orthanc.sop_instance_uids()) == sent  # nothing of ours taken for a film, nothing made twice
    if harm is remove:
        assert statuses(station) == {"found"}  # at the PACS; sent twice it would be as well
    why = SAYS.get(harm, "damaged")
    (check,) = (check for check in told(station) if check["name"] == "database")
    assert check["state"] == ("warning" if why else "ok"), check
    assert f" {why}: " in f"{check['detail']} : "
    assert "reader stopped" not in station.log()


def send_films(station: StationPeer, seeds: Iterable[int] = range(FILMS)) -> set[str]:
    """Their SOP Instance UIDs, when they are read and sent on."""
    films = [phantom.dataset(phantom.render(seed=seed, rows=600, columns=500)) for seed in seeds]
    for film in films:
        path = film_file(station.folder / "film.dcm", film)
        assert storescu(station.dicom_port, path, called=AE_TITLE).returncode == 0
    uids = {str(film.SOPInstanceUID) for film in films}
    until(lambda: uids <= station.images().keys() and station.is_done())
    return uids


def statuses(station: StationPeer) -> set[str]:
    """What the PACS said of every delivery."""
    with sqlite3.connect(station.folder / "data" / "station.db") as connection:
        found = {status for (status,) in connection.execute("SELECT status FROM delivery")}
    connection.close()
    return found


def told(station: StationPeer) -> list[dict[str, str]]:
    return [json.loads(line) for line in station.cli("check", "--json").stdout.splitlines()]


def test_a_running_station_that_meets_damage_makes_the_database_anew(make_station: MakeStation, a_bundle: Path) -> None:
    """Whoever meets it first: here the reader, whose new life looks through the whole file."""
    station = make_station(bundle=a_bundle)
    station.start()
    uids = send_films(station)
    front = station.process.pid
    overwrite_a_page(station.folder / "data" / "station.db")
    _, reader = station.processes()
    reader.kill()
    until(lambda: "database begun anew" in station.log())
    station.forget_token()
    until(lambda: station.status("/readyz") == 200)
    until(lambda: station.images().keys() == uids and station.is_done())
    assert (station.process.pid, station.process.poll()) == (front, None)
    log = station.log()
    assert log.count("reader stopped") == 1  # the one that was killed here
    assert log.index("database damaged") < log.index("database set aside") < log.index("database begun anew")
    (kept,) = (station.folder / "data").glob("damaged-*/station.db")
    assert kept.stat().st_size
    assert uids < uids | send_films(station, [7])
    assert station.stop() == 0


def test_a_database_of_a_newer_program_is_refused_and_not_touched(make_station: MakeStation, a_bundle: Path) -> None:
    station = make_station(bundle=a_bundle)
    station.start()
    assert station.stop() == 0
    path = station.folder / "data" / "station.db"
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE router_version SET version_num = '9999'")
    connection.close()
    before, files = path.read_bytes(), {one.name for one in path.parent.iterdir()}
    station.launch()
    assert station.process.wait(60) == 1
    assert "install the newer program" in station.log()
    assert path.read_bytes() == before
    assert {one.name for one in path.parent.iterdir()} == files


def test_a_verb_makes_no_new_database_in_the_place_of_a_lost_one(make_station: MakeStation, a_bundle: Path) -> None:
    station = make_station(bundle=a_bundle)
    assert station.cli("user", "add", "mai").returncode == 0  # a new station: nothing is lost
    remove(station.folder / "data" / "station.db")
    for verb in (["cases"], ["user", "add", "binh"], ["init"]):
        said = station.cli(*verb)
        assert (said.returncode, "start the station" in said.stderr) == (1, True), said.stderr
    assert station.cli("check").returncode == 1
    (check,) = told(station)
    assert (check["name"], check["state"]) == ("database", "bad")
    assert not (station.folder / "data" / "station.db").exists()
    shutil.rmtree(station.folder / "data")
    assert station.cli("user", "add", "binh").returncode == 0  # and this one is new again
