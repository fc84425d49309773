"""One film: arrival -> reading -> results -> case and deliveries, all in one commit.

Runs in the reader process. Keeps no state between films, so it may die at any line: the film is simply read again, and
every result it makes has the same UIDs the second time. Knows no peer and no page.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from io import BytesIO

import structlog
from pydicom.dataset import Dataset
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival, InstanceRef, SpooledFile, read_dataset, read_header, reference_to
from dicom_router.errors import DamagedFile, FenceLost, SpoolFull
from dicom_router.store.ledger import Work
from dicom_router.store.outbox import LATER_RANK
from xray_triage.cases.case import AUTOMATIC
from xray_triage.cases.casebook import RecordedCase
from xray_triage.cases.identity import Statement
from xray_triage.cases.statements import statements
from xray_triage.consultations.consultations import PreparedRequest
from xray_triage.model.acquaintance import Met, Site
from xray_triage.model.site import Card
from xray_triage.orders.match import Filmed, is_film_of, registered
from xray_triage.reader.policy import SitePolicy
from xray_triage.reading.acquisition import exposed_at, machine_of, made_at
from xray_triage.reading.classifier import Classifier
from xray_triage.reading.findings import REASONS, NotReadable, Priority, Reading
from xray_triage.reading.laterality import with_sides
from xray_triage.reading.naming import told_positive
from xray_triage.reading.onnx_classifier import ModelFailed
from xray_triage.reading.patient import read_age, read_patient, repair_text
from xray_triage.reading.radiograph import FILM_CLASSES, Radiograph, admit, glimpse
from xray_triage.reading.triage import decide, not_read
from xray_triage.results.make import ResultObject, make_results, report_uid
from xray_triage.results.overlay import heat_png
from xray_triage.results.wording import AGE_UNKNOWN, urgent_lines, value
from xray_triage.stores import APART_WORK, READ_WORK, Stores, note_patient

LAST_TRY = 3
MODEL_FAILURES = 2  # in a row: then it is hardly the film
KEY_SEPARATOR = "/"  # work to read again is named <arrival>/<model>
FULL_DISK_PAUSE_SECONDS = 30.0
AUTO_REQUEST = {"urgent": (Priority.URGENT,), "abnormal": (Priority.URGENT, Priority.ABNORMAL), "never": ()}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Film:
    """One film on its way through the reader: its header with repaired text, and what came of it."""

    arrival: Arrival
    header: Dataset
    reading: Reading
    radiograph: Radiograph | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptResult:
    """A result object, safe in the spool and not yet promised to anybody."""

    what: str
    instance: InstanceRef
    spooled: SpooledFile


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
        self._card = card
        self._site = Site(stores.machines, accepts=policy.site_cut_offs)
        self._policy = policy
        self._result_destinations = result_destinations
        self._clock = clock
        self.films_read = 0  # by the model, and what it said can be used, be it "no chest film"
        self._failures: list[str] = []

    @property
    def problem(self) -> str | None:
        """Why the model is of no use, as it failed on the last films, one after another; None while it is."""
        if len(self._failures) < MODEL_FAILURES:
            return None
        return f"the model failed on the last {len(self._failures)} films: {self._failures[-1]}"

    def _note_use(self, reading: Reading) -> None:
        why = reading.not_readable
        if why is not None and why.reason is REASONS["model_failed"]:
            self._failures.append(why.detail)
        elif reading.model is not None:
            self.films_read += 1
            self._failures.clear()

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
            film = self._read(arrival) if work.attempt < LAST_TRY else self._set_aside(arrival, work.attempt)
            self._record(work, film)
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
        film = self._unread(arrival, why) if work.attempt < LAST_TRY else None
        stated = self._stated(film) if film else []
        try:
            with self._stores.database.write() as connection:
                heard = self._stores.casebook.hear(connection, arrival, stated)
                if heard is not None:
                    self._note_patient(connection, arrival, heard)
                self._stores.ledger.finish(connection, work)
        except OperationalError as error:  # no room for the commit
            self._stores.ledger.postpone(work, seconds=FULL_DISK_PAUSE_SECONDS, error=str(error), forgive=True)
        return True

    def _note_patient(self, connection: Connection, arrival: Arrival, recorded: RecordedCase) -> None:
        audit, machine = self._stores.audit, arrival.calling_ae_title
        note_patient(audit, connection, recorded.case_id, recorded.settled, actor=machine)

    def _read(self, arrival: Arrival) -> Film:
        try:
            with self._stores.spool.open(arrival.spooled.key) as stream:
                dataset = read_dataset(stream)
            repair_text(dataset)
        except (DamagedFile, OSError, ValueError) as error:
            return self._unread(arrival, NotReadable(reason=REASONS["damaged_pixels"], detail=str(error)))
        if arrival.instance.sop_class_uid not in FILM_CLASSES:
            return Film(arrival=arrival, header=dataset, reading=unread(NotReadable(reason=REASONS["not_a_film"])))
        arrived = arrival.received_at.astimezone().date()
        radiograph = admit(dataset, self._policy.admission, arrived=arrived)
        if isinstance(radiograph, NotReadable):
            view = glimpse(dataset, self._policy.admission)
            header = _without_pixels(dataset)
            reading = unread(radiograph, header, arrived)
            return Film(arrival=arrival, header=header, reading=reading, radiograph=view)
        header = _without_pixels(dataset)
        share, met = self._policy.urgent_share, None
        if self._card is not None:
            met = self._site.meet(machine_of(header), self._card, urgent_share=share)
        reading = classify(radiograph, self._classifier, self._policy, clock=self._clock, met=met)
        self._note_use(reading)
        return Film(arrival=arrival, header=header, radiograph=radiograph, reading=reading)

    def _set_aside(self, arrival: Arrival, attempt: int) -> Film:
        """A film that no reader survived. When even its header was too much, it is known by its names alone."""
        why = NotReadable(reason=REASONS["reader_died"])
        if attempt > LAST_TRY:
            return Film(arrival=arrival, header=_bare_header(arrival.instance), reading=unread(why))
        return self._unread(arrival, why)

    def _unread(self, arrival: Arrival, why: NotReadable) -> Film:
        """A film whose pixels must not, or cannot, be touched: its header if that much can be read."""
        try:
            with self._stores.spool.open(arrival.spooled.key) as stream:
                header = read_header(stream)
            repair_text(header)
        except (DamagedFile, OSError, ValueError):
            header = _bare_header(arrival.instance)
        return Film(arrival=arrival, header=header, reading=unread(why))

    def _record(self, work: Work, film: Film) -> None:
        """COMMIT 2: the case, its results on their way, the study's promotion, and the work done.

        Every file is safe on disk before the transaction begins, so that nobody waits on the database for an fsync.
        """
        unmade: list[str] = []
        results = self._keep_results(film, unmade.append)
        heat = _heat_of(film.reading, unmade.append)
        request: PreparedRequest | None = None
        try:
            stated = self._stated(film)
            request = self._prepare_request(film, results, stated, unmade.append)
            film = replace(film, reading=lacking(film.reading, unmade))
            with self._stores.database.write() as connection:
                self._stores.heat_maps.keep(connection, film.arrival.instance.sop_instance_uid, heat)
                self._write(connection, work, film, results, request, stated)
        except BaseException:
            self._delete(result.spooled for result in results)
            if request is not None:
                self._stores.consultations.forget(request)
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
        self._stores.orders.close(connection, _filmed(film))
        recorded = self._stores.casebook.record(
            connection,
            arrival=film.arrival,
            stated=stated,
            reading=film.reading,
            picture_key=picture_key,
            exposed_at=exposed_at(film.header, received_at=film.arrival.received_at),
        )
        self._note_patient(connection, film.arrival, recorded)
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
            self._stores.outbox.promote_study(connection, film.arrival.instance.study_instance_uid)
            self._stores.notices.tell(connection, "urgent", recorded.case_id)
        if request is not None:
            self._stores.consultations.request_within(connection, recorded.case_id, request)
        self._stores.ledger.finish(connection, work)

    def _stated(self, film: Film) -> list[Statement]:
        """What the film says of its patient, and the registration whose number it bears: the surest, of several."""
        received_at = film.arrival.received_at
        patient = read_patient(film.header, received_at.astimezone().date())
        filmed = _filmed(film)
        named = sorted(self._stores.orders.named_by(filmed), key=lambda order: is_film_of(order, filmed))
        return statements(
            patient,
            filmed.accession_number,
            film.reading,
            made_at=made_at(film.header, received_at=received_at),
            order=registered(named[-1]) if named else None,
        )

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
            return self._stores.consultations.prepare(
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

    def _keep_results(self, film: Film, on_unmade: Callable[[str], None]) -> list[KeptResult]:
        """Make the result objects and keep them: all, or none. The disk takes one while the next is being made."""
        if film.reading.not_readable and film.reading.not_readable.reason is REASONS["not_a_film"]:
            return []
        made = make_results(
            film.header,
            film.reading,
            film.radiograph,
            station_name=self._policy.station_name,
            at=self._clock.now(),
            supersedes=self._report_before(film.arrival.instance),
            on_unmade=on_unmade,
        )
        keeping: list[Future[KeptResult]] = []
        try:
            with ThreadPoolExecutor() as disk:
                keeping.extend(disk.submit(self._keep, result) for result in made)
            return [one.result() for one in keeping]
        except BaseException:
            self._delete(one.result().spooled for one in keeping if one.exception() is None)
            raise

    def _report_before(self, film: InstanceRef) -> InstanceRef | None:
        """The report of the film's earlier reading, where it was promised to anybody."""
        before = self._stores.casebook.image(film.sop_instance_uid)
        if before is None:
            return None
        uid = report_uid(film.sop_instance_uid, model=before.model, reason=before.reason)
        sent = (one.instance for one in self._stores.outbox.of_study(film.study_instance_uid))
        return next((instance for instance in sent if instance.sop_instance_uid == uid), None)

    def _keep(self, result: ResultObject) -> KeptResult:
        spooled = self._stores.spool.keep(BytesIO(result.encoded))
        return KeptResult(what=result.what, instance=reference_to(result.dataset), spooled=spooled)

    def _delete(self, files: Iterable[SpooledFile]) -> None:
        for spooled in files:
            self._stores.spool.delete(spooled.key)


