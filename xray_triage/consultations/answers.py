"""Keeps answers, objects found to be no answer, and objects to be fetched again. Asks no PACS."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database, insert_all_new, insert_new
from dicom_router.transport.archive import FoundInstance
from xray_triage.cases import tables
from xray_triage.cases.consultation import ConsultationState, Problem, Standing
from xray_triage.cases.notices import Notices
from xray_triage.cases.rows import uids_column
from xray_triage.consultations.report_parser import UNREAD, ParsedAnswer

LONGEST_RETRY_SECONDS = 6 * 3600.0
MOST_PROBLEMS = 100
AT_ONCE = 500  # objects in one commit, for which others wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A consultation to be asked for."""

    consultation_id: int
    case_sequence: int
    case_id: str
    study_instance_uid: str
    request_uid: str
    state: str
    priority: str
    requested_at: datetime
    watched: bool
    polls: int
    obstacle: str | None
    obstacle_detail: str
    accession_number: str
    patient_id: str
    patient_name: str
    patient_birth_date: str


class Answers:
    """The tables ``answer`` and ``passed_over``. An object is one answer, from however many threads and nodes."""

    def __init__(self, database: Database, *, clock: Clock, notices: Notices) -> None:
        self._database = database
        self._clock = clock
        self._notices = notices

    def unknown(self, found: Sequence[FoundInstance]) -> list[FoundInstance]:
        """Those that are to be fetched: new ones, and unreadable ones whose time has come."""
        uids = [one.sop_instance_uid for one in found]
        now = self._clock.now()
        over = tables.passed_over.c
        waits = sa.or_(
            over.retry_at.is_(None),
            sa.and_(over.retry_at > now, over.retry_at < now + timedelta(seconds=2 * LONGEST_RETRY_SECONDS)),
        )
        mine = tables.answer.c.sop_instance_uid
        query = (
            sa.select(mine)
            .where(mine.in_(uids))
            .union_all(sa.select(over.sop_instance_uid).where(over.sop_instance_uid.in_(uids), waits))
        )
        with self._database.read() as connection:
            known = set(connection.scalars(query))
        return [one for one in found if one.sop_instance_uid not in known]

    def tried(self, found: Sequence[FoundInstance]) -> set[str]:
        """The SOP Instance UIDs of those that could not be read the last time."""
        over = tables.passed_over.c
        again = over.sop_instance_uid.in_([one.sop_instance_uid for one in found]), over.retry_at.is_not(None)
        with self._database.read() as connection:
            return set(connection.scalars(sa.select(over.sop_instance_uid).where(*again))) if found else set()

    def keep(
        self,
        question: Question,
        found: FoundInstance,
        reply: ParsedAnswer,
        *,
        spool_key: str | None,
        next_poll_at: datetime,
    ) -> bool:
        """The answer, and its question answered if it is final, in one commit. False: it was known already."""
        asked, now = tables.consultation, self._clock.now()
        with self._database.write() as connection:
            consultation_id, is_newest = _question_of(connection, question, reply)
            row = _row(question, found, reply) | {
                "consultation_id": consultation_id,
                "received_at": now,
                "spool_key": spool_key,
            }
            if insert_new(connection, tables.answer, row) is None:
                return False
            mine = asked.update().where(asked.c.consultation_id == consultation_id)
            if reply.standing is Standing.FINAL:
                answered = {
                    "state": ConsultationState.ANSWERED.value,
                    "answered_at": sa.func.coalesce(asked.c.answered_at, now),
                    "seen_at": None,
                    "obstacle": None,
                    "obstacle_detail": "",
                    "watched": True,
                    "polls": 0,
                    "next_poll_at": next_poll_at if is_newest else None,  # the study is asked for once
                }
                connection.execute(mine.values(answered))
            elif reply.standing is Standing.PRELIMINARY:
                connection.execute(mine.values(seen_at=None))
            if reply.standing in (Standing.FINAL, Standing.PRELIMINARY):
                self._notices.tell(connection, "answer", found.sop_instance_uid)
            over = tables.passed_over
            connection.execute(over.delete().where(over.c.sop_instance_uid == found.sop_instance_uid))
        return True

    def mark(self, question: Question, found: Sequence[FoundInstance]) -> None:
        """Tell the doctor of these objects, which are not fetched; those that are known already stay as they are."""
        marks = [(one, ParsedAnswer(kind=UNREAD[one.sop_class_uid], standing=Standing.MARK)) for one in found]
        told: dict[str, object] = {"received_at": self._clock.now(), "spool_key": None}
        for first in range(0, len(marks), AT_ONCE):
            with self._database.write() as connection:
                told["consultation_id"], _ = _question_of(connection, question, marks[0][1])
                rows = [_row(question, one, mark) | told for one, mark in marks[first : first + AT_ONCE]]
                insert_all_new(connection, tables.answer, rows)

    def pass_over(
        self, question: Question, found: Sequence[FoundInstance], why: str, obstacle: str | None = None
    ) -> None:
        """They are no answers: never fetch them again. With an ``obstacle`` a person may think otherwise."""
        values = {"why": why, "obstacle": obstacle, "retry_at": None}
        for first in range(0, len(found), AT_ONCE):
            with self._database.write() as connection:
                self._write_over(connection, question, found[first : first + AT_ONCE], values)

    def retry_later(
        self, question: Question, found: FoundInstance, problem: Problem, seconds_after: Callable[[int], float]
    ) -> int:
        """What cannot be read today may have been sent anew tomorrow. How often it has been tried."""
        over = tables.passed_over.c
        known = sa.select(over.tries).where(over.sop_instance_uid == found.sop_instance_uid)
        with self._database.write() as connection:
            tries = int(connection.scalar(known) or 0) + 1
            retry_at = self._clock.now() + timedelta(seconds=seconds_after(tries))
            noted = {"why": problem.detail, "obstacle": problem.obstacle, "tries": tries, "retry_at": retry_at}
            self._write_over(connection, question, [found], noted)
        return tries

    def unreadable(self, question: Question) -> list[Problem]:
        """Why an object of the study could not be taken yet; at most one."""
        over = tables.passed_over.c
        query = sa.select(over.obstacle, over.why).where(
            over.case_sequence == question.case_sequence, over.retry_at.is_not(None)
        )
        return self._problems(query.limit(1))

    def problems(self) -> list[Problem]:
        """Why open questions could not be asked for, each once."""
        asked = tables.consultation.c
        query = sa.select(asked.obstacle, asked.obstacle_detail).where(tables.IS_OPEN, asked.obstacle.is_not(None))
        return self._problems(query.distinct().limit(MOST_PROBLEMS))

    def _problems(self, query: sa.Select[Any]) -> list[Problem]:
        with self._database.read() as connection:
            return [Problem(*row) for row in connection.execute(query)]

    @staticmethod
    def _write_over(
        connection: sa.Connection, question: Question, found: Sequence[FoundInstance], values: Mapping[str, object]
    ) -> None:
        over, uids = tables.passed_over, [one.sop_instance_uid for one in found]
        rows = [{"case_sequence": question.case_sequence, "sop_instance_uid": uid, **values} for uid in uids]
        insert_all_new(connection, over, rows)
        connection.execute(over.update().where(over.c.sop_instance_uid.in_(uids)).values(dict(values)))


