"""The workers behind consultations: one asks the PACS for answers, one fetches large ones, one watches the clock."""

import threading
from collections.abc import Callable

from dicom_router.clock import Bell, Clock
from dicom_router.worker import run_forever
from xray_triage.config import Config
from xray_triage.consultations.answers import Answers
from xray_triage.consultations.fetching import Fetcher
from xray_triage.consultations.large_objects import LargeObjects
from xray_triage.consultations.overdue import Overdue
from xray_triage.consultations.polling import AnswerPolling
from xray_triage.station.peers import make_archives
from xray_triage.stores import Stores

TICK_SECONDS = 0.5
STOP_SECONDS = 5.0


class AnswerWorkers:
    """The threads: a PACS that keeps one waiting, or a large answer, holds the others not up.

    ``ring`` it when a question was asked: what is in the study then was there before the question.
    """

    def __init__(self, config: Config, stores: Stores, *, clock: Clock) -> None:
        poll_seconds, minutes = config.consultation.poll_seconds, config.consultation.overdue_minutes
        book = Answers(stores.database, clock=clock)
        fetcher = Fetcher(book, clock=clock, spool=stores.spool, poll_seconds=poll_seconds)
        self._bell, large_bell = Bell(), Bell()
        large = LargeObjects(fetcher, archives=make_archives(config, clock=clock), ring=large_bell.ring)
        polling = AnswerPolling(
            stores.database,
            clock=clock,
            inbox=stores.inbox,
            outbox=stores.outbox,
            book=book,
            fetcher=fetcher,
            large=large,
            archives=make_archives(config, clock=clock, hasty=True),
            poll_seconds=poll_seconds,
        )
        overdue = Overdue(
            stores.database,
            clock=clock,
            consultations=stores.consultations,
            outbox=stores.outbox,
            urgent_seconds=60.0 * minutes.urgent,
            routine_seconds=60.0 * minutes.routine,
        )
        self._stop = threading.Event()
        steps = (
            ("answer polling", polling.run_once, self._bell),
            ("large objects", large.run_once, large_bell),
            ("overdue", overdue.run_once, Bell()),
        )
        self._bells = [bell for _, _, bell in steps]
        self._threads = [self._thread(*step) for step in steps]

    @property
    def ring(self) -> Callable[[], None]:
        return self._bell.ring

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let what is on the wire finish for some seconds; what does not is asked for again after the next start."""
        self._stop.set()
        for bell in self._bells:
            bell.ring()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _thread(self, name: str, step: Callable[[], bool], bell: Bell) -> threading.Thread:
        options = {"bell": bell, "poll_seconds": TICK_SECONDS, "stop": self._stop, "name": name}
        return threading.Thread(target=run_forever, args=(step,), kwargs=options, name=name, daemon=True)
