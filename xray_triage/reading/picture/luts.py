"""Which tables, windows and rescale of a film can be used: one judge for reader, page and presentation state.

What is unsound counts as if it were not there; the next item or pair is tried. It must never know pixels. PS3.3 C.11.1,
C.11.2.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom_router.errors import DAMAGE
from xray_triage.reading.header import LARGEST, decimal, items, number, value_of, words

MOST_MISSING = 0.01  # of the entries a descriptor promises: so many are continued by the last one
UNSIGNED = 1 << 16


@dataclass(frozen=True, slots=True)
class Table:
    """A look-up table: ``first`` is the value that the first of ``entries`` (uint16, two at least) stands for."""

    first: int
    entries: NDArray[np.uint16]
    item: Dataset  # of the sequence, as it came

    @property
    def bits(self) -> int:
        """How many an entry really has, whatever the descriptor says."""
        return max(8, int(self.entries.max()).bit_length())


class Window(NamedTuple):
    """A window as the film tells it, for its function: LINEAR, LINEAR_EXACT or SIGMOID."""

    center: float
    width: float
    function: str = "LINEAR"


def table_of(dataset: Dataset, keyword: str) -> Table | None:
    """The first usable table of a LUT sequence; None where there is none."""
    tables = (_table(dataset, item) for item in items(dataset, keyword))
    return next((table for table in tables if table is not None), None)


def _table(dataset: Dataset, item: Dataset) -> Table | None:
    try:
        count, first, _ = (int(value) for value in item.LUTDescriptor)
        is_big = dataset.original_encoding[1] is False
        entries = _entries(_words(item.LUTData, is_big=is_big), count % UNSIGNED or UNSIGNED)
    except DAMAGE:
        return None
    if number(dataset, "PixelRepresentation") and first >= UNSIGNED // 2:
        first -= UNSIGNED
    return None if entries is None or entries.min() == entries.max() else Table(first, entries, item)


def _words(data: Any, *, is_big: bool) -> NDArray[np.uint16]:
    """LUT Data as words, whatever its VR: entries are unsigned, even where they came as SS."""
    if isinstance(data, bytes):
        return np.frombuffer(data, ">u2" if is_big else "<u2", len(data) // 2).astype(np.uint16)
    return (np.atleast_1d(np.asarray(data, np.int64)) % UNSIGNED).astype(np.uint16)


def _entries(found: NDArray[np.uint16], count: int) -> NDArray[np.uint16] | None:
    """So many entries of these words: one each, or two of 8 bits; None where they are too few."""
    if count < 2 or len(found) == 0:
        return None
    if len(found) == (count + 1) // 2:
        found = found.astype("<u2").view(np.uint8).astype(np.uint16)
    missing = count - len(found)
    if missing > MOST_MISSING * count:
        return None
    return np.concatenate([found, np.repeat(found[-1:], missing)]) if missing > 0 else found[:count]


def window_of(dataset: Dataset) -> Window | None:
    """The first usable pair of Window Center and Window Width; None where there is none."""
    said = words(dataset, "VOILUTFunction")
    function = {"SIGMOID": "SIGMOID", "LINEAR EXACT": "LINEAR_EXACT"}.get(said, "LINEAR")
    least = 1.0 if function == "LINEAR" else 1e-6
    pairs = zip_longest(_numbers(dataset, "WindowCenter"), _numbers(dataset, "WindowWidth"))
    return next(
        (Window(center, width, function) for center, width in pairs if None not in (center, width) and width >= least),
        None,
    )


def _numbers(dataset: Dataset, keyword: str) -> Iterator[Any]:
    """Every value, None in the place of one that is no number a film could mean."""
    value = value_of(dataset, keyword)
    for one in value if isinstance(value, MultiValue | list) else [value]:
        try:
            number = float(one)
        except (ValueError, TypeError, OverflowError):
            number = np.nan
        yield number if abs(number) <= LARGEST else None


def rescale_of(dataset: Dataset) -> tuple[float, float] | None:
    """Slope and intercept; None where nothing is rescaled."""
    found = decimal(dataset, "RescaleSlope", 1.0) or 1.0, decimal(dataset, "RescaleIntercept", 0.0)
    return None if found == (1.0, 0.0) else found