def _row(question: Question, found: FoundInstance, reply: ParsedAnswer) -> dict[str, object]:
    said = {key: value for key, value in asdict(reply).items() if key in tables.answer.c}
    return said | {
        "case_sequence": question.case_sequence,
        "sop_instance_uid": found.sop_instance_uid,
        "predecessors": uids_column(reply.predecessors),
        "objects": uids_column(reply.objects),
    }


def _question_of(connection: sa.Connection, question: Question, reply: ParsedAnswer) -> tuple[int, bool]:
    """Whose answer it is, and whether that is the newest question of the case.

    The newest whose request or reminder it names; an addendum's is that of what it adds to; else the newest of all. In
    place of one that was cancelled stands the one that was asked then.
    """
    asked, again, answer = tables.consultation.c, tables.reminder.c, tables.answer.c
    of_case = asked.case_sequence == question.case_sequence
    rows = connection.execute(sa.select(asked.consultation_id, asked.request_uid, asked.state).where(of_case)).all()
    standing = [row.consultation_id for row in rows if row.state != ConsultationState.CANCELLED.value]
    newest = max(standing, default=question.consultation_id)
    requests = {row.request_uid: row.consultation_id for row in rows}
    reminders = sa.select(again.sop_instance_uid, again.consultation_id).where(again.consultation_id.in_(standing))
    requests |= {row.sop_instance_uid: row.consultation_id for row in connection.execute(reminders)}
    named = [number for uid, number in requests.items() if uid in reply.names]
    if not named and reply.is_addendum and reply.predecessors:
        known = answer.sop_instance_uid.in_(reply.predecessors), answer.case_sequence == question.case_sequence
        named = list(connection.scalars(sa.select(answer.consultation_id).where(*known)))
    latest = max(named, default=newest)
    mine = min((number for number in standing if number >= latest), default=newest)
    return mine, mine == newest
