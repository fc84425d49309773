"""Stored values -> the picture a doctor would see: modality LUT, VOI, polarity. PS3.3 C.11.1, C.11.2; PS3.4 N.2.

It runs on the shrunk film, in float: a table is read between its entries. It must never know compression or models.
"""

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import DigitalXRayImageStorageForProcessing

from xray_triage.reading.header import number, text, words
from xray_triage.reading.picture.luts import Table, Window, rescale_of, table_of, window_of
from xray_triage.reading.pixels import Counted, Image, as_image, sampled, to_display


def render(stored: Image, dataset: Dataset, counted: Counted = None) -> Image:
    """The film 0..1, dense bright as far as the tags tell (polarity.py asks the pixels).

    ``counted``: where there is film, as to_display has it.
    """
    values, voi = _modality(stored, dataset, counted), table_of(dataset, "VOILUTSequence")
    looked_up = _look_up(values, voi, counted)
    window = _window(dataset) if voi is None or looked_up is None else _range_of(voi)
    return to_display(
        values if looked_up is None else looked_up,
        monochrome1=_is_negative(dataset),
        window=_linear(window),
        sigmoid=window is not None and window.function == "SIGMOID",
        counted=counted,
    )


def render_window(stored: Image, dataset: Dataset, window: tuple[float, float], function: str) -> Image:
    """The same in a window that somebody chose, whatever it hides. ``function``: linear, linear-exact or sigmoid."""
    chosen = Window(*window, function.upper().replace("-", "_"))
    return to_display(
        _modality(stored, dataset, None),
        monochrome1=_is_negative(dataset),
        window=_linear(chosen),
        sigmoid=chosen.function == "SIGMOID",
        is_chosen=True,
    )


def _is_negative(dataset: Dataset) -> bool:
    return words(dataset, "PhotometricInterpretation") == "MONOCHROME1"


def _modality(stored: Image, dataset: Dataset, counted: Counted) -> Image:
    looked_up = _look_up(stored, table_of(dataset, "ModalityLUTSequence"), counted)
    if looked_up is not None:
        return looked_up
    slope, intercept = rescale_of(dataset) or (1.0, 0.0)
    values = as_image(stored * slope + intercept)
    raw = text(dataset, "SOPClassUID") == DigitalXRayImageStorageForProcessing
    if raw and words(dataset, "PixelIntensityRelationship") == "LIN":
        least = (values if counted is None else values[counted]).min()
        return as_image(np.log1p(np.maximum(values - least, 0)))  # intensity falls exponentially with thickness
    return values


def _window(dataset: Dataset) -> Window | None:
    """The film's own; where it has no usable one, 8 bits of which nothing is said are grays already."""
    plain = "RescaleSlope" not in dataset and number(dataset, "BitsStored") == 8
    grays = Window(128.0, 256.0) if plain and number(dataset, "PixelRepresentation") == 0 else None
    return window_of(dataset) or grays


def _linear(window: Window | None) -> tuple[float, float] | None:
    """Center and width as the function LINEAR counts them."""
    if window is None or window.function != "LINEAR_EXACT":
        return window and window[:2]
    return window.center + 0.5, window.width + 1


def _look_up(values: Image, table: Table | None, counted: Counted) -> Image | None:
    """The values by the table; None where there is none, or none for this film: all of it becomes one value."""
    if table is None:
        return None
    found = as_image(np.interp(values, table.first + np.arange(len(table.entries)), table.entries))
    return found if np.ptp(sampled(found, counted, 4)) > 0 else None


def _range_of(table: Table) -> Window:
    """The window that shows all values of the table."""
    low, high = float(table.entries.min()), float(table.entries.max())
    return Window((low + high) / 2 + 0.5, high - low + 1)
