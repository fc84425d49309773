"""One program a station: who serves its data folder, or changes it as a whole, holds its lock. Knows nothing in it."""

import fcntl
from pathlib import Path
from typing import TextIO


class StationError(Exception):
    """The station cannot start; the message is one line that says what to do."""


def hold_station(data_dir: Path) -> TextIO:
    """Hold the station's lock; the kernel lets go of it whatever way this process ends. Raises StationError."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "station.lock").open("w")
    except OSError as error:
        raise StationError(
            f"[station] data_dir {str(data_dir)!r} cannot be used: {error.strerror}; name a folder that this user may "
            "write"
        ) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StationError(
            f"a station is running on {data_dir} already; stop it, or choose another data_dir"
        ) from error
    return lock
