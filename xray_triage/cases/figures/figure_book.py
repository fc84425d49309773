"""The station's own figures, counted from its tables: how many, how fast, how often the doctors agree.

Nothing in them names a patient. Seconds come from two clocks that may jump: what would be negative is left out. It must
never know a page.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database
from dicom_router.store.epoch import epoch
from dicom_router.store.history import LinkChange, first_acknowledged, link_history, waits
from xray_triage.cases import rows, tables
from xray_triage.cases.figures.tally import WAITING_SECONDS, Agreement, Count, Counts, Tally, agreement_of, group_of
from xray_triage.cases.period import Period
from xray_triage.reading.findings import Priority

LATE_SECONDS = 86_400.0  # a film that comes later than this after its exposure was not waited for
UNREAD = rows.urgency(Priority.NOT_READ)
PRIORITY_OF = {rows.urgency(priority): priority for priority in Priority}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A destination could not be reached from ``since`` until ``until``, or until now (None)."""

    destination: str
    since: datetime
    until: datetime | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A period's figures, line by line and together. ``outages`` touch the period, the newest last."""

    period: Period
    lines: Sequence[Counts]
    total: Counts
    agreement: Mapping[Priority, Agreement]
    outages: Sequence[Outage]


class FigureBook:
    """Counts the figures anew each time: by an index over the period, however many cases there are before it."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def figures(self, period: Period) -> Figures:
        """The figures of ``period``."""
        edges = period.edges
        count = Count([edge.timestamp() for edge in edges])
        with self._database.read() as connection:
            for rows_found, add in (
                (_films(connection, edges), _add_film),
                (_cases(connection, edges), _add_case),
                (_consultations(connection, edges), _add_consultation),
                (_verdicts(connection, edges), _add_verdict),
            ):
                for row in rows_found:
                    add(count.at(row[0]), *row)
            waited = waits(connection, edges[0], seconds=WAITING_SECONDS)
            outages = _outages(link_history(connection, edges[0]), before=edges[-1])
        now = self._clock.now().timestamp()
        count.add_waits((start, end) for start, end in waited if end or start + WAITING_SECONDS <= now)
        count.add_outages((one.since.timestamp(), one.until.timestamp() if one.until else now) for one in outages)
        together = count.together()
        return Figures(
            period=period,
            lines=[tally.line(start) for tally, start in zip(count.tallies, period.starts, strict=True)],
            total=together.line(period.starts[0]),
            agreement={priority: agreement_of(together.verdicts, [priority]) for priority in Priority},
            outages=outages,
        )


Found = Sequence[Sequence[Any]]


def _films(connection: sa.Connection, edges: Sequence[datetime]) -> Found:
    image, case = tables.image.c, tables.case.c
    times = epoch(image.received_at), epoch(image.exposed_at), epoch(image.read_at)
    of_whom = case.patient_sex, case.patient_age_years
    found = sa.select(*times, image.urgency, image.marked, *of_whom).join_from(tables.image, tables.case)
    return connection.execute(found.where(image.urgency != rows.NO_FILM, *_within(image.received_at, edges))).all()


def _add_film(
    tally: Tally,
    received: float,
    exposed: float | None,
    read: float,
    urgency: int,
    marked: str,
    sex: str,
    years: float | None,
) -> None:
    tally.films += 1
    if urgency != UNREAD:
        group = group_of(sex, years)
        tally.read[group] += 1
        for name in marked.split():
            tally.marked[name, group] += 1
    tally.took("arrival_to_page", received, read)
    tally.took("exposure_to_page", _if_fresh(exposed, received), read)


def _cases(connection: sa.Connection, edges: Sequence[datetime]) -> Found:
    case = tables.case.c
    at_pacs = first_acknowledged(case.study_instance_uid, "sr")
    times = sa.select(epoch(case.received_at), case.urgency, epoch(case.exposed_at), epoch(at_pacs))
    return connection.execute(times.where(*_within(case.received_at, edges))).all()


def _add_case(tally: Tally, received: float, urgency: int, exposed: float | None, at_pacs: float | None) -> None:
    tally.cases[PRIORITY_OF[urgency]] += 1
    tally.took("arrival_to_pacs", received, at_pacs)
    tally.took("exposure_to_pacs", _if_fresh(exposed, received), at_pacs)


def _if_fresh(exposed: float | None, received: float) -> float | None:
    """The exposure of a film that came when it was made; None for an old film, which tells nothing of the way here."""
    return exposed if exposed is not None and received - exposed <= LATE_SECONDS else None


def _consultations(connection: sa.Connection, edges: Sequence[datetime]) -> Found:
    asked = tables.consultation.c
    times = sa.select(epoch(asked.requested_at), epoch(asked.answered_at))
    return connection.execute(times.where(asked.state != "cancelled", *_within(asked.requested_at, edges))).all()


def _add_consultation(tally: Tally, asked: float, answered: float | None) -> None:
    tally.asked += 1
    tally.answered += answered is not None
    tally.took("asked_to_answer", asked, answered)


def _verdicts(connection: sa.Connection, edges: Sequence[datetime]) -> Found:
    given, later, case = tables.verdict.c, tables.verdict.alias("later").c, tables.case
    taken_back = sa.exists().where(later.case_sequence == given.case_sequence, later.verdict_id > given.verdict_id)
    last = sa.select(epoch(given.given_at), case.c.urgency, given.agrees).join_from(tables.verdict, case)
    return connection.execute(last.where(~taken_back, given.judges, *_within(given.given_at, edges))).all()


def _add_verdict(tally: Tally, _given: float, urgency: int, agrees: bool) -> None:
    tally.verdicts[PRIORITY_OF[urgency], agrees] += 1


def _within(column: sa.ColumnElement[datetime], edges: Sequence[datetime]) -> tuple[sa.ColumnElement[bool], ...]:
    return column >= edges[0], column < edges[-1]


def _outages(changes: Iterable[LinkChange], *, before: datetime) -> list[Outage]:
    """From each change for the worse to the next one for the better; those that began before the end of a period."""
    down: dict[str, LinkChange] = {}
    ended = []
    for change in changes:
        was = down.pop(change.destination, None)
        if was is not None:
            ended.append((was, change.at))
        if not change.reachable:
            down[change.destination] = change
    open_ones = [(was, None) for was in down.values()]
    return [
        Outage(destination=was.destination, since=was.at, until=until, error=was.error or "")
        for was, until in sorted([*ended, *open_ones], key=lambda one: one[0].at)
        if was.at < before
    ]
