"""What follows a question that was sent: reminders, an addition, more haste, its withdrawal. Never talks to a PACS.

Each is a new document beside the old ones, as nothing can be taken back from a PACS. The newest says everything and
names the one before it; an answer may name any of them.
"""

from typing import Any

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database
from xray_triage.cases import rows, tables
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.consultation import AUTOMATIC, Change, ChangeKind, ConsultationState
from xray_triage.consultations.consultations import Consultations
from xray_triage.consultations.preparing import CannotAsk, PreparedRequest, Preparer
from xray_triage.language import N_
from xray_triage.results.request import Step, Turn

MOST_LETTERS = 8000  # of a question with all that was added to it
NOT_OPEN = N_("Câu hỏi không còn chờ trả lời: đã có trả lời, hoặc đã được rút.")
TOO_LONG = N_("Câu hỏi đã quá dài để viết thêm; hãy chờ trả lời rồi hỏi câu mới.")
CHANGED_MEANWHILE = N_("Người khác vừa sửa câu hỏi này; hãy xem lại rồi thử lại.")
NEWS = {
    ChangeKind.ADDED: "ĐÃ BỔ SUNG CÂU HỎI",
    ChangeKind.RAISED: "NAY LÀ KHẨN CẤP",
    ChangeKind.WITHDRAWN: "ĐÃ RÚT CÂU HỎI: không cần trả lời nữa",
}


class FollowUps:
    """Sends what follows a question, each with what it changes in one commit."""

    def __init__(self, database: Database, *, clock: Clock, consultations: Consultations, preparer: Preparer) -> None:
        self._database = database
        self._clock = clock
        self._consultations = consultations
        self._preparer = preparer

    def remind(self, consultation_id: int) -> None:
        """Send an open question once more, over the same films and results, and count it.

        Raises CannotAsk or SpoolFull.
        """
        row = self._open_one(tables.consultation.c.consultation_id == consultation_id)
        if row is None:
            return
        number = row.announced + 1
        news = f"NHẮC LẠI LẦN {number}: chưa có trả lời"
        prepared = self._prepare(row, Turn(Step.REMIND, news, row.requested_at), question=row.question)
        self._commit(row, prepared, {"announced": number, "announced_at": self._clock.now()})

    def change(self, case_id: str, *, by: str, text: str = "", urgent: bool = False) -> None:
        """Add ``text`` to the open question, or make it ``urgent``, or both; what it says already is not said again.

        Raises UnknownCase, CannotAsk or SpoolFull.
        """
        row = self._open_of(case_id)
        added = f"Bổ sung của {by}: {text}"
        is_new = bool(text) and not row.question.endswith(added)
        is_raised = urgent and row.priority != "urgent"
        kinds = [*([ChangeKind.ADDED] if is_new else []), *([ChangeKind.RAISED] if is_raised else [])]
        if not kinds:
            return
        is_now_theirs = is_new and row.requested_by == AUTOMATIC  # so that no question of the policy's replaces it
        said = {
            "question": f"{row.question}\n\n{added}" if is_new else row.question,
            "priority": "urgent" if is_raised else row.priority,
            "requested_by": by if is_now_theirs else row.requested_by,
        }
        if len(said["question"]) > MOST_LETTERS:
            raise CannotAsk(TOO_LONG)
        news = ", ".join(NEWS[kind] for kind in kinds)
        prepared = self._prepare(row, Turn(Step.CHANGE, news, row.requested_at), **said)
        # What is urgent now has waited as an urgent question since now.
        waits = {"announced": 0, "announced_at": self._clock.now()} if is_raised else {}
        self._settle(row, prepared, kinds, by, values=said | waits)

    def withdraw(self, case_id: str, *, by: str, reason: str = "") -> None:
        """Tell the specialist that the open question needs no answer. One that comes all the same is shown.

        Raises UnknownCase, CannotAsk or SpoolFull.
        """
        row = self._open_of(case_id)
        told = f"Người rút: {by}\nLý do rút: {reason or 'không ghi'}\n\nCâu hỏi đã rút: {row.question}"
        turn = Turn(Step.WITHDRAW, NEWS[ChangeKind.WITHDRAWN], row.requested_at)
        prepared = self._prepare(row, turn, question=told)
        values = {"state": ConsultationState.WITHDRAWN.value}
        self._settle(row, prepared, [ChangeKind.WITHDRAWN], by, values=values, reason=reason)

    def _open_of(self, case_id: str) -> sa.Row[Any]:
        row = self._open_one(tables.case.c.case_id == case_id)
        if row is not None:
            return row
        with self._database.read() as connection:
            is_known = connection.scalar(sa.select(sa.exists().where(tables.case.c.case_id == case_id)))
        raise CannotAsk(NOT_OPEN) if is_known else UnknownCase(case_id)

    def _open_one(self, which: sa.ColumnElement[bool]) -> sa.Row[Any] | None:
        asked, case = tables.consultation, tables.case
        query = sa.select(asked, case.c.study_instance_uid).join_from(asked, case).where(tables.IS_OPEN, which)
        with self._database.read() as connection:
            return connection.execute(query).one_or_none()

    def _prepare(
        self, row: sa.Row[Any], turn: Turn, *, question: str, priority: str = "", requested_by: str = ""
    ) -> PreparedRequest:
        """What is not given is as it was."""
        return self._preparer.prepare_again(
            row.study_instance_uid,
            question=question,
            priority=priority or row.priority,
            requested_by=requested_by or row.requested_by,
            turn=turn,
        )

    def _settle(
        self,
        row: sa.Row[Any],
        prepared: PreparedRequest,
        kinds: list[ChangeKind],
        by: str,
        *,
        values: dict[str, Any],
        reason: str = "",
    ) -> None:
        """Commit a change; the PACS is asked for the answer as often as for that of a new question."""
        now, uid = self._clock.now(), prepared.consultation.request_uid
        changes = [Change(kind=kind, at=now, by=by, request_uid=uid, reason=reason) for kind in kinds]
        every = rows.changes_column([*rows.consultation_of(row).changes, *changes])
        if not self._commit(row, prepared, values | {"changes": every, "polls": 0, "next_poll_at": now}):
            raise CannotAsk(CHANGED_MEANWHILE)

    def _commit(self, row: sa.Row[Any], prepared: PreparedRequest, values: dict[str, Any]) -> bool:
        """Whether it is done; False: another node was quicker, or the answer was, and the files are gone again."""
        asked = tables.consultation
        as_it_was = (asked.c[name] == getattr(row, name) for name in ("consultation_id", "announced", "changes"))
        is_sent = False
        try:
            with self._database.write() as connection:
                update = asked.update().where(tables.IS_OPEN, *as_it_was).values(values)
                is_mine = bool(connection.execute(update).rowcount)
                if is_mine:
                    uid = prepared.consultation.request_uid
                    sent = {"sop_instance_uid": uid, "consultation_id": row.consultation_id}
                    connection.execute(tables.reminder.insert().values(sent))
                    self._consultations.send_within(connection, prepared)
            is_sent = is_mine
        finally:
            if not is_sent:
                self._preparer.forget(prepared)
        self._consultations.wake()
        return is_sent
