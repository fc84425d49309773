"""Draws the picture: the film with heat map and outlines, and the panel of findings beside it.

Must never know DICOM. No name of a patient is drawn: the viewer shows whose film it is.
"""

import io
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xray_triage.reading.findings import Cardiothoracic, Finding, Reading
from xray_triage.reading.naming import told_positive
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.colours import Colour, colours_of
from xray_triage.results.drawing import BACKGROUND, MEASURE, font, tag
from xray_triage.results.labels import Spot, free_place
from xray_triage.results.panel import PANEL_WIDTH, draw_panel, panel_height
from xray_triage.results.wording import value

SMALLEST_SIDE, LARGEST_SIDE = 768, 1024  # of the film's longer side in the picture
HEAT_FROM, HEAT_OPACITY = 0.3, 0.45
LABEL_HEIGHT = 26
END_HEIGHT = 7  # of the strokes that end a measuring line, above and below it
_STEPS = np.arange(256) / 255
_WARMTH = np.clip((_STEPS - HEAT_FROM) / (1 - HEAT_FROM), 0, 1) * 255
_OPACITY = (_WARMTH * HEAT_OPACITY).astype(np.uint8).tolist()
_GREEN = (200 - 160 * _STEPS).astype(np.uint8).tolist()


def draw(reading: Reading, radiograph: Radiograph, *, station_name: str, at: datetime) -> Image.Image:
    """The picture as RGB, the film at its left at most 1024 pixels long. ``reading`` must have findings."""
    assert reading.findings is not None
    film = shown(radiograph)
    if reading.findings.heat_map is not None:
        _warm(film, reading.findings.heat_map)
    positive = told_positive(reading.findings.findings)
    colours = colours_of(positive)
    scale = film.width / radiograph.columns, film.height / radiograph.rows
    canvas = ImageDraw.Draw(film)
    if reading.findings.cardiothoracic is not None:
        _draw_widths(canvas, reading.findings.cardiothoracic, scale)
    _draw_outlines(canvas, positive, colours, scale, film.size)
    height = max(film.height, panel_height(reading))
    picture = Image.new("RGB", (film.width + PANEL_WIDTH, height), BACKGROUND)
    picture.paste(film, (0, (height - film.height) // 2))
    draw_panel(picture, film.width, reading, colours, station_name=station_name, at=at)
    return picture


def heat_png(heat_map: NDArray[np.float32]) -> bytes:
    """The heat map (h, w), 0..1, alone, in the same colours: RGBA PNG, opaque at the peak, transparent where cold."""
    shares = _shares(heat_map)
    full, none = Image.new("L", shares.size, 255), Image.new("L", shares.size, 0)
    opacity = shares.point(_WARMTH.astype(np.uint8).tolist())
    buffer = io.BytesIO()
    Image.merge("RGBA", (full, shares.point(_GREEN), none, opacity)).save(buffer, "PNG")
    return buffer.getvalue()


def shown(radiograph: Radiograph, *, smallest: int = SMALLEST_SIDE, largest: int = LARGEST_SIDE) -> Image.Image:
    """The film alone as RGB, its longer side between the two."""
    grey = Image.fromarray((np.clip(radiograph.image, 0, 1) * 255).astype(np.uint8))
    longest = max(grey.size)
    wanted = min(max(longest, smallest), largest)
    if wanted != longest:
        size = max(1, grey.width * wanted // longest), max(1, grey.height * wanted // longest)
        grey = grey.resize(size, Image.Resampling.BICUBIC)
    return grey.convert("RGB")


def _warm(film: Image.Image, heat_map: NDArray[np.float32]) -> None:
    """Lay the heat map (0..1, over the whole film) on it, amber to red, the film still to be seen beneath."""
    shares = _shares(heat_map)
    warm = shares.point(_OPACITY).getbbox()
    if warm is None:
        return
    scale = np.divide(film.size, shares.size)
    # No further than where warmth ends: most of a film is cold. The filter reaches two cells beyond a warm one.
    first = np.maximum((np.array(warm[:2]) - 2) * scale, 0).astype(int)
    end = np.minimum(np.ceil((np.array(warm[2:]) + 2) * scale), film.size).astype(int)
    seen = (*(first / scale).tolist(), *np.minimum(end / scale, shares.size).tolist())
    heat = shares.resize(tuple((end - first).tolist()), Image.Resampling.BICUBIC, box=seen)
    full, none = Image.new("L", heat.size, 255), Image.new("L", heat.size, 0)
    film.paste(Image.merge("RGB", (full, heat.point(_GREEN), none)), tuple(first.tolist()), heat.point(_OPACITY))


def _shares(heat_map: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray((np.clip(np.nan_to_num(heat_map), 0, 1) * 255).astype(np.uint8))


def _draw_widths(canvas: ImageDraw.ImageDraw, widths: Cardiothoracic, scale: tuple[float, float]) -> None:
    """Two thin lines as a caliper leaves them: the widths of heart and chest, with a dark edge to be seen on bone."""
    for colour, thickness in ((BACKGROUND, 3), (MEASURE, 1)):
        for line in (widths.thorax, widths.heart):
            left, right, row = line.left * scale[0], line.right * scale[0], line.row * scale[1]
            canvas.line((left, row, right, row), fill=colour, width=thickness)
            for end in (left, right):
                canvas.line((end, row - END_HEIGHT, end, row + END_HEIGHT), fill=colour, width=thickness)


def _draw_outlines(
    canvas: ImageDraw.ImageDraw,
    findings: Sequence[Finding],
    colours: dict[str, Colour],
    scale: tuple[float, float],
    size: tuple[int, int],
) -> None:
    """All outlines first, so that none of them crosses a label."""
    labels = []
    for finding in findings:
        box, colour = finding.box, colours[finding.kind.name]
        if box is None:
            continue
        left, top = box.x * scale[0], box.y * scale[1]
        right, bottom = left + box.width * scale[0], top + box.height * scale[1]
        canvas.rectangle((left - 1, top - 1, right + 1, bottom + 1), outline=BACKGROUND, width=5)
        canvas.rectangle((left, top, right, bottom), outline=colour, width=3)
        labels.append((f"{finding.kind.vi} {value(finding)}", (left, top), colour))
    taken: list[Spot] = []
    for text, corner, colour in labels:
        width = font(16, bold=True).getlength(text) + 12
        tag(canvas, free_place(width, corner, size[0], LABEL_HEIGHT, taken), text, colour)
