"""Opens the station's stores; a database that is lost or damaged is set aside and made anew by itself. Decision 0024.

Out of the newest backup, if there is one; the films come back out of the spool afterwards (reconciling.py). Whoever
calls holds the station's lock. A crash at any line is harmless: the next start finds the database lost and begins here.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy.exc import DatabaseError

from dicom_router.clock import Clock
from dicom_router.errors import DatabaseDamaged, DatabaseLost, JournalDamaged
from dicom_router.files import sync_folder
from dicom_router.store.database import means_damage
from xray_triage.config.station import Config
from xray_triage.health.rebuilt import Rebuilding, Rebuilt, Why
from xray_triage.stores import DATABASE_FILE, START, Stores, open_stores

JOURNALS = (f"{DATABASE_FILE}-wal", f"{DATABASE_FILE}-shm")

Restore = Callable[[Path], datetime | None]
"""Puts the newest whole backup in place, keeping in the folder given what lies there; when it was made, or None."""

log = structlog.get_logger()


def no_backup(_: Path) -> None:
    """The station has none: its database begins empty."""


def open_or_rebuild(
    config: Config,
    *,
    clock: Clock,
    wake: Callable[[], None] = lambda: None,
    restore: Restore = no_backup,
    suspect: bool = False,
) -> Stores:
    """The stores of the front. ``suspect``: somebody met damage, so that every index is compared with its table.

    Raises DatabaseDamaged when even what was made anew is damaged: then it is the disk.
    """

    def open_them(*, make: bool) -> Stores:
        try:
            return open_stores(config, role="front", clock=clock, wake=wake, make=make, thorough=suspect)
        except DatabaseError as error:  # in the middle of bringing the schema up to date
            if config.station.database or not means_damage(error.orig):
                raise
            raise DatabaseDamaged(str(error.orig)) from error

    try:
        return open_them(make=False)
    except JournalDamaged as error:
        _set_aside(config, JOURNALS, why=Why.JOURNAL, error=error, clock=clock)
    except (DatabaseDamaged, DatabaseLost) as error:
        _begin_anew(config, error, clock=clock, restore=restore)
        return open_them(make=True)
    return open_or_rebuild(config, clock=clock, wake=wake, restore=restore, suspect=True)


def _begin_anew(config: Config, error: Exception, *, clock: Clock, restore: Restore) -> None:
    why = Why.LOST if isinstance(error, DatabaseLost) else Why.DAMAGED
    if config.station.database:  # a server's backups are its administrator's
        Rebuilt(config.station.data_dir).add(Rebuilding(at=clock.now(), why=why, detail=_words(error)))
        sync_folder(config.station.data_dir)
        log.error("database lost", detail=_words(error))
        return
    folder = _set_aside(config, (DATABASE_FILE, *JOURNALS), why=why, error=error, clock=clock)
    backup_at = restore(folder)
    Rebuilt(config.station.data_dir).amend(backup_at=backup_at)
    log.error("database begun anew", backup=str(backup_at) if backup_at else "none", films="come back from the spool")


def _set_aside(config: Config, names: tuple[str, ...], *, why: Why, error: Exception, clock: Clock) -> Path:
    """Move those files into a folder of their own, after it is written down that it happens."""
    data_dir, now = config.station.data_dir, clock.now()
    folder = _unused(data_dir / f"{why.value}-{now:%Y%m%dT%H%M%SZ}")
    there = [data_dir / name for name in names if (data_dir / name).exists()]
    kept = folder.name if there else ""
    Rebuilt(data_dir).add(Rebuilding(at=now, why=why, detail=_words(error), kept=kept))
    sync_folder(data_dir)
    log.error("database set aside", why=why.value, detail=_words(error), kept=kept)
    if there:
        folder.mkdir()
    for path in there:
        path.rename(folder / path.name)
    sync_folder(data_dir)
    return folder


def _words(error: Exception) -> str:
    """Without the advice, which is followed here."""
    return str(error).removesuffix(f": {START}")


def _unused(folder: Path) -> Path:
    """``folder``, or one beside it: clocks jump, and nothing that was kept is written over."""
    number, free = 1, folder
    while free.exists():
        number, free = number + 1, folder.with_name(f"{folder.name}-{number + 1}")
    return free
