"""A station comes back from a backup: on its own PC and on another, over each database, killed at any step."""

import hashlib
import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.factories import until
from tests.kept.test_kept import FOLDER, VERSIONS
from tests.xray_triage.desk import TestDesk
from tests.xray_triage.station.backups.conftest import SECRET, Station, make_station, with_desk
from tests.xray_triage.station.backups.killing import survives
from xray_triage.health.rebuilt import Rebuilt
from xray_triage.records.result import Author, Words
from xray_triage.records.signing.signatures import Signatures
from xray_triage.records.signing.signer import Signed
from xray_triage.station.backups.restoring import Restored, put_newest, restore
from xray_triage.station.backups.sqlite import BackupError
from xray_triage.station.lock import StationError, hold_station
from xray_triage.station.rebuilding import open_or_rebuild

MAI = Author(account="mai", name="BS. Trần Thị Mai", licence="000123/HCM-CCHN")


def bring_back(station: Station, source: Path | None = None) -> Restored:
    return restore(source or station.backups, station.config_path, clock=station.clock, by="cli:test")


def test_it_is_as_it_was_and_what_was_there_is_kept_aside(station: Station) -> None:
    station.write()
    station.work("1.2.3.2")
    done = bring_back(station)
    assert station.studies() == {"1.2.3.1"}
    assert (done.newer, done.lost, done.brought, done.other_config) == (4, 0, (), False)  # a film and its results
    assert done.aside is not None
    if station.config.station.database:
        aside = station.config.station.database
        station.config_path.write_text(station.config_path.read_text().replace(aside, in_schema(aside, done.aside)))
    else:
        shutil.copy(Path(done.aside) / "station.db", station.data / "station.db")
    assert station.studies() == {"1.2.3.1", "1.2.3.2"}


def in_schema(url: str, schema: str) -> str:
    return f"{url}?options=-csearch_path%3D{schema}"


def test_it_works_on_after_it_and_can_be_backed_up_and_restored_again(station: Station) -> None:
    station.write()
    bring_back(station)
    station.work("1.2.3.5")
    station.write()
    station.clock.advance(1)
    assert bring_back(station).newer == 0
    assert station.studies() == {"1.2.3.1", "1.2.3.5"}


def write_results(desk: TestDesk) -> None:
    """Of the one case: a result that was signed and sent, its correction that waits, and another doctor's draft."""
    (case,) = desk.casebook.cases()
    desk.results.finish(case.case_id, MAI, Words(conclusion="Tràn dịch màng phổi."), before_author="AI")
    signed = Signed(pdf=b"%PDF-1.7 signed", signer="Trần Thị Mai", serial="7f", signed_at=desk.clock.now())
    Signatures(desk.database, desk.records).keep(case.case_id, 1, signed, by="mai")
    while claimed := desk.records.claim("his"):
        desk.records.acknowledge(claimed[0], "AA")
    desk.results.amend(case.case_id, MAI, Words(conclusion="Ít dịch."), reason="Xem lại", before_author="AI")
    desk.results.save_draft(case.case_id, replace(MAI, account="binh"), Words(description="Màng phổi: "))


def told_of_results(desk: TestDesk) -> list[object]:
    """All that is kept of the results of the one case, byte for byte."""
    (case,) = desk.casebook.cases()
    signatures, versions = Signatures(desk.database, desk.records), desk.results.versions(case.case_id)
    papers = [desk.results.paper(case.case_id, one.version) for one in versions]
    signed = [signatures.pdf(case.case_id, one.version) for one in versions]
    sent = [(one, one.number) for one in desk.records.of_case(case.case_id)]
    return [versions, papers, signatures.of(case.case_id), signed, desk.results.drafts(case.case_id), sent]


def test_results_come_back_with_paper_and_signature_and_what_waited_waits(station: Station) -> None:
    before: list[object] = []
    after: list[object] = []
    with_desk(station, write_results)
    with_desk(station, lambda desk: before.extend(told_of_results(desk)))
    station.write()
    with_desk(station, lambda desk: amend_again(desk, version=3))
    bring_back(station)
    with_desk(station, lambda desk: after.extend(told_of_results(desk)))
    assert after == before
    with_desk(station, lambda desk: amend_again(desk, version=3))


