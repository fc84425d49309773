"""One film: arrival -> reading -> results -> case and deliveries, all in one commit.

Runs in the reader process. Keeps no state between films, so it may die at any line: the film is simply read again, and
every result it makes has the same UIDs the second time. Knows no peer and no page.
"""

from collections.abc import Mapping, Sequence

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival
from dicom_router.errors import FenceLost, SpoolFull
from dicom_router.store.outbox import LATER_RANK
from xray_triage.cases.recording import record_statement
from xray_triage.model.site import Card
from xray_triage.reader.film import Film
from xray_triage.reader.interpreting import LAST_TRY, Interpreter
from xray_triage.reader.policy import SitePolicy
from xray_triage.reader.recording import Recorder
from xray_triage.reading.classifier import Classifier
from xray_triage.reading.findings import REASONS, NotReadable
from xray_triage.reading.radiograph import FILM_CLASSES
from xray_triage.stores import APART_WORK, READ_WORK, Stores

KEY_SEPARATOR = "/"  # work to read again is named <arrival>/<model>
FULL_DISK_PAUSE_SECONDS = 10.0

log = structlog.get_logger()


class Reader:
    """Reads one film at a time. ``classifier`` is None when AI is off: every film is then `not_read`.

    ``card`` is that of the classifier's bundle; without it no machine is learned, and no film tells of one.
    """

    def __init__(
        self,
        stores: Stores,
        *,
        classifier: Classifier | None,
        policy: SitePolicy,
        result_destinations: Mapping[str, Sequence[str]],
        clock: Clock,
        card: Card | None = None,
    ) -> None:
        self._stores = stores
        self._classifier = classifier
        self._clock = clock
        self._interpreter = Interpreter(stores, classifier, policy, clock=clock, card=card)
        self._recorder = Recorder(stores, policy, result_destinations, clock=clock, card=card)

    @property
    def problem(self) -> str | None:
        """Why the model is of no use, as it failed on the last films, one after another; None while it is."""
        return self._interpreter.problem

    @property
    def films_read(self) -> int:
        """How many films the model said something of that can be used, be it "no chest film"."""
        return self._interpreter.films_read

    def look_again(self) -> int:
        """Queue the films that were not read for want of a working model; how many now.

        Those that this model failed on are queued once. Those that had no model are queued again even if this one had
        been there before them: it was not trusted then.
        """
        if self._classifier is None:
            return 0
        failed, without = (self._at_hand(reason) for reason in ("model_failed", "no_model"))
        model = self._classifier.identity.sha256
        with self._stores.database.write() as connection:
            queued = [self._queue_again(connection, arrival, model, repeat=False) for arrival in failed]
            queued += [self._queue_again(connection, arrival, model, repeat=True) for arrival in without]
        return sum(queued)

    def _queue_again(self, connection: Connection, arrival_id: int, model: str, *, repeat: bool) -> bool:
        ledger, key = self._stores.ledger, f"{arrival_id}{KEY_SEPARATOR}{model}"
        if ledger.enqueue(connection, kind=READ_WORK, key=key, rank=LATER_RANK):
            return True
        return repeat and ledger.repeat(connection, kind=READ_WORK, key=key, rank=LATER_RANK)

    def _at_hand(self, reason: str) -> list[int]:
        """Arrivals in our spool that were not read for this reason (a code)."""
        spool_id = self._stores.spool.id
        unread = self._stores.casebook.arrivals_without_reading([reason])
        return [arrival for arrival in unread if self._stores.inbox.get(arrival).spool_id == spool_id]

    def run_once(self) -> bool:
        """Read the most urgent waiting film, if any. False: nothing was waiting."""
        work = self._stores.ledger.claim(READ_WORK)
        if work is None:
            return self._hear_once()
        arrival = self._stores.inbox.get(int(work.key.partition(KEY_SEPARATOR)[0]))
        if self._stores.inbox.purged([arrival.spooled.key]):  # meanwhile; what was read of it stands
            with self._stores.database.write() as connection:
                self._stores.ledger.finish(connection, work)
            return True
        started = self._clock.monotonic()
        try:
            film = self._film_of(arrival, work.attempt)
            self._recorder.record(work, film)
        except (SpoolFull, OperationalError) as error:  # no room for the results, or for their commit
            self._stores.ledger.postpone(work, seconds=FULL_DISK_PAUSE_SECONDS, error=str(error), forgive=True)
            log.warning("reading postponed", arrival=arrival.arrival_id, error=str(error))
        except FenceLost:
            log.warning("reading dropped: another reader took the film", arrival=arrival.arrival_id)
        else:
            log.info(
                "film read",
                arrival=arrival.arrival_id,
                priority=film.reading.decision.priority.value,
                reason=film.reading.not_readable.reason.code if film.reading.not_readable else None,
                detail=film.reading.not_readable.detail if film.reading.not_readable else None,
                seconds=round(self._clock.monotonic() - started, 3),
            )
        return True

    def _film_of(self, arrival: Arrival, attempt: int) -> Film:
        if attempt < LAST_TRY:
            return self._interpreter.read(arrival)
        return self._interpreter.set_aside(arrival, attempt)

    def _hear_once(self) -> bool:
        """Take what one object says of the patient that came under another film's UID; False: there is none.

        Machines send a film again under its old UID when its name was corrected.
        """
        work = self._stores.ledger.claim(APART_WORK)
        if work is None:
            return False
        arrival = self._stores.inbox.get(int(work.key))
        reason = "damaged_pixels" if arrival.instance.sop_class_uid in FILM_CLASSES else "not_a_film"
        why = NotReadable(reason=REASONS[reason])
        film = self._interpreter.unread(arrival, why) if work.attempt < LAST_TRY else None
        stated = self._recorder.stated(film) if film else []
        try:
            with self._stores.database.write() as connection:
                heard = record_statement(connection, arrival, stated)
                if heard is not None:
                    self._recorder.note_patient(connection, arrival, heard)
                self._stores.ledger.finish(connection, work)
        except OperationalError as error:  # no room for the commit
            self._stores.ledger.postpone(work, seconds=FULL_DISK_PAUSE_SECONDS, error=str(error), forgive=True)
        return True
