"""Time as an argument. Nothing in the two packages calls ``datetime.now`` or ``time.sleep`` but this module."""

import os
import threading
import time
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Protocol
from zoneinfo import TZPATH, ZoneInfo, ZoneInfoNotFoundError


class Clock(Protocol):
    """The seam of time: the system's, or a test's that jumps."""

    def now(self) -> datetime:
        """The current time, aware, in UTC. It may jump either way; order nothing by it."""
        ...

    def monotonic(self) -> float:
        """Seconds that only grow: for durations."""
        ...


class SystemClock:
    """The clock of the machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class Bell:
    """Wakes one waiting worker; a ring while nobody waits is kept for the next wait."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def ring(self) -> None:
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait for a ring, at most ``seconds``. True when it rang; the ring is then used up."""
        rang = self._event.wait(seconds)
        self._event.clear()
        return rang


def use_zone(name: str) -> None:
    """Local time, of this process and of those that it starts, is that of a zone, e.g. Asia/Ho_Chi_Minh.

    By its file, for the C library takes a zone that it does not have for UTC without a word: some slim images have
    none, and the package tzdata has them all. Raises ValueError for an unknown zone.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone is called {name!r}; that of Viet Nam is Asia/Ho_Chi_Minh") from error
    folders = [*map(Path, TZPATH), Path(str(resources.files("tzdata"))) / "zoneinfo"]
    os.environ["TZ"] = f":{next(folder / name for folder in folders if (folder / name).is_file())}"
    time.tzset()
