"""Which cases the worklist shows, and in which order: overdue consultations, then the most urgent, then the newest.

Builds queries over the case tables. It must never know a page, nor a delivery.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from dicom_router.dicom.matching import fold
from xray_triage.cases import rows, tables
from xray_triage.cases.period import midnight
from xray_triage.reading.findings import Priority

DATE = re.compile(r"(?P<day>\d{1,2})([/.-])(?P<month>\d{1,2})\2(?P<year>\d{4})|(?P<d>\d{1,2})/(?P<m>\d{1,2})")
EARLIEST, LATEST = date(1900, 1, 1), date(2200, 1, 1)  # no case beyond; their midnights are within the calendar


class CaseState(StrEnum):
    """What a worklist can be narrowed to beside the priority: how far the consultation has come.

    UNREAD: answered, and nobody has seen the newest answer. OPEN includes OVERDUE. NONE: never asked.
    """

    OPEN = "open"
    OVERDUE = "overdue"
    UNREAD = "unread"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFilter:
    """What a worklist shows. ``words`` are folded, each to be found; ``since`` <= received < ``until``.

    ``newest``: only so many of the last cases, by number, for clocks are wrong at times; and those with an open
    question or an unread answer. ``unproven``: only cases without a mark that may not be called clear, or none of them.
    """

    words: tuple[str, ...] = ()
    priority: Priority | None = None
    state: CaseState | None = None
    since: datetime | None = None
    until: datetime | None = None
    studies: tuple[str, ...] | None = None
    newest: int | None = None
    unproven: bool | None = None


def understood(wanted: CaseFilter, search: str, today: date) -> CaseFilter:
    """``wanted`` with what was typed: words, and a date (22/11/2026, 2026-11-22, or 22/11: the last one there was)."""
    words: list[str] = []
    for word in search.split():
        day = typed_day(word, today)
        if day is None:
            words += fold(word).split()  # "¯" folds to nothing, "a¯b" to two words
        else:
            wanted = on_day(wanted, day)
    return replace(wanted, words=tuple(words))


def on_day(wanted: CaseFilter, day: date) -> CaseFilter:
    """``wanted`` on one ``day`` of this computer's zone, within what it was narrowed to already."""
    day = min(max(day, EARLIEST), LATEST)
    first, end = midnight(day), midnight(day + timedelta(days=1))
    return replace(
        wanted,
        since=max(first, wanted.since) if wanted.since else first,
        until=min(end, wanted.until) if wanted.until else end,
    )


def typed_day(word: str, today: date) -> date | None:
    """The date that somebody typed, or None: then it is a word like any other."""
    try:
        return _typed_day(word, today)
    except ValueError:
        return None


def _typed_day(word: str, today: date) -> date | None:
    if re.fullmatch(r"\d{4}-\d{2}-\d{2}", word):
        return _sane(date.fromisoformat(word))
    typed = DATE.fullmatch(word)
    if typed is None:
        return None
    if typed["year"]:
        return _sane(date(int(typed["year"]), int(typed["month"]), int(typed["day"])))
    this_year = date(today.year, int(typed["m"]), int(typed["d"]))
    return this_year if this_year <= today else this_year.replace(year=today.year - 1)


def _sane(day: date) -> date | None:
    return day if EARLIEST < day < LATEST else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case stands in the worklist's order."""

    overdue: bool
    urgency: int
    sequence: int


def place_of(connection: sa.Connection, case_id: str) -> Place | None:
    """Where this case stands now; None when there is none."""
    case = tables.case
    found = connection.execute(
        sa.select(case.c.sequence.in_(_overdue()).label("overdue"), case.c.urgency, case.c.sequence).where(
            case.c.case_id == case_id
        )
    ).one_or_none()
    return Place(bool(found.overdue), found.urgency, found.sequence) if found else None


def page_of(connection: sa.Connection, wanted: CaseFilter, *, limit: int, after: Place | None) -> list[int]:
    """The numbers (``case.sequence``) of at most ``limit`` cases below ``after``, in the worklist's order.

    Overdue ones are few and found by an index of their own; the others are a walk along one covering index.
    """
    page: list[int] = []
    for overdue in (True, False):
        if after is not None and after.overdue < overdue:
            continue
        query = _narrowed(wanted, overdue=overdue, after=after if after and after.overdue == overdue else None)
        page += connection.scalars(query.limit(limit - len(page)))
        if len(page) == limit:
            break
    return page


def _narrowed(wanted: CaseFilter, *, overdue: bool, after: Place | None) -> sa.Select[Any]:
    case = tables.case
    newest = None if overdue else wanted.newest
    # The sum keeps SQLite from walking the worklist from its start in search of the few cases of that time.
    urgency = case.c.urgency if wanted.since is None and newest is None else case.c.urgency + 0
    query = sa.select(case.c.sequence).order_by(urgency.desc(), case.c.sequence.desc())
    query = query.where(case.c.sequence.in_(_overdue()) if overdue else case.c.sequence.not_in(_overdue()))
    if newest is not None:
        query = query.where(sa.or_(among_newest(newest), case.c.sequence.in_(_open()), case.c.sequence.in_(_unread())))
    if wanted.priority is not None:
        query = query.where(urgency == rows.urgency(wanted.priority))
    if after is not None:
        query = query.where(sa.tuple_(urgency, case.c.sequence) < sa.tuple_(after.urgency, after.sequence))
    return query.where(*_conditions(wanted))


def among_newest(count: int) -> sa.ColumnElement[bool]:
    """Whether a case is one of the last ``count``; numbers have gaps, where PostgreSQL was killed or took one back."""
    number = tables.case.c.sequence
    last_before = sa.select(number).order_by(number.desc()).offset(count).limit(1).scalar_subquery()
    return number > sa.func.coalesce(last_before, 0)


def _conditions(wanted: CaseFilter) -> Iterator[sa.ColumnElement[bool]]:
    case, asked = tables.case, tables.consultation
    if wanted.since is not None:
        yield case.c.received_at >= wanted.since
    if wanted.studies is not None:
        yield case.c.study_instance_uid.in_(wanted.studies)
    if wanted.until is not None:
        yield case.c.received_at < wanted.until
    if wanted.unproven is not None:
        yield tables.IS_UNPROVEN if wanted.unproven else ~tables.IS_UNPROVEN
    for word in wanted.words:
        yield case.c.search_text.contains(word, autoescape=True)
    if wanted.state is CaseState.NONE:
        yield ~sa.exists().where(asked.c.case_sequence == case.c.sequence)
    elif wanted.state is CaseState.OVERDUE:
        yield case.c.sequence.in_(_overdue())
    elif wanted.state is CaseState.OPEN:
        yield case.c.sequence.in_(_open())
    elif wanted.state is CaseState.UNREAD:
        yield case.c.sequence.in_(_unread())


def _open() -> sa.Select[Any]:
    return sa.select(tables.consultation.c.case_sequence).where(tables.IS_OPEN)


def _unread() -> sa.Select[Any]:
    return sa.select(tables.consultation.c.case_sequence).where(tables.IS_UNREAD)


def _overdue() -> sa.Select[Any]:
    return sa.select(tables.consultation.c.case_sequence).where(tables.IS_OVERDUE)
