"""Draws the panel beside the film: how soon, every finding with probability and threshold, which model, what it is not.

Must never know DICOM.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from PIL import Image, ImageDraw

from xray_triage.reading.findings import Finding, Findings, Priority, Reading
from xray_triage.reading.naming import told, told_positive
from xray_triage.results.colours import Colour
from xray_triage.results.drawing import AMBER, BACKGROUND, DIM, LINE, TEXT, fitted, font, wrapped
from xray_triage.results.wording import (
    DISCLAIMER,
    NOTHING_FOUND,
    flag_lines,
    limit,
    priority,
    score_lines,
    standing_lines,
    untold_lines,
    urgent_lines,
    value,
)

PANEL_WIDTH = 430
MARGIN = 24
INNER = PANEL_WIDTH - 2 * MARGIN
FOOT = 158
_HEAD, _WHY, _ROW, _SMALL = 154, 22, 36, 24
_WHY_FONT = font(15, bold=True)
BADGES: Mapping[Priority, Colour] = {
    Priority.URGENT: (200, 30, 45),
    Priority.ABNORMAL: (190, 100, 0),
    Priority.NORMAL: (90, 96, 105),
    Priority.NOT_READ: (90, 96, 105),
}


def panel_height(reading: Reading) -> int:
    """What the panel needs; the picture is at least as high."""
    assert reading.findings is not None
    small = len(_score_lines(reading.findings)) + len(_flag_lines(reading))
    return _head_height(reading) + _ROW * len(told(reading.findings.findings)) + _SMALL * small + 24 + FOOT


def draw_panel(
    picture: Image.Image,
    left: int,
    reading: Reading,
    colours: Mapping[str, Colour],
    *,
    station_name: str,
    at: datetime,
) -> None:
    """Draw the panel from column ``left`` of the picture on. ``colours``: finding name -> that of its outline."""
    assert reading.findings is not None
    canvas, x = ImageDraw.Draw(picture), left + MARGIN
    _draw_head(canvas, x, reading)
    y = _head_height(reading)
    for finding in told(reading.findings.findings):
        _draw_finding(canvas, x, y, finding, colours.get(finding.kind.name, LINE))
        y += _ROW
    y += 12
    for lines, colour in ((_score_lines(reading.findings), TEXT), (_flag_lines(reading), AMBER)):
        for line in lines:
            canvas.text((x, y), line, font=font(15), fill=colour)
            y += _SMALL
    draw_foot(canvas, x, picture.height, reading, station_name, at)


def _draw_head(canvas: ImageDraw.ImageDraw, x: int, reading: Reading) -> None:
    badge = BADGES[Priority.NOT_READ] if reading.unproven else BADGES[reading.decision.priority]
    canvas.text((x, 22), "AI SÀNG LỌC PHIM NGỰC", font=font(15, bold=True), fill=DIM)
    canvas.rounded_rectangle((x, 50, x + INNER, 108), radius=8, fill=badge)
    canvas.text((x + INNER / 2, 79), priority(reading).upper(), font=font(24, bold=True), fill=TEXT, anchor="mm")
    for index, line in enumerate(_why_lines(reading)):
        canvas.text((x, 120 + _WHY * index), line, font=_WHY_FONT, fill=TEXT)
    y = _head_height(reading) - 28
    canvas.text((x, y), "Dấu hiệu", font=font(14), fill=DIM)
    canvas.text((x + INNER, y), "xác suất  |  ngưỡng", font=font(14), fill=DIM, anchor="ra")


def _head_height(reading: Reading) -> int:
    return _HEAD + _WHY * len(_why_lines(reading))


def _why_lines(reading: Reading) -> list[str]:
    """Under the badge: why it is urgent, or that nothing was found."""
    assert reading.findings is not None
    nothing = [] if told_positive(reading.findings.findings) else [NOTHING_FOUND]
    return [line for text in urgent_lines(reading) or nothing for line in wrapped(text, _WHY_FONT, INNER)]


def _draw_finding(canvas: ImageDraw.ImageDraw, x: int, y: int, finding: Finding, colour: Colour) -> None:
    """Name, numbers, and a bar with a notch at the threshold."""
    letters = font(17, bold=finding.positive)
    ink = TEXT if finding.positive else DIM
    name = fitted(finding.kind.vi, letters, INNER - 140)
    canvas.text((x, y), name, font=letters, fill=ink)
    canvas.text((x + INNER - 68, y), value(finding), font=letters, fill=ink, anchor="ra")
    canvas.text((x + INNER, y + 1), limit(finding), font=font(15), fill=DIM, anchor="ra")
    bar = y + 22
    canvas.rectangle((x, bar, x + INNER, bar + 5), fill=LINE)
    filled = colour if finding.positive else DIM
    share, held_against = finding.measured or (finding.probability, finding.threshold)
    canvas.rectangle((x, bar, x + INNER * min(share, 1), bar + 5), fill=filled)
    notch = x + INNER * held_against
    canvas.rectangle((notch - 1, bar - 3, notch + 1, bar + 8), fill=TEXT)


def draw_foot(
    canvas: ImageDraw.ImageDraw, x: int, bottom: int, reading: Reading, station_name: str, at: datetime
) -> None:
    """Which station, when, which model, and what it is not; down to the row ``bottom``."""
    y, model = bottom - FOOT, reading.model
    lines = [station_name, f"{'Đọc' if reading.findings else 'Lập'} lúc {at:%H:%M %d/%m/%Y}"]
    if model is not None:
        lines += [f"Mô hình {model.name} {model.version}", f"sha256 {model.sha256[:16]}"]
    canvas.line((x, y, x + INNER, y), fill=LINE)
    for index, line in enumerate(lines):
        canvas.text((x, y + 10 + 21 * index), fitted(line, font(14), INNER), font=font(14), fill=DIM)
    letters = font(14, bold=True)
    canvas.rounded_rectangle((x, y + 104, x + INNER, y + 138), radius=6, fill=AMBER)
    canvas.text((x + INNER / 2, y + 121), DISCLAIMER, font=letters, fill=BACKGROUND, anchor="mm")


def _score_lines(findings: Findings) -> list[str]:
    return _wrapped([*score_lines(findings.scores, findings.findings), *untold_lines(findings)])


def _flag_lines(reading: Reading) -> list[str]:
    return _wrapped([*standing_lines(reading), *flag_lines(reading)])


def _wrapped(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in wrapped(line, font(15), INNER)]
