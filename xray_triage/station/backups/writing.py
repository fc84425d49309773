"""Writes one backup of a station, which may be running, and takes the oldest away. Restores nothing.

A kill leaves what was there: the new folder is written under a name of its own, verified, and renamed at the end; what
a killed one left is removed by the next.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

import xray_triage
from dicom_router.clock import Clock
from dicom_router.errors import DamagedFile, DatabaseDamaged
from dicom_router.files import sync_folder
from dicom_router.store.database import open_database
from dicom_router.store.spool import Spool
from xray_triage.config.station import Config
from xray_triage.config.values import Section
from xray_triage.model.selection import CHOICE_FILE, SHIPPED_FOLDER, chosen_folder
from xray_triage.station.backups.backup import (
    BUNDLES,
    CONFIG_FILE,
    DATABASE_FILES,
    FILMS,
    MANIFEST_FILE,
    SECRETS,
    VERSION_TABLES,
    Backup,
    FileMark,
    Kind,
    Manifest,
    backups_in,
    check_backup,
    look_into,
)
from xray_triage.station.backups.files import copy_private, mark_of, private_file, write_private
from xray_triage.station.backups.postgresql import dump_postgresql
from xray_triage.station.backups.sqlite import BackupError, copy_sqlite

UNFINISHED = ".unfinished-"


class BackupWriter:
    """Makes backups of the station that ``config_path`` configures. One at a time writes to a folder."""

    def __init__(self, config: Config, config_path: Path, *, clock: Clock) -> None:
        self._config, self._config_path, self._clock = config, config_path, clock

    def write(self, folder: Path, *, with_films: bool = False, keep: int | None = None) -> Backup:
        """One more backup in ``folder``, which is there; of this station's the newest ``keep`` stay (None: all).

        Raises BackupError, OSError, and what opening the database raises.
        """
        with _only_writer(folder):
            for leftover in folder.glob(f"{UNFINISHED}*"):
                shutil.rmtree(leftover, ignore_errors=True)
            work = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
            try:
                self._fill(work, with_films=with_films)
                check_backup(look_into(work))
                made = look_into(self._name(work))
            finally:
                shutil.rmtree(work, ignore_errors=True)
            if keep is not None:
                self._take_away(folder, keep)
        return made

    def _fill(self, work: Path, *, with_films: bool) -> None:
        """The database first: what the spool loses or gets meanwhile is at the PACS already, or is found again."""
        kind, rows, versions = self._copy_database(work)
        copy_private(self._config_path, work / CONFIG_FILE)
        self._copy_model(work)
        if with_films:
            self._copy_films(work)
        secrets = {}
        for number, path in enumerate(named_files(self._config)):
            secrets[f"{SECRETS}/{number}"] = str(path)
            copy_private(path, work / SECRETS / str(number))
        manifest = Manifest(
            station=self._config.station.ae_title,
            program=xray_triage.__version__,
            made_at=self._clock.now(),
            kind=kind,
            versions=versions,
            rows=rows,
            secrets=secrets,
            files={
                path.relative_to(work).as_posix(): _mark(path) for path in sorted(work.rglob("*")) if path.is_file()
            },
        )
        with private_file(work / MANIFEST_FILE) as stream:
            stream.write(manifest.model_dump_json(indent=1).encode())
            stream.flush()
            os.fsync(stream.fileno())
        for inner in (path for path in work.rglob("*") if path.is_dir()):
            sync_folder(inner)
        sync_folder(work)

    def _copy_database(self, work: Path) -> tuple[Kind, dict[str, int], dict[str, str]]:
        url = sa.make_url(self._config.database_url)
        try:
            opened = open_database(self._config.database_url)
        except DatabaseDamaged as error:
            raise BackupError(f"the database is damaged: {error}") from error
        with closing(opened) as database, database.read() as looking:
            ask = "SELECT version_num FROM {}"
            versions = {name: looking.exec_driver_sql(ask.format(name)).scalar_one() for name in VERSION_TABLES}
        if url.get_backend_name() == "sqlite":
            return "sqlite", copy_sqlite(Path(str(url.database)), work / DATABASE_FILES["sqlite"]), versions
        rows = dump_postgresql(self._config.database_url, work / DATABASE_FILES["postgresql"])
        return "postgresql", rows, versions

    def _copy_model(self, work: Path) -> None:
        """Which bundle was chosen, and the bundle itself when the program does not bring it."""
        choice, bundle = self._config.station.data_dir / CHOICE_FILE, chosen_folder(self._config)
        if choice.is_file():
            copy_private(choice, work / CHOICE_FILE)
        if bundle.parent != SHIPPED_FOLDER:
            for path in filter(Path.is_file, bundle.iterdir() if bundle.is_dir() else ()):
                copy_private(path, work / BUNDLES / bundle.name / path.name)

    def _copy_films(self, work: Path) -> None:
        spool = Spool(self._config.station.data_dir / "spool")
        for key in spool.keys():  # noqa: SIM118 -- no dict
            try:
                with spool.open(key) as stream:
                    write_private(stream, work / FILMS / key[:2] / key)
            except DamagedFile:
                continue  # deleted meanwhile

    def _name(self, work: Path) -> Path:
        """The one step by which it becomes a backup."""
        numbers = (backup.number for backup in backups_in(work.parent, station=None))
        number = max(numbers, default=0) + 1
        while True:
            name = work.parent / f"backup-{number:06d}-{self._clock.now():%Y%m%dT%H%M%SZ}"
            if not name.exists():
                break
            number += 1
        work.rename(name)
        sync_folder(name.parent)
        return name

    def _take_away(self, folder: Path, keep: int) -> None:
        for old in backups_in(folder, station=self._config.station.ae_title)[keep:]:
            shutil.rmtree(old.folder.rename(folder / f"{UNFINISHED}{old.folder.name}"), ignore_errors=True)


def named_files(section: Config | Section) -> Iterator[Path]:
    """Every file that station.toml names and that is there: passwords, keys, certificates."""
    for value in (getattr(section, name) for name in type(section).model_fields):
        for each in value if isinstance(value, tuple) else (value,):
            if isinstance(each, Section):
                yield from named_files(each)
            elif isinstance(each, Path) and each.is_file():
                yield each


def _mark(path: Path) -> FileMark:
    sha256, size_bytes = mark_of(path)
    return FileMark(sha256=sha256, size_bytes=size_bytes)


@contextmanager
def _only_writer(folder: Path) -> Iterator[None]:
    if not folder.is_dir():
        raise BackupError(f"{folder} is not there: is the disk or the share connected? Else make the folder")
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise BackupError(f"another backup is being written to {folder}; wait for its end") from error
        yield
