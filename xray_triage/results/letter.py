"""Draws a request for a consultation as pages of text, for viewers that show pictures and nothing else.

Must never know DICOM. The question is never cut: the letters become smaller, then there are more pages.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from PIL import Image, ImageDraw

from xray_triage.results.colours import Colour
from xray_triage.results.drawing import AMBER, BACKGROUND, LINE, TEXT, broken, fitted, font

WIDTH, HEIGHT, MARGIN = 1200, 900, 48
SIZES = (36, 32, 28, 24)  # of the question's letters
BAND, BAR, NOTE = 116, 64, 26  # heights of the head and of the last line; size of all other letters
MOST_REASONS = 3
TITLE_AT = 180  # viewers write into the upper left corner
URGENT_BAND: Colour = (200, 30, 45)
WITHDRAWN_BAND: Colour = (84, 92, 98)
ROUTINE_BAND: Colour = (32, 78, 128)
HOW_TO_ANSWER = "CÁCH TRẢ LỜI: lưu báo cáo SR hoặc PDF vào chính ca chụp này"
NO_ANSWER_NEEDED = "KHÔNG CẦN TRẢ LỜI NỮA"
_INNER = WIDTH - 2 * MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """What is on the pages. ``why``: what the AI says of the films, a line each; ``patient``: whose they are.

    ``news``: what is new since the pages before, or empty.
    """

    question: str
    priority: str
    is_urgent: bool
    why: Sequence[str]
    patient: str
    asked_by: str
    station_name: str
    phone: str
    asked_at: datetime
    made_at: datetime
    news: str = ""
    is_withdrawn: bool = False


def heading(letter: Letter) -> str:
    """What the pages are called."""
    return "CÂU HỎI ĐÃ RÚT" if letter.is_withdrawn else "YÊU CẦU HỘI CHẨN"


def draw_pages(letter: Letter) -> list[Image.Image]:
    """One page as a rule. All that is beside the question stands on each of them."""
    news = [letter.news] if letter.news else []
    head = [
        *_lines(letter.patient, NOTE, bold=True),
        *(line for why in [*news, *_most(letter.why)] for line in _lines(why, NOTE)),
    ]
    foot = _lines(_sender(letter), NOTE)
    room = HEIGHT - BAND - BAR - 96 - _high(NOTE) * (len(head) + len(foot))
    for size in SIZES:
        lines = _lines(letter.question, size)
        if len(lines) * _high(size) <= room:
            break
    most = max(1, room // _high(size))
    of_pages = [lines[start : start + most] for start in range(0, max(len(lines), 1), most)]
    count = len(of_pages)
    return [_page(letter, head, ones, foot, size, f"{n}/{count}") for n, ones in enumerate(of_pages, 1)]


def _page(
    letter: Letter, head: Sequence[str], lines: Sequence[str], foot: Sequence[str], size: int, number: str
) -> Image.Image:
    picture = Image.new("RGB", (WIDTH, HEIGHT), BACKGROUND)
    canvas = ImageDraw.Draw(picture)
    _draw_band(canvas, letter, number)
    whose = len(_lines(letter.patient, NOTE, bold=True))
    y = _write(canvas, head[:whose], BAND + 20, NOTE, TEXT, bold=True)
    y = _write(canvas, head[whose:], y, NOTE, AMBER)
    canvas.line((MARGIN, y + 14, WIDTH - MARGIN, y + 14), fill=LINE, width=2)
    _write(canvas, lines, y + 30, size, TEXT)
    _write(canvas, foot, HEIGHT - BAR - 16 - _high(NOTE) * len(foot), NOTE, TEXT)
    canvas.rectangle((0, HEIGHT - BAR, WIDTH, HEIGHT), fill=AMBER)
    last = NO_ANSWER_NEEDED if letter.is_withdrawn else HOW_TO_ANSWER
    canvas.text((WIDTH / 2, HEIGHT - BAR / 2), last, font=font(28, bold=True), fill=BACKGROUND, anchor="mm")
    return picture


def _draw_band(canvas: ImageDraw.ImageDraw, letter: Letter, number: str) -> None:
    band = WITHDRAWN_BAND if letter.is_withdrawn else URGENT_BAND if letter.is_urgent else ROUTINE_BAND
    canvas.rectangle((0, 0, WIDTH, BAND), fill=band)
    canvas.text((TITLE_AT, BAND / 2), heading(letter), font=font(52, bold=True), fill=TEXT, anchor="lm")
    letters, right, middle = font(34, bold=True), WIDTH - MARGIN, BAND / 2
    said = "ĐÃ RÚT" if letter.is_withdrawn else fitted(letter.priority.upper(), letters, 360)
    canvas.rounded_rectangle((right - letters.getlength(said) - 48, 26, right, BAND - 26), radius=32, fill=TEXT)
    canvas.text((right - 24, middle), said, font=letters, fill=band, anchor="rm")
    if number != "1/1":
        canvas.text((right, BAND + 12), f"Trang {number}", font=font(22, bold=True), fill=AMBER, anchor="ra")


def _write(
    canvas: ImageDraw.ImageDraw, lines: Sequence[str], y: int, size: int, ink: Colour, *, bold: bool = False
) -> int:
    """From row ``y`` on; the row after the last line."""
    for line in lines:
        canvas.text((MARGIN, y), line, font=font(size, bold=bold), fill=ink)
        y += _high(size)
    return y


def _lines(text: str, size: int, *, bold: bool = False) -> list[str]:
    width = _INNER - (100 if bold else 0)  # beside the number of the page
    return list(broken(unicodedata.normalize("NFC", text), font(size, bold=bold), width))


def _high(size: int) -> int:
    return size * 7 // 5


def _most(why: Sequence[str]) -> list[str]:
    """Of many films the first reasons: the question needs the room, and the report has them all."""
    left = len(why) - MOST_REASONS
    return [*why[:MOST_REASONS], *([f"… và {left} dòng nữa trong báo cáo AI"] if left > 0 else [])]


def _sender(letter: Letter) -> str:
    return "\n".join(_sender_lines(letter))


def _sender_lines(letter: Letter) -> Iterator[str]:
    yield f"Người hỏi: {letter.asked_by}"
    yield letter.station_name + (f" · Điện thoại: {letter.phone}" if letter.phone else "")
    asked, made = (f"{at:%H:%M} ngày {at:%d/%m/%Y}" for at in (letter.asked_at, letter.made_at))
    yield f"Hỏi lúc {asked}" + (f" · trang này lúc {made}" if made != asked else "")
