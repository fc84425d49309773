"""What the viewer must know of a case's films: where they are, what the reader saw in them. Decodes no pixel."""

from collections.abc import Callable, Collection
from typing import TypedDict

from dicom_router.dicom.instance import Arrival
from xray_triage.cases.case import Case
from xray_triage.reading.findings import Finding


class BoxShape(TypedDict):
    """A finding over its threshold. ``box`` is [x, y, width, height] in pixels of the film."""

    name: str
    box: list[int]


class FilmShape(TypedDict):
    """One film. ``negative``: against what its header says; ``heat``: where its heat map is, or null.

    ``lines``: [x1, y1, x2, y2] each, in pixels of the film.
    """

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    label: str
    negative: bool
    heat: str | None
    boxes: list[BoxShape]
    lines: list[list[float]]


def films(
    case: Case,
    arrivals: Collection[Arrival],
    warm: Collection[str],
    *,
    label: Callable[[int], str],
    name: Callable[[Finding], str],
) -> list[FilmShape]:
    """The films of ``case``, in order of arrival. ``warm``: those that have a heat map (SOP Instance UIDs).

    ``label`` names a film by its place, from 1; ``name`` a finding.
    """
    series = {each.instance.sop_instance_uid: each.instance.series_instance_uid for each in arrivals}
    return [
        {
            "sop_instance_uid": image.sop_instance_uid,
            "study_instance_uid": case.study_instance_uid,
            "series_instance_uid": series[image.sop_instance_uid],
            "label": label(place),
            "negative": "inverted" in image.flags,
            "heat": f"/cases/{case.case_id}/heat/{image.sop_instance_uid}" if image.sop_instance_uid in warm else None,
            "boxes": [
                {"name": name(each), "box": list(box)}
                for each in image.told
                if each.positive and (box := each.box) is not None
            ],
            "lines": [list(line) for line in image.lines],
        }
        for place, image in enumerate(case.images, 1)
        if image.sop_instance_uid in series
    ]
