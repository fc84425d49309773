"""A whole copy of a station's SQLite file, made while it is written to, and how it is put back. Knows no other file."""

import sqlite3
from contextlib import closing
from pathlib import Path

from dicom_router.files import sync_folder
from xray_triage.station.backups.files import copy_private, private_file

COUNT = 'SELECT count(*) FROM "{}"'


class BackupError(Exception):
    """A backup cannot be made, or cannot be used. The message is one line that says what to do."""


def copy_sqlite(source: Path, target: Path) -> dict[str, int]:
    """SQLite's online backup of ``source`` as a new file ``target``; its rows by table. Raises BackupError, OSError."""
    private_file(target).close()
    with closing(_look_at(source)) as station, closing(sqlite3.connect(target)) as copy:
        try:
            station.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE").close()  # one file, without a log beside it
        except sqlite3.DatabaseError as error:
            raise BackupError(f"{source} cannot be copied: {error}") from error
    return sqlite_rows(target)


def sqlite_rows(path: Path) -> dict[str, int]:
    """The rows by table of a copy that was walked whole. Raises BackupError when it is damaged."""
    try:
        with closing(_look_at(path)) as copy:
            verdict = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
            names = [name for (name,) in copy.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
            counts = {name: int(copy.execute(COUNT.format(name)).fetchone()[0]) for name in names}
    except sqlite3.DatabaseError as error:
        raise BackupError(f"{path} is damaged: {error}") from error
    if verdict != "ok":
        raise BackupError(f"{path} is damaged: {verdict}")
    return counts


def put_sqlite(copy: Path, place: Path, *, aside: Path) -> None:
    """Put ``copy`` in the place of the database ``place``, which nobody has open; what is there is kept in ``aside``.

    A kill leaves the old database or the new one. The old one's log is worked into it first, for a log that lies
    beside the new one would be worked into that. Raises BackupError, OSError.
    """
    beside = place.with_suffix(".restored")
    beside.unlink(missing_ok=True)
    copy_private(copy, beside)
    logs = [place.with_name(f"{place.name}{end}") for end in ("-wal", "-shm")]
    for path in filter(Path.exists, (place, *logs)):
        aside.mkdir(mode=0o700, parents=True, exist_ok=True)
        (aside / path.name).hardlink_to(path)
        sync_folder(aside)
    if place.exists():
        _fold_in_log(place)
    for log in logs:  # left only where the database is lost or damaged
        log.unlink(missing_ok=True)
    sync_folder(place.parent)
    beside.replace(place)
    sync_folder(place.parent)


def _look_at(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)


def _fold_in_log(place: Path) -> None:
    try:
        with closing(sqlite3.connect(place, timeout=5)) as database:
            database.execute("PRAGMA journal_mode=DELETE").close()
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise BackupError(f"{place}: {error}; end every xray-triage command, then restore again") from error
