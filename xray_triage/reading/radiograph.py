"""A dataset or a picture file -> a film that can be read, or the reason why not. Tags lie, so pixels are asked too.

It must never know models, networks or pages. A bad film is an answer here, never an exception.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageOps, UnidentifiedImageError
from pydicom.dataset import Dataset

from xray_triage.reading.acquisition import View, view_of
from xray_triage.reading.decoding import DamagedPixels, Stored, Undecodable, decode
from xray_triage.reading.eligibility import FILM_CLASSES, SMALLEST_SIDE, Admission, refusal
from xray_triage.reading.findings import REASONS, NotReadable
from xray_triage.reading.grayscale import render
from xray_triage.reading.header import value_of
from xray_triage.reading.laterality import rows_run_to
from xray_triage.reading.patient import age_years
from xray_triage.reading.pixels import Image, as_image, resize, shrink, to_display
from xray_triage.reading.polarity import as_positive

__all__ = ["FILM_CLASSES", "Admission", "Radiograph", "admit", "open_picture"]

LONGEST_SIDE = 1024
FEWEST_LEVELS = 8  # stored gray levels between the darkest and brightest percent: fewer is a blank film
LEAST_STRUCTURE = 0.02  # standard deviation of the film at 16 x 16: less is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiograph:
    """A film ready for a model.

    ``image`` is float32 (h, w), 0..1, dense bright, no side over 1024 pixels. ``rows`` and ``columns`` are the
    original's, ``pixel_spacing_mm`` (between rows, between columns) too. ``view``: PA, AP, or empty where nothing says;
    ``towards``: the side of the patient to which a row of pixels runs, L, R or empty.
    ``flags``: ``inverted`` when the pixels were shown the wrong way round by their tags.
    """

    image: Image
    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, float] | None = None
    age_years: float | None = None
    view: View = ""
    towards: str = ""
    flags: tuple[str, ...] = ()


def admit(dataset: Dataset, policy: Admission) -> Radiograph | NotReadable:
    """The film in ``dataset`` (read with its pixels), or why it is not read. The header is judged before decoding."""
    refused = refusal(dataset, policy)
    if refused is not None:
        return refused
    try:
        stored = decode(dataset)
    except DamagedPixels as error:
        return NotReadable(reason=REASONS["damaged_pixels"], detail=str(error))
    except Undecodable as error:
        return NotReadable(reason=REASONS["undecodable"], detail=str(error))
    film = _judge(stored, lambda small: render(small, dataset))
    if isinstance(film, NotReadable):
        return film
    return replace(
        film,
        pixel_spacing_mm=_spacing(dataset),
        age_years=age_years(dataset),
        view=view_of(dataset),
        towards=rows_run_to(dataset),
    )


def open_picture(path: Path, policy: Admission | None = None) -> Radiograph | NotReadable:
    """The film in a PNG or JPEG file, taken as dense bright. Raises OSError when the file cannot be opened at all."""
    limit = (policy or Admission()).max_pixels
    try:
        with Picture.open(path, formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > limit:
                return NotReadable(reason=REASONS["too_large"], detail=f"{picture.height} x {picture.width} pixels")
            if min(picture.size) < SMALLEST_SIDE:
                return NotReadable(reason=REASONS["too_small"], detail=f"{picture.height} x {picture.width} pixels")
            values = _values_of(ImageOps.exif_transpose(picture))
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Picture.DecompressionBombError) as error:
        return NotReadable(reason=REASONS["damaged_pixels"], detail=f"no readable PNG or JPEG: {error}")
    window = (128.0, 256.0) if values.dtype == np.uint8 else None
    return _judge(values, lambda small: to_display(small, monochrome1=False, window=window))


def _values_of(picture: Picture.Image) -> Stored:
    if picture.mode.startswith("I"):
        return np.asarray(picture).astype(np.uint16)
    return np.asarray(picture.convert("L" if picture.mode in ("L", "1", "LA") else "RGB"))


def _judge(stored: Stored, show: Callable[[Image], Image]) -> Radiograph | NotReadable:
    """What the pixels say: gray or coloured, contrast, structure, and which way round they are."""
    gray = _gray(stored)
    if gray is None:
        return NotReadable(reason=REASONS["not_an_original"], detail="a colour picture")
    small = as_image(shrink(gray, LONGEST_SIDE))
    if not _has_levels(small):
        return NotReadable(reason=REASONS["no_contrast"], detail="nearly one gray value all over")
    shown = show(small)
    if resize(shrink(shown, 256), 16, 16).std() < LEAST_STRUCTURE:
        return NotReadable(reason=REASONS["no_contrast"], detail="noise without structure")
    image, inverted = as_positive(shown)
    return Radiograph(
        image=np.ascontiguousarray(image),
        rows=gray.shape[0],
        columns=gray.shape[1],
        flags=("inverted",) if inverted else (),
    )


def _gray(values: Stored) -> Stored | None:
    """One plane of a picture whose colours are all gray (JPEG noise aside), or None."""
    if values.ndim == 2:
        return values
    sample = values[::4, ::4].astype(np.int32)
    coloured = np.ptp(sample, axis=2) > np.iinfo(values.dtype).max // 20
    return None if coloured.mean() > 0.005 else values[..., 1]


def _has_levels(small: Image) -> bool:
    low, high = np.percentile(small[::2, ::2], (1, 99))
    return bool(high - low >= FEWEST_LEVELS)


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    """PS3.3 10.7 and C.8.11.4: at the patient where known, else at the detector; None rather than a guess."""
    for keyword in ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing"):
        try:
            rows, columns = (float(value) for value in value_of(dataset, keyword) or ())
        except (ValueError, TypeError):
            continue
        if 0 < rows < 10 and 0 < columns < 10:
            return rows, columns
    return None
