"""A dataset or a picture file -> a film that can be read, or the reason why not. Tags lie, so pixels are asked too.

It must never know models, networks or pages. A bad film is an answer here, never an exception.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image as Picture
from PIL import ImageOps, UnidentifiedImageError
from pydicom.dataset import Dataset

from xray_triage.reading.acquisition import View, view_of
from xray_triage.reading.eligibility import FILM_CLASSES, SMALLEST_SIDE, Admission, doubt, refusal, unfit
from xray_triage.reading.findings import REASONS, NotReadable
from xray_triage.reading.laterality import rows_run_to
from xray_triage.reading.patient import read_age
from xray_triage.reading.picture.cover import Mask, covered_in, shrink_film
from xray_triage.reading.picture.decoding import DamagedPixels, Stored, Undecodable, stored_in, words_of
from xray_triage.reading.picture.geometry import aspect_of, proportioned, spacing_of
from xray_triage.reading.picture.grayscale import render
from xray_triage.reading.pixels import Counted, Image, as_image, resize, sampled, shrink, to_display
from xray_triage.reading.polarity import is_negative

__all__ = ["FILM_CLASSES", "Admission", "Radiograph", "admit", "glimpse", "open_picture"]

LONGEST_SIDE = 1024
EXIF, HEAD_BYTES = b"Exif\0\0", 1 << 16  # APP1 of a JPEG, before its pixels
MAKE, MODEL = 0x010F, 0x0110  # EXIF 2.3, 4.6.4: of the camera
FEWEST_LEVELS = 8  # stored gray levels between the darkest and brightest percent: fewer is a blank film
LEAST_STRUCTURE = 0.02  # standard deviation of the film at 16 x 16: less is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Radiograph:
    """A film ready for a model.

    ``image`` is float32 (h, w), 0..1, dense bright, no side over 1024 pixels. ``rows`` and ``columns`` are the
    original's, ``pixel_spacing_mm`` (between rows, between columns) too; the image is in true proportions even where
    pixels are not square. ``view``: PA, AP, or empty where nothing says; ``towards``: the side of the patient to which
    a row of pixels runs, L, R or empty. ``flags``: ``inverted`` when the pixels were shown the wrong way round by their
    tags, and those of the age. ``doubt``: what the header says against reading it.
    """

    image: Image
    rows: int
    columns: int
    pixel_spacing_mm: tuple[float, float] | None = None
    age_years: float | None = None
    view: View = ""
    towards: str = ""
    flags: tuple[str, ...] = ()
    doubt: NotReadable | None = None


def admit(dataset: Dataset, policy: Admission, *, arrived: date | None = None) -> Radiograph | NotReadable:
    """The film in ``dataset`` (read with its pixels), or why it is not read. The header is judged before decoding.

    ``arrived``: the day on which it came; a film whose own dates cannot be was taken then.
    """
    refused = refusal(dataset, policy, arrived) or _photographed(dataset.PixelData)
    if refused is not None:
        return refused
    try:
        words = words_of(dataset)
        stored = stored_in(words, dataset)
    except DamagedPixels as error:
        return NotReadable(reason=REASONS["damaged_pixels"], detail=str(error))
    except Undecodable as error:
        return NotReadable(reason=REASONS["undecodable"], detail=str(error))
    gray = _gray(stored)
    if gray is None:
        return NotReadable(reason=REASONS["not_an_original"], detail="a colour picture", by="pixels")
    film = _judge(
        gray,
        lambda small, counted: render(small, dataset, counted),
        aspect_of(dataset),
        covered_in(words, stored, dataset),
    )
    if isinstance(film, NotReadable):
        return film
    age = read_age(dataset, arrived)
    return replace(
        film,
        pixel_spacing_mm=spacing_of(dataset),
        age_years=age.years,
        view=view_of(dataset),
        towards=rows_run_to(dataset),
        flags=(*film.flags, *age.flags),
        doubt=doubt(dataset),
    )


def glimpse(dataset: Dataset, policy: Admission) -> Radiograph | None:
    """What a film that was not admitted looks like, for people alone; None where it may not or cannot be shown."""
    if unfit(dataset, policy) is not None:
        return None
    try:
        words = words_of(dataset)
        gray = _gray(stored_in(words, dataset))
    except (DamagedPixels, Undecodable):
        return None
    if gray is None:
        return None
    small, counted = shrink_film(gray, covered_in(words, gray, dataset), LONGEST_SIDE)
    shown = _fill(render(small, dataset, counted), counted, _darkest)
    image = np.ascontiguousarray(proportioned(shown, aspect_of(dataset), LONGEST_SIDE))
    return Radiograph(image=image, rows=gray.shape[0], columns=gray.shape[1])


def open_picture(path: Path, policy: Admission | None = None) -> Radiograph | NotReadable:
    """The film in a PNG or JPEG file, taken as dense bright. Raises OSError when the file cannot be opened at all."""
    limit = (policy or Admission()).max_pixels
    try:
        with Picture.open(path, formats=("PNG", "JPEG")) as picture:
            if picture.width * picture.height > limit:
                return NotReadable(reason=REASONS["too_large"], detail=f"{picture.height} x {picture.width} pixels")
            if min(picture.size) < SMALLEST_SIDE:
                return NotReadable(reason=REASONS["too_small"], detail=f"{picture.height} x {picture.width} pixels")
            if photograph := _taken_by(picture.getexif()):
                return photograph
            values = _values_of(ImageOps.exif_transpose(picture))
    except (FileNotFoundError, IsADirectoryError, PermissionError):
        raise
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Picture.DecompressionBombError) as error:
        return NotReadable(reason=REASONS["damaged_pixels"], detail=f"no readable PNG or JPEG: {error}")
    window = (128.0, 256.0) if values.dtype == np.uint8 else None
    gray = _gray(values)
    if gray is None:
        return NotReadable(reason=REASONS["not_an_original"], detail="a colour picture", by="pixels")
    return _judge(gray, lambda small, _: to_display(small, monochrome1=False, window=window))


def _photographed(pixel_data: bytes | None) -> NotReadable | None:
    """Whether the JPEG in it says which camera took it."""
    head = (pixel_data or b"")[:HEAD_BYTES]
    if (start := head.find(EXIF)) < 0:
        return None
    exif = Picture.Exif()
    try:
        exif.load(head[start:])
        return _taken_by(exif)
    except (OSError, ValueError, SyntaxError, struct.error):  # six bytes of a film that look like it
        return None


def _taken_by(exif: Picture.Exif) -> NotReadable | None:
    camera = [str(exif[tag]) for tag in (MAKE, MODEL) if exif.get(tag)]
    detail = f"a photograph by {' '.join(camera)[:64]}"
    return NotReadable(reason=REASONS["not_an_original"], detail=detail, by="pixels") if camera else None


def _values_of(picture: Picture.Image) -> Stored:
    if picture.mode.startswith("I"):
        return np.asarray(picture).astype(np.uint16)
    return np.asarray(picture.convert("L" if picture.mode in ("L", "1", "LA") else "RGB"))


def _judge(
    gray: Stored, show: Callable[[Image, Counted], Image], aspect: float = 1.0, covered: Mask | None = None
) -> Radiograph | NotReadable:
    """What the pixels say: contrast, structure, and which way round they are. What is ``covered`` says nothing."""
    small, counted = shrink_film(gray, covered, LONGEST_SIDE)
    if not _has_levels(small, counted):
        return NotReadable(reason=REASONS["no_contrast"], detail="nearly one gray value all over", by="pixels")
    shown = _fill(show(small, counted), counted, lambda film: float(film.mean()))
    glance = shrink(shown, 256)
    if resize(glance, 16, 16).std() < LEAST_STRUCTURE:
        return NotReadable(reason=REASONS["no_contrast"], detail="noise without structure", by="pixels")
    inverted = is_negative(glance)
    positive = as_image(1 - shown) if inverted else shown
    image = proportioned(_fill(positive, counted, _darkest), aspect, LONGEST_SIDE)
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


def _darkest(film: Image) -> float:
    return float(np.percentile(film, 1))


def _has_levels(small: Image, counted: Counted) -> bool:
    low, high = np.percentile(sampled(small, counted, 4), (1, 99))
    return bool(high - low >= FEWEST_LEVELS)


def _fill(image: Image, counted: Counted, value: Callable[[Image], float]) -> Image:
    """The image with one value, that ``value`` finds in the film, where there is no film."""
    return image if counted is None else as_image(np.where(counted, image, value(image[counted])))
