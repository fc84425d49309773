"""A spool's own name, in the file ``spool.json`` in it: which spool is this, whoever moved it? Knows no database.

{"id": "<32 hexadecimal digits>", "made": "2026-11-29T01:00:00+00:00"}
"""

import json
import re
import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from dicom_router.clock import Clock
from dicom_router.errors import DamagedFile
from dicom_router.files import sync_folder, write_whole

MARKER_FILE = "spool.json"
_ID = re.compile(r"[0-9a-f]{32}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """The name of a spool, which goes with its files, and when it was made (by the clock of that day)."""

    id: str
    made: datetime


def new_marker(clock: Clock) -> Marker:
    """A name that no other spool has."""
    return Marker(id=secrets.token_hex(16), made=clock.now())


def read_marker(folder: Path) -> Marker | None:
    """The marker of the spool in ``folder``; None when it has none yet. Raises DamagedFile when it says nothing."""
    path = folder / MARKER_FILE
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        marker = Marker(id=told["id"], made=datetime.fromisoformat(told["made"]))
    except FileNotFoundError:
        return None
    except (ValueError, LookupError, TypeError) as error:
        raise DamagedFile(f"{path} cannot be understood: {error}") from error
    if not (isinstance(marker.id, str) and _ID.match(marker.id) and marker.made.tzinfo):
        raise DamagedFile(f"{path} names no spool")
    return marker


def write_marker(folder: Path, marker: Marker) -> None:
    """Give the spool in ``folder`` this name: whole or not at all, whenever the power fails."""
    said = json.dumps({"id": marker.id, "made": marker.made.isoformat()})
    write_whole(folder / MARKER_FILE, said.encode())
    sync_folder(folder)
