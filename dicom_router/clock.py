"""Time as an argument. Nothing in the two packages calls ``datetime.now`` or ``time.sleep`` but this module."""

import threading
import time
from datetime import UTC, datetime
from typing import Protocol


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
