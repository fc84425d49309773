"""Days, weeks and months of this computer's zone, to count by. Knows no case."""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum


class Step(StrEnum):
    """How long one line of the figures is."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"

    def first(self, day: date) -> date:
        """When the line in which ``day`` lies begins."""
        if self is Step.WEEK:
            return day - timedelta(days=day.weekday())
        return day.replace(day=1) if self is Step.MONTH else day

    def after(self, start: date, count: int = 1) -> date:
        """The beginning ``count`` lines later, or earlier. Raises OverflowError or ValueError beyond the calendar."""
        if self is not Step.MONTH:
            return start + count * timedelta(days=7 if self is Step.WEEK else 1)
        months = start.year * 12 + start.month - 1 + count
        return date(months // 12, months % 12 + 1, 1)


@dataclass(frozen=True, slots=True)
class Period:
    """``count`` days, weeks or months, the last of which holds ``until``."""

    step: Step
    count: int
    until: date

    @property
    def starts(self) -> list[date]:
        """The first day of every line."""
        last = self.step.first(self.until)
        return [self.step.after(last, back) for back in range(1 - self.count, 1)]

    @property
    def edges(self) -> list[datetime]:
        """When every line begins, and when the last one ends; a day of a clock change has 23 or 25 hours."""
        starts = self.starts
        return [midnight(day) for day in (*starts, self.step.after(starts[-1]))]

    def moved(self, by: int) -> "Period":
        """The period of the same length ``by`` lengths later, or earlier."""
        return Period(self.step, self.count, self.step.after(self.step.first(self.until), by * self.count))


def midnight(day: date) -> datetime:
    """When ``day`` begins in this computer's zone."""
    return datetime.combine(day, time.min).astimezone()
