"""Bars and ranges as rectangles in a field of 100 by 100, for templates to draw. Knows no case and no HTML."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from xray_triage.cases.figures.tally import Spread

GAP = 0.25  # of a bar's place
SLIVER = 1.5  # of the field: what is next to nothing is seen all the same
HOUR, DAY = 3600, 86_400
# Seconds, half of which can be told in a word too.
TOPS = (
    0.2,
    1,
    2,
    4,
    10,
    20,
    60,
    120,
    240,
    600,
    1200,
    HOUR,
    2 * HOUR,
    4 * HOUR,
    12 * HOUR,
    DAY,
    *(n * DAY for n in (2, 4, 10, 20, 60)),
)
Tell = Callable[[float], str]


@dataclass(frozen=True, slots=True)
class Series:
    """One value a line of the figures. ``kind`` is a class of the style sheet, which gives its colour."""

    kind: str
    label: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Block:
    """A rectangle; ``y`` from the top. ``tip`` says what it is."""

    kind: str
    tip: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plot:
    """``hint`` says what is drawn; ``ticks`` are (y from the top, word) of the scale, ``cells`` the same in words."""

    name: str
    title: str
    hint: str
    labels: Sequence[str]
    blocks: Sequence[Block]
    ticks: Sequence[tuple[float, str]]
    legend: Sequence[tuple[str, str]]
    columns: Sequence[str]
    cells: Sequence[Sequence[str]]

    @property
    def ends(self) -> Sequence[str]:
        """The labels under the field: the first, the middle one, the last."""
        if len(self.labels) < 3:
            return self.labels
        return self.labels[0], self.labels[len(self.labels) // 2], self.labels[-1]


def stacked(name: str, title: str, hint: str, labels: Sequence[str], series: Sequence[Series], tell: Tell) -> Plot:
    """Bars of the series upon each other, the first at the bottom, from zero up."""
    top = _round_up(max((sum(values) for values in zip(*(one.values for one in series), strict=True)), default=0))
    blocks = []
    for place, label in enumerate(labels):
        level = 0.0
        for one in series:
            height = 100 * one.values[place] / top
            level += height
            if height:
                tip = f"{label}: {one.label} {tell(one.values[place])}"
                blocks.append(_block(one.kind, tip, place, len(labels), low=level - height, high=level))
    return Plot(
        name=name,
        title=title,
        hint=hint,
        labels=labels,
        blocks=blocks,
        ticks=[(0, tell(top)), (50, tell(top / 2)), (100, tell(0))],
        legend=[(one.kind, one.label) for one in series] if len(series) > 1 else [],
        columns=[one.label for one in series],
        cells=[[tell(one.values[place]) for one in series] for place in range(len(labels))],
    )


def ranges(
    name: str,
    title: str,
    hint: str,
    labels: Sequence[str],
    spreads: Sequence[Spread | None],
    tell: Tell,
    words: Sequence[str],
) -> Plot:
    """Bars up to the p95 of each label, and upon them up to the median. ``words``: for median, p95 and count."""
    most = max((spread.p95 for spread in spreads if spread), default=1)
    top = next((step for step in TOPS if step >= most), most)
    median, p95, count = words
    blocks = []
    for place, (label, spread) in enumerate(zip(labels, spreads, strict=True)):
        if spread:
            tip = f"{label}: {median} {tell(spread.median)}, {p95} {tell(spread.p95)}, {count} {spread.n}"
            for kind, seconds in (("range", spread.p95), ("median", spread.median)):
                high = max(100 * seconds / top, SLIVER)
                blocks.append(_block(kind, tip, place, len(labels), low=0, high=high))
    return Plot(
        name=name,
        title=title,
        hint=hint,
        labels=labels,
        blocks=blocks,
        ticks=[(0, tell(top)), (50, tell(top / 2)), (100, tell(0))],
        legend=[("median", median), ("range", p95)],
        columns=words,
        cells=[[tell(one.median), tell(one.p95), str(one.n)] if one else ["–"] * 3 for one in spreads],
    )


def _block(kind: str, tip: str, place: int, places: int, *, low: float, high: float) -> Block:
    width = 100 / places
    return Block(kind, tip, (place + GAP / 2) * width, 100 - high, width * (1 - GAP), high - low)


def _round_up(most: float) -> float:
    """A round number not below ``most``, half of which is whole: 2, 4, 6, 8, 10, 20, 30, 40 …"""
    scale = 1.0
    while scale * 10 < most:
        scale *= 10
    return next(top for step in (2, 3, 4, 5, 6, 8, 10) if (top := scale * step) >= most and top % 2 == 0)
