"""How far a film's pixels lie apart, and how it looks where they are not square. It must never know what they show.

PS3.3 10.7, C.8.11.4 and C.7.6.3.1.7.
"""

from pydicom.dataset import Dataset

from xray_triage.reading.header import value_of
from xray_triage.reading.pixels import Image, resize

SQUARE_WITHIN = 0.01
MOST_APART = 8.0  # no detector has such pixels: the header is wrong


def spacing_of(dataset: Dataset) -> tuple[float, float] | None:
    """Millimetres between rows and between columns: at the patient where known, else at the detector; or None."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        pair = _pair(dataset, keyword)
        if pair is not None and max(pair) < 10:
            return pair
    return None


def aspect_of(dataset: Dataset) -> float:
    """A pixel's height over its width; 1 where it is square, or where the film says nothing that could be."""
    high, wide = spacing_of(dataset) or _pair(dataset, "PixelAspectRatio") or (1.0, 1.0)
    found = high / wide
    return found if abs(found - 1) > SQUARE_WITHIN and 1 / MOST_APART <= found <= MOST_APART else 1.0


def size_of(shape: tuple[int, ...], aspect: float, longest: int) -> tuple[int, int]:
    """Rows and columns of the film in its true proportions: none is lost, but for ``longest``."""
    high, wide = shape[0] * max(aspect, 1.0), shape[1] * max(1 / aspect, 1.0)
    scale = min(1.0, longest / max(high, wide))
    return max(1, round(high * scale)), max(1, round(wide * scale))


def proportioned(image: Image, aspect: float, longest: int) -> Image:
    """The image in its true proportions; as it is where its pixels are square."""
    return image if aspect == 1 else resize(image, *size_of(image.shape, aspect, longest))


def _pair(dataset: Dataset, keyword: str) -> tuple[float, float] | None:
    try:
        high, wide = (float(value) for value in value_of(dataset, keyword) or ())
    except (ValueError, TypeError):
        return None
    return (high, wide) if 0 < high < float("inf") and 0 < wide < float("inf") else None
