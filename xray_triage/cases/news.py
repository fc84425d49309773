"""The newest things that a doctor should hear of, by number, so that a page knows whether it rang for them already."""

from dataclasses import dataclass

import sqlalchemy as sa

from xray_triage.cases import marks, rows, tables
from xray_triage.cases.consultation import Standing
from xray_triage.reading.findings import Priority
from xray_triage.reading.patient import Patient

NEAR = 1000  # films: an urgent one further back is no news


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """``number`` rises with every one of its kind. Two patients may share a name: there is more to know them by."""

    number: int
    case_id: str
    patient: Patient


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The newest film that was read as urgent and no doctor has seen, and the newest answer that nobody has read.

    ``answered``: how many cases have one. ``is_preliminary``: its question is still open.
    """

    urgent: Item | None
    answer: Item | None
    answered: int
    is_preliminary: bool


def newest(connection: sa.Connection) -> News:
    """What is new now."""
    image, answer, asked = tables.image.c, tables.answer.c, tables.consultation.c
    last = sa.select(sa.func.max(image.image_id)).scalar_subquery()
    urgent = sa.and_(image.priority == Priority.URGENT.value, image.image_id > last - NEAR, tables.IS_UNSEEN)
    persons = answer.standing.in_((Standing.FINAL.value, Standing.PRELIMINARY.value))
    unread = answer.consultation_id.in_(sa.select(asked.consultation_id).where(marks.IS_UNHEARD))
    told = _newest(connection, answer.answer_id, answer.case_sequence, sa.and_(persons, unread))
    state = sa.select(asked.state).join_from(tables.answer, tables.consultation)
    is_open = told is not None and connection.scalar(state.where(answer.answer_id == told.number)) == "requested"
    answered = sa.select(sa.func.count(asked.case_sequence.distinct())).where(tables.IS_UNREAD)
    return News(
        urgent=_newest(connection, image.image_id, image.case_sequence, urgent),
        answer=told,
        answered=connection.execute(answered).scalar_one(),
        is_preliminary=is_open,
    )


def _newest(
    connection: sa.Connection, number: sa.Column[int], sequence: sa.Column[int], wanted: sa.ColumnElement[bool]
) -> Item | None:
    case = tables.case.c
    query = sa.select(number.label("number"), tables.case).join_from(
        number.table, tables.case, case.sequence == sequence
    )
    found = connection.execute(query.where(wanted).order_by(number.desc()).limit(1)).one_or_none()
    return Item(number=found.number, case_id=found.case_id, patient=rows.patient_of(found)) if found else None
