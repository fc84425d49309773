"""What became of a database that was lost or damaged, told until a person has acknowledged it. Opens no database.

It lies in a file beside the database, because the database is what was lost.
"""

from dataclasses import replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import TypeAdapter
from pydantic.dataclasses import dataclass

from dicom_router.files import write_whole

FILE = "rebuilt.json"


class Why(StrEnum):
    """JOURNAL: the database is as it was some time before, its newest changes could not be read."""

    LOST = "lost"
    DAMAGED = "damaged"
    JOURNAL = "journal"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuilding:
    """One database made anew. ``kept``: the folder with what is left of the old one, or empty.

    ``backup_at``: when the backup was made that it began with; None: it began empty. ``films``: taken back from the
    spool since.
    """

    at: datetime
    why: Why
    detail: str
    kept: str = ""
    backup_at: datetime | None = None
    films: int = 0


_LIST = TypeAdapter(list[Rebuilding])


class Rebuilt:
    """The rebuildings of one station that nobody has acknowledged. One process writes: the front."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / FILE

    def events(self) -> list[Rebuilding]:
        """The oldest first. A file that cannot be read counts as one: somebody should look."""
        try:
            return _LIST.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return []
        except ValueError as error:
            at = datetime.fromtimestamp(self._path.stat().st_mtime).astimezone()
            return [Rebuilding(at=at, why=Why.LOST, detail=f"{self._path} cannot be read: {error}")]

    def add(self, rebuilding: Rebuilding) -> None:
        """Its name in the folder lasts once the caller has synced the folder."""
        self._write([*self.events(), rebuilding])

    def amend(self, *, films: int = 0, backup_at: datetime | None = None) -> None:
        """Add to the newest, if there is one, what was got back."""
        if events := self.events():
            *others, newest = events
            changed = replace(newest, films=newest.films + films, backup_at=backup_at or newest.backup_at)
            self._write([*others, changed])

    def acknowledge(self, count: int) -> None:
        """A person knows of the ``count`` oldest."""
        self._write(self.events()[count:])

    def _write(self, rebuildings: list[Rebuilding]) -> None:
        if not rebuildings:
            self._path.unlink(missing_ok=True)
            return
        write_whole(self._path, _LIST.dump_json(rebuildings))