def amend_again(desk: TestDesk, *, version: int) -> None:
    """Another version, which leaves after the one that waits."""
    (case,) = desk.casebook.cases()
    made = desk.results.amend(case.case_id, MAI, Words(conclusion="Hết dịch."), reason="Phim mới", before_author="")
    left = []
    while claimed := desk.records.claim("his"):
        left.append(claimed[1].version)
        desk.records.acknowledge(claimed[0], "AA")
    assert (made.version, left) == (version, [version - 1, version])


def test_on_another_pc_all_comes_back_films_and_secrets_too(tmp_path: Path) -> None:
    station = make_station(tmp_path / "station")
    made, keys = station.write(with_films=True), station.keys()
    stick = tmp_path / "stick"
    shutil.copytree(station.backups, stick)
    shutil.rmtree(station.folder)
    station.folder.mkdir()
    done = bring_back(station, stick)
    assert (station.studies(), station.keys()) == ({"1.2.3.1"}, keys)
    assert (done.aside, done.newer, done.lost) == (None, 0, 0)
    assert (station.folder / "pacs.secret").read_text() == SECRET
    assert (station.data / "active_bundle").read_text() == "own\n"
    assert set(done.brought) == {
        station.folder / "pacs.secret",
        station.data / "active_bundle",
        station.data / "bundles" / "own" / "manifest.json",
    }
    assert station.config_path.read_bytes() == (stick / made.folder.name / "station.toml").read_bytes()


def test_a_backup_without_films_says_how_many_are_not_here(tmp_path: Path) -> None:
    station = make_station(tmp_path / "station")
    station.write()
    shutil.rmtree(station.data)
    assert bring_back(station).lost == 1


def test_a_lost_database_begins_with_the_newest_backup(tmp_path: Path) -> None:
    """As ``serve`` does it by itself: what was backed up is known at once, without anybody's verb."""
    station = make_station(tmp_path / "here")
    station.work("1.2.1")
    made = station.write()
    station.work("1.2.2")
    for path in station.data.glob("station.db*"):
        path.unlink()
    stores = open_or_rebuild(station.config, clock=station.clock, restore=partial(put_newest, station.config))
    with closing(stores.database):
        assert {case.study_instance_uid for case in stores.casebook.cases()} >= {"1.2.1"}
        assert "1.2.2" not in {case.study_instance_uid for case in stores.casebook.cases()}
    (told,) = Rebuilt(station.data).events()
    assert told.backup_at == made.made_at


def test_without_a_usable_backup_it_begins_empty(tmp_path: Path) -> None:
    station = make_station(tmp_path / "here")
    station.work("1.2.1")
    shutil.rmtree(station.backups, ignore_errors=True)
    assert put_newest(station.config, tmp_path / "aside") is None


def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    station = make_station(tmp_path / "station")
    station.write(with_films=True)
    (station.folder / "pacs.secret").write_text("new")
    (station.data / "active_bundle").write_text("station-5\n")
    (station.data / "bundles" / "own" / "manifest.json").write_text('{"newer": 1}')
    station.config_path.write_text(station.config_path.read_text().replace("keep = 2", "keep = 3"))
    (key, *_) = station.keys()
    film = station.data / "spool" / key[:2] / key
    film.write_bytes(b"another")
    done = bring_back(station)
    assert done.other_config
    assert done.aside is not None
    assert (Path(done.aside) / "active_bundle").read_text() == "station-5\n"
    assert (station.folder / "pacs.secret").read_text() == "new"
    assert (station.data / "bundles" / "own" / "manifest.json").read_text() == '{"newer": 1}'
    assert station.config.backup.keep == 3
    assert film.read_bytes() == b"another"


def test_while_the_station_runs_nothing_is_touched(station: Station) -> None:
    station.write()
    station.work("1.2.3.2")
    with hold_station(station.data), pytest.raises(StationError, match=r"is running on .* stop it"):
        bring_back(station)
    assert station.studies() == {"1.2.3.1", "1.2.3.2"}


@pytest.mark.parametrize("content", [b"no database at all", b"", None])
def test_a_lost_or_damaged_database_is_no_hindrance(tmp_path: Path, content: bytes | None) -> None:
    station = make_station(tmp_path / "station")
    station.write()
    place = station.data / "station.db"
    place.unlink()
    if content is not None:
        place.write_bytes(content)
    (station.data / "station.db-wal").write_bytes(b"of another database")
    done = bring_back(station)
    assert station.studies() == {"1.2.3.1"}
    assert done.aside is not None
    assert (Path(done.aside) / "station.db-wal").read_bytes() == b"of another database"


