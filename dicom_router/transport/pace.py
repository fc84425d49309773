"""Keeps a transfer under a rate, so that the films leave room on the link for everybody else. Knows no protocol."""

from dicom_router.clock import Bell, Clock


class Pace:
    """Waits after each piece as long as it would take at ``max_kbit_per_second`` (0: no limit)."""

    def __init__(self, max_kbit_per_second: float, *, clock: Clock) -> None:
        self._bytes_per_second = max_kbit_per_second * 1000 / 8
        self._clock = clock
        self._free_at = 0.0

    def spend(self, size_bytes: int) -> None:
        """Account for bytes just written; return when the next may follow."""
        if not self._bytes_per_second:
            return
        now = self._clock.monotonic()
        self._free_at = max(self._free_at, now) + size_bytes / self._bytes_per_second
        Bell().wait(self._free_at - now)
