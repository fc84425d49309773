"""Stored pixel values -> the network's input. Numpy only: the workshop trains through this very code.

It must never know DICOM files, models or pages. An image here is float32 (h, w), 0..1, dense tissue bright.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]
Counted = NDArray[np.bool_] | None  # the pixels that are film, not padding or shutter; None: all

DISPLAY_PERCENTILES = (0.5, 99.5)
LARGEST_TRIM = 0.3  # of one side: more than that is no border but half a film
FLAT = 0.04  # a line of pixels whose values differ by less is border, not patient


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """How a film becomes the network's input; part of a bundle's manifest.

    ``size`` is the side of the square input in pixels. ``fit``: letterbox keeps the aspect and pads with black,
    squash does not keep it, crop takes the middle square. ``trim`` cuts flat borders (collimator, padding) first.
    ``percentiles`` of the fitted film become 0 and 1. Then every value becomes (value - mean) / std.
    """

    size: int
    channels: int = 1
    mean: float = 0.5
    std: float = 0.25
    fit: Literal["letterbox", "squash", "crop"] = "letterbox"
    trim: bool = True
    percentiles: tuple[float, float] = (1.0, 99.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """Which rectangle of the film lies where in the network's input; both x, y, width, height in pixels."""

    film: tuple[int, int, int, int]
    input: tuple[int, int, int, int]


def as_image(values: Any) -> Image:
    """The values as float32, without a copy when they are so already."""
    return np.asarray(values, np.float32)


