"""The cases, one per study: written by the reader, read by page and API. Never touches pixels or the network."""

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival
from dicom_router.store.database import Database, insert_new, migrate
from xray_triage.cases import marks, rows, tables, worklist
from xray_triage.cases.case import Case, Image, Verdict
from xray_triage.cases.identity import Identity, Statement, identify, label, plain_id
from xray_triage.cases.news import News, newest
from xray_triage.cases.statements import Settled, foresee, settle
from xray_triage.reading.findings import Priority, Reading

ALARMS = (Priority.URGENT, Priority.ABNORMAL)
AT_ONCE = 200  # cases
READ_WITHIN = 20  # one film in so many is read, at the least, when there are enough to count


class UnknownCase(LookupError):
    """There is no case with this id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCase:
    """Where a reading went. ``raised``: the case is now more urgent than before it (a new case counts from normal)."""

    case_id: str
    priority: Priority
    raised: bool
    settled: Settled


class Casebook:
    """All cases. Newest is by sequence, whatever the clock said; worklist.py says which are listed, and where."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def record(
        self,
        connection: sa.Connection,
        *,
        arrival: Arrival,
        stated: Sequence[Statement],
        reading: Reading,
        picture_key: str | None,
        exposed_at: datetime | None = None,
    ) -> RecordedCase:
        """Write one reading into its case, making the case when it is the study's first. Harmless to repeat.

        Runs inside the reader's transaction. ``picture_key`` is the spool key of the secondary capture, or None.
        ``stated``: what the object says of the patient, and behind it the order that it bears, if any.
        """
        before = self._locked_case(connection, arrival)
        settled = settle(connection, before, stated)
        seen = rows.image_columns(reading, label(stated[0].patient)) | {
            "picture_key": picture_key,
            "exposed_at": exposed_at,
        }
        is_news = self._write_image(connection, before.sequence, arrival, seen)
        priority = self._priority(connection, before)
        changes = {"priority": priority.value, "urgency": rows.urgency(priority), "read_at": self._clock.now()}
        changes["is_unproven"] = priority is Priority.NORMAL and self._is_unproven(connection, before.sequence)
        changes |= _patient_columns(settled.identity)
        if is_news:
            changes |= marks.NONE
        if exposed_at is not None and (before.exposed_at is None or exposed_at < before.exposed_at):
            changes["exposed_at"] = exposed_at
        connection.execute(tables.case.update().where(tables.case.c.sequence == before.sequence).values(changes))
        raised = priority.rank < Priority(before.priority).rank
        return RecordedCase(case_id=before.case_id, priority=priority, raised=raised, settled=settled)

    def hear(self, connection: sa.Connection, arrival: Arrival, stated: Sequence[Statement]) -> RecordedCase | None:
        """What an object says of the patient that came under the UID of another film, and is kept apart: no film of the
        case's own. None: its study has no case.
        """
        mine = tables.case.c.study_instance_uid == arrival.instance.study_instance_uid
        case = connection.execute(sa.select(tables.case).where(mine).with_for_update()).one_or_none()
        if case is None:
            return None
        settled = settle(connection, case, stated)
        connection.execute(tables.case.update().where(mine).values(_patient_columns(settled.identity)))
        return RecordedCase(case_id=case.case_id, priority=Priority(case.priority), raised=False, settled=settled)

    def foresee(self, study_instance_uid: str, stated: Sequence[Statement]) -> Identity:
        """Whose study it will be once this is recorded, too."""
        with self._database.read() as connection:
            return foresee(connection, study_instance_uid, stated)

    def _locked_case(self, connection: sa.Connection, arrival: Arrival) -> sa.Row[Any]:
        uid = arrival.instance.study_instance_uid
        known = sa.select(tables.case).where(tables.case.c.study_instance_uid == uid).with_for_update()
        row = connection.execute(known).one_or_none()
        if row is not None:
            return row
        new = {
            "case_id": secrets.token_hex(6),
            "study_instance_uid": uid,
            "received_at": arrival.received_at,
            "read_at": self._clock.now(),
            "priority": Priority.NORMAL.value,
            "urgency": rows.urgency(Priority.NORMAL),
            **_patient_columns(identify(())),
        }
        # Two readers may meet here with two films of one study: the second finds the first's case after its commit.
        insert_new(connection, tables.case, new)
        return connection.execute(known).one()

    def _write_image(self, connection: sa.Connection, sequence: int, arrival: Arrival, seen: Mapping[str, Any]) -> bool:
        """Whether it is a film more, or says otherwise than before: then a doctor should look again."""
        image = tables.image
        values = {
            **seen,
            "case_sequence": sequence,
            "arrival_id": arrival.arrival_id,
            "received_at": arrival.received_at,
            "read_at": self._clock.now(),
        }
        this = image.c.sop_instance_uid == arrival.instance.sop_instance_uid
        before = connection.execute(sa.select(image.c.priority, image.c.reason).where(this)).one_or_none()
        if before is None:
            uid = arrival.instance.sop_instance_uid
            connection.execute(image.insert().values(sop_instance_uid=uid, **values))
            return bool(seen["urgency"] != rows.NO_FILM)
        connection.execute(image.update().where(this).values(values))
        return tuple(before) != (seen["priority"], seen["reason"])

    @staticmethod
    def _priority(connection: sa.Connection, before: sa.Row[Any]) -> Priority:
        image = tables.image
        worst = sa.select(image.c.priority).where(image.c.case_sequence == before.sequence)
        now = Priority(connection.execute(worst.order_by(image.c.urgency.desc()).limit(1)).scalar_one())
        was = Priority(before.priority)
        # An alarm once given stays, even if the film is read again; "not read" is no alarm and yields to a reading.
        return was if was in ALARMS and was.rank < now.rank else now

    @staticmethod
    def _is_unproven(connection: sa.Connection, sequence: int) -> bool:
        films = sa.select(tables.image.c.reading).where(tables.image.c.case_sequence == sequence)
        machines = (rows.machine_of(reading) for reading in connection.scalars(films))
        return any(machine is not None and not machine.clears for machine in machines)

    def cases(  # noqa: PLR0913 -- what a doctor can narrow the list to
        self,
        *,
        search: str = "",
        priority: str | None = None,
        state: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        studies: Sequence[str] | None = None,
        newest: int | None = None,
        unproven: bool | None = None,
        limit: int = 100,
        before: str | None = None,
    ) -> list[Case]:
        """The worklist: unread answers first, overdue consultations, then the most urgent, then the newest.

        ``search``: every word in name, patient id or accession number, without accents; or a date (22/11/2026,
        2026-11-22, 22/11) in this computer's zone. ``state``: one of CaseState. ``since`` <= received < ``until``.
        ``studies``: none but these. ``newest``: only so many of the last, and those with an open
        question or an unread answer. ``unproven``: only those without a mark that may not be called clear, or none of
        them. ``before``: the case_id that the page before this one ended with; UnknownCase
        when there is none.
        """
        wanted = worklist.CaseFilter(
            priority=Priority(priority) if priority else None,
            state=worklist.CaseState(state) if state else None,
            since=since,
            until=until,
            studies=None if studies is None else tuple(studies),
            newest=newest,
            unproven=unproven,
        )
        wanted = self._understood(wanted, search)
        with self._database.read() as connection:
            after = worklist.place_of(connection, before) if before else None
            if before and after is None:
                raise UnknownCase(before)
            page = worklist.page_of(connection, wanted, limit=limit, after=after)
            found = self._read(connection, tables.case.c.sequence.in_(page))
        return [found[sequence] for sequence in page]

    def counts_of(
        self,
        *,
        search: str = "",
        state: str | None = None,
        studies: Sequence[str] | None = None,
        newest: int | None = None,
    ) -> worklist.Counts:
        """How many cases the worklist shows of each kind when it is narrowed so; see ``cases``."""
        wanted = worklist.CaseFilter(
            state=worklist.CaseState(state) if state else None,
            studies=None if studies is None else tuple(studies),
            newest=newest,
        )
        with self._database.read() as connection:
            return worklist.counts(connection, self._understood(wanted, search))

    def _understood(self, wanted: worklist.CaseFilter, search: str) -> worklist.CaseFilter:
        return worklist.understood(wanted, search, self._clock.now().astimezone().date())

    def earlier(self, case: Case) -> Case | None:
        """The last case before this one of the same patient id; None when there is none, or the id says nothing."""
        if not plain_id(case.patient.id):
            return None
        each = tables.case
        same = sa.select(sa.func.max(each.c.sequence)).where(
            each.c.patient_id == case.patient.id, each.c.sequence < _sequence(case.case_id)
        )
        return next(iter(self._load(each.c.sequence == same.scalar_subquery())), None)

    def see(self, case_id: str, *, by: str) -> None:
        """A doctor has the case before their eyes: it is seen, and its answers are read, until another comes.

        On a full disk all stays as it is.
        """
        with self._database.read() as connection:
            if not marks.is_unseen(connection, case_id):
                return
        with suppress(OperationalError), self._database.write() as connection:
            marks.see(connection, case_id, by=by, at=self._clock.now())

    def finish(self, case_id: str, *, by: str) -> None:
        """A doctor says that nothing is left to do. Raises UnknownCase."""
        with self._database.write() as connection:
            marks.finish(connection, sequence_of(connection, case_id), by=by, at=self._clock.now())

    def reopen(self, case_id: str) -> None:
        """A doctor says that something is left to do after all. Raises UnknownCase."""
        with self._database.write() as connection:
            marks.reopen(connection, sequence_of(connection, case_id))

    def case(self, case_id: str) -> Case | None:
        return next(iter(self._load(tables.case.c.case_id == case_id)), None)

    def case_of_study(self, study_instance_uid: str) -> Case | None:
        return next(iter(self._load(tables.case.c.study_instance_uid == study_instance_uid)), None)

    def between(self, since: datetime, until: datetime) -> Iterator[Case]:
        """Every case of ``since`` <= received < ``until`` in order of arrival; a few at a time are in memory."""
        case = tables.case.c
        return self._each(sa.select(case.sequence).where(case.received_at >= since, case.received_at < until))

    def judged(self) -> Iterator[Case]:
        """Every case on which a doctor gave a verdict, in order of arrival; a few at a time are in memory."""
        return self._each(sa.select(tables.verdict.c.case_sequence).distinct())

    def image(self, sop_instance_uid: str) -> Image | None:
        """What was said of this film the last time; None when it was not looked at yet."""
        mine = sa.select(tables.image).where(tables.image.c.sop_instance_uid == sop_instance_uid)
        with self._database.read() as connection:
            row = connection.execute(mine).one_or_none()
        return None if row is None else rows.image_of(row)

    def with_accession(self, accession_number: str) -> list[Case]:
        """The cases of this accession number: one, unless the site gives a number twice."""
        return self._load(tables.case.c.accession_number == accession_number)

    def arrivals_without_reading(self, reasons: Iterable[str]) -> list[int]:
        """Arrivals whose film is here and was not read for one of these reasons (codes), in order of reading."""
        image = tables.image
        found = sa.select(image.c.arrival_id).where(image.c.reason.in_(list(reasons)), image.c.purged_at.is_(None))
        with self._database.read() as connection:
            return list(connection.scalars(found.order_by(image.c.image_id)))

    @staticmethod
    def needed() -> sa.Select[tuple[str]]:
        """The Study Instance UIDs of the cases whose films somebody still waits with: a question, an unread answer."""
        asked = sa.or_(tables.IS_OPEN, tables.IS_UNREAD)
        joined = sa.select(tables.case.c.study_instance_uid).join_from(tables.case, tables.consultation)
        return joined.where(asked)

    def note_purged(self, connection: sa.Connection, sop_instance_uids: Iterable[str]) -> None:
        """In the caller's transaction: these films lie at the PACS alone from now on."""
        image = tables.image
        gone = image.update().where(image.c.sop_instance_uid.in_(list(sop_instance_uids)))
        connection.execute(gone.values(purged_at=self._clock.now()))

    def purged(self) -> int:
        """How many films lie at the PACS alone."""
        with self._database.read() as connection:
            counted = sa.select(sa.func.count()).where(tables.image.c.purged_at.is_not(None))
            return connection.execute(counted).scalar_one()

    def probabilities(self, model_sha256: str, *, newest: int) -> list[Mapping[str, float]]:
        """What this model said of each label, film by film: of the ``newest`` films read, those that it read."""
        image = tables.image
        last = sa.select(sa.func.max(image.c.image_id)).scalar_subquery()
        # However many films were not read lately, the way back through the table has an end.
        near = image.c.image_id > last - READ_WITHIN * newest
        films = sa.select(image.c.reading).where(image.c.priority != Priority.NOT_READ.value, near)
        with self._database.read() as connection:
            found = connection.scalars(films.order_by(image.c.image_id.desc()).limit(newest)).all()
        said = (rows.probabilities_of(reading) for reading in found)
        return [labels for sha256, labels in said if sha256 == model_sha256]

    def verdict_counts(self, *, newest: int | None = None) -> dict[tuple[Priority, bool], int]:
        """How many last words there are by the case's priority and by whether they agree; of the ``newest`` or all."""
        given, later, case = tables.verdict, tables.verdict.alias("later"), tables.case
        taken_back = sa.exists().where(
            later.c.case_sequence == given.c.case_sequence, later.c.verdict_id > given.c.verdict_id
        )
        last = sa.select(given.c.case_sequence, given.c.agrees).where(~taken_back, given.c.judges)
        words = last.order_by(given.c.verdict_id.desc()).limit(newest).subquery()
        counted = (
            sa.select(case.c.priority, words.c.agrees, sa.func.count())
            .join_from(words, case, case.c.sequence == words.c.case_sequence)
            .group_by(case.c.priority, words.c.agrees)
        )
        with self._database.read() as connection:
            return {(Priority(row[0]), row[1]): row[2] for row in connection.execute(counted)}

    def version(self) -> int | str:
        """Another value than before when a case or its deliveries may have changed since."""
        return self._database.version()

    def news(self) -> News:
        """What a doctor should hear of."""
        with self._database.read() as connection:
            return newest(connection)

    def counts(self) -> dict[Priority, int]:
        """How many cases there are of each priority."""
        case = tables.case
        counted = sa.select(case.c.urgency, sa.func.count()).group_by(case.c.urgency)
        with self._database.read() as connection:
            found = {row[0]: row[1] for row in connection.execute(counted)}
        return {priority: found.get(rows.urgency(priority), 0) for priority in Priority}

    def consultations(self) -> dict[worklist.CaseState, int]:
        """How many cases wait for an answer, wait too long, and have one that nobody has read."""
        asked = tables.consultation.c.case_sequence
        among = {
            worklist.CaseState.OPEN: tables.IS_OPEN,
            worklist.CaseState.OVERDUE: tables.IS_OVERDUE,
            worklist.CaseState.UNREAD: tables.IS_UNREAD,
        }
        with self._database.read() as connection:
            counted = (sa.select(sa.func.count(asked.distinct())).where(state) for state in among.values())
            return dict(zip(among, (connection.execute(one).scalar_one() for one in counted), strict=True))

    def last_received_at(self) -> datetime | None:
        """When the newest film came; None before the first."""
        image = tables.image.c
        newest = sa.select(image.received_at).order_by(image.image_id.desc()).limit(1)
        with self._database.read() as connection:
            return connection.execute(newest).scalar()

    def readings(self, *, after_image: int) -> list[tuple[int, float, list[str]]]:
        """(number, seconds from arrival to result, findings) of the images recorded after ``after_image``, in order."""
        image = tables.image.c
        recorded = sa.select(image.image_id, image.received_at, image.read_at, image.marked).order_by(image.image_id)
        with self._database.read() as connection:
            found = connection.execute(recorded.where(image.image_id > after_image)).all()
        return [(row.image_id, (row.read_at - row.received_at).total_seconds(), row.marked.split()) for row in found]

    def exposed_ahead_seconds(self, *, newest: int = 20) -> float:
        """How far the exposures of the newest films lie behind their arrival, the one that leads most; 0: none does."""
        image = tables.image.c
        query = sa.select(image.exposed_at, image.received_at).order_by(image.image_id.desc()).limit(newest)
        with self._database.read() as connection:
            pairs = [(row.exposed_at, row.received_at) for row in connection.execute(query) if row.exposed_at]
        return max((max(0.0, (exposed - received).total_seconds()) for exposed, received in pairs), default=0.0)

    def last_image(self) -> int:
        """The number of the newest image, 0 when there is none."""
        with self._database.read() as connection:
            return connection.execute(sa.select(sa.func.max(tables.image.c.image_id))).scalar() or 0

    def give_verdict(self, case_id: str, *, agrees: bool | None, note: str, given_by: str = "") -> Verdict:
        """Keep the doctor's word, which makes the case done; the last one counts. Raises UnknownCase.

        ``agrees`` is None where no AI spoke.
        """
        given = Verdict(agrees=agrees, note=note, given_at=self._clock.now(), given_by=given_by)
        with self._database.write() as connection:
            sequence = sequence_of(connection, case_id)
            judged = {"agrees": bool(agrees), "judges": agrees is not None, "case_sequence": sequence}
            connection.execute(tables.verdict.insert().values(asdict(given) | judged))
            marks.finish(connection, sequence, by=given_by, at=given.given_at)
        return given

    def _load(self, wanted: sa.ColumnElement[bool]) -> list[Case]:
        with self._database.read() as connection:
            return list(self._read(connection, wanted).values())

    def _each(self, wanted: sa.Select[tuple[int]]) -> Iterator[Case]:
        with self._database.read() as connection:
            sequences = sorted(connection.scalars(wanted))
        for first in range(0, len(sequences), AT_ONCE):
            with self._database.read() as connection:
                found = self._read(connection, tables.case.c.sequence.in_(sequences[first : first + AT_ONCE]))
            yield from (found[sequence] for sequence in sorted(found))

    @staticmethod
    def _read(connection: sa.Connection, wanted: sa.ColumnElement[bool]) -> dict[int, Case]:
        case = tables.case
        ordered = sa.select(case).where(wanted).order_by(case.c.urgency.desc(), case.c.sequence.desc())
        found = connection.execute(ordered).all()
        sequences = [row.sequence for row in found]
        belonging = [
            _by_case(connection, table, sequences)
            for table in (tables.image, tables.consultation, tables.answer, tables.verdict)
        ]
        return {row.sequence: rows.case_of(row, *(grouped[row.sequence] for grouped in belonging)) for row in found}


