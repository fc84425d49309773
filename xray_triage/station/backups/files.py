"""Files that nobody but the station's user may read: made so, and made last by fsync. Knows nothing of what is in them.

On a stick with FAT there are no modes; there the stick itself is to be kept away from others.
"""

import hashlib
import os
from pathlib import Path
from typing import BinaryIO, cast

PIECE_BYTES = 1 << 20


def private_file(path: Path) -> BinaryIO:
    """A new file of mode 0600, to write. Raises OSError, FileExistsError too."""
    return cast(BinaryIO, open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)))


def write_private(source: BinaryIO, path: Path) -> tuple[str, int]:
    """Copy a stream into a new file; its sha256 and size in bytes. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with private_file(path) as writing:
        while piece := source.read(PIECE_BYTES):
            digest.update(piece)
            writing.write(piece)
        writing.flush()
        os.fsync(writing.fileno())
        return digest.hexdigest(), writing.tell()


def copy_private(source: Path, path: Path) -> tuple[str, int]:
    """The same with a file."""
    with source.open("rb") as reading:
        return write_private(reading, path)


def mark_of(path: Path) -> tuple[str, int]:
    """The sha256 and size in bytes of a file that is there. Raises OSError."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest(), stream.tell()