def shrink(image: NDArray[Any], longest: int) -> NDArray[Any]:
    """Average whole blocks of pixels until no side is over ``longest``; an image that fits comes back as it is.

    Whole blocks (so the result is between ``longest`` / 2 and ``longest``) because one pass of integer sums over
    3000 × 3000 × 16 bit costs milliseconds. Up to one block less one pixel at the right and lower edge is dropped.
    """
    block = -(-max(image.shape) // longest)
    if block <= 1:
        return image
    rows, columns = (max(1, side // block) for side in image.shape)
    block_rows, block_columns = min(block, image.shape[0]), min(block, image.shape[1])
    kept = image[: rows * block_rows, : columns * block_columns]
    wide: Any = np.float32 if image.dtype.kind == "f" else np.int32
    tall = kept[0::block_rows].astype(wide)
    for offset in range(1, block_rows):
        tall += kept[offset::block_rows]
    total = tall[:, 0::block_columns].astype(np.float32)
    for offset in range(1, block_columns):
        total += tall[:, offset::block_columns]
    return total / np.float32(block_rows * block_columns)


def to_display(
    stored: NDArray[Any],
    *,
    monochrome1: bool,
    window: tuple[float, float] | None = None,
    sigmoid: bool = False,
    is_chosen: bool = False,
    counted: Counted = None,
) -> Image:
    """Values after the modality LUT -> 0..1, dense bright (MONOCHROME2 sense).

    ``window`` is (center, width) as in PS3.3 C.11.2.1.2; without one, or with one that would make most of the film
    black or white, or all of it nearly one gray, the percentiles of the film itself are taken, unless it ``is_chosen``.
    Only the pixels that are ``counted`` decide.
    """
    values = stored.astype(np.float32)
    shown = None if window is None else _windowed(values, *window, sigmoid=sigmoid)
    if shown is None or (_hidden(shown, counted) and not is_chosen):
        shown = stretch(values, DISPLAY_PERCENTILES, counted)
    return as_image(1 - shown) if monochrome1 else shown


def _windowed(values: Image, center: float, width: float, *, sigmoid: bool) -> Image:
    if sigmoid:
        return as_image(1 / (1 + np.exp(-4 * (values - center) / max(width, 1e-6))))
    low = center - 0.5 - (width - 1) / 2
    return as_image(np.clip((values - low) / max(width - 1, 1e-6), 0, 1))


def _hidden(shown: Image, counted: Counted) -> bool:
    sample = sampled(shown, counted, 4)
    low, high = np.percentile(sample, DISPLAY_PERCENTILES)
    return bool(high - low < 0.2 or np.mean((sample <= 0.002) | (sample >= 0.998)) > 0.6)


def stretch(values: NDArray[Any], percentiles: tuple[float, float], counted: Counted = None) -> Image:
    """Make the two percentiles of ``values`` 0 and 1, linearly, and clip. A flat image becomes all 0."""
    step = max(1, min(values.shape) // 400)  # a tenth of a million pixels tell a percentile well enough
    low, high = (float(value) for value in np.percentile(sampled(values, counted, step), percentiles))
    if not high > low:
        return np.zeros(values.shape, np.float32)
    return as_image(np.clip((values - low) / (high - low), 0, 1))


def sampled(values: NDArray[Any], counted: Counted, step: int) -> NDArray[Any]:
    """Every ``step``-th pixel of every ``step``-th row, of those that are counted; one at least."""
    sample = values[::step, ::step]
    if counted is None:
        return sample
    chosen = sample[counted[::step, ::step]]
    return chosen if chosen.size else values.ravel()[:1]


def prepare(image: Image, spec: InputSpec, placement: Placement | None = None) -> Image:
    """The film as the network eats it: float32 (1, channels, size, size). ``image`` is float32 (h, w), 0..1.

    ``placement`` is that of ``place``, for who has asked already.
    """
    placement = placement or place(image, spec)
    x, y, width, height = placement.film
    input_x, input_y, input_width, input_height = placement.input
    fitted = stretch(resize(image[y : y + height, x : x + width], input_height, input_width), spec.percentiles)
    frame = np.zeros((spec.size, spec.size), np.float32)
    frame[input_y : input_y + input_height, input_x : input_x + input_width] = fitted
    frame = as_image((frame - spec.mean) / spec.std)
    return np.repeat(frame[None, None], spec.channels, axis=1)


def place(image: Image, spec: InputSpec) -> Placement:
    """Where ``prepare`` puts the film: to lead activation maps and masks back onto it."""
    x, y, width, height = without_borders(image) if spec.trim else (0, 0, image.shape[1], image.shape[0])
    if spec.fit == "crop":
        side = min(width, height)
        x, y, width, height = x + (width - side) // 2, y + (height - side) // 2, side, side
    input_width = input_height = spec.size
    if spec.fit == "letterbox":
        scale = spec.size / max(width, height)
        input_width, input_height = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (spec.size - input_width) // 2, (spec.size - input_height) // 2
    return Placement(film=(x, y, width, height), input=(left, top, input_width, input_height))


def without_borders(image: Image) -> tuple[int, int, int, int]:
    """The rectangle x, y, width, height that is left without flat lines at the four edges."""
    small = shrink(image, 256)
    block = -(-max(image.shape) // 256)
    top, bottom = _flat_ends(small)
    left, right = _flat_ends(small[top : small.shape[0] - bottom].T)
    x, y = left * block, top * block
    return x, y, image.shape[1] - x - right * block, image.shape[0] - y - bottom * block


def moved(masks: Image, image: Image, before: InputSpec, after: InputSpec) -> Image:
    """Masks (n, h, w) over the input of one network -> over that of another which sees ``image`` otherwise.

    0 where the first network saw nothing of the film.
    """
    seen, wanted = place(image, before), place(image, after)
    columns, known_columns = _moved(masks.shape[2], 0, (seen, before.size), (wanted, after.size))
    rows, known_rows = _moved(masks.shape[1], 1, (seen, before.size), (wanted, after.size))
    return as_image(masks[:, rows][:, :, columns] * np.outer(known_rows, known_columns))


def _moved(
    count: int, axis: int, before: tuple[Placement, int], after: tuple[Placement, int]
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """For each of ``count`` places along one axis: which of as many before it was, and whether there was any."""
    (seen, side), (wanted, other) = before, after
    at = (np.arange(count) + 0.5) * other / count - wanted.input[axis]
    on_film = wanted.film[axis] + at * wanted.film[axis + 2] / wanted.input[axis + 2]
    share = (on_film - seen.film[axis]) / seen.film[axis + 2]
    back = (seen.input[axis] + share * seen.input[axis + 2]) * count / side
    return np.clip(back, 0, count - 1).astype(np.intp), (share >= 0) & (share < 1)


def _flat_ends(image: Image) -> tuple[int, int]:
    """How many lines at the start and at the end are border: nearly one value all along, letters aside."""
    most = int(len(image) * LARGEST_TRIM)
    ordered = np.sort(image, axis=1).T  # and not np.percentile, which takes ten times as long
    low, high = _rows_between(ordered, np.array((0.05, 0.95)) * (len(ordered) - 1))
    patient = np.flatnonzero(high - low > FLAT)
    if len(patient) == 0:
        return 0, 0
    return min(int(patient[0]), most), min(len(image) - 1 - int(patient[-1]), most)


def resize(image: Image, rows: int, columns: int) -> Image:
    """Resample to (rows, columns): the mean over each new pixel's area, or linear between pixels where it grows.

    Sums, not a product of matrices: the threads of a BLAS stall for 0.1 s when the cores are busy.
    """
    return np.ascontiguousarray(_resize_rows(_resize_rows(image, rows).T, columns).T)


def _resize_rows(image: Image, after: int) -> Image:
    before = len(image)
    scale = before / after
    if scale < 1:
        return _rows_between(image, np.clip((np.arange(after) + 0.5) * scale - 0.5, 0, before - 1))
    edges = np.append(np.arange(after) * scale, before)
    first = edges.astype(np.intp)
    # Whole rows from edge to edge, without the part of the first that lies before, with that of the last that lies in.
    cut = image[np.minimum(first, before - 1)] * as_image(edges - first)[:, None]
    return as_image((_sums(image, first) - cut[:-1] + cut[1:]) / scale)


def _sums(image: Image, edges: NDArray[np.intp]) -> Image:
    """The sum of the rows from each edge to the next, of which some may be one more than others.

    As np.add.reduceat has it, in a tenth of the time.
    """
    first, counts = edges[:-1], np.diff(edges)
    least = int(counts.min())
    sums = image[first]
    for offset in range(1, least):
        sums += image[first + offset]
    longer = counts > least
    sums[longer] += image[first[longer] + least]
    return sums


def _rows_between(image: NDArray[Any], at: NDArray[Any]) -> NDArray[Any]:
    """Linear interpolation at fractional row numbers within the image."""
    first = np.minimum(at.astype(np.intp), len(image) - 1)
    second = np.minimum(first + 1, len(image) - 1)
    share = (at - first)[:, None].astype(image.dtype)
    between: NDArray[Any] = image[first] * (1 - share) + image[second] * share
    return between