def test_a_damaged_backup_is_refused_and_so_is_one_of_another_station(tmp_path: Path) -> None:
    station = make_station(tmp_path / "station")
    good, bad = station.write(), station.write()
    (bad.folder / "station.toml").write_text("[station]")
    with pytest.raises(BackupError, match=r"000002.*is damaged.*take an older backup"):
        bring_back(station)
    assert bring_back(station, good.folder).backup == good
    told = json.loads((good.folder / "manifest.json").read_text())
    (good.folder / "manifest.json").write_text(json.dumps(told | {"station": "TRAM2"}))
    with pytest.raises(BackupError, match="is of the station TRAM2, this one is TRAM1"):
        bring_back(station, good.folder)
    with pytest.raises(BackupError, match="no backup of TRAM1 is there"):
        bring_back(station, tmp_path / "empty")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_backup_of_an_older_version_is_brought_to_the_tables_of_today(tmp_path: Path, version: str) -> None:
    station = make_station(tmp_path / "station")
    (station.data / "station.db").unlink()
    with closing(sqlite3.connect(station.data / "station.db")) as database:
        database.executescript((FOLDER / f"{version}.sqlite.sql").read_text(encoding="utf-8"))
    station.write()
    bring_back(station)
    assert station.studies() == {"1.2.3.1", "1.2.3.2", "1.2.3.3"}


def test_another_kind_of_database_is_told(tmp_path: Path) -> None:
    station = make_station(tmp_path / "station")
    station.write()
    text = station.config_path.read_text().replace('database = ""', 'database = "postgresql://127.0.0.1:1/x"')
    station.config_path.write_text(text)
    with pytest.raises(BackupError, match=r"is of sqlite: set \[station\] database"):
        bring_back(station)


def test_postgresql_that_cannot_take_it_keeps_what_it_has(tmp_path: Path, postgres_url: str) -> None:
    station = make_station(tmp_path / "station", postgres_url)
    made = station.write()
    dump = made.database.read_text()
    made.database.write_text(dump.replace("PRIMARY KEY", "PRIMARY KEIN", 1))
    marks = json.loads((made.folder / "manifest.json").read_text())
    content = made.database.read_bytes()
    marks["files"]["station.sql"] = {"sha256": hashlib.sha256(content).hexdigest(), "size_bytes": len(content)}
    (made.folder / "manifest.json").write_text(json.dumps(marks))
    with pytest.raises(BackupError, match=r"psql: .*syntax error"):
        bring_back(station)
    assert station.studies() == {"1.2.3.1"}


@pytest.mark.slow
def test_killed_at_any_step_the_database_is_the_old_one_or_the_restored_one(station: Station) -> None:
    station.write(with_films=True)
    station.work("1.2.3.2")
    old, restored = {"1.2.3.1", "1.2.3.2"}, {"1.2.3.1"}
    steps, is_done, seen = 0, False, []
    while not is_done:
        station.clock.advance(1)
        in_log = leave_a_log(station)
        is_done = survives(lambda: bring_back(station), steps=steps)
        if station.config.station.database:
            until(lambda: station.studies() in (old, restored))  # a psql without us goes on to its end
        seen.append(station.studies() == restored)
        assert seen[-1] or station.studies() == old
        if in_log and not seen[-1]:
            assert crumbs(station) == steps + 1
        steps += 1
    assert steps > 5
    assert seen[0] is False
    assert seen[-1] is True


def leave_a_log(station: Station) -> bool:
    """As a station that lost its power leaves it: the last commit stands in the log beside the database."""
    if station.config.station.database:
        return False
    with closing(sqlite3.connect(station.data / "station.db")) as database:
        database.execute("PRAGMA journal_mode=WAL").close()
        database.execute("CREATE TABLE IF NOT EXISTS crumb (n)").close()
        database.execute("INSERT INTO crumb VALUES (1)").close()
        database.commit()
        for name in ("station.db", "station.db-wal"):
            shutil.copy(station.data / name, station.folder / name)
    for name in ("station.db", "station.db-wal"):
        shutil.move(station.folder / name, station.data / name)
    return True


def crumbs(station: Station) -> int:
    with closing(sqlite3.connect(station.data / "station.db")) as database:
        return int(database.execute("SELECT count(*) FROM crumb").fetchone()[0])
