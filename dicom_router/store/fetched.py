"""Films taken back from an archive for viewing: a bounded folder of copies, any of which may go at any time.

Must never hold the only copy of anything. Knows no peer.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

LARGEST_BYTES = 2_000_000_000  # of all copies together


class FetchedFiles:
    """Copies under the keys that the spool had for them; the oldest go first."""

    def __init__(self, folder: Path, *, largest_bytes: int = LARGEST_BYTES) -> None:
        self._folder = folder
        self._largest_bytes = largest_bytes
        self._lock = threading.Lock()  # one writer at a time

    def open(self, key: str) -> BinaryIO:
        """A copy, from its start. Raises FileNotFoundError."""
        return self._path(key).open("rb")

    def has(self, key: str) -> bool:
        """Whether there is a copy now."""
        return self._path(key).is_file()

    @contextmanager
    def put(self, key: str) -> Iterator[BinaryIO]:
        """A file to write, and to read again, that becomes the copy when the block ends without an error."""
        self._folder.mkdir(exist_ok=True)
        coming = self._folder / f"{key}.coming"
        with self._lock:
            try:
                with coming.open("w+b") as file:
                    yield file
                coming.rename(self._path(key))
            finally:
                coming.unlink(missing_ok=True)
            self._trim(but=key)

    def drop_all(self) -> None:
        """Give the room back: films that come in are worth more than copies."""
        self._remove(self._copies())

    def _trim(self, *, but: str) -> None:
        copies = sorted(self._copies(), key=lambda one: one[1].st_mtime_ns)
        size_bytes = sum(status.st_size for _, status in copies)
        for path, status in copies:
            if size_bytes <= self._largest_bytes:
                return
            if path.name != but:
                self._remove([(path, status)])
                size_bytes -= status.st_size

    def _copies(self) -> list[tuple[Path, os.stat_result]]:
        with suppress(FileNotFoundError):
            return [(path, path.stat()) for path in self._folder.iterdir()]
        return []

    @staticmethod
    def _remove(copies: list[tuple[Path, os.stat_result]]) -> None:
        for path, _ in copies:
            path.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key
