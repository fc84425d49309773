"""The station's self-check, run when somebody asks for it and kept until the next. Knows no page."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_router.clock import Clock
from xray_triage.health.checks import Check


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What the last self-check found, and when it ended; ``since``: when the one that runs now began."""

    checks: Sequence[Check] = ()
    at: datetime | None = None
    since: datetime | None = None


class Inspection:
    """One self-check at a time. ``inspect`` takes seconds; it does not raise."""

    def __init__(self, inspect: Callable[[], Sequence[Check]], *, clock: Clock) -> None:
        self._inspect = inspect
        self._clock = clock
        self._lock = threading.Lock()
        self._last = Inspected()

    @property
    def last(self) -> Inspected:
        return self._last

    def start(self) -> None:
        """Begin one, unless one is under way."""
        with self._lock:
            if self._last.since is not None:
                return
            self._last = Inspected(checks=self._last.checks, at=self._last.at, since=self._clock.now())
        threading.Thread(target=self._run, name="inspection", daemon=True).start()

    def _run(self) -> None:
        checks: Sequence[Check] = ()
        try:
            checks = self._inspect()
        finally:
            self._last = Inspected(checks=checks, at=self._clock.now())
