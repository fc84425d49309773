"""Files on disk, whole or not at all, under keys of ours. The only module that knows a path; decodes no pixel."""

import ctypes
import errno
import fcntl
import hashlib
import os
import re
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from dicom_router.dicom.instance import SpooledFile
from dicom_router.dicom.part10 import dataset_sha256, seek_dataset
from dicom_router.errors import DamagedFile, SpoolFull
from dicom_router.files import sync_folder
from dicom_router.store.fetched import FetchedFiles

CHUNK_BYTES = 1 << 20
_SYNC_FILE_RANGE_WRITE = 2  # linux/fs.h
_sync_file_range = ctypes.CDLL(None).sync_file_range
_KEY = re.compile(r"[0-9a-f]{32}\Z")


class Spool:
    """A folder of kept files, fanned out by the first two digits of the key, and of files still coming in.

    ``id`` is what its marker says; None where nobody asks.
    """

    def __init__(self, folder: Path, *, reserve_bytes: int = 0, id: str | None = None) -> None:  # noqa: A002
        self.id = id
        self._folder = folder
        self._incoming = folder / "incoming"
        self._apart = folder / "apart"
        self._reserve_bytes = reserve_bytes
        self.fetched = FetchedFiles(folder.parent / "fetched")  # what was taken back of the films that were purged
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
        """The kept file, or the copy of a purged one, from its start. Raises DamagedFile when there is neither."""
        with suppress(FileNotFoundError):
            return self._path(key).open("rb")
        try:
            return self.fetched.open(key)
        except FileNotFoundError as error:
            raise DamagedFile(f"the spool has lost {key}, or it is at the PACS alone") from error

    def has(self, key: str) -> bool:
        """Whether ``open`` would find it."""
        return self._path(key).is_file() or self.fetched.has(key)

    def verify(self, spooled: SpooledFile) -> None:
        """Read a kept file to its end. Raises DamagedFile when it is gone or is no longer what was kept."""
        try:
            with self.open(spooled.key) as stream:
                found = dataset_sha256(stream)
        except OSError as error:
            raise DamagedFile(
                f"the spool's file {spooled.key} cannot be read ({error.strerror}); check the disk"
            ) from error
        if found != spooled.sha256:
            raise DamagedFile(f"the spool's file {spooled.key} is not what was kept; check the disk")

    def delete(self, key: str) -> None:
        """Forget a file; harmless to repeat."""
        self._path(key).unlink(missing_ok=True)

    def erase(self, key: str) -> None:
        """Delete a file so that no power cut brings it back; harmless to repeat."""
        self.delete(key)
        sync_folder(self._path(key).parent)

    def bring_back(self, key: str, stream: BinaryIO) -> bool:
        """Copy a file of a backup to the key that it had, unless one is there; whether it was. Raises SpoolFull."""
        if self._path(key).exists():
            return False
        with self.begin() as incoming:
            while chunk := stream.read(CHUNK_BYTES):
                incoming.write(chunk)
            self.replace(key, by=incoming.keep("").key)
        return True

    def replace(self, key: str, *, by: str) -> None:
        """Put the file ``by``, which holds the same dataset, in the place of ``key``, which a disk may have spoilt."""
        self._path(by).replace(self._path(key))
        sync_folder(self._path(key).parent)

    def kept_at(self, key: str) -> datetime:
        """When it was written, by the clock of that day. Raises FileNotFoundError."""
        return datetime.fromtimestamp(self._path(key).stat().st_mtime, UTC)

    def collect_incoming(self) -> int:
        """At start, before anybody receives: set apart what a crash left half written; how many files.

        What another process, a verb of the command line for example, is writing just now is left to it.
        """
        leftovers = [each for each in self._incoming.iterdir() if not _is_being_written(each)]
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

    def size_bytes(self) -> int:
        """Of the whole disk."""
        disk = os.statvfs(self._folder)
        return disk.f_blocks * disk.f_frsize

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
        fcntl.flock(self._file, fcntl.LOCK_EX)  # until it is closed, however its process ends: see collect_incoming

    def write(self, chunk: bytes | memoryview) -> None:
        """Append. Raises SpoolFull; the file is then to be discarded."""
        self._check_room(len(chunk))
        rest = memoryview(chunk)
        with _full_disk_as_spool_full():
            while rest:
                rest = rest[self._file.write(rest) :]
        _begin_writing(self._file.fileno(), self._size_bytes, len(chunk))
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


def _is_being_written(path: Path) -> bool:
    """Whether a living process holds it, or has made it a kept file meanwhile."""
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, FileNotFoundError):
        return True
    return False


@contextmanager
def _full_disk_as_spool_full() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SpoolFull(f"the disk is full: {error}") from error
        raise


def _begin_writing(descriptor: int, offset: int, size_bytes: int) -> None:
    """Let the disk begin with these bytes while more come, so that fsync, which alone makes them last, has less to do.

    A mere hint: it waits for no byte to last, and an error of the disk is fsync's to tell.
    """
    first, count = ctypes.c_int64(offset), ctypes.c_int64(size_bytes)
    _sync_file_range(descriptor, first, count, _SYNC_FILE_RANGE_WRITE)
