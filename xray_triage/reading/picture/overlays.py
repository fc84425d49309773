"""The graphics that machines lay over a film: the overlay planes 60xx, own bits or bits beside the pixels' own.

PS3.3 C.9.2. For people only: the network never sees them. It must never know windows or polarity.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_router.errors import DAMAGE
from xray_triage.reading.header import number
from xray_triage.reading.picture.decoding import Stored, Words

GROUPS = range(0x6000, 0x6020, 2)
ROWS, COLUMNS, TYPE, ORIGIN, BITS, BIT, DATA = 0x0010, 0x0011, 0x0040, 0x0050, 0x0100, 0x0102, 0x3000

Mask = NDArray[np.bool_]


def graphics_in(dataset: Dataset, read: Words) -> Mask | None:
    """Where any graphic lies on a gray film (rows, columns); None where there is none. Regions of interest are none."""
    found = None
    for group in groups_of(dataset) if read.values.ndim == 2 else ():
        try:
            plane = _plane(dataset, group, read.values)
        except DAMAGE:
            continue
        found = plane if found is None else found | plane
    return found if found is not None and found.any() else None


def groups_of(dataset: Dataset) -> list[int]:
    """The groups whose plane is a graphic."""
    return [group for group in GROUPS if str(_value(dataset, group, TYPE) or "").strip() == "G"]


def drawn(shown: NDArray[np.uint8], graphics: Mask) -> NDArray[np.uint8]:
    """A gray picture of any size with the graphics over the same part of the film: white, black to their lower right.

    Not a dot of them is lost where the picture is smaller.
    """
    shape = np.array(graphics.shape)
    size = np.minimum(shape, shown.shape)
    rows, columns = np.nonzero(graphics)
    small = np.zeros(size, np.bool_)
    small[rows * size[0] // shape[0], columns * size[1] // shape[1]] = True
    lines = small[np.arange(shown.shape[0]) * size[0] // shown.shape[0]]
    lines = lines[:, np.arange(shown.shape[1]) * size[1] // shown.shape[1]]
    shadow = np.zeros_like(lines)
    shadow[1:, 1:] = lines[:-1, :-1]
    return np.where(lines, 255, np.where(shadow, 0, shown)).astype(np.uint8)


def _plane(dataset: Dataset, group: int, values: Stored) -> Mask:
    """One plane, laid over the film at its origin. Raises what pydicom and numpy raise on damage."""
    plane = np.zeros(values.shape, np.bool_)
    data, bits = _value(dataset, group, DATA), int(_value(dataset, group, BITS) or 1)
    if data is None:
        return _embedded(dataset, group, values) if bits > 1 else plane
    rows, columns = int(_value(dataset, group, ROWS)), int(_value(dataset, group, COLUMNS))
    if rows * columns > 8 * len(data):
        raise ValueError("an overlay plane that is shorter than it says")
    ordered = np.frombuffer(data, np.uint8)
    if dataset.original_encoding[1] is False and len(data) % 2 == 0:  # OW of a big endian film
        ordered = ordered.reshape(-1, 2)[:, ::-1].ravel()
    bit_plane = np.unpackbits(ordered, count=rows * columns, bitorder="little").reshape(rows, columns).astype(np.bool_)
    top, left = (int(one) - 1 for one in _value(dataset, group, ORIGIN) or (1, 1))
    seen = bit_plane[max(0, -top) :, max(0, -left) :]
    place = plane[max(0, top) :, max(0, left) :][: seen.shape[0], : seen.shape[1]]
    place[:] = seen[: place.shape[0], : place.shape[1]]
    return plane


def _embedded(dataset: Dataset, group: int, values: Stored) -> Mask:
    """A plane in one bit of each word, outside the stored ones (retired, PS3.5 8.1.2)."""
    bit, stored = int(_value(dataset, group, BIT) or 0), number(dataset, "BitsStored")
    above = number(dataset, "HighBit", stored - 1)
    if above - stored < bit <= above or not 0 <= bit < values.dtype.itemsize * 8:
        return np.zeros(values.shape, np.bool_)
    return ((values >> bit) & 1).astype(np.bool_)


def _value(dataset: Dataset, group: int, element: int) -> Any:
    tag = Tag(group, element)
    try:
        return dataset[tag].value if tag in dataset else None
    except DAMAGE:
        return None
