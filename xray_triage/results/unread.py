"""Draws the picture of a film that was not read: why not, and a small view of it where it can be shown.

Must never know DICOM.
"""

from datetime import datetime

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from xray_triage.reading.findings import Priority, Reading
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.drawing import AMBER, BACKGROUND, DIM, TEXT, font, wrapped
from xray_triage.results.overlay import shown
from xray_triage.results.panel import BADGES, FOOT, INNER, MARGIN, PANEL_WIDTH, draw_foot
from xray_triage.results.wording import UNREAD, flag_lines

SMALL_SIDE = 560
TOP, GAP = 132, 12  # of the words under the badge
LARGE = font(24, bold=True)
NOT_FOR_READING = "Ảnh nhỏ để nhận ra phim, không dùng để đọc"
ALONE = "AI chưa sàng lọc phim này: bác sĩ cần tự đọc phim."
LATER = "Nếu sau đó AI đọc được phim, kết quả ở chuỗi ảnh “AI: hình ảnh” trong ca này thay cho ảnh này."


def draw_unread(reading: Reading, radiograph: Radiograph | None, *, station_name: str, at: datetime) -> Image.Image:
    """The picture as RGB. ``reading`` must say why the film was not read."""
    film = None if radiograph is None else shown(radiograph, smallest=SMALL_SIDE, largest=SMALL_SIDE)
    width, lines = film.width if film else 0, _lines(reading)
    height = max(SMALL_SIDE + 2 * MARGIN, lines[-1][0] + MARGIN + FOOT)
    picture = Image.new("RGB", (width + PANEL_WIDTH, height), BACKGROUND)
    canvas = ImageDraw.Draw(picture)
    if film is not None:
        picture.paste(film, (0, (SMALL_SIDE - film.height) // 2))
        canvas.text((width / 2, SMALL_SIDE + MARGIN), NOT_FOR_READING, font=font(15), fill=DIM, anchor="mm")
    x = width + MARGIN
    canvas.text((x, 22), "AI SÀNG LỌC PHIM NGỰC", font=font(15, bold=True), fill=DIM)
    canvas.rounded_rectangle((x, 50, x + INNER, 108), radius=8, fill=BADGES[Priority.NOT_READ])
    canvas.text((x + INNER / 2, 79), UNREAD.upper(), font=font(28, bold=True), fill=TEXT, anchor="mm")
    for y, line, letters in lines:
        canvas.text((x, y), line, font=letters, fill=AMBER if letters is LARGE else TEXT)
    draw_foot(canvas, x, picture.height, reading, station_name, at)
    return picture


def _lines(reading: Reading) -> list[tuple[int, str, FreeTypeFont]]:
    """Why, what is left to do, what may come of it, and the flags: from which row on, what, in which letters."""
    told, y = [], TOP
    for text, letters in (
        (_why(reading), LARGE),
        (ALONE, font(17)),
        (LATER, font(15)),
        (" ".join(flag_lines(reading)), font(15)),
    ):
        for line in wrapped(text, letters, INNER):
            told.append((y, line, letters))
            y += int(letters.size) * 7 // 5
        y += GAP
    return told


def _why(reading: Reading) -> str:
    assert reading.not_readable is not None
    reason = reading.not_readable.reason.text
    return reason[:1].upper() + reason[1:]
