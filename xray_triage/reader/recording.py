"""Commit 2: one film's reading into its case, its results and its request on their way. Knows no model."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival
from dicom_router.errors import SpoolFull
from dicom_router.store.ledger import Work
from xray_triage.cases.consultation import AUTOMATIC
from xray_triage.cases.identity import Statement
from xray_triage.cases.recording import RecordedCase, record_reading
from xray_triage.cases.statements import statements
from xray_triage.consultations.preparing import PreparedRequest
from xray_triage.model.site import Card
from xray_triage.orders.match import is_film_of, registered
from xray_triage.reader.film import Film, filmed, lacking
from xray_triage.reader.making import KeptResult, ResultMaker, heat_of
from xray_triage.reader.policy import SitePolicy
from xray_triage.reading.acquisition import exposed_at, machine_of, made_at
from xray_triage.reading.findings import Priority
from xray_triage.reading.naming import told_positive
from xray_triage.reading.patient import read_patient
from xray_triage.results.wording import urgent_lines, value
from xray_triage.stores import Stores, note_patient

AUTO_REQUEST = {"urgent": (Priority.URGENT,), "abnormal": (Priority.URGENT, Priority.ABNORMAL), "never": ()}

log = structlog.get_logger()


class Recorder:
    """Writes down what came of each film. ``card`` is that of the model in use: without it no machine is counted."""

    def __init__(
        self,
        stores: Stores,
        policy: SitePolicy,
        result_destinations: Mapping[str, Sequence[str]],
        *,
        clock: Clock,
        card: Card | None,
    ) -> None:
        self._stores = stores
        self._policy = policy
        self._result_destinations = result_destinations
        self._card = card
        self._results = ResultMaker(stores, station_name=policy.station_name, clock=clock)

    def record(self, work: Work, film: Film) -> None:
        """COMMIT 2: the case, its results on their way, the study's promotion, and the work done.

        Every file is safe on disk before the transaction begins, so that nobody waits on the database for an fsync.
        """
        unmade: list[str] = []
        results = self._results.keep(film, unmade.append)
        heat = heat_of(film.reading, unmade.append)
        request: PreparedRequest | None = None
        try:
            stated = self.stated(film)
            request = self._prepare_request(film, results, stated, unmade.append)
            film = replace(film, reading=lacking(film.reading, unmade))
            with self._stores.database.write() as connection:
                self._stores.heat_maps.keep(connection, film.arrival.instance.sop_instance_uid, heat)
                self._write(connection, work, film, results, request, stated)
        except BaseException:
            self._results.delete(result.spooled for result in results)
            if request is not None:
                self._stores.preparer.forget(request)
            raise

    def _write(
        self,
        connection: Connection,
        work: Work,
        film: Film,
        results: Sequence[KeptResult],
        request: PreparedRequest | None,
        stated: Sequence[Statement],
    ) -> None:
        urgent = film.reading.decision.priority is Priority.URGENT
        is_read = film.reading.findings is not None  # else the page tells why, and shows the film
        picture_key = next((each.spooled.key for each in results if each.what == "sc" and is_read), None)
        self._stores.orders.close(connection, filmed(film))
        recorded = record_reading(
            connection,
            arrival=film.arrival,
            stated=stated,
            reading=film.reading,
            picture_key=picture_key,
            exposed_at=exposed_at(film.header, received_at=film.arrival.received_at),
            read_at=self._stores.clock.now(),
        )
        self.note_patient(connection, film.arrival, recorded)
        study = film.arrival.instance.study_instance_uid
        # Of a study that was lost here the peers may have a doctor's word, over which the AI's must not go.
        if not film.is_none and not self._stores.reconciliation.took_back(study):
            self._stores.records.enqueue_reading(connection, recorded.case_id)
        if film.reading.machine is not None and self._card is not None:
            uid, made_by = film.arrival.instance.sop_instance_uid, machine_of(film.header)
            self._stores.machines.count(connection, uid, made_by, self._card.model_sha256)
        for result in results:
            promised = self._stores.outbox.enqueue(
                connection,
                instance=result.instance,
                spooled=result.spooled,
                what=result.what,
                urgent=urgent,
                destinations=self._result_destinations.get(result.what, ()),
            )
            if not promised and result.spooled.key != picture_key:
                self._stores.spool.delete(result.spooled.key)
        if urgent:
            self._stores.outbox.promote_study(connection, study)
            self._stores.notices.tell(connection, "urgent", recorded.case_id)
        if request is not None:
            self._stores.consultations.request_within(connection, recorded.case_id, request)
        self._stores.ledger.finish(connection, work)

    def stated(self, film: Film) -> list[Statement]:
        """What the film says of its patient, and the registration whose number it bears: the surest, of several."""
        received_at = film.arrival.received_at
        patient = read_patient(film.header, received_at.astimezone().date())
        this = filmed(film)
        named = sorted(self._stores.orders.named_by(this), key=lambda order: is_film_of(order, this))
        return statements(
            patient,
            this.accession_number,
            film.reading,
            made_at=made_at(film.header, received_at=received_at),
            order=registered(named[-1]) if named else None,
        )

    def note_patient(self, connection: Connection, arrival: Arrival, recorded: RecordedCase) -> None:
        """For the trail: whose the case is from now on, where that changed."""
        audit, machine = self._stores.audit, arrival.calling_ae_title
        note_patient(audit, connection, recorded.case_id, recorded.settled, actor=machine)

    def _prepare_request(
        self,
        film: Film,
        results: Sequence[KeptResult],
        stated: Sequence[Statement],
        on_unmade: Callable[[str], None],
    ) -> PreparedRequest | None:
        """The consultation that the site's policy asks for by itself, or None."""
        priority = film.reading.decision.priority
        if priority not in AUTO_REQUEST[self._policy.auto_request]:
            return None
        positive = told_positive(film.reading.findings.findings) if film.reading.findings else ()
        seen = "; ".join(f"{finding.kind.vi} {value(finding)}" for finding in positive)
        identity = self._stores.casebook.foresee(film.arrival.instance.study_instance_uid, stated)
        why = [f"AI xếp mức {priority.vi}", *urgent_lines(film.reading), *([f"AI thấy: {seen}"] if seen else [])]
        try:
            return self._stores.preparer.prepare(
                film.header,
                [film.arrival.instance, *(result.instance for result in results if result.what in ("sr", "sc"))],
                question=f"Yêu cầu tự động. {'. '.join(why)}. Đề nghị bác sĩ chuyên khoa cho ý kiến.",
                priority="urgent" if priority is Priority.URGENT else "routine",
                requested_by=AUTOMATIC,
                identity=identity,
            )
        except (SpoolFull, OSError, MemoryError, SQLAlchemyError):  # which time heals: the film is read again
            raise
        except Exception:  # some tag of the film lets nobody make it: that costs the request, not the reading
            log.exception("result not made", what="request", arrival=film.arrival.arrival_id)
            on_unmade("request")
            return None
