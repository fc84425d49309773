"""Calendar dates as machines and people write them. Pure; it must never know what a date is of."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

FIRST_YEAR, LAST_YEAR = 1850, 2199  # a year outside is none
FORGIVEN = timedelta(days=1)  # what a machine's clock may be ahead of ours
# A console that lost its battery begins here, and runs on for a while: the first month of these years is no date.
CLOCK_STARTS = frozenset({1970, 1980, 2000})
PROGRAM_SINCE = date(2025, 1, 1)  # nothing came to a station before: a clock that says so has lost its time
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
# Behind the date a time: parted by T or a blank and with a colon, or run together as in DT.
_TIME = re.compile(r"(?<=\d)[t ]+\d{1,2}:.*$|(?<=^\d{8})t?\d{2,6}(\.\d+)?([+-]\d{4})?$")


@dataclass(frozen=True, slots=True)
class Day:
    """A date as far as it is known: ``month`` and ``day`` are 0 where they are not."""

    year: int
    month: int = 0
    day: int = 0

    @property
    def first(self) -> date:
        """The first day that it can be: of a year alone, its first day, as papers here do."""
        return date(self.year, self.month or 1, self.day or 1)

    @property
    def is_whole(self) -> bool:
        return self.day > 0

    def __str__(self) -> str:
        """ISO 8601, as long as it is known: ``2023-03-01``, ``2023-03``, ``2023``."""
        return "-".join(f"{part:02}" for part in (self.year, self.month, self.day) if part)

    def may_be(self, other: "Day") -> bool:
        """Whether both can be the same day."""
        pairs = ((self.year, other.year), (self.month, other.month), (self.day, other.day))
        return all(mine == theirs or not (mine and theirs) for mine, theirs in pairs)


def parse_day(text: str) -> Day | None:
    """``20230301``, ``2023-3-1``, ``2023/03/01``, ``01/03/2023``, ``01032023``, ``1 Mar 2023``; a part where only that
    is said or makes sense: ``2023``, ``20230000``, ``202303``, ``03/2023``. A time behind it is passed over.

    Day before month, unless that can be no date. None: no date, or one whose century nobody knows (``01/03/23``).
    """
    plain = _TIME.sub("", text.strip().lower())
    plain = re.sub(r"^([a-z]+)\.?\s+(\d{1,2}),?\s", r"\2 \1 ", plain)  # March 1, 2023
    plain = re.sub(r"[a-z]+", _month, plain)
    parts = re.findall(r"\d+", plain)
    if len(parts) == 1:
        return _run_together(parts[0])
    if not 2 <= len(parts) <= 3 or any(len(part) not in (1, 2, 4) for part in parts):
        return None
    if len(parts[0]) == 4:
        return _day(*parts)
    return _day(*reversed(parts)) if len(parts[-1]) == 4 else None


def _month(word: re.Match[str]) -> str:
    name = word[0][:3]
    return f" {MONTHS.index(name) + 1} " if name in MONTHS else " "


def _run_together(digits: str) -> Day | None:
    if len(digits) == 8:
        day_first = _day(digits[4:], digits[2:4], digits[:2])
        return day_first if day_first and day_first.is_whole else _day(digits[:4], digits[4:6], digits[6:])
    return _day(digits[:4], digits[4:]) if len(digits) in (4, 6) else None


def _day(year: str, month: str = "", day: str = "") -> Day | None:
    """The year decides; a month or day that can be none is not known."""
    y, m, d = int(year), int(month or 0), int(day or 0)
    if not FIRST_YEAR <= y <= LAST_YEAR:
        return None
    if m > 12 >= d > 0:
        m, d = d, m  # the American way, where nothing else is possible
    if not 1 <= m <= 12:
        return Day(y)
    try:
        date(y, m, d)
    except ValueError:
        return Day(y, m)
    return Day(y, m, d)


def first_possible(texts: Iterable[str], *, born: date | None, arrived: date | None) -> date | None:
    """The first of these dates on which a film can have been taken; else the day on which it arrived.

    That is a whole date, not before the birth, not more than a day after the arrival, of no clock that began anew.
    """
    for stated in map(parse_day, texts):
        if stated is None or not stated.is_whole or (stated.month == 1 and stated.year in CLOCK_STARTS):
            continue
        if (born is None or born <= stated.first) and (arrived is None or stated.first <= arrived + FORGIVEN):
            return stated.first
    return arrived
