"""Brings a station, which is stopped, back to a backup. What is there is moved aside, and nothing is overwritten.

Films, bundle and secrets only fill what is missing; the database changes last and in one step, so that a kill leaves
the old one or the new one, and doing it again is harmless.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
import structlog

from dicom_router.clock import Clock
from dicom_router.files import sync_folder
from dicom_router.store.spool import Spool
from xray_triage.accounts.audit import Action
from xray_triage.config.loading import load_config
from xray_triage.config.station import Config
from xray_triage.model.selection import CHOICE_FILE, own_folder
from xray_triage.station.backups.backup import (
    BUNDLES,
    CONFIG_FILE,
    FILMS,
    MANIFEST_FILE,
    Backup,
    backups_in,
    check_backup,
    look_into,
    newest_backup,
)
from xray_triage.station.backups.files import copy_private
from xray_triage.station.backups.postgresql import put_postgresql
from xray_triage.station.backups.sqlite import BackupError, put_sqlite
from xray_triage.station.lock import hold_station
from xray_triage.stores import DATABASE_FILE, open_stores

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What came of it. ``aside``: a folder, or a schema of PostgreSQL, with what was there; None: nothing was.

    ``brought``: files that were put where there was none. ``newer``: files of the spool that the database
    does not know. ``lost``: films that it knows and the spool does not have.
    """

    backup: Backup
    aside: str | None
    brought: tuple[Path, ...]
    other_config: bool
    newer: int
    lost: int


def find_backup(folder: Path, *, station: str | None) -> Backup:
    """``folder`` itself when it is a backup, else the newest in it, read whole. Raises BackupError, OSError."""
    if (folder / MANIFEST_FILE).exists():
        found = look_into(folder)
    else:
        all_of_them = backups_in(folder, station=station) if folder.is_dir() else []
        if not all_of_them:
            raise BackupError(f"{folder}: no backup{f' of {station}' if station else ''} is there")
        found = all_of_them[0]
    if station not in (None, found.manifest.station):
        raise BackupError(f"{found.folder} is of the station {found.manifest.station}, this one is {station}")
    check_backup(found)
    return found


def put_newest(config: Config, aside: Path) -> datetime | None:
    """Put the newest usable backup's SQLite database in the place of one that is gone; when it was made, or None.

    What lies there is kept in ``aside``. Whoever calls holds the station's lock.
    """
    backup = newest_backup(config.backup.folder, station=config.station.ae_title) if config.backup.folder else None
    if backup is None or backup.manifest.kind != "sqlite":
        return None
    try:
        put_sqlite(backup.database, config.station.data_dir / DATABASE_FILE, aside=aside)
    except (BackupError, OSError) as error:
        log.warning("backup not usable", folder=str(backup.folder), problem=str(error))
        return None
    return backup.made_at


def restore(folder: Path, config_path: Path, *, clock: Clock, by: str) -> Restored:
    """Bring the station of ``config_path`` back; without such a file the backup's is put there first.

    ``by``: for the trail.

    Raises StationError while it runs, BackupError, ConfigError, OSError, SpoolFull.
    """
    here = load_config(config_path) if config_path.exists() else None
    backup = find_backup(folder, station=here.station.ae_title if here else None)
    if here is None:
        _put(backup.folder / CONFIG_FILE, config_path)
        here = load_config(config_path)
    url = sa.make_url(here.database_url)
    if url.get_backend_name() != backup.manifest.kind:
        raise BackupError(f"{backup.folder} is of {backup.manifest.kind}: set [station] database so in {config_path}")
    with closing(hold_station(here.station.data_dir)):
        name = f"before_restore_{clock.now():%Y%m%d_%H%M%S}"  # of a schema, too
        aside = here.station.data_dir / name
        brought = (*_put_secrets(backup), *_put_model(backup, here, aside=aside))
        spool = Spool(here.station.data_dir / "spool", reserve_bytes=round(here.retention.reserve_gb * 1e9))
        for film in backup.names(FILMS):
            with (backup.folder / film).open("rb") as stream:
                spool.bring_back(Path(film).name, stream)
        if backup.manifest.kind == "sqlite":
            put_sqlite(backup.database, Path(str(url.database)), aside=aside)
        else:
            put_postgresql(backup.database, here.database_url, aside=name)
        stores = open_stores(here, role="restore", clock=clock)
        with closing(stores.database):
            stores.audit.note(Action.RESTORED, actor=by, subject=backup.folder.name)
            newer, lost = len(stores.reconciliation.loose()), stores.reconciliation.missing().arrivals
    same = config_path.read_bytes() == (backup.folder / CONFIG_FILE).read_bytes()
    kept = name if backup.manifest.kind == "postgresql" else str(aside) if aside.exists() else None
    return Restored(backup=backup, aside=kept, brought=brought, other_config=not same, newer=newer, lost=lost)


def _put_secrets(backup: Backup) -> Iterator[Path]:
    for name, place in backup.manifest.secrets.items():
        if _put(backup.folder / name, Path(place)):
            yield Path(place)


def _put_model(backup: Backup, config: Config, *, aside: Path) -> Iterator[Path]:
    """The chosen bundle, if there is none of its name, and which is chosen."""
    for name in backup.names(BUNDLES):
        place = own_folder(config) / Path(name).parent.name / Path(name).name
        if _put(backup.folder / name, place):
            yield place
    choice, chosen = config.station.data_dir / CHOICE_FILE, backup.folder / CHOICE_FILE
    if not chosen.exists() or (choice.exists() and choice.read_bytes() == chosen.read_bytes()):
        return
    if choice.exists():
        aside.mkdir(mode=0o700, exist_ok=True)
        choice.rename(aside / choice.name)
    _put(chosen, choice)
    yield choice


def _put(source: Path, place: Path) -> bool:
    """Copy a file to where there is none, whole or not at all; whether there was none."""
    if place.exists():
        return False
    beside = place.with_name(f".{place.name}.restored")
    beside.unlink(missing_ok=True)
    copy_private(source, beside)
    beside.rename(place)
    sync_folder(place.parent)
    return True
