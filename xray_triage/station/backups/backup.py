"""Backups of a station: which there are in a folder, and whether one is whole and may be used. Writes nothing.

``FOLDER/backup-000012-20261129T075035Z/`` has the database, station.toml, the chosen bundle, the files that
station.toml names (passwords, certificates), maybe the films, and manifest.json with the sha256 of each. The number
orders them, for clocks jump.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import structlog
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, ValidationError

from dicom_router.store.database import MIGRATIONS
from xray_triage import migrations
from xray_triage.station.backups.files import mark_of
from xray_triage.station.backups.postgresql import dumped_rows
from xray_triage.station.backups.sqlite import BackupError, sqlite_rows

MANIFEST_FILE, CONFIG_FILE = "manifest.json", "station.toml"
DATABASE_FILES = {"sqlite": "station.db", "postgresql": "station.sql"}
BUNDLES, FILMS, SECRETS = "bundles", "spool", "secrets"
VERSION_TABLES = {"router_version": MIGRATIONS, "triage_version": Path(migrations.__file__).parent}
Kind = Literal["sqlite", "postgresql"]
_NAME = re.compile(r"backup-(\d{6,})-\d{8}T\d{6}Z\Z")

log = structlog.get_logger()


def _inside(name: str) -> str:
    """A path of a manifest, which never leads out of the backup's folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{name!r} is no path in a backup")
    return name


class FileMark(BaseModel):
    """What a file must be."""

    model_config = ConfigDict(frozen=True)

    sha256: str
    size_bytes: int


class Manifest(BaseModel):
    """manifest.json. ``rows`` of the database by table; ``secrets``: where each file under secrets/ belongs."""

    model_config = ConfigDict(frozen=True)

    format: Literal[1] = 1
    station: str
    program: str
    made_at: AwareDatetime
    kind: Kind
    versions: Mapping[str, str]
    rows: Mapping[str, int]
    secrets: Mapping[str, str]
    files: Mapping[Annotated[str, AfterValidator(_inside)], FileMark]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One backup. ``number`` grows with each of a folder."""

    folder: Path
    number: int
    manifest: Manifest

    @property
    def database(self) -> Path:
        return self.folder / DATABASE_FILES[self.manifest.kind]

    @property
    def made_at(self) -> datetime:
        return self.manifest.made_at

    def names(self, part: str) -> list[str]:
        """The files under one of its folders."""
        return [name for name in self.manifest.files if name.startswith(f"{part}/")]


def look_into(folder: Path) -> Backup:
    """The backup in ``folder``, its files not looked at. Raises BackupError."""
    try:
        manifest = Manifest.model_validate_json((folder / MANIFEST_FILE).read_bytes())
    except (OSError, ValidationError) as error:
        why = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise BackupError(f"{folder} is no whole backup of this program: {MANIFEST_FILE}: {why}") from error
    found = _NAME.match(folder.name)
    return Backup(folder=folder, number=int(found[1]) if found else 0, manifest=manifest)


def check_backup(backup: Backup) -> None:
    """Read it whole. Raises BackupError when a file is not what was written, or a newer program wrote it."""
    for table, folder in VERSION_TABLES.items():
        version, known = backup.manifest.versions.get(table), _revisions(folder)
        if version not in known:
            raise BackupError(
                f"{backup.folder} was made by a newer program ({backup.manifest.program}: {table} {version}, this one "
                f"knows {max(known)}): install that one first"
            )
    for name, mark in backup.manifest.files.items():
        _check_file(backup.folder / name, mark)
    rows_of = sqlite_rows if backup.manifest.kind == "sqlite" else dumped_rows
    if rows_of(backup.database) != backup.manifest.rows:
        raise BackupError(f"{backup.database} is damaged: it has other rows than {MANIFEST_FILE} says")


def _check_file(path: Path, mark: FileMark) -> None:
    try:
        found = mark_of(path)
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error.strerror}; take an older backup") from error
    if found != (mark.sha256, mark.size_bytes):
        raise BackupError(f"{path} is damaged: it is not what was written; take an older backup")


def backups_in(folder: Path, *, station: str | None) -> list[Backup]:
    """The backups of a station (None: of any), the newest first; their files are not looked at. Raises OSError."""
    return sorted(_found(folder, station), key=lambda backup: -backup.number)


def _found(folder: Path, station: str | None) -> Iterator[Backup]:
    for path in folder.iterdir():
        if _NAME.match(path.name):
            try:
                backup = look_into(path)
            except BackupError as error:
                log.warning("backup not usable", problem=str(error))
            else:
                if station in (None, backup.manifest.station):
                    yield backup


def newest_backup(folder: Path, *, station: str) -> Backup | None:
    """The newest whole one of a station that this program can use; those that are not are told in the log."""
    try:
        for backup in backups_in(folder, station=station):
            try:
                check_backup(backup)
            except BackupError as error:
                log.warning("backup not usable", problem=str(error))
            else:
                return backup
    except OSError as error:
        log.warning("backup not usable", problem=str(error))
    return None


def _revisions(folder: Path) -> set[str]:
    return {path.name.split("_")[0] for path in (folder / "versions").glob("[0-9]*.py")}
