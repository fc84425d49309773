"""Fetches the answers that take long, one after the other, so that nobody else has to wait for them. Asks for nothing.

What waits here is in memory only: after a new start the study is looked at again, and it is found again.
"""

import threading
from collections.abc import Mapping

import structlog

from dicom_router.errors import PeerUnreachable, SpoolFull
from dicom_router.transport.archive import Archive
from xray_triage.consultations.fetching import Fetcher, FetchRequest

MOST_WAITING = 1000


class LargeObjects:
    """One thread calls ``run_once``; the archives are this worker's alone."""

    def __init__(self, fetcher: Fetcher, *, archives: Mapping[str, Archive]) -> None:
        self._fetcher = fetcher
        self._archives = archives
        self._waiting: dict[str, tuple[str, FetchRequest]] = {}  # by SOP Instance UID
        self._lock = threading.Lock()
        self._log = structlog.get_logger()

    def add(self, name: str, wanted: FetchRequest) -> None:
        """To be fetched from the archive ``name``; once, however often it is found meanwhile."""
        with self._lock:
            if len(self._waiting) < MOST_WAITING:
                self._waiting.setdefault(wanted.found.sop_instance_uid, (name, wanted))

    def held(self) -> dict[str, int]:
        """What waits or is on its way: SOP Instance UID to the number of its case."""
        with self._lock:
            return {uid: wanted.question.case_sequence for uid, (_, wanted) in self._waiting.items()}

    def run_once(self) -> bool:
        """Fetch one, the urgent first. False when nothing waits."""
        with self._lock:
            first = min(self._waiting.values(), key=lambda each: each[1].question.priority != "urgent", default=None)
        if first is None:
            return False
        name, wanted = first
        try:
            self._fetcher.take(wanted, self._archives[name], at_once=False)
        except (PeerUnreachable, SpoolFull) as error:
            self._log.warning("answer not fetched", case_id=wanted.question.case_id, error=str(error))
        finally:
            self._archives[name].close()
            with self._lock:
                del self._waiting[wanted.found.sop_instance_uid]
        return True
