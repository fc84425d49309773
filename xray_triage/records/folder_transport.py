"""Writes records into a folder that the HIS reads: an ORU^R01 as ``.hl7``, a row of XML4 as ``.xml``. Knows no queue.

A file appears whole or not at all, under a name that a second writing has too.
"""

import os
import re
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from dicom_router.errors import PeerUnreachable
from dicom_router.files import sync_share, write_whole
from xray_triage.records import oru, xml4
from xray_triage.records.record import Record


class FolderRecords:
    """One folder, which must be there already: an unplugged share is an unreachable peer, not a new folder."""

    def __init__(self, path: Path, *, version: str = "2.5", with_ai: bool = False) -> None:
        self._path, self._version, self._with_ai = path, version, with_ai

    def compose(self, record: Record, *, number: str, at: datetime) -> Sequence[bytes]:
        """The message, and where a doctor's result stands the row."""
        content = [oru.message(record, number=number, at=at, version=self._version, with_ai=self._with_ai)]
        return [*content, xml4.document(record)] if xml4.tells(record) else content

    def send(self, content: Sequence[bytes], number: str) -> str:
        """The row first: who waits for the message finds both."""
        self.echo()
        name = re.sub(r"[^A-Za-z0-9.-]", "_", number)
        for suffix, one in reversed(tuple(zip((".hl7", ".xml"), content, strict=False))):
            self._write(self._path / f"{name}{suffix}", one)
        return "written"

    def _write(self, target: Path, content: bytes) -> None:
        try:
            write_whole(target, content)
            sync_share(self._path)
        except OSError as error:
            raise PeerUnreachable(f"{self._path}: {error.strerror or error}; check the folder and its disk") from error

    def echo(self) -> None:
        """Raises PeerUnreachable when the folder is not there or not ours to write."""
        if not self._path.is_dir():
            raise PeerUnreachable(f"{self._path}: no such folder; mount the share, or make it")
        if not os.access(self._path, os.W_OK | os.X_OK):
            raise PeerUnreachable(f"{self._path}: not allowed to write; check its owner")

    def close(self) -> None:
        """Nothing is kept open."""
