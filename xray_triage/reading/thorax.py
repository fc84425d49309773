"""The heart's width over the chest's, and whether the film cuts a lung off: from the masks that a network drew.

Numpy only; it knows neither the network nor what a doctor is told. Masks here are (3, h, w): probability 0..1 of the
lung on the picture's left (the patient's right), of the other lung, of the heart.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xray_triage.reading.findings import Cardiothoracic, Line
from xray_triage.reading.pixels import Image, InputSpec, Placement
from xray_triage.reading.radiograph import Radiograph

ADULT_YEARS = 18
INSIDE = 0.5  # probability from which a pixel belongs to the organ
# In 201 drawn films no organ covers less than 4.8 % of the film, and all ratios lie between 0.34 and 0.84.
SMALLEST_ORGAN = 0.02
PLAUSIBLE_RATIOS = (0.25, 0.95)
# Ends of the heart in shares of the chest's width: drawn hearts lie within 0.087 and 1.003. One that reaches the
# patient's right chest wall is fluid taken for heart.
HEART_WITHIN = (0.06, 1.02)
# Share of a side of the film along which a lung must run to be called cut off. At 192 pixels whole lungs run along it
# for 7.8 % at most in the drawn films; of lungs cut so that 2 % of them were missing, 96 to 100 % were found, by side.
CUT = 0.08
PART = 0.05  # of the largest part: smaller ones are specks. The heart may part a lung in two
# On films of arms and dark ground beside the body some of it is taken for lung, at the film's edge and beyond a lung of
# at least this share of its size. Of 660 films of two hospitals 36 were called cropped, 4 of them for it. Of those left
# some 6 are bedside films whose white lung is drawn onto an arm. 34 of 60 films of tb_lundis are called so, rightly.
LUNG_TO_STRAY = 0.2

Mask = NDArray[np.bool_]


def look(
    masks: Image, radiograph: Radiograph, placement: Placement, spec: InputSpec
) -> tuple[Cardiothoracic | None, tuple[str, ...]]:
    """The ratio, its lines in pixels of the original film, and flags: ``cropped``, ``view_not_stated``.

    ``masks`` lie over the network's input, where ``placement`` has the film. No ratio from an AP film, which magnifies
    the heart, nor from a child's.
    """
    left, top, seen = _on_film(masks, placement, spec.size)
    organs = organs_in(seen)
    flags = ("cropped",) if spec.fit != "crop" and are_cut(organs) else ()
    child = radiograph.age_years is not None and radiograph.age_years < ADULT_YEARS
    found = None if child or radiograph.view == "AP" else measure(seen, organs)
    if found is None:
        return None, flags
    scale = radiograph.columns / radiograph.image.shape[1], radiograph.rows / radiograph.image.shape[0]

    def to_film(at: float, axis: int) -> float:
        share = (at * spec.size / masks.shape[2 - axis] - placement.input[axis]) / placement.input[2 + axis]
        return float(scale[axis] * (placement.film[axis] + share * placement.film[2 + axis]))

    def moved(line: Line) -> Line:
        return Line(
            left=to_film(line.left + left, 0), right=to_film(line.right + left, 0), row=to_film(line.row + top, 1)
        )

    on_film = Cardiothoracic(heart=moved(found.heart), thorax=moved(found.thorax))
    return on_film, flags if radiograph.view else (*flags, "view_not_stated")


def organs_in(masks: Image) -> list[Mask]:
    """The pixels of each organ, without specks and strays; none at all where a mask is nothing but fragments."""
    right_lung, left_lung, heart = (_without_specks(mask >= INSIDE) for mask in masks)
    return [_without_strays(right_lung), _without_strays(left_lung[:, ::-1])[:, ::-1], heart]


def are_cut(organs: Sequence[Mask]) -> bool:
    """Whether a lung runs along an edge of the masks for more than a touch, so that part of it is not on the film."""
    return max(_shares_at_edges(organs[0] | organs[1])) >= CUT


def measure(masks: Image, organs: Sequence[Mask]) -> Cardiothoracic | None:
    """The widest horizontal extent of the heart, and of both lungs together, in pixels of ``masks``.

    Each runs between its two outermost points, whatever their rows, as Danzer adds the heart's greatest distances from
    the midline to either side (Am J Med Sci 1919; 157:513). None when the organs do not look like a whole chest.
    """
    if min(organ.mean() for organ in organs) < SMALLEST_ORGAN or _middle(organs[0]) >= _middle(organs[1]):
        return None
    if max(_shares_at_edges(organs[0] | organs[1])[:2]) >= CUT:
        return None
    right_lung, left_lung, heart = (_ends(mask, organ) for mask, organ in zip(masks, organs, strict=True))
    found = Cardiothoracic(heart=_line(heart[0], heart[1]), thorax=_line(right_lung[0], left_lung[1]))
    likely = PLAUSIBLE_RATIOS[0] <= found.ratio <= PLAUSIBLE_RATIOS[1] and _lies_within(found.heart, found.thorax)
    return found if likely else None


def _lies_within(heart: Line, thorax: Line) -> bool:
    least, most = ((end - thorax.left) / (thorax.right - thorax.left) for end in (heart.left, heart.right))
    return least >= HEART_WITHIN[0] and most <= HEART_WITHIN[1]


def _on_film(masks: Image, placement: Placement, size: int) -> tuple[int, int, Image]:
    """The part of the masks that lies on the film, without the letterbox's bars, and the place of its corner."""
    x, y, width, height = placement.input
    rows, columns = masks.shape[1] / size, masks.shape[2] / size
    left, top = int(np.ceil(x * columns)), int(np.ceil(y * rows))
    return left, top, masks[:, top : int((y + height) * rows), left : int((x + width) * columns)]


