"""The cases, one per study, as page and API ask for them. Never touches pixels or the network."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from dicom_router.clock import Clock
from dicom_router.store.database import Database, migrate
from xray_triage.cases import marks, rows, tables, worklist
from xray_triage.cases.case import Case, Image, Verdict
from xray_triage.cases.identity import Identity, Statement, plain_id
from xray_triage.cases.news import News, newest
from xray_triage.cases.statements import foresee
from xray_triage.reading.findings import Priority

AT_ONCE = 200  # cases


class UnknownCase(LookupError):
    """There is no case with this id."""


class Casebook:
    """All cases. Newest is by sequence, whatever the clock said; worklist.py says which are listed, and where."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def foresee(self, study_instance_uid: str, stated: Sequence[Statement]) -> Identity:
        """Whose study it will be once this is recorded, too."""
        with self._database.read() as connection:
            return foresee(connection, study_instance_uid, stated)

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

    def version(self) -> int | str:
        """Another value than before when a case or its deliveries may have changed since."""
        return self._database.version()

    def news(self) -> News:
        """What a doctor should hear of."""
        with self._database.read() as connection:
            return newest(connection)

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
