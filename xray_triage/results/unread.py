"""Draws the picture of a film that was not read: why not, and a small view of it where it can be shown.

Must never know DICOM.
"""

from datetime import datetime

from PIL import Image, ImageDraw

from xray_triage.reading.findings import Priority, Reading
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.drawing import AMBER, BACKGROUND, DIM, TEXT, font, wrapped
from xray_triage.results.overlay import shown
from xray_triage.results.panel import BADGES, INNER, MARGIN, PANEL_WIDTH, draw_foot
from xray_triage.results.wording import UNREAD, flag_lines

SMALL_SIDE = 560
NOT_FOR_READING = "Ảnh nhỏ để nhận ra phim, không dùng để đọc"
ALONE = "AI chưa sàng lọc phim này: bác sĩ cần tự đọc phim."


def draw_unread(reading: Reading, radiograph: Radiograph | None, *, station_name: str, at: datetime) -> Image.Image:
    """The picture as RGB. ``reading`` must say why the film was not read."""
    film = None if radiograph is None else shown(radiograph, smallest=SMALL_SIDE, largest=SMALL_SIDE)
    width = film.width if film else 0
    picture = Image.new("RGB", (width + PANEL_WIDTH, SMALL_SIDE + 2 * MARGIN), BACKGROUND)
    canvas = ImageDraw.Draw(picture)
    if film is not None:
        picture.paste(film, (0, (SMALL_SIDE - film.height) // 2))
        canvas.text((width / 2, SMALL_SIDE + MARGIN), NOT_FOR_READING, font=font(15), fill=DIM, anchor="mm")
    x = width + MARGIN
    canvas.text((x, 22), "AI SÀNG LỌC PHIM NGỰC", font=font(15, bold=True), fill=DIM)
    canvas.rounded_rectangle((x, 50, x + INNER, 108), radius=8, fill=BADGES[Priority.NOT_READ])
    canvas.text((x + INNER / 2, 79), UNREAD.upper(), font=font(28, bold=True), fill=TEXT, anchor="mm")
    y = _write(canvas, x, 132, _why(reading), 24)
    y = _write(canvas, x, y + 18, ALONE, 17)
    _write(canvas, x, y + 10, " ".join(flag_lines(reading)), 15)
    draw_foot(canvas, x, picture.height, reading, station_name, at)
    return picture


def _why(reading: Reading) -> str:
    assert reading.not_readable is not None
    reason = reading.not_readable.reason.text
    return reason[:1].upper() + reason[1:]


def _write(canvas: ImageDraw.ImageDraw, x: int, y: int, text: str, size: int) -> int:
    letters = font(size, bold=size > 20)
    for line in wrapped(text, letters, INNER):
        canvas.text((x, y), line, font=letters, fill=AMBER if size > 20 else TEXT)
        y += size * 7 // 5
    return y
