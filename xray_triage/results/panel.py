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
    value,
)

PANEL_WIDTH = 430
MARGIN = 24
_INNER = PANEL_WIDTH - 2 * MARGIN
_HEAD, _ROW, _SMALL, _FOOT = 176, 36, 24, 158
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
    return _HEAD + _ROW * len(told(reading.findings.findings)) + _SMALL * small + 24 + _FOOT


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
    y = _HEAD
    for finding in told(reading.findings.findings):
        _draw_finding(canvas, x, y, finding, colours.get(finding.kind.name, LINE))
        y += _ROW
    y += 12
    for lines, colour in ((_score_lines(reading.findings), TEXT), (_flag_lines(reading), AMBER)):
        for line in lines:
            canvas.text((x, y), line, font=font(15), fill=colour)
            y += _SMALL
    _draw_foot(canvas, x, picture.height - _FOOT, reading, station_name, at)


def _draw_head(canvas: ImageDraw.ImageDraw, x: int, reading: Reading) -> None:
    badge = BADGES[Priority.NOT_READ] if reading.unproven else BADGES[reading.decision.priority]
    canvas.text((x, 22), "AI SÀNG LỌC PHIM NGỰC", font=font(15, bold=True), fill=DIM)
    canvas.rounded_rectangle((x, 50, x + _INNER, 108), radius=8, fill=badge)
    canvas.text((x + _INNER / 2, 79), priority(reading).upper(), font=font(24, bold=True), fill=TEXT, anchor="mm")
    if reading.findings is not None and not told_positive(reading.findings.findings):
        canvas.text((x, 120), NOTHING_FOUND, font=font(15), fill=TEXT)
    canvas.text((x, 148), "Dấu hiệu", font=font(14), fill=DIM)
    canvas.text((x + _INNER, 148), "xác suất  |  ngưỡng", font=font(14), fill=DIM, anchor="ra")


def _draw_finding(canvas: ImageDraw.ImageDraw, x: int, y: int, finding: Finding, colour: Colour) -> None:
    """Name, numbers, and a bar with a notch at the threshold."""
    letters = font(17, bold=finding.positive)
    ink = TEXT if finding.positive else DIM
    name = fitted(finding.kind.vi, letters, _INNER - 140)
    canvas.text((x, y), name, font=letters, fill=ink)
    canvas.text((x + _INNER - 68, y), value(finding), font=letters, fill=ink, anchor="ra")
    canvas.text((x + _INNER, y + 1), limit(finding), font=font(15), fill=DIM, anchor="ra")
    bar = y + 22
    canvas.rectangle((x, bar, x + _INNER, bar + 5), fill=LINE)
    filled = colour if finding.positive else DIM
    share, held_against = finding.measured or (finding.probability, finding.threshold)
    canvas.rectangle((x, bar, x + _INNER * min(share, 1), bar + 5), fill=filled)
    notch = x + _INNER * held_against
    canvas.rectangle((notch - 1, bar - 3, notch + 1, bar + 8), fill=TEXT)


def _draw_foot(canvas: ImageDraw.ImageDraw, x: int, y: int, reading: Reading, station_name: str, at: datetime) -> None:
    model = reading.findings.model if reading.findings else None
    lines = [station_name, f"Đọc lúc {at:%H:%M %d/%m/%Y}"]
    if model is not None:
        lines += [f"Mô hình {model.name} {model.version}", f"sha256 {model.sha256[:16]}"]
    canvas.line((x, y, x + _INNER, y), fill=LINE)
    for index, line in enumerate(lines):
        canvas.text((x, y + 10 + 21 * index), fitted(line, font(14), _INNER), font=font(14), fill=DIM)
    letters = font(14, bold=True)
    canvas.rounded_rectangle((x, y + 104, x + _INNER, y + 138), radius=6, fill=AMBER)
    canvas.text((x + _INNER / 2, y + 121), DISCLAIMER, font=letters, fill=BACKGROUND, anchor="mm")


def _score_lines(findings: Findings) -> list[str]:
    return _wrapped([*score_lines(findings.scores, findings.findings), *untold_lines(findings)])


def _flag_lines(reading: Reading) -> list[str]:
    return _wrapped([*standing_lines(reading), *flag_lines(reading)])


def _wrapped(lines: Iterable[str]) -> list[str]:
    return [part for line in lines for part in wrapped(line, font(15), _INNER)]