def classify(
    radiograph: Radiograph,
    classifier: Classifier | None,
    policy: SitePolicy,
    *,
    clock: Clock,
    met: Met | None = None,
) -> Reading:
    """What the model says of an admitted film, and how soon a doctor should look. No model, no guess.

    ``met``: what is known of its machine, where anybody keeps count of machines.
    """
    if classifier is None:
        return unread(NotReadable(reason=REASONS["no_model"]))
    started = clock.monotonic()
    try:
        findings = classifier.classify(radiograph, met.cut_offs if met else None)
    except ModelFailed as error:
        return unread(NotReadable(reason=REASONS["model_failed"], detail=str(error)))
    unread_for = findings if isinstance(findings, NotReadable) else None
    told = None if isinstance(findings, NotReadable) else findings
    seen = with_sides(told, radiograph.columns, radiograph.towards) if told else None
    return Reading(
        decision=decide(seen, policy.triage, severe_from=met.severe_from if met else None) if seen else not_read(),
        findings=seen,
        not_readable=unread_for,
        flags=(
            *radiograph.flags,
            *([AGE_UNKNOWN] if radiograph.age_years is None else ()),
            *(seen.flags if seen else refused_by(unread_for)),
        ),
        model=classifier.identity,
        rows=radiograph.rows,
        columns=radiograph.columns,
        seconds=clock.monotonic() - started,
        machine=met.known if met and seen else None,
        view=radiograph.view,
    )


