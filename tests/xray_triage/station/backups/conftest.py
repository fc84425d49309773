"""A station of which backups are made: a film, a secret, a bundle of its own, over each kind of database."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dicom_router.store.database import open_database
from tests.databases import lay_in, make_tables
from tests.disks import small_disk
from tests.factories import StoppedClock
from tests.xray_triage.desk import TestDesk, open_desk, reading
from xray_triage.config.loading import load_config
from xray_triage.config.station import Config
from xray_triage.station.backups.backup import Backup
from xray_triage.station.backups.writing import BackupWriter

SECRET = "mat-khau-PACS-8841"
CONFIG = """\
[station]
ae_title = "TRAM1"
data_dir = "data"
database = {database}
[model]
bundle = ""
[retention]
reserve_gb = 0
[[destination]]
name = "pacs"
kind = "dicomweb"
url = "http://127.0.0.1:1"
password_file = "pacs.secret"
[backup]
folder = "backups"
keep = 2
"""


@pytest.fixture
def a_small_disk(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of two megabytes: an empty database has some .6."""
    with small_disk(tmp_path / "small", 2) as folder:
        yield folder


@dataclass
class Station:
    """A stopped station in ``folder``."""

    folder: Path
    clock: StoppedClock = field(default_factory=StoppedClock)

    @property
    def config_path(self) -> Path:
        return self.folder / "station.toml"

    @property
    def config(self) -> Config:
        return load_config(self.config_path)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def backups(self) -> Path:
        return self.folder / "backups"

    def write(self, **options: object) -> Backup:
        writer = BackupWriter(self.config, self.config_path, clock=self.clock)
        return writer.write(self.backups, **options)  # type: ignore[arg-type]

    def work(self, study: str) -> None:
        """One film more is read and on its way."""
        with_desk(self, lambda desk: desk.add(reading(), study_instance_uid=study))

    def keys(self) -> set[str]:
        """What lies in the spool."""
        found: set[str] = set()
        with_desk(self, lambda desk: found.update(desk.spool.keys()))
        return found

    def studies(self) -> set[str]:
        """What the casebook knows."""
        found: set[str] = set()
        with_desk(self, lambda desk: found.update(case.study_instance_uid for case in desk.casebook.cases()))
        return found


def with_desk(station: Station, use: Callable[[TestDesk], object]) -> None:
    """``use`` the station's stores."""
    database = open_database(station.config.database_url)
    desk = open_desk(database, station.data, peers={"his": ("final",)})
    try:
        use(desk)
    finally:
        desk.renderer.close()
        database.close()


def make_station(folder: Path, database: str = "") -> Station:
    """A station with one film, ``1.2.3.1``."""
    (folder / "data" / "bundles" / "own").mkdir(parents=True)
    (folder / "data" / "bundles" / "own" / "manifest.json").write_text("{}")
    (folder / "data" / "active_bundle").write_text("own\n")
    (folder / "backups").mkdir()
    (folder / "pacs.secret").write_text(SECRET)
    station = Station(folder)
    station.config_path.write_text(CONFIG.format(database=json.dumps(database)))
    if database:
        make_tables(database)
    else:
        lay_in(station.data / "station.db")
    station.work("1.2.3.1")
    return station


@pytest.fixture(params=["sqlite", "postgresql"])
def station(request: pytest.FixtureRequest, tmp_path: Path) -> Station:
    """Once over each kind of database."""
    url = "" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))
    return make_station(tmp_path / "station", url)
