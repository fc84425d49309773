"""What the viewer must know of a case's films: where they are, what the reader saw in them. Decodes no pixel."""

from collections.abc import Callable, Collection
from typing import TypedDict

from dicom_router.dicom.instance import Arrival
from xray_triage.cases.case import Case, Image
from xray_triage.reading.findings import Finding
from xray_triage.results.colours import colours_of
from xray_triage.web.words.cases import Words

SHOWN = 3  # outlines at first; the others when their row is asked for
HEART = "cardiomegaly"  # the finding to which the measured widths belong
MEASURED = "#f5f5f5"  # as in the picture: no finding's colour


class LineShape(TypedDict):
    """A measured width. ``ends`` is [x1, y1, x2, y2] in pixels of the film."""

    label: str
    ends: list[float]


class MarkShape(TypedDict):
    """What is drawn over the film for one finding. ``box`` is [x, y, width, height] in pixels of the film, or null.

    ``shown``: from the beginning.
    """

    finding: str
    label: str
    colour: str
    box: list[int] | None
    lines: list[LineShape]
    shown: bool


class FilmShape(TypedDict):
    """One film. ``negative``: against what its header says; ``heat``: where its heat map is, or null.

    ``priority`` is a word, ``tone`` the class of its colour.
    """

    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    label: str
    priority: str
    tone: str
    negative: bool
    heat: str | None
    marks: list[MarkShape]


def films(
    case: Case, arrivals: Collection[Arrival], warm: Collection[str], words: Words, *, label: Callable[[int], str]
) -> list[FilmShape]:
    """The films of ``case``, in order of arrival. ``warm``: those that have a heat map (SOP Instance UIDs).

    ``label`` names a film by its place, from 1.
    """
    series = {each.instance.sop_instance_uid: each.instance.series_instance_uid for each in arrivals}
    return [
        {
            "sop_instance_uid": image.sop_instance_uid,
            "study_instance_uid": case.study_instance_uid,
            "series_instance_uid": series[image.sop_instance_uid],
            "label": " · ".join(filter(None, (label(place), words.view(image)))),
            "priority": words.rank(image).word,
            "tone": words.rank(image).tone,
            "negative": "inverted" in image.flags,
            "heat": f"/cases/{case.case_id}/heat/{image.sop_instance_uid}" if image.sop_instance_uid in warm else None,
            "marks": marks(image, words),
        }
        for place, image in enumerate(case.images, 1)
        if image.sop_instance_uid in series
    ]


def first_to_show(case: Case) -> str:
    """The film with which the page opens (its SOP Instance UID): the most urgent of those that were read."""
    chosen = min(case.images, key=lambda image: (image.reason is not None, image.priority.rank), default=None)
    return chosen.sop_instance_uid if chosen else ""


def marks(image: Image, words: Words) -> list[MarkShape]:
    """The findings over their threshold that have a place, the strongest first, and the heart's widths."""
    colours = colours_of([each for each in image.told if each.positive])
    placed = [each for each in image.told if _has_place(each, image)]
    strongest = [each.kind.name for each in placed if each.positive][:SHOWN]
    return [
        {
            "finding": each.kind.name,
            "label": f"{words.sighting(each)} {words.value(each)}",
            "colour": "#{:02x}{:02x}{:02x}".format(*colours[each.kind.name]) if each.positive else MEASURED,
            "box": list(each.box) if each.positive and each.box else None,
            "lines": _widths(image, words) if each.kind.name == HEART else [],
            "shown": each.kind.name in strongest,
        }
        for each in placed
    ]


def _has_place(finding: Finding, image: Image) -> bool:
    return (finding.positive and finding.box is not None) or (finding.kind.name == HEART and bool(image.lines))


def _widths(image: Image, words: Words) -> list[LineShape]:
    names = words.widths()
    return [{"label": name, "ends": list(line)} for name, line in zip(names, image.lines, strict=False)]