def _filmed(film: Film) -> Filmed:
    patient = read_patient(film.header)
    return Filmed(
        study_instance_uid=film.arrival.instance.study_instance_uid,
        accession_number=str(film.header.get("AccessionNumber") or ""),
        patient_id=patient.id,
        patient_name=patient.name,
        patient_birth_date=patient.birth_date,
    )


def _heat_of(reading: Reading, on_unmade: Callable[[str], None]) -> bytes | None:
    if reading.findings is None or reading.findings.heat_map is None:
        return None
    try:
        return heat_png(reading.findings.heat_map)
    except MemoryError:
        raise
    except Exception:  # it costs the heat map, not the reading
        log.exception("result not made", what="heat")
        on_unmade("heat")
        return None


def lacking(reading: Reading, unmade: Sequence[str]) -> Reading:
    """The reading, flagged with the objects that could not be made of it."""
    return replace(reading, flags=(*reading.flags, *(f"no_{what}" for what in unmade)))


def unread(why: NotReadable, header: Dataset | None = None, arrived: date | None = None) -> Reading:
    """The reading of a film that was not read; what its ``header`` says of its age is flagged all the same."""
    age_flags = () if header is None else read_age(header, arrived).flags
    return Reading(decision=not_read(), not_readable=why, flags=(*refused_by(why), *age_flags))


def refused_by(why: NotReadable | None) -> tuple[str, ...]:
    """What refused the film, as a flag."""
    return (f"refused_by_{why.by}",) if why is not None and why.by else ()


def _without_pixels(dataset: Dataset) -> Dataset:
    if "PixelData" in dataset:
        del dataset.PixelData
    return dataset


def _bare_header(instance: InstanceRef) -> Dataset:
    """What the listener knew of an instance whose file can no longer be parsed."""
    header = Dataset()
    header.SOPInstanceUID = instance.sop_instance_uid
    header.SOPClassUID = instance.sop_class_uid
    header.StudyInstanceUID = instance.study_instance_uid
    header.SeriesInstanceUID = instance.series_instance_uid
    return header
