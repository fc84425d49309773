"""The station's inquiries: one thread asks the PACS for answers, one watches for questions that nobody answers."""

import threading
from collections.abc import Callable

from dicom_router.clock import Bell, Clock
from dicom_router.transport.archive import Archive
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from dicom_router.transport.dimse_archive import DimseArchive
from dicom_router.worker import run_forever
from xray_triage.cases.answers import KINDS
from xray_triage.cases.overdue import Overdue
from xray_triage.cases.replies import Replies
from xray_triage.config import Config, Destination
from xray_triage.post import password_of
from xray_triage.rooms import Rooms
from xray_triage.tls import client_tls

TICK_SECONDS = 0.5
STOP_SECONDS = 5.0


def make_archive(destination: Destination, config: Config, *, clock: Clock) -> Archive | None:
    """Where a destination's answers are asked for; None for a folder. Raises ConfigError like make_transport."""
    tls = client_tls(destination.tls) if destination.tls else None
    if destination.kind == "folder":
        return None
    if destination.url:
        return DicomwebArchive(
            destination.url,
            username=destination.username,
            password=password_of(destination),
            tls=tls,
            max_kbit_per_second=destination.max_kbit_per_second,
            clock=clock,
        )
    return DimseArchive(
        host=destination.host,
        port=destination.port,
        ae_title=destination.ae_title,
        calling_ae_title=config.station.ae_title,
        sop_classes=tuple(KINDS),
        max_kbit_per_second=destination.max_kbit_per_second,
        tls=tls,
        clock=clock,
    )


class Inquiry:
    """The two threads: a PACS that keeps the one waiting silences not the other.

    ``ring`` it when a question was asked: what is in the study then was there before the question.
    """

    def __init__(self, config: Config, rooms: Rooms, *, clock: Clock) -> None:
        asked = config.destinations_for("requests")
        archives = {
            destination.name: archive
            for destination in config.destination
            if destination.name in asked and (archive := make_archive(destination, config, clock=clock))
        }
        self._replies = Replies(
            rooms.database,
            clock=clock,
            inbox=rooms.inbox,
            outbox=rooms.outbox,
            spool=rooms.spool,
            archives=archives,
            poll_seconds=config.consultation.poll_seconds,
        )
        minutes = config.consultation.overdue_minutes
        self._overdue = Overdue(
            rooms.database,
            clock=clock,
            consultations=rooms.consultations,
            outbox=rooms.outbox,
            urgent_seconds=60.0 * minutes.urgent,
            routine_seconds=60.0 * minutes.routine,
        )
        self._bell = Bell()
        self._stop = threading.Event()
        self._overdue_bell = Bell()
        self._threads = [
            self._thread("inquiry", self._replies.run_once, self._bell),
            self._thread("overdue", self._overdue.run_once, self._overdue_bell),
        ]

    @property
    def ring(self) -> Callable[[], None]:
        return self._bell.ring

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let what is on the wire finish for some seconds; what does not is asked for again after the next start."""
        self._stop.set()
        for bell in (self._bell, self._overdue_bell):
            bell.ring()
        for thread in self._threads:
            thread.join(STOP_SECONDS)

    def _thread(self, name: str, step: Callable[[], bool], bell: Bell) -> threading.Thread:
        options = {"bell": bell, "poll_seconds": TICK_SECONDS, "stop": self._stop, "name": name}
        return threading.Thread(target=run_forever, args=(step,), kwargs=options, name=name, daemon=True)
