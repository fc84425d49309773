"""Counting by day, week or month: how many, how long, how many at once. Pure; must never know a database or a page."""

import statistics
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from xray_triage.reading.findings import Priority

WAITING_SECONDS = 60.0  # what is sent sooner never stood in a queue
AGES = (0, 15, 40, 60)  # years with which the age groups begin
SECONDS = ("exposure_to_page", "arrival_to_page", "exposure_to_pacs", "arrival_to_pacs", "asked_to_answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """Seconds, of ``n`` films, cases or consultations. ``p95`` by nearest rank."""

    n: int
    median: float
    p95: float


@dataclass(frozen=True, slots=True)
class Group:
    """People of one sex ("M", "F", or "" when unknown) and age. ``age``: one of AGES, where it begins, or None."""

    sex: str
    age: int | None


@lru_cache(maxsize=1024)  # of tens of thousands of films there are few different ones
def group_of(sex: str, years: float | None) -> Group:
    """The group of somebody of this sex, as DICOM has it, and age."""
    known = sex if sex in ("M", "F") else ""
    return Group(known, None if years is None or years < 0 else AGES[bisect_right(AGES, years) - 1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How many verdicts agree with the AI, and how many do not."""

    agree: int = 0
    disagree: int = 0

    @property
    def share(self) -> float | None:
        """0..1; None without a verdict."""
        given = self.agree + self.disagree
        return self.agree / given if given else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """One day, week or month. Films and cases count when they came, consultations when asked, verdicts when given.

    To the page: until the film was read. To the PACS: until the first report of the case was acknowledged. ``waiting``:
    the most objects that waited at once, each for WAITING_SECONDS or more. ``unreachable_seconds``: while at least one
    destination was. ``read``: films that the AI read, by whose they are; ``marked``: those with a finding.
    """

    start: date
    films: int
    read: Mapping[Group, int]
    marked: Mapping[tuple[str, Group], int]
    cases: Mapping[Priority, int]
    exposure_to_page: Spread | None
    arrival_to_page: Spread | None
    exposure_to_pacs: Spread | None
    arrival_to_pacs: Spread | None
    asked: int
    answered: int
    asked_to_answer: Spread | None
    agreement: Agreement
    waiting: int
    unreachable_seconds: float


@dataclass(slots=True)
class Tally:
    """What is counted for one line."""

    films: int = 0
    read: Counter[Group] = field(default_factory=Counter)
    marked: Counter[tuple[str, Group]] = field(default_factory=Counter)
    cases: Counter[Priority] = field(default_factory=Counter)
    seconds: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in SECONDS})
    asked: int = 0
    answered: int = 0
    verdicts: Counter[tuple[Priority, bool]] = field(default_factory=Counter)
    waiting: int = 0
    unreachable_seconds: float = 0.0

    def took(self, name: str, start: float | None, end: float | None) -> None:
        """Keep how long something took, unless it is not known or the clock jumped."""
        if start is not None and end is not None and end >= start:
            self.seconds[name].append(end - start)

    def line(self, start: date) -> Counts:
        """What was counted, of the line that begins with ``start``."""
        return Counts(
            start=start,
            films=self.films,
            read=self.read,
            marked=self.marked,
            cases={priority: self.cases[priority] for priority in Priority},
            **{name: spread(found) for name, found in self.seconds.items()},
            asked=self.asked,
            answered=self.answered,
            agreement=agreement_of(self.verdicts, list(Priority)),
            waiting=self.waiting,
            unreachable_seconds=self.unreachable_seconds,
        )


class Count:
    """A tally for every line; ``edges`` in seconds since 1970, one more than lines."""

    def __init__(self, edges: Sequence[float]) -> None:
        self._edges = edges
        self.tallies = [Tally() for _ in edges[1:]]

    def at(self, seconds: float) -> Tally:
        """The tally of this time. What a query rounded over an edge stays in the period."""
        return self.tallies[bisect_right(self._edges, seconds, 1, len(self.tallies)) - 1]

    def add_waits(self, waited: Iterable[tuple[float, float | None]]) -> None:
        """The most that waited at once, line by line; (queued, acknowledged or None)."""
        steps = [
            (when, change) for start, end in waited for when, change in ((start, 1), (end, -1)) if when is not None
        ]
        level, left = 0, sorted(steps, reverse=True)
        for tally, begin, end in self._lines():
            while left and left[-1][0] <= begin:
                level += left.pop()[1]
            tally.waiting = level
            while left and left[-1][0] < end:
                level += left.pop()[1]
                tally.waiting = max(tally.waiting, level)

    def add_outages(self, spans: Iterable[tuple[float, float]]) -> None:
        """Seconds line by line in which there was one, or several at once."""
        reached = float("-inf")
        for since, until in sorted(spans):
            for tally, begin, end in self._lines():
                tally.unreachable_seconds += max(0.0, min(until, end) - max(since, begin, reached))
            reached = max(until, reached)

    def together(self) -> Tally:
        """All lines as one."""
        one = Tally()
        for tally in self.tallies:
            one.films += tally.films
            one.read += tally.read
            one.marked += tally.marked
            one.cases += tally.cases
            for name, found in tally.seconds.items():
                one.seconds[name] += found
            one.asked += tally.asked
            one.answered += tally.answered
            one.verdicts += tally.verdicts
            one.waiting = max(one.waiting, tally.waiting)
            one.unreachable_seconds += tally.unreachable_seconds
        return one

    def _lines(self) -> Iterable[tuple[Tally, float, float]]:
        return zip(self.tallies, self._edges, self._edges[1:], strict=False)


def spread(seconds: Sequence[float]) -> Spread | None:
    """Median and p95; None without any."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    p95 = ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
    return Spread(n=len(ordered), median=statistics.median(ordered), p95=p95)


def agreement_of(verdicts: Mapping[tuple[Priority, bool], int], of: Iterable[Priority]) -> Agreement:
    """NOT_READ is left out: there a verdict says nothing of the AI."""
    counted = [priority for priority in of if priority is not Priority.NOT_READ]
    return Agreement(
        agree=sum(verdicts.get((priority, True), 0) for priority in counted),
        disagree=sum(verdicts.get((priority, False), 0) for priority in counted),
    )
