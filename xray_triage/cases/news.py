"""The newest things that a doctor should hear of, by number, so that a page knows whether it rang for them already."""

from dataclasses import dataclass

import sqlalchemy as sa

from xray_triage.cases import tables
from xray_triage.cases.case import Standing
from xray_triage.reading.findings import Priority

NEAR = 1000  # films: an urgent one further back is no news


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """``number`` rises with every one of its kind."""

    number: int
    case_id: str
    patient_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """The newest film that was read as urgent, and the newest word of a specialist.

    ``is_preliminary``: its question is still open.
    """

    urgent: Item | None
    answer: Item | None
    is_preliminary: bool


def newest(connection: sa.Connection) -> News:
    """What is new now."""
    image, answer = tables.image.c, tables.answer.c
    last = sa.select(sa.func.max(image.image_id)).scalar_subquery()
    urgent = sa.and_(image.priority == Priority.URGENT.value, image.image_id > last - NEAR)
    persons = answer.standing.in_((Standing.FINAL.value, Standing.PRELIMINARY.value))
    told = _newest(connection, answer.answer_id, answer.case_sequence, persons)
    state = sa.select(tables.consultation.c.state).join_from(tables.answer, tables.consultation)
    is_open = told is not None and connection.scalar(state.where(answer.answer_id == told.number)) == "requested"
    return News(
        urgent=_newest(connection, image.image_id, image.case_sequence, urgent),
        answer=told,
        is_preliminary=is_open,
    )


def _newest(
    connection: sa.Connection, number: sa.Column[int], sequence: sa.Column[int], wanted: sa.ColumnElement[bool]
) -> Item | None:
    case = tables.case.c
    query = sa.select(number.label("number"), case.case_id, case.patient_name).join_from(
        number.table, tables.case, case.sequence == sequence
    )
    found = connection.execute(query.where(wanted).order_by(number.desc()).limit(1)).one_or_none()
    return Item(**found._asdict()) if found else None
