"""Small disks for tests, and somebody else who fills them."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A filesystem of that size, made at ``folder``. Skips where nobody may mount."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}M,nr_inodes=2000", "none", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, timeout=60).returncode != 0:
        pytest.skip("mounting a small filesystem needs root")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True, timeout=60)


def fill(folder: Path) -> Path:
    """Take all space that is left, as somebody else would."""
    filler = folder / "somebody else"
    with filler.open("ab", buffering=0) as stream:
        try:
            while stream.write(bytes(4096)):
                pass
        except OSError:
            return filler
    return filler
