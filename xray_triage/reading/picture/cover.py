"""What of the stored pixels is no film: declared padding, and what a shutter hides. PS3.3 C.7.5.1.1.2 and C.7.6.11.

Only what the header declares is covered. It must never know windows or models.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Picture
from PIL import ImageDraw
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from xray_triage.reading.header import first_of, number, value_of, words
from xray_triage.reading.picture.decoding import Stored, Words
from xray_triage.reading.picture.geometry import aspect_of
from xray_triage.reading.pixels import Counted, Image, as_image, shrink

LEAST_FILM = 0.05  # of the pixels: a header that hides more is wrong

FURTHEST = 1 << 20  # pixels; beyond lies no edge of a film
SHUTTERS: Mapping[str, tuple[str, ...]] = {
    "RECTANGULAR": (
        "ShutterLeftVerticalEdge",
        "ShutterRightVerticalEdge",
        "ShutterUpperHorizontalEdge",
        "ShutterLowerHorizontalEdge",
    ),
    "CIRCULAR": ("CenterOfCircularShutter", "RadiusOfCircularShutter"),
    "POLYGONAL": ("VerticesOfThePolygonalShutter",),
}

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shutter:
    """One shutter: its attributes by keyword, and which pixels of the film it leaves to be seen."""

    shape: str
    values: Mapping[str, Sequence[int]]
    seen: Mask


def covered_in(read: Words, stored: Stored, dataset: Dataset) -> Mask | None:
    """Where a gray film (rows, columns) is padding or lies behind a shutter; None where the header says of neither."""
    if stored.ndim != 2:
        return None
    parts = [_padding(read, stored, dataset), *(~shutter.seen for shutter in shutters_of(dataset))]
    found = [part for part in parts if part is not None and 1 - part.mean() >= LEAST_FILM]
    if not found or not (whole := np.logical_or.reduce(found)).any():
        return None
    return whole if 1 - whole.mean() >= LEAST_FILM else None


def shrink_film(stored: Stored, covered: Mask | None, longest: int) -> tuple[Image, Counted]:
    """The film as pixels.shrink has it, out of what is not covered; and where that is, None for everywhere."""
    if covered is None:
        return as_image(shrink(stored, longest)), None
    share = as_image(shrink((~covered).astype(np.uint8), longest))
    counted = share >= 0.5
    small = as_image(shrink(np.where(covered, 0, stored), longest) / np.maximum(share, np.float32(1e-6)))
    small[~counted] = small[counted].min() if counted.any() else 0
    return small, counted if counted.any() else None


def _padding(read: Words, stored: Stored, dataset: Dataset) -> Mask | None:
    value = _declared(dataset, "PixelPaddingValue", stored)
    if value is None:
        return None
    limit = _declared(dataset, "PixelPaddingRangeLimit", stored)
    low, high = sorted((value, value if limit is None else limit))
    bits, signed = number(dataset, "BitsStored"), stored.dtype.kind == "i"
    least, most = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    values = stored if least <= low and high <= most else read.values  # beyond the stored bits: in the whole word
    found: Mask = values == low if low == high else (values >= low) & (values <= high)
    return found


def _declared(dataset: Dataset, keyword: str, stored: Stored) -> int | None:
    """The value in the sign of the pixels, whatever VR (US, SS) it came in."""
    value = first_of(dataset, keyword)
    if isinstance(value, bytes) and len(value) >= 2:  # nobody told pydicom which VR it has
        value = int.from_bytes(value[:2], "little")
    if not isinstance(value, int):
        return None
    bits = stored.dtype.itemsize * 8
    value %= 1 << bits
    return value - (1 << bits) if stored.dtype.kind == "i" and value >> (bits - 1) else value


def shutters_of(dataset: Dataset) -> Iterator[Shutter]:
    """The shutters that say something of use and do not hide the film itself."""
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    for shape in dict.fromkeys(words(dataset, "ShutterShape").split()):
        keywords = SHUTTERS.get(shape, ())
        values = [_numbers(dataset, keyword) for keyword in keywords]
        if keywords and all(values) and _is_sound(shape, values) and rows > 0 and columns > 0:
            canvas = Picture.new("1", (columns, rows))
            _draw(ImageDraw.Draw(canvas), shape, values, aspect_of(dataset))
            seen = np.asarray(canvas)
            if seen.mean() >= LEAST_FILM:
                yield Shutter(shape=shape, values=dict(zip(keywords, values, strict=True)), seen=seen)


def _is_sound(shape: str, values: Sequence[Sequence[int]]) -> bool:
    if shape == "RECTANGULAR":
        (left,), (right,), (upper,), (lower,) = (value[:1] for value in values)
        return left < right and upper < lower
    if shape == "CIRCULAR":
        return len(values[0]) == 2 and values[1][0] > 0
    return len(values[0]) >= 6 and len(values[0]) % 2 == 0


def _draw(canvas: ImageDraw.ImageDraw, shape: str, values: Sequence[Sequence[int]], aspect: float) -> None:
    """What is seen, in pixels of the film; the header counts from 1, rows first."""
    if shape == "RECTANGULAR":
        left, right, upper, lower = (value[0] - 1 for value in values)
        canvas.rectangle((left, upper, right, lower), fill=1)
    elif shape == "CIRCULAR":  # the radius counts columns
        (row, column), wide, high = values[0], values[1][0], values[1][0] / aspect
        canvas.ellipse((column - 1 - wide, row - 1 - high, column - 1 + wide, row - 1 + high), fill=1)
    else:
        rows, columns = values[0][::2], values[0][1::2]
        canvas.polygon([(column - 1, row - 1) for row, column in zip(rows, columns, strict=True)], fill=1)


def _numbers(dataset: Dataset, keyword: str) -> list[int]:
    value = value_of(dataset, keyword)
    try:
        numbers = [int(one) for one in (value if isinstance(value, MultiValue | list) else [value])]
    except (ValueError, TypeError, OverflowError):
        return []
    return numbers if all(abs(one) < FURTHEST for one in numbers) else []
