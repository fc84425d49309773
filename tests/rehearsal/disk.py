"""A disk whose power may fail: a FUSE file that logs every write and flush, so that any moment's cut can be replayed.

What was written since the last flush is in the volatile cache of the drive: after a cut each sector of it is there or
not, by chance. Run as a program it is the disk: ``python -m tests.rehearsal.disk MOUNT MEGABYTES LOG``.
"""

import errno
import os
import random
import stat
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.factories import until

SECTOR = 512
HEAD = struct.Struct("<cdQI")  # b"W" or b"F", monotonic seconds, offset, length
WRITE, FLUSH = b"W", b"F"
MOUNT_SECONDS = 120


class CutDisk:
    """An ext4 filesystem at ``folder`` on a logged disk, mounted by ``running``; later as it was after a cut."""

    def __init__(self, work: Path, *, megabytes: int) -> None:
        if os.geteuid() != 0 or not Path("/dev/fuse").exists():
            pytest.skip("a disk whose power may fail needs root and /dev/fuse")
        self.folder, self._fuse, self._log = work / "mounted", work / "fuse", work / "disk.log"
        self._megabytes, self._image = megabytes, work / "after a cut"
        self.folder.mkdir(parents=True)
        self._fuse.mkdir()

    @contextmanager
    def running(self) -> Iterator[Path]:
        disk = self._fuse / "disk"
        command = [sys.executable, "-m", __name__, str(self._fuse), str(self._megabytes), str(self._log)]
        server = subprocess.Popen(command)
        try:
            until(disk.exists)
            _run("mkfs.ext4", "-q", "-F", disk)
            with mounted(disk, self.folder):
                yield self.folder
            _run("umount", self._fuse)
        finally:
            server.kill()
            server.wait(MOUNT_SECONDS)

    @contextmanager
    def after_cut(self, at: float, chance: random.Random, *, lies_seconds: float = 0.0) -> Iterator[Path]:
        """The filesystem as found after the power failed at the monotonic second ``at``.

        ``lies_seconds``: a drive that answers flushes and writes nothing for so long before the end.
        """
        with self._image.open("wb") as image:
            image.truncate(self._megabytes << 20)
            for offset, content in self._survived(at - lies_seconds, chance):
                image.seek(offset)
                image.write(content)
        with mounted(self._image, self.folder):
            yield self.folder

    def _survived(self, at: float, chance: random.Random) -> Iterator[tuple[int, bytes]]:
        cached: list[tuple[int, bytes]] = []
        for kind, offset, content in self._logged(at):
            if kind == FLUSH:
                yield from cached
                cached.clear()
            else:
                cached.append((offset, content))
        share = chance.random()
        for offset, content in cached:
            for start in range(0, len(content), SECTOR):
                if chance.random() < share:
                    yield offset + start, content[start : start + SECTOR]

    def _logged(self, at: float) -> Iterator[tuple[bytes, int, bytes]]:
        with self._log.open("rb") as log:
            while head := log.read(HEAD.size):
                kind, seconds, offset, length = HEAD.unpack(head)
                if seconds > at:
                    return
                yield kind, offset, log.read(length)


@contextmanager
def mounted(disk: Path, folder: Path) -> Iterator[None]:
    _run("mount", "-o", "loop,noatime", disk, folder)
    try:
        yield
    finally:
        _run("umount", folder)


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True, timeout=MOUNT_SECONDS)


def serve(mount: str, megabytes: str, log_path: str) -> None:
    """Be the disk until it is unmounted."""
    from mfusepy import FUSE, FuseOSError, Operations  # noqa: PLC0415 -- only the disk's own process loads libfuse

    class Disk(Operations):  # type: ignore[misc]
        """Operations of FUSE; their names and arguments are the library's."""

        use_ns = True

        def __init__(self) -> None:
            self.content = bytearray(int(megabytes) << 20)
            self.log = Path(log_path).open("wb", buffering=0)  # noqa: SIM115 -- as long as the process

        def getattr(self, path: str, fh: int | None = None) -> dict[str, Any]:
            if path == "/":
                return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
            if path == "/disk":
                return {"st_mode": stat.S_IFREG | 0o600, "st_nlink": 1, "st_size": len(self.content)}
            raise FuseOSError(errno.ENOENT)

        def readdir(self, path: str, fh: int) -> list[str]:
            return [".", "..", "disk"]

        def read(self, path: str, size: int, offset: int, fh: int) -> bytes:
            return bytes(self.content[offset : offset + size])

        def write(self, path: str, data: bytes, offset: int, fh: int) -> int:
            self.content[offset : offset + len(data)] = data
            self.log.write(HEAD.pack(WRITE, time.monotonic(), offset, len(data)) + data)
            return len(data)

        def fsync(self, path: str, datasync: int, fh: int) -> int:
            self.log.write(HEAD.pack(FLUSH, time.monotonic(), 0, 0))
            return 0

        def truncate(self, path: str, length: int, fh: int | None = None) -> int:
            return 0

    FUSE(Disk(), mount, foreground=True, nothreads=True)


if __name__ == "__main__":
    serve(*sys.argv[1:])
