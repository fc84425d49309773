"""What the viewer must know of a case's films: where they are, what the reader saw in them. Decodes no pixel."""

from collections.abc import Callable
from typing import TypedDict

from dicom_router.instance import Arrival
from xray_triage.cases.case import Case, Image


class BoxShape(TypedDict):
    """``box`` is [x, y, width, height] in pixels of the film."""

    name: str
    box: list[int]
    positive: bool


class FilmShape(TypedDict):
    """One film. ``heat``: where its heat map is, or null; ``lines``: [x1, y1, x2, y2] each, in pixels of the film."""

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    label: str
    heat: str | None
    boxes: list[BoxShape]
    lines: list[list[float]]


def films(case: Case, arrivals: list[Arrival], label: Callable[[int, Image], str]) -> list[FilmShape]:
    """The films of ``case`` that have an image, in order of arrival; ``label`` names one by its place, from 1."""
    series = {each.instance.sop_instance_uid: each.instance.series_instance_uid for each in arrivals}
    return [
        {
            "sop_instance_uid": image.sop_instance_uid,
            "study_instance_uid": case.study_instance_uid,
            "series_instance_uid": series[image.sop_instance_uid],
            "label": label(place, image),
            "heat": None,
            "boxes": [],
            "lines": [],
        }
        for place, image in enumerate(case.images, 1)
        if image.sop_instance_uid in series
    ]
