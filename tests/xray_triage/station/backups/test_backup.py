"""Backups: what is in one, that each is whole, that a bad one is known, and kills while one is written."""

import fcntl
import json
import os
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.factories import film
from tests.xray_triage.desk import TestDesk
from tests.xray_triage.station.backups.conftest import SECRET, Station, make_station, with_desk
from tests.xray_triage.station.backups.killing import survives
from xray_triage.station.backups.backup import Backup, backups_in, check_backup, look_into, newest_backup
from xray_triage.station.backups.sqlite import BackupError


@pytest.fixture
def here(tmp_path: Path) -> Station:
    """One on SQLite."""
    return make_station(tmp_path / "here")


def test_it_has_all_that_a_station_needs_and_nobody_else_may_read_it(station: Station) -> None:
    made = station.write(with_films=True)
    check_backup(made)
    assert made.manifest.rows["case"] == made.manifest.rows["image"] == 1
    assert made.manifest.secrets == {"secrets/0": str(station.folder / "pacs.secret")}
    assert (made.folder / "secrets" / "0").read_text() == SECRET
    assert (made.folder / "station.toml").read_bytes() == station.config_path.read_bytes()
    assert (made.folder / "active_bundle").read_text() == "own\n"
    assert made.names("bundles") == ["bundles/own/manifest.json"]
    assert {Path(name).name for name in made.names("spool")} == station.keys()
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in (made.folder, *made.folder.rglob("*"))}
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}
    assert modes[made.folder] == 0o700
    on_disk = {path.relative_to(made.folder).as_posix() for path in made.folder.rglob("*") if path.is_file()}
    assert on_disk == {*made.manifest.files, "manifest.json"}


def test_it_is_one_moment_of_a_station_that_goes_on_working(station: Station) -> None:
    """Every film is in case, image and delivery, or in none of them."""
    stop = threading.Event()

    def work(desk: TestDesk) -> None:
        number = 0
        while not stop.is_set():
            number += 1
            desk.receive(film(study_instance_uid=f"1.2.4.{number}"))

    worker = threading.Thread(target=with_desk, args=(station, work))
    worker.start()
    try:
        rows = [station.write().manifest.rows for _ in range(4)]
    finally:
        stop.set()
        worker.join()
    assert rows[0]["arrival"] < rows[-1]["arrival"]
    assert all(row["arrival"] + row["image"] * 3 == row["delivery"] for row in rows)


def test_the_newest_whole_one_is_found_whatever_the_clock_said(here: Station) -> None:
    first = here.write()
    here.clock.advance(-86_400 * 400)
    second = here.write()
    assert (first.number, second.number) == (1, 2)
    assert newest_backup(here.backups, station="TRAM1") == second
    spoil(second, "station.db")
    assert newest_backup(here.backups, station="TRAM1") == first
    assert newest_backup(here.backups, station="TRAM2") is None
    assert newest_backup(here.folder / "gone", station="TRAM1") is None


def test_of_its_own_the_newest_stay_and_those_of_others_too(here: Station, tmp_path: Path) -> None:
    other = make_station(tmp_path / "other")
    other.config_path.write_text(other.config_path.read_text().replace("TRAM1", "TRAM2"))
    strange = other.write()
    shutil.copytree(strange.folder, here.backups / strange.folder.name)
    for _ in range(4):
        here.write(keep=2)
    assert [one.number for one in backups_in(here.backups, station="TRAM1")] == [5, 4]
    assert [one.number for one in backups_in(here.backups, station=None)] == [5, 4, 1]


def spoil(backup: Backup, name: str) -> None:
    """One bit is turned round, the size stays."""
    path = backup.folder / name
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def drop(backup: Backup, name: str) -> None:
    (backup.folder / name).unlink()


def cut(backup: Backup, name: str) -> None:
    os.truncate(backup.folder / name, (backup.folder / name).stat().st_size // 2)


@pytest.mark.parametrize("harm", [spoil, drop, cut])
def test_no_file_of_it_may_be_harmed(station: Station, harm: Callable[[Backup, str], None]) -> None:
    made = station.write(with_films=True)
    kept = made.folder.with_name("kept")
    made.folder.rename(kept)
    for name in [*made.manifest.files, "manifest.json"]:
        shutil.copytree(kept, made.folder)
        harm(made, name)
        if name != "manifest.json" or harm is not spoil:  # a letter of its text may be any other
            with pytest.raises(BackupError, match=r"take an older backup|no whole backup"):
                check_backup(look_into(made.folder))
        shutil.rmtree(made.folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "no whole backup of this program"),
        ({"versions": {"router_version": "0001", "triage_version": "9999"}}, "newer program.*install that one first"),
        ({"rows": {"case": 7}}, "has other rows"),
        ({"files": {"../../secret": {"sha256": "", "size_bytes": 0}}}, "no path in a backup"),
        ({"files": {"/etc/passwd": {"sha256": "", "size_bytes": 0}}}, "no path in a backup"),
        ({"made_at": "2026-01-01T00:00:00"}, "no whole backup of this program"),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused_in_words(here: Station, change: dict[str, object], words: str) -> None:
    made = here.write()
    told = json.loads((made.folder / "manifest.json").read_text())
    (made.folder / "manifest.json").write_text(json.dumps(told | change))
    with pytest.raises(BackupError, match=words):
        check_backup(look_into(made.folder))
    assert newest_backup(here.backups, station="TRAM1") is None


def test_a_damaged_database_makes_no_backup_and_the_old_one_stays(here: Station) -> None:
    made = here.write()
    with closing(sqlite3.connect(here.data / "station.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)").close()
        page = database.execute("SELECT rootpage FROM sqlite_schema WHERE name = 'image'").fetchone()[0]
        size = database.execute("PRAGMA page_size").fetchone()[0]
    with (here.data / "station.db").open("r+b") as stream:
        stream.seek((page - 1) * size)
        stream.write(b"\xff" * size)
    with pytest.raises(BackupError, match="damaged"):
        here.write()
    assert [path.name for path in here.backups.iterdir() if path.is_dir()] == [made.folder.name]


def test_a_folder_that_is_gone_and_one_that_is_being_written_to_are_told(here: Station) -> None:
    with (here.backups / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BackupError, match="wait for its end"):
            here.write()
    shutil.rmtree(here.backups)
    with pytest.raises(BackupError, match="is the disk or the share connected"):
        here.write()
    assert not here.backups.exists()


@pytest.mark.slow
def test_killed_at_any_step_it_leaves_the_old_ones_or_the_old_ones_and_a_whole_new_one(station: Station) -> None:
    station.write(keep=2)
    steps, is_done, most = 0, False, 1
    while not is_done:
        is_done = survives(lambda: station.write(keep=2, with_films=True), steps=steps)
        found = backups_in(station.backups, station="TRAM1")
        for backup in found:
            check_backup(backup)
        most = max(most, found[0].number)
        assert found[0].number == most
        assert 1 <= len(found) <= 3
        steps += 1
    assert steps > 15
    station.write(keep=2)
    assert len(backups_in(station.backups, station="TRAM1")) == 2
    assert {path.name[:7] for path in station.backups.iterdir()} == {".lock", "backup-"}
