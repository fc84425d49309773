"""Which cases the worklist shows, and in which order: unread answers, overdue questions, the most urgent, the newest.

Builds queries over the case tables. It must never know a page, nor a delivery.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum
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

    UNREAD: answered, and nobody has seen the newest answer. OPEN includes OVERDUE. NONE: never asked. UNSEEN: no doctor
    has opened the case since it last said something new.
    """

    OPEN = "open"
    OVERDUE = "overdue"
    UNREAD = "unread"
    NONE = "none"
    UNSEEN = "unseen"


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


class Rank(IntEnum):
    """What goes before every priority: first an answer that nobody has read, then a question that waits too long."""

    UNREAD = 2
    OVERDUE = 1
    OTHER = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where a case stands in the worklist's order."""

    rank: Rank
    urgency: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many cases a worklist shows: of each priority, of those without a mark that may not be called clear, unseen.

    ``unproven`` are not among ``of[Priority.NORMAL]``.
    """

    of: Mapping[Priority, int]
    unproven: int
    unseen: int


def place_of(connection: sa.Connection, case_id: str) -> Place | None:
    """Where this case stands now; None when there is none."""
    case = tables.case
    found = connection.execute(
        sa.select(
            case.c.sequence.in_(_unread()).label("unread"),
            case.c.sequence.in_(_overdue()).label("overdue"),
            case.c.urgency,
            case.c.sequence,
        ).where(case.c.case_id == case_id)
    ).one_or_none()
    if found is None:
        return None
    rank = Rank.UNREAD if found.unread else Rank.OVERDUE if found.overdue else Rank.OTHER
    return Place(rank, found.urgency, found.sequence)


def page_of(connection: sa.Connection, wanted: CaseFilter, *, limit: int, after: Place | None) -> list[int]:
    """The numbers (``case.sequence``) of at most ``limit`` cases below ``after``, in the worklist's order.

    Those with an unread answer and the overdue ones are few and found by indexes of their own; the others are a walk
    along one covering index.
    """
    page: list[int] = []
    for rank in Rank:
        if after is not None and after.rank < rank:
            continue
        query = _narrowed(wanted, rank, after=after if after and after.rank == rank else None)
        page += connection.scalars(query.limit(limit - len(page)))
        if len(page) == limit:
            break
    return page


def counts(connection: sa.Connection, wanted: CaseFilter) -> Counts:
    """How many cases of each kind, whatever their priority; one walk along the covering index of the search."""
    case = tables.case
    is_unseen = sa.true() if wanted.state is CaseState.UNSEEN else tables.IS_UNSEEN
    kinds = (case.c.urgency, case.c.is_unproven, is_unseen.label("is_unseen"))
    counted = sa.select(*kinds, sa.func.count().label("n")).group_by(*kinds).where(*_conditions(wanted))
    if wanted.newest is not None:
        counted = counted.where(_is_near(wanted.newest))
    found = connection.execute(counted).all()
    of = {
        priority: sum(row.n for row in found if row.urgency == rows.urgency(priority) and not row.is_unproven)
        for priority in Priority
    }
    unproven = sum(row.n for row in found if row.is_unproven)
    return Counts(of=of, unproven=unproven, unseen=sum(row.n for row in found if row.is_unseen))


def _narrowed(wanted: CaseFilter, rank: Rank, *, after: Place | None) -> sa.Select[Any]:
    case = tables.case
    newest = wanted.newest if rank is Rank.OTHER else None
    # The sum keeps SQLite from walking the worklist from its start in search of the few cases of that time.
    urgency = case.c.urgency if wanted.since is None and newest is None else case.c.urgency + 0
    query = sa.select(case.c.sequence).order_by(urgency.desc(), case.c.sequence.desc())
    query = query.where(*_of_rank(rank))
    if newest is not None:
        query = query.where(_is_near(newest))
    if wanted.priority is not None:
        query = query.where(urgency == rows.urgency(wanted.priority))
    if after is not None:
        query = query.where(sa.tuple_(urgency, case.c.sequence) < sa.tuple_(after.urgency, after.sequence))
    return query.where(*_conditions(wanted))


def _of_rank(rank: Rank) -> Iterator[sa.ColumnElement[bool]]:
    number = tables.case.c.sequence
    yield number.in_(_unread()) if rank is Rank.UNREAD else number.not_in(_unread())
    if rank is not Rank.UNREAD:
        yield number.in_(_overdue()) if rank is Rank.OVERDUE else number.not_in(_overdue())


def _is_near(newest: int) -> sa.ColumnElement[bool]:
    """Whether a case is one of the last, or somebody still waits with it."""
    number = tables.case.c.sequence
    return sa.or_(among_newest(newest), number.in_(_open()), number.in_(_unread()))


def among_newest(count: int) -> sa.ColumnElement[bool]:
    """Whether a case is one of the last ``count``; numbers have gaps, where PostgreSQL was killed or took one back."""
    number = tables.case.c.sequence
    last_before = sa.select(number).order_by(number.desc()).offset(count).limit(1).scalar_subquery()
    return number > sa.func.coalesce(last_before, 0)


def _conditions(wanted: CaseFilter) -> Iterator[sa.ColumnElement[bool]]:
    case = tables.case
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
    if wanted.state is not None:
        yield _in_state(wanted.state)


def _in_state(state: CaseState) -> sa.ColumnElement[bool]:
    number = tables.case.c.sequence
    among = {CaseState.OVERDUE: _overdue, CaseState.OPEN: _open, CaseState.UNREAD: _unread}
    if state in among:
        return number.in_(among[state]())
    if state is CaseState.UNSEEN:
        return tables.IS_UNSEEN
    return ~sa.exists().where(tables.consultation.c.case_sequence == number)


def _open() -> sa.Select[Any]:
    return sa.select(tables.consultation.c.case_sequence).where(tables.IS_OPEN)


def _unread() -> sa.Select[Any]:
    return sa.select(tables.consultation.c.case_sequence).where(tables.IS_UNREAD)


def _overdue() -> sa.Select[Any]:
    return sa.select(tables.consultation.c.case_sequence).where(tables.IS_OVERDUE)
