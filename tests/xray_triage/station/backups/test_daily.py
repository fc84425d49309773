"""The daily backup: when it is due, whatever the clock says, and what is told when it cannot be made."""

import shutil
from datetime import datetime
from pathlib import Path

import pytest

from tests.dicom_router.store.test_full_disk import fill
from tests.xray_triage.station.backups.conftest import Station, make_station
from xray_triage.station.backups.backup import backups_in, check_backup
from xray_triage.station.backups.daily import AGAIN_SECONDS, EVERY_SECONDS, DailyBackup, standing_of


@pytest.fixture
def station(tmp_path: Path) -> Station:
    return make_station(tmp_path / "station")


def start(station: Station) -> DailyBackup:
    return DailyBackup(station.config, station.config_path, clock=station.clock)


def numbers(station: Station) -> list[int]:
    return [backup.number for backup in backups_in(station.backups, station="TRAM1")]


def test_one_a_day_is_made_and_the_newest_stay(station: Station) -> None:
    daily = start(station)
    for hour in range(73):
        assert daily.run_once() is False
        assert numbers(station)[0] == 1 + hour // 24
        station.clock.advance(3600)
    assert numbers(station) == [4, 3]
    assert daily.standing.made_at == datetime.fromisoformat("2025-06-04T08:15Z")


def test_a_station_that_starts_again_makes_none_before_its_day_is_over(station: Station) -> None:
    start(station).run_once()
    station.clock.advance(EVERY_SECONDS / 2)
    again = start(station)
    again.run_once()
    assert numbers(station) == [1]
    station.clock.advance(EVERY_SECONDS / 2)
    again.run_once()
    assert numbers(station) == [2, 1]


@pytest.mark.parametrize("days", [-400, 3650])
def test_a_wrong_date_makes_neither_none_nor_one_at_every_look(station: Station, days: int) -> None:
    daily = start(station)
    daily.run_once()
    station.clock.time = station.clock.time.replace(year=2025 + days // 365)
    for _ in range(3):
        station.clock.elapsed_seconds += EVERY_SECONDS / 3 + 1
        daily.run_once()
    assert numbers(station) == [2, 1]
    again = start(station)
    again.run_once()
    assert len(numbers(station)) == 2


def test_what_fails_is_told_and_tried_again_and_the_last_good_one_is_still_known(station: Station) -> None:
    daily = start(station)
    daily.run_once()
    made_at = daily.standing.made_at
    shutil.move(station.backups, station.folder / "away")
    station.clock.advance(EVERY_SECONDS)
    daily.run_once()
    assert "is the disk or the share connected" in daily.standing.problem
    assert daily.standing.made_at == made_at
    shutil.move(station.folder / "away", station.backups)
    daily.run_once()
    assert numbers(station) == [1]
    station.clock.advance(AGAIN_SECONDS)
    daily.run_once()
    assert numbers(station) == [2, 1]
    assert daily.standing.problem == ""


def test_a_folder_that_is_full_is_told_and_the_old_ones_stay(station: Station, a_small_disk: Path) -> None:
    shutil.rmtree(station.backups)
    station.backups.symlink_to(a_small_disk)
    daily = start(station)
    daily.run_once()
    filler = fill(a_small_disk)
    station.clock.advance(EVERY_SECONDS)
    daily.run_once()
    assert "full" in daily.standing.problem.lower() or "No space" in daily.standing.problem
    assert numbers(station) == [1]
    check_backup(backups_in(station.backups, station="TRAM1")[0])
    filler.unlink()
    station.clock.advance(AGAIN_SECONDS)
    daily.run_once()
    assert numbers(station) == [2, 1]


def test_how_it_stands_is_seen_from_outside(station: Station) -> None:
    assert standing_of(station.config).made_at is None
    made = station.write()
    assert standing_of(station.config).made_at == made.made_at
    shutil.rmtree(station.backups)
    assert "No such file" in standing_of(station.config).problem
