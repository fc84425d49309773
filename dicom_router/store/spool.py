"""Files on disk, whole or not at all, under keys of ours. The only module that knows a path; decodes no pixel."""

import errno
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from dicom_router.dicom.instance import SpooledFile
from dicom_router.dicom.part10 import seek_dataset
from dicom_router.errors import DamagedFile, SpoolFull

CHUNK_BYTES = 1 << 20
_KEY = re.compile(r"[0-9a-f]{32}\Z")


class Spool:
    """A folder of kept files, fanned out by the first two digits of the key, and of files still coming in."""

    def __init__(self, folder: Path, *, reserve_bytes: int = 0) -> None:
        self._folder = folder
        self._incoming = folder / "incoming"
        self._apart = folder / "apart"
        self._reserve_bytes = reserve_bytes
        self._make_folders()

    def _make_folders(self) -> None:
        if self._incoming.is_dir():
            return
        for fan in range(256):
            (self._folder / f"{fan:02x}").mkdir(parents=True, exist_ok=True)
        self._incoming.mkdir(exist_ok=True)  # last: its presence says that the others are there
        sync_folder(self._folder)
        sync_folder(self._folder.parent)

    def begin(self) -> "IncomingFile":
        """A file to write piece by piece, on the same filesystem as the kept ones. Raises SpoolFull."""
        self._check_room(0)
        key = secrets.token_hex(16)
        with _full_disk_as_spool_full():
            return IncomingFile(self._incoming / key, self._path(key), check_room=self._check_room)

    def keep(self, stream: BinaryIO) -> SpooledFile:
        """Copy a whole Part 10 file from a seekable stream. Raises SpoolFull, or DamagedFile when it is not one."""
        digest = hashlib.sha256()
        dataset_offset = seek_dataset(stream)
        stream.seek(0)
        with self.begin() as incoming:
            incoming.write(stream.read(dataset_offset))
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
                incoming.write(chunk)
            return incoming.keep(digest.hexdigest())

    def scratch(self) -> BinaryIO:
        """A nameless file on the same disk, for what has to be looked at before it is kept. Raises SpoolFull."""
        self._check_room(0)
        return cast(BinaryIO, tempfile.TemporaryFile(dir=self._incoming))

    def open(self, key: str) -> BinaryIO:
        """The kept file, from its start. Raises DamagedFile when it is gone."""
        try:
            return self._path(key).open("rb")
        except FileNotFoundError as error:
            raise DamagedFile(f"the spool has lost {key}") from error

    def delete(self, key: str) -> None:
        """Forget a file; harmless to repeat."""
        self._path(key).unlink(missing_ok=True)

    def replace(self, key: str, *, by: str) -> None:
        """Put the file ``by``, which holds the same dataset, in the place of ``key``, which a disk may have spoilt."""
        self._path(by).replace(self._path(key))
        sync_folder(self._path(key).parent)

    def has(self, key: str) -> bool:
        """Whether the file is there."""
        return self._path(key).is_file()

    def kept_at(self, key: str) -> datetime:
        """When it was written, by the clock of that day. Raises FileNotFoundError."""
        return datetime.fromtimestamp(self._path(key).stat().st_mtime, UTC)

    def collect_incoming(self) -> int:
        """At start, before anybody receives: set apart what a crash left half written; how many files."""
        leftovers = list(self._incoming.iterdir())
        for leftover in leftovers:
            self._move_apart(leftover, f"{leftover.name}.incoming")
        return len(leftovers)

    def set_apart(self, key: str) -> None:
        """Put a file that nobody can use where a person may look at it; it is no kept file any more."""
        self._move_apart(self._path(key), key)

    def apart(self) -> tuple[int, int]:
        """How many files were set apart, and their bytes."""
        sizes = [path.stat().st_size for path in self._apart.iterdir()] if self._apart.is_dir() else []
        return len(sizes), sum(sizes)

    def _move_apart(self, path: Path, name: str) -> None:
        self._apart.mkdir(exist_ok=True)
        path.replace(self._apart / name)
        sync_folder(self._apart)

    def keys(self) -> Iterator[str]:
        """Every kept file, in no order."""
        for fan in range(256):
            for path in (self._folder / f"{fan:02x}").iterdir():
                if _KEY.match(path.name):
                    yield path.name

    def free_bytes(self) -> int:
        """What may still be written before the reserve is reached; never negative."""
        disk = os.statvfs(self._folder)
        return max(0, disk.f_bavail * disk.f_frsize - self._reserve_bytes)

    def _check_room(self, size_bytes: int) -> None:
        free = self.free_bytes()
        if free == 0 or free < size_bytes:
            raise SpoolFull(f"{self._folder}: only the reserve of {self._reserve_bytes} bytes is left; free some disk")

    def _path(self, key: str) -> Path:
        if not _KEY.match(key):
            raise ValueError(f"not a spool key: {key!r}")
        return self._folder / key[:2] / key


class IncomingFile:
    """A file being written. ``keep`` makes it last; leaving a ``with`` block without that discards it."""

    def __init__(self, path: Path, kept: Path, *, check_room: Callable[[int], None]) -> None:
        self._path = path
        self._kept = kept
        self._check_room = check_room
        self._size_bytes = 0
        self._file = path.open("xb", buffering=0)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append. Raises SpoolFull; the file is then to be discarded."""
        self._check_room(len(chunk))
        rest = memoryview(chunk)
        with _full_disk_as_spool_full():
            while rest:
                rest = rest[self._file.write(rest) :]
        self._size_bytes += len(chunk)

    def keep(self, sha256: str) -> SpooledFile:
        """Make it last: fsync, rename, fsync of the folder. ``sha256`` is the caller's, over the encoded dataset.

        Raises SpoolFull; the file is then to be discarded.
        """
        with self._file, _full_disk_as_spool_full():
            os.fsync(self._file.fileno())
            self._path.rename(self._kept)
            sync_folder(self._kept.parent)
        return SpooledFile(key=self._kept.name, sha256=sha256, size_bytes=self._size_bytes)

    def discard(self) -> None:
        """Remove it, unless it was kept; harmless to repeat."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.discard()


@contextmanager
def _full_disk_as_spool_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SpoolFull(f"the disk is full: {error}") from error
        raise


def sync_folder(folder: Path) -> None:
    """Make the names in it last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
