"""Asking a specialist: a consultation and the delivery of its request object, in one commit. Never talks to a PACS."""

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from dicom_router.store.database import Database, insert_new
from dicom_router.store.outbox import Outbox
from dicom_router.store.spool import Spool
from xray_triage.cases import rows, tables
from xray_triage.cases.casebook import UnknownCase, sequence_of
from xray_triage.cases.consultation import AUTOMATIC, AnswerKind, Consultation, ConsultationState
from xray_triage.consultations.preparing import CannotAsk, PreparedRequest, Preparer
from xray_triage.language import N_

NO_NAME = N_("Tên “AI” dành cho yêu cầu tự động: hãy ghi tên người hỏi.")


class Consultations:
    """Questions to specialists. ``destinations`` take requests; ``wake`` is called when one is committed."""

    def __init__(
        self,
        database: Database,
        *,
        outbox: Outbox,
        spool: Spool,
        preparer: Preparer,
        destinations: Sequence[str],
        wake: Callable[[], None] = lambda: None,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._spool = spool
        self._preparer = preparer
        self._destinations = destinations
        self._wake = wake

    def request(self, case_id: str, *, question: str, priority: str, requested_by: str) -> Consultation:
        """Ask. While a person's request is open, every further one (a double click) gives that one back.

        An automatic one gives way: it is cancelled here, and the specialist gets the person's question beside it.
        Raises UnknownCase, CannotAsk or SpoolFull.
        """
        if requested_by == AUTOMATIC:
            raise CannotAsk(NO_NAME)
        study_uid, open_one = self._look_up(case_id)
        if open_one is not None and not open_one.is_automatic:
            return open_one
        prepared = self._preparer.prepare_again(
            study_uid, question=question, priority=priority, requested_by=requested_by
        )
        try:
            with self._database.write() as connection:
                _cancel_automatic(connection, sequence_of(connection, case_id))
                consultation = self.request_within(connection, case_id, prepared)
        except BaseException:
            self._preparer.forget(prepared)
            raise
        self.wake()
        return consultation

    def wake(self) -> None:
        """A request waits to be sent."""
        self._wake()

    def request_within(self, connection: sa.Connection, case_id: str, prepared: PreparedRequest) -> Consultation:
        """Commit a prepared request in the caller's transaction; an open one wins, and the prepared file is deleted.

        But an urgent one takes the place of the policy's own of before, when the case was not urgent.
        """
        sequence = sequence_of(connection, case_id)
        asked = prepared.consultation
        if asked.priority == "urgent":
            _cancel_automatic(connection, sequence, tables.consultation.c.priority != asked.priority)
        row = {
            "case_sequence": sequence,
            "state": asked.state.value,
            "question": asked.question,
            "priority": asked.priority,
            "requested_by": asked.requested_by,
            "requested_at": asked.requested_at,
            "request_uid": asked.request_uid,
            "next_poll_at": asked.requested_at,
            "watched": _is_watched(connection, sequence),
        }
        if insert_new(connection, tables.consultation, row) is None:
            self._preparer.forget(prepared)
            return rows.consultation_of(connection.execute(_open_request(sequence)).one())
        _watch_no_more(connection, sequence, but=asked.request_uid)
        self.send_within(connection, prepared)
        return asked

    def send_within(self, connection: sa.Connection, prepared: PreparedRequest) -> None:
        """Promise the files of a prepared request to the destinations, in the caller's transaction."""
        urgent = prepared.consultation.priority == "urgent"
        for what, instance, spooled in prepared.kept:
            is_promised = self._outbox.enqueue(
                connection,
                instance=instance,
                spooled=spooled,
                what=what,
                urgent=urgent,
                destinations=self._destinations,
            )
            if not is_promised:  # nobody takes requests here
                self._spool.delete(spooled.key)
        if urgent:
            self._outbox.promote_study(connection, prepared.study_instance_uid)

    def _look_up(self, case_id: str) -> tuple[str, Consultation | None]:
        case = tables.case
        with self._database.read() as connection:
            found = connection.execute(sa.select(case).where(case.c.case_id == case_id)).one_or_none()
            if found is None:
                raise UnknownCase(case_id)
            row = connection.execute(_open_request(found.sequence)).one_or_none()
        return found.study_instance_uid, rows.consultation_of(row) if row else None

    def answer_key(self, case_id: str, answer_id: int) -> str | None:
        """Where in the spool the PDF of an answer to this case lies; None when there is none."""
        answer, case = tables.answer, tables.case
        mine = sa.and_(
            case.c.case_id == case_id, answer.c.answer_id == answer_id, answer.c.kind == AnswerKind.PDF.value
        )
        with self._database.read() as connection:
            return connection.scalar(sa.select(answer.c.spool_key).join_from(answer, case).where(mine))

    def obstacles_of(self, case_id: str) -> list[str]:
        """Codes of why objects of the case's study were passed over for good, though a person may think otherwise."""
        over, case = tables.passed_over, tables.case
        doubtful = sa.and_(over.c.obstacle.is_not(None), over.c.retry_at.is_(None), case.c.case_id == case_id)
        mine = over.c.case_sequence == case.c.sequence
        query = sa.select(over.c.obstacle).join_from(over, case, mine).where(doubtful).distinct()
        with self._database.read() as connection:
            return list(connection.scalars(query))


def _cancel_automatic(connection: sa.Connection, sequence: int, *which: sa.ColumnElement[bool]) -> None:
    asked = tables.consultation
    open_one = sa.and_(asked.c.case_sequence == sequence, asked.c.state == ConsultationState.REQUESTED.value)
    mine = asked.update().where(open_one, asked.c.requested_by == AUTOMATIC, *which)
    connection.execute(mine.values(state=ConsultationState.CANCELLED.value))


def _is_watched(connection: sa.Connection, sequence: int) -> bool:
    asked = tables.consultation
    watched = sa.exists().where(asked.c.case_sequence == sequence, asked.c.watched)
    return bool(connection.scalar(sa.select(watched)))


def _watch_no_more(connection: sa.Connection, sequence: int, *, but: str) -> None:
    """The study is asked for once: what is found from now on belongs to the newest question."""
    asked = tables.consultation
    older = asked.update().where(asked.c.case_sequence == sequence, asked.c.request_uid != but)
    connection.execute(older.values(next_poll_at=None))


def _open_request(sequence: int) -> sa.Select[Any]:
    consultation = tables.consultation
    return sa.select(consultation).where(consultation.c.case_sequence == sequence, consultation.c.state == "requested")
