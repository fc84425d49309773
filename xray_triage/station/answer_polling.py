"""The workers behind consultations: one asks the PACS for answers, one fetches large ones, one watches the clock."""

from dicom_router.clock import Clock
from dicom_router.worker import Worker, stop_all
from xray_triage.config.station import Config
from xray_triage.consultations.answers import Answers
from xray_triage.consultations.fetching import Fetcher
from xray_triage.consultations.large_objects import LargeObjects
from xray_triage.consultations.overdue import Overdue
from xray_triage.consultations.polling import AnswerPolling
from xray_triage.station.peers import make_archives
from xray_triage.stores import Stores

TICK_SECONDS = 0.5


class AnswerWorkers:
    """The threads: a PACS that keeps one waiting, or a large answer, holds the others not up.

    ``ring`` it when a question was asked: what is in the study then was there before the question.
    """

    def __init__(self, config: Config, stores: Stores, *, clock: Clock) -> None:
        poll_seconds, minutes = config.consultation.poll_seconds, config.consultation.overdue_minutes
        book = Answers(stores.database, clock=clock, notices=stores.notices)
        fetcher = Fetcher(book, clock=clock, spool=stores.spool, poll_seconds=poll_seconds)
        large = LargeObjects(fetcher, archives=make_archives(config, clock=clock))
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
            follow_ups=stores.follow_ups,
            outbox=stores.outbox,
            urgent_seconds=60.0 * minutes.urgent,
            routine_seconds=60.0 * minutes.routine,
        )
        steps = {"answer polling": polling.run_once, "large objects": large.run_once, "overdue": overdue.run_once}
        self._workers = [Worker(step, name=name, poll_seconds=TICK_SECONDS) for name, step in steps.items()]
        self.ring = self._workers[0].ring

    def start(self) -> None:
        for worker in self._workers:
            worker.start()

    def stop(self) -> None:
        """Let what is on the wire finish for some seconds; what does not is asked for again after the next start."""
        stop_all(self._workers)
