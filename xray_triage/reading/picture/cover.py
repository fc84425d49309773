"""What of the stored pixels is no film: declared padding, and what a shutter hides. PS3.3 C.7.5.1.1.2 and C.7.6.11.

Only what the header declares is covered. It must never know windows or models.
"""

from collections.abc import Iterator

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

Mask = NDArray[np.bool_]


def covered_in(read: Words, stored: Stored, dataset: Dataset) -> Mask | None:
    """Where a gray film (rows, columns) is padding or lies behind a shutter; None where the header says of neither."""
    if stored.ndim != 2:
        return None
    parts = [_padding(read, stored, dataset), *(~seen for seen in _seen(dataset, *stored.shape))]
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


def _seen(dataset: Dataset, rows: int, columns: int) -> Iterator[Mask]:
    """What each shutter leaves to be seen; one that hides everything, or says nothing of use, is none."""
    draw = {"RECTANGULAR": _rectangle, "CIRCULAR": _circle, "POLYGONAL": _polygon}
    for shape in words(dataset, "ShutterShape").split():
        canvas = Picture.new("1", (columns, rows))
        if shape in draw and draw[shape](ImageDraw.Draw(canvas), dataset):
            seen = np.asarray(canvas)
            if seen.any():
                yield seen


def _rectangle(canvas: ImageDraw.ImageDraw, dataset: Dataset) -> bool:
    left, right = number(dataset, "ShutterLeftVerticalEdge"), number(dataset, "ShutterRightVerticalEdge")
    upper, lower = number(dataset, "ShutterUpperHorizontalEdge"), number(dataset, "ShutterLowerHorizontalEdge")
    if left >= right or upper >= lower:
        return False
    canvas.rectangle((left - 1, upper - 1, right - 1, lower - 1), fill=1)
    return True


def _circle(canvas: ImageDraw.ImageDraw, dataset: Dataset) -> bool:
    """The radius counts columns; where pixels are not square it is an ellipse of pixels."""
    centre, radius = _numbers(dataset, "CenterOfCircularShutter"), number(dataset, "RadiusOfCircularShutter")
    if len(centre) != 2 or radius <= 0:
        return False
    (row, column), high = centre, radius / aspect_of(dataset)
    canvas.ellipse((column - 1 - radius, row - 1 - high, column - 1 + radius, row - 1 + high), fill=1)
    return True


def _polygon(canvas: ImageDraw.ImageDraw, dataset: Dataset) -> bool:
    corners = _numbers(dataset, "VerticesOfThePolygonalShutter")
    if len(corners) < 6 or len(corners) % 2:
        return False
    canvas.polygon([(column - 1, row - 1) for row, column in zip(corners[::2], corners[1::2], strict=True)], fill=1)
    return True


def _numbers(dataset: Dataset, keyword: str) -> list[int]:
    value = value_of(dataset, keyword)
    try:
        return [int(one) for one in value] if isinstance(value, MultiValue | list) else []
    except (ValueError, TypeError):
        return []
