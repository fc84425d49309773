"""Which lung a finding lies in, where the film says how the patient stands in it. Must never know a page."""

from dataclasses import replace

from pydicom.dataset import Dataset

from xray_triage.reading.findings import Box, Findings, Side
from xray_triage.reading.header import words


def rows_run_to(dataset: Dataset) -> str:
    """The side of the patient to which a row of the film runs, L or R; else "". PS3.3 C.7.6.1.1.1."""
    first = words(dataset, "PatientOrientation")[:1]
    return first if first in ("L", "R") else ""


def side_of(box: Box | None, columns: int, towards: str) -> Side | None:
    """Which lung a box lies in, when it keeps to one half of a film whose rows run ``towards`` L or R."""
    if box is None or not columns or not towards or box.x < columns / 2 < box.x + box.width:
        return None
    in_left_half_of_film = box.x + box.width <= columns / 2
    return "left" if in_left_half_of_film == (towards == "R") else "right"


def with_sides(findings: Findings, columns: int, towards: str) -> Findings:
    """The findings, each with its side where it has one."""
    placed = (
        one if one.kind.name == "cardiomegaly" else replace(one, side=side_of(one.box, columns, towards))
        for one in findings.findings
    )
    return replace(findings, findings=tuple(placed))