def _patient_columns(identity: Identity) -> dict[str, Any]:
    return rows.patient_columns(identity.patient, identity.accession_number, identity.conflict)


def migrate_cases(database: Database) -> None:
    """Make or renew this package's tables. Raises SchemaTooNew."""
    migrate(database, scripts=Path(__file__).parent.parent / "migrations", version_table="triage_version")


def sequence_of(connection: sa.Connection, case_id: str) -> int:
    """The inner number of a case. Raises UnknownCase."""
    found = connection.execute(sa.select(tables.case.c.sequence).where(tables.case.c.case_id == case_id)).scalar()
    if found is None:
        raise UnknownCase(case_id)
    return int(found)


def _sequence(case_id: str) -> sa.ScalarSelect[int]:
    return sa.select(tables.case.c.sequence).where(tables.case.c.case_id == case_id).scalar_subquery()


def _by_case(
    connection: sa.Connection, table: sa.Table, sequences: Iterable[int]
) -> defaultdict[int, list[sa.Row[Any]]]:
    grouped = defaultdict[int, list[sa.Row[Any]]](list)
    wanted = sa.select(table).where(table.c.case_sequence.in_(list(sequences))).order_by(next(iter(table.primary_key)))
    for row in connection.execute(wanted):
        grouped[row.case_sequence].append(row)
    return grouped
