"""What doctors have seen and are done with, in the case's own row. Knows no page, and no right to do so."""

from datetime import datetime
from typing import Any

import sqlalchemy as sa

from xray_triage.cases import tables
from xray_triage.cases.consultation import Standing

_asked, _answer = tables.consultation.c, tables.answer.c
_persons = (Standing.FINAL.value, Standing.PRELIMINARY.value)
_is_spoken_to = sa.exists().where(_answer.consultation_id == _asked.consultation_id, _answer.standing.in_(_persons))
# A person has answered, be it for now, and nobody has read it.
IS_UNHEARD = sa.or_(tables.IS_UNREAD, sa.and_(tables.IS_OPEN, _asked.seen_at.is_(None), _is_spoken_to))

NONE: dict[str, Any] = {
    "seen_at": None,
    "seen_by": "",
    "done_at": None,
    "done_by": "",
}  # as a case is when it says something new


def is_unseen(connection: sa.Connection, case_id: str) -> bool:
    """Whether nobody has opened the case, or nobody has read its newest answer."""
    asked = tables.consultation.c
    unread = sa.select(asked.consultation_id).where(_unread(case_id))
    new = sa.union_all(sa.select(tables.case.c.sequence).where(_unseen(case_id)), unread)
    return connection.execute(new).first() is not None


def see(connection: sa.Connection, case_id: str, *, by: str, at: datetime) -> None:
    """A doctor has the case before their eyes: it is seen by who was first, and its answers are read."""
    connection.execute(tables.case.update().where(_unseen(case_id)).values(seen_at=at, seen_by=by))
    connection.execute(tables.consultation.update().where(_unread(case_id)).values(seen_at=at))


def finish(connection: sa.Connection, sequence: int, *, by: str, at: datetime) -> None:
    """Nothing is left to do. What is done has been seen."""
    this = tables.case.update().where(tables.case.c.sequence == sequence)
    connection.execute(this.values(done_at=at, done_by=by))
    connection.execute(this.where(tables.IS_UNSEEN).values(seen_at=at, seen_by=by))


def renew(connection: sa.Connection, sequence: int) -> None:
    """The case says something new: it waits to be seen, by whomever."""
    connection.execute(tables.case.update().where(tables.case.c.sequence == sequence).values(NONE))


def reopen(connection: sa.Connection, sequence: int) -> None:
    """Something is left to do after all."""
    this = tables.case.update().where(tables.case.c.sequence == sequence)
    connection.execute(this.values(done_at=None, done_by=""))


def _unseen(case_id: str) -> sa.ColumnElement[bool]:
    return sa.and_(tables.case.c.case_id == case_id, tables.IS_UNSEEN)


def _unread(case_id: str) -> sa.ColumnElement[bool]:
    number = sa.select(tables.case.c.sequence).where(tables.case.c.case_id == case_id).scalar_subquery()
    return sa.and_(tables.consultation.c.case_sequence == number, IS_UNHEARD)
