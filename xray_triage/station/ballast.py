"""Some megabytes set by for the day on which the disk is full: given up then, so that a start can serve its pages.

Without a byte left SQLite cannot make the small files beside its database, and so cannot open it. Knows no database.
"""

import os
from contextlib import suppress
from pathlib import Path

FILE = "ballast"
BALLAST_BYTES = 4 << 20
LITTLE_BYTES = 1 << 20  # a disk with less is full


def lay(data_dir: Path) -> None:
    """Set it by, where it is not and the disk has much more than that."""
    path = data_dir / FILE
    if path.exists() or _free_bytes(data_dir) < 4 * BALLAST_BYTES:
        return
    with suppress(OSError), path.open("wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, BALLAST_BYTES)


def give_up(data_dir: Path) -> bool:
    """Make room on a full disk. False: it is not full, or there is nothing to give up."""
    path = data_dir / FILE
    if _free_bytes(data_dir) >= LITTLE_BYTES or not path.exists():
        return False
    path.unlink()
    return True


def _free_bytes(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
