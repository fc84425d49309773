"""Stored values -> the picture a doctor would see: modality LUT, VOI, polarity. PS3.3 C.11.1, C.11.2; PS3.4 N.2.

It runs on the shrunk film, in float: a table is read between its entries. It must never know compression or models.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from dicom_router.errors import DAMAGE
from xray_triage.reading.header import decimal, items, number, text, words
from xray_triage.reading.pixels import Image, as_image, to_display

Table = tuple[float, NDArray[np.float64]]  # first value mapped, entries


def render(stored: Image, dataset: Dataset) -> Image:
    """The film 0..1, dense bright as far as the tags tell (polarity.py asks the pixels)."""
    monochrome1 = words(dataset, "PhotometricInterpretation") == "MONOCHROME1"
    values = _modality(stored, dataset)
    voi = _table(dataset, "VOILUTSequence")
    if voi is not None:
        return to_display(_look_up(values, voi), monochrome1=monochrome1, window=_range_of(voi))
    return to_display(
        values,
        monochrome1=monochrome1,
        window=_window(dataset),
        sigmoid=words(dataset, "VOILUTFunction") == "SIGMOID",
    )


def render_window(stored: Image, dataset: Dataset, window: tuple[float, float], function: str) -> Image:
    """The same in a window that somebody chose, whatever it hides. ``function``: linear, linear-exact or sigmoid."""
    center, width = window
    return to_display(
        _modality(stored, dataset),
        monochrome1=words(dataset, "PhotometricInterpretation") == "MONOCHROME1",
        window=(center + 0.5, width + 1) if function == "linear-exact" else window,
        sigmoid=function == "sigmoid",
        is_chosen=True,
    )


def _modality(stored: Image, dataset: Dataset) -> Image:
    table = _table(dataset, "ModalityLUTSequence")
    if table is not None:
        return _look_up(stored, table)
    slope, intercept = decimal(dataset, "RescaleSlope", 1.0), decimal(dataset, "RescaleIntercept", 0.0)
    values = as_image(stored * (slope or 1.0) + intercept)
    raw = text(dataset, "SOPClassUID") == DigitalXRayImageStorageForProcessing
    if raw and words(dataset, "PixelIntensityRelationship") == "LIN":
        return as_image(np.log1p(values - values.min()))  # X-ray intensity falls exponentially with thickness
    return values


def _window(dataset: Dataset) -> tuple[float, float] | None:
    """(center, width) for the LINEAR function; the first of several windows; None where there is no usable one."""
    center, width = decimal(dataset, "WindowCenter", np.nan), decimal(dataset, "WindowWidth", np.nan)
    if not (np.isfinite(center) and np.isfinite(width) and width >= 1):
        plain = "RescaleSlope" not in dataset and number(dataset, "BitsStored") == 8
        return (128.0, 256.0) if plain and number(dataset, "PixelRepresentation") == 0 else None
    if words(dataset, "VOILUTFunction") == "LINEAR EXACT":
        return center + 0.5, width + 1
    return center, width


def _table(dataset: Dataset, keyword: str) -> Table | None:
    """The first LUT of a LUT sequence (PS3.3 C.11.1.1.1), or None when there is none or it contradicts itself."""
    found = items(dataset, keyword)
    if not found:
        return None
    try:
        count, first, bits = (int(value) for value in found[0].LUTDescriptor)
        entries = _entries(found[0].LUTData, bits, big_endian=dataset.original_encoding[1] is False)
    except DAMAGE:
        return None
    if number(dataset, "PixelRepresentation") and first > 32767:
        first -= 65536
    count = count or 65536
    return (float(first), entries[:count]) if len(entries) >= count >= 2 else None


def _entries(data: Any, bits: int, *, big_endian: bool) -> NDArray[np.float64]:
    if not isinstance(data, bytes):
        return np.atleast_1d(np.asarray(data, np.float64))  # of one entry pydicom makes no list
    order = ">u2" if big_endian else "<u2"
    mask = (1 << bits) - 1
    return (np.frombuffer(data, order, len(data) // 2) & mask).astype(np.float64)


def _look_up(values: Image, table: Table) -> Image:
    first, entries = table
    return as_image(np.interp(values, first + np.arange(len(entries)), entries))


def _range_of(table: Table) -> tuple[float, float]:
    """The window, as (center, width), that shows all values of the table."""
    low, high = float(table[1].min()), float(table[1].max())
    return (low + high) / 2 + 0.5, high - low + 1
