"""Preparing a question: its request object and the pages that show it, safe in the spool before any transaction.

Promises nothing to anybody, and never talks to a PACS.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydicom.dataset import Dataset

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival, InstanceRef, SpooledFile, read_header, reference_to
from dicom_router.errors import DamagedFile
from dicom_router.store.database import Database
from dicom_router.store.inbox import Inbox
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from xray_triage.cases import rows, tables
from xray_triage.cases.consultation import AUTOMATIC, Consultation, ConsultationState
from xray_triage.cases.identity import Identity, same_person
from xray_triage.language import ENGLISH, N_
from xray_triage.reading.findings import Priority
from xray_triage.reading.patient import Patient, read_patient, repair_text
from xray_triage.results.capture import REQUEST_PAGE
from xray_triage.results.make import ResultObject, make_request
from xray_triage.results.request import FIRST, Asked, Step, Turn
from xray_triage.results.wording import conflict_line, unread_line, urgent_because

NO_FILM = N_("Không còn đọc được phim nào của ca này từ đĩa của trạm.")
INSTEAD = "THAY CHO YÊU CẦU TRƯỚC"


class CannotAsk(Exception):
    """No request can be made of this case now. ``words`` say why, in Vietnamese; the message is English."""

    def __init__(self, words: str) -> None:
        super().__init__(ENGLISH.translate(words))
        self.words = words


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRequest:
    """A request: its object and the pages that show it, safe in the spool and not yet promised to anybody."""

    consultation: Consultation
    study_instance_uid: str
    kept: Sequence[tuple[str, InstanceRef, SpooledFile]]  # what it is, its names, its file; the request first


class Preparer:
    """Prepares requests of one station, and knows which film says whose study it is."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        inbox: Inbox,
        outbox: Outbox,
        spool: Spool,
        station_name: str,
        phone: str = "",
    ) -> None:
        self._database = database
        self._clock = clock
        self._inbox = inbox
        self._outbox = outbox
        self._spool = spool
        self._station_name = station_name
        self._phone = phone

    def forget(self, prepared: PreparedRequest) -> None:
        """Delete the files of a request that nobody was promised."""
        for _, _, spooled in prepared.kept:
            self._spool.delete(spooled.key)

    def prepare(
        self,
        source: Dataset,
        references: Sequence[InstanceRef],
        *,
        question: str,
        priority: str,
        requested_by: str,
        identity: Identity,
        why: Sequence[str] = (),
        turn: Turn = FIRST,
    ) -> PreparedRequest:
        """Build the request and keep it, before any transaction: nobody waits on the database for an fsync.

        ``source`` is the repaired header of a film of the study, ``why`` what the AI says of it, ``identity`` whose
        case it is: a film that names somebody else gives way to one that does not, and of a conflict the request warns
        the specialist. Raises SpoolFull.
        """
        study_uid = str(source.StudyInstanceUID)
        if same_person(read_patient(source), identity.patient) is False:
            source = self._header(self._films(study_uid), identity.patient)
        conflict = identity.conflict
        told = question if conflict is None else f"{conflict_line(conflict.values)}\n\n{question}"
        now = self._clock.now()
        replaces, pages_before = self._before(study_uid, turn.step)
        asked = Asked(
            question=told,
            priority="urgent" if priority == "urgent" else "routine",
            requested_by=requested_by,
            patient=identity.patient,
            accession_number=identity.accession_number,
            why=why,
            phone=self._phone,
            turn=turn._replace(news=turn.news or (INSTEAD if replaces else "")),
            replaces=replaces,
            pages_before=pages_before,
        )
        made = make_request(source, references, asked, at=now, station_name=self._station_name)
        consultation = Consultation(
            state=ConsultationState.REQUESTED,
            question=question,
            priority=priority,
            requested_by=requested_by,
            requested_at=now,
            request_uid=str(made[0].dataset.SOPInstanceUID),
        )
        return PreparedRequest(consultation=consultation, study_instance_uid=study_uid, kept=self._keep(made))

    def prepare_again(
        self,
        study_uid: str,
        *,
        question: str,
        priority: str,
        requested_by: str,
        turn: Turn = FIRST,
    ) -> PreparedRequest:
        """A request over every film of the study and what the AI said of it. Raises CannotAsk or SpoolFull."""
        films = self._films(study_uid)
        results = [d.instance for d in self._outbox.of_study(study_uid) if d.what in ("sr", "sc")]
        references = list({ref.sop_instance_uid: ref for ref in [*(f.instance for f in films), *results]}.values())
        identity = rows.identity_of(self._case(study_uid))
        return self.prepare(
            self._header(films, identity.patient),
            references,
            question=question,
            priority=priority,
            requested_by=requested_by,
            identity=identity,
            why=() if requested_by == AUTOMATIC else self._why(study_uid),  # its question says why
            turn=turn,
        )

    def header(self, study_instance_uid: str) -> Dataset:
        """Who the patient is and which study it is, text repaired. Raises CannotAsk when no film can be read."""
        return self._header(self._films(study_instance_uid), rows.patient_of(self._case(study_instance_uid)))

    def _before(self, study_uid: str, step: Step) -> tuple[InstanceRef | None, int]:
        """The document that the next one replaces, as far as it is on its way, and how many have pages in the study."""
        sent = self._outbox.of_study(study_uid)
        series = {one.instance.series_instance_uid for one in sent if one.what == REQUEST_PAGE.what}
        mine = tables.IS_OPEN, tables.case.c.study_instance_uid == study_uid
        query = sa.select(tables.consultation).join_from(tables.consultation, tables.case).where(*mine)
        with self._database.read() as connection:
            row = connection.execute(query).one_or_none()
        if row is None or step is Step.REMIND:
            return None, len(series)
        uid = rows.consultation_of(row).newest_uid
        return next((one.instance for one in sent if one.instance.sop_instance_uid == uid), None), len(series)

    def _keep(self, made: Sequence[ResultObject]) -> list[tuple[str, InstanceRef, SpooledFile]]:
        """All, or none."""
        kept: list[tuple[str, InstanceRef, SpooledFile]] = []
        try:
            for one in made:
                spooled = self._spool.keep(io.BytesIO(one.encoded))
                kept.append((one.what, reference_to(one.dataset), spooled))
        except BaseException:
            for _, _, spooled in kept:
                self._spool.delete(spooled.key)
            raise
        return kept

    def _why(self, study_uid: str) -> list[str]:
        """What the AI says of the study that its reader must know first: why it is urgent, or that nothing was read."""
        image, case = tables.image, tables.case
        films_of = (
            sa.select(image)
            .join_from(image, case)
            .where(case.c.study_instance_uid == study_uid, image.c.reason.is_distinct_from("not_a_film"))
        )
        with self._database.read() as connection:
            films = [rows.image_of(row) for row in connection.execute(films_of.order_by(image.c.image_id))]
        urgent = [urgent_because(one.reasons, one.findings) for one in films if one.priority is Priority.URGENT]
        unread = [unread_line(one.reason) for one in films if one.reason is not None]
        is_any_read = len(unread) < len(films)
        return list(dict.fromkeys([f"AI: {line}" for line in urgent if line] if is_any_read else unread))

    def _case(self, study_instance_uid: str) -> sa.Row[Any]:
        known = sa.select(tables.case).where(tables.case.c.study_instance_uid == study_instance_uid)
        with self._database.read() as connection:
            return connection.execute(known).one()

    def _films(self, study_instance_uid: str) -> list[Arrival]:
        return [arrival for arrival in self._inbox.of_study(study_instance_uid) if not arrival.quarantined]

    def _header(self, films: Sequence[Arrival], patient: Patient) -> Dataset:
        """Who the patient is and which study it is: from the first object that names the case's ``patient`` as the case
        does, else the first that names that person, else the first that can still be read. A dose report may have come
        first, and names nobody, or somebody else.
        """
        namesake: Dataset | None = None
        first: Dataset | None = None
        for film in films:
            try:
                with self._inbox.purged_header(film.spooled.key) or self._spool.open(film.spooled.key) as stream:
                    header = read_header(stream)
            except DamagedFile:
                continue
            repair_text(header)
            said = read_patient(header)
            if (said.id, said.name) == (patient.id, patient.name):
                return header
            if namesake is None and same_person(said, patient):
                namesake = header
            first = header if first is None else first
        found = first if namesake is None else namesake
        if found is not None:
            return found
        raise CannotAsk(NO_FILM)