def _shares_at_edges(lungs: Mask) -> tuple[float, float, float, float]:
    """How much of the left, right, upper and lower edge is lung."""
    return (
        float(lungs[:, 0].mean()), float(lungs[:, -1].mean()), float(lungs[0].mean()), float(lungs[-1].mean())
    )  # fmt: skip


def _middle(part: Mask) -> float:
    return float(np.mean(np.nonzero(part)[1]))


def _line(left: tuple[float, float], right: tuple[float, float]) -> Line:
    """Horizontal, midway between the rows of its two ends."""
    return Line(left=left[0], right=right[0], row=(left[1] + right[1]) / 2)


def _ends(mask: Image, part: Mask) -> tuple[tuple[float, float], tuple[float, float]]:
    """The leftmost and the rightmost point (column, row) of a part."""
    column, row = _left_end(mask[:, ::-1], part[:, ::-1])
    return _left_end(mask, part), (part.shape[1] - column, row)


def _left_end(mask: Image, part: Mask) -> tuple[float, float]:
    """Where the probability crosses one half left of the part's first column, between two pixels' centres."""
    first = int(part.any(axis=0).argmax())
    rows = np.flatnonzero(part[:, first])
    inner = mask[rows, first]
    reach = (inner - INSIDE) / (inner - mask[rows, first - 1]) if first else np.full(len(rows), 0.5)
    furthest = rows[reach >= reach.max()]
    return first + 0.5 - float(reach.max()), float(furthest.mean()) + 0.5


def _without_strays(lung: Mask) -> Mask:
    """A lung on the left of the picture without what lies at that edge, all of it beyond a part fit to be the lung."""
    if not lung[:, 0].any():
        return lung
    labels = _parts(lung)
    parts = [labels == number for number in np.unique(labels[lung])]
    for part in parts:
        last = int(np.flatnonzero(part.any(axis=0))[-1])
        inner = [one for one in parts if not one[:, : last + 1].any() and one.sum() >= LUNG_TO_STRAY * part.sum()]
        if part[:, 0].any() and inner:
            lung = lung & ~part
    return lung


def _parts(mask: Mask) -> NDArray[np.int32]:
    """A number for every part that hangs together, 0 outside."""
    labels = np.where(mask, np.arange(1, mask.size + 1, dtype=np.int32).reshape(mask.shape), 0)
    while True:
        spread = _least_of_each_run(_least_of_each_run(labels).T).T
        if np.array_equal(spread, labels):
            return labels
        labels = spread


def _without_specks(mask: Mask) -> Mask:
    """The largest of the parts that do not touch each other and what is not much smaller; nothing of a mere scatter."""
    labels = _parts(mask)
    sizes = np.bincount(labels[mask], minlength=1)
    kept: Mask = mask & (sizes >= PART * sizes.max())[labels]
    return kept if 2 * sizes.max() >= mask.sum() else np.zeros_like(mask)


def _least_of_each_run(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Every unbroken run within a row takes its least label; 0 is no run."""
    inside = labels > 0
    starts = inside.copy()
    starts[:, 1:] &= ~inside[:, :-1]
    firsts = np.flatnonzero(starts[inside])
    if len(firsts) == 0:
        return labels
    spread = np.zeros_like(labels)
    lengths = np.diff(firsts, append=int(inside.sum()))
    spread[inside] = np.repeat(np.minimum.reduceat(labels[inside], firsts), lengths)
    return spread
