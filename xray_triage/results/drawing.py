"""Fonts, colours and text on pictures: what overlay.py and panel.py share. Must never know DICOM.

DejaVu Sans lies beside this module because a station has no fonts, and Pillow's own has no Vietnamese letters.
"""

from bisect import bisect_right
from collections.abc import Iterator
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from PIL import ImageDraw, ImageFont

from xray_triage.results.colours import Colour

BACKGROUND: Colour = (15, 18, 22)
TEXT: Colour = (235, 238, 242)
DIM: Colour = (142, 150, 160)
LINE: Colour = (52, 58, 66)
AMBER: Colour = (255, 193, 7)
MEASURE: Colour = (245, 245, 245)  # no finding's colour
FONTS = Path(__file__).parent / "fonts"


class _Font(ImageFont.FreeTypeFont):
    """Remembers what it has drawn: most texts of a panel are those of the film before."""

    @lru_cache(maxsize=256)  # noqa: B019 - fonts live as long as the program
    def getmask2(self, *text: Any, **options: Any) -> Any:  # type: ignore[override]
        return super().getmask2(*text, **options)

    @lru_cache(maxsize=1024)  # noqa: B019
    def getlength(self, *text: Any, **options: Any) -> float:  # type: ignore[override]
        return super().getlength(*text, **options)


@cache
def font(size: int, *, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans of this size in pixels."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return _Font(FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)


def wrapped(text: str, letters: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    """The text in lines no wider than ``width``; a single word that is wider is cut."""
    line = ""
    for word in text.split():
        longer = f"{line} {word}".strip()
        if letters.getlength(longer) <= width:
            line = longer
            continue
        if line:
            yield line
        line = fitted(word, letters, width)
    if line:
        yield line


def broken(text: str, letters: ImageFont.FreeTypeFont, width: float) -> Iterator[str]:
    """The whole text in lines no wider than ``width``, its own line breaks kept; a word that is wider is broken."""
    for paragraph in text.expandtabs(4).splitlines():
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if letters.getlength(longer) <= width:
                line = longer
                continue
            if line:
                yield line
            line = word
            while letters.getlength(line) > width:
                lengths = range(min(len(line), int(width)) + 1)  # a letter is wider than a pixel
                fits = max(1, bisect_right(lengths, width, key=lambda n: letters.getlength(line[:n])) - 1)
                yield line[:fits]
                line = line[fits:]
        yield line


def fitted(text: str, letters: ImageFont.FreeTypeFont, width: float) -> str:
    """As much of the text as fits, with an ellipsis where something was cut."""
    if letters.getlength(text) <= width:
        return text
    while text and letters.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"


def tag(canvas: ImageDraw.ImageDraw, place: tuple[float, float], text: str, colour: Colour) -> None:
    """A label: dark letters on colour, its upper left corner at ``place``."""
    letters = font(16, bold=True)
    left, top = place
    canvas.rectangle((left, top, left + letters.getlength(text) + 12, top + 24), fill=colour)
    canvas.text((left + 6, top + 2), text, font=letters, fill=BACKGROUND)
