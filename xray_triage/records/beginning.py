"""What a doctor begins a result with: where the AI marked something, the sentences of a normal film, an answer.

In Vietnamese, as the result is. Must never name what the AI thinks it is: that is for the doctor to say.
"""

from collections.abc import Iterator
from typing import NamedTuple

from xray_triage.cases.case import Case, Image
from xray_triage.cases.consultation import Answer, Standing
from xray_triage.language import N_
from xray_triage.reading.findings import Finding
from xray_triage.records.result import BadWords
from xray_triage.results.wording import NOTHING_FOUND, score, unread_line

UNSAID = "…"  # at the end of a line: the doctor has still to say what is there
NORMAL_CONCLUSION = "Không thấy bất thường trên phim X-quang ngực."
NO_ANSWER = N_("Ca này không có ý kiến chuyên khoa đó để lấy vào kết quả.")
SIDES = {"left": "bên trái", "right": "bên phải"}
ZONES = ("vùng trên", "vùng giữa", "vùng dưới")  # thirds of the film's height


class Region(NamedTuple):
    """One line of the description: its heading, what is said there of a normal film, which findings it is about."""

    heading: str
    normal: str
    kinds: frozenset[str] = frozenset()


LUNGS = Region("Nhu mô", "hai phổi sáng đều, không thấy tổn thương khu trú.")
REGIONS = (
    Region("Thành ngực", "xương và phần mềm không thấy bất thường.", frozenset({"hernia"})),
    Region(
        "Màng phổi",
        "không thấy tràn dịch, tràn khí; góc sườn hoành hai bên nhọn.",
        frozenset({"pneumothorax", "pleural_effusion", "pleural_thickening"}),
    ),
    LUNGS,
    Region("Tim", "bóng tim và trung thất không to.", frozenset({"cardiomegaly"})),
)


class Beginning(NamedTuple):
    """``description``: a line a region, unsaid. ``marked``: the headings under which the AI marked something."""

    description: str
    marked: tuple[str, ...]


def begin(case: Case) -> Beginning:
    """What the form holds before anybody wrote: the order of a Vietnamese report, and where to look."""
    seen = dict[str, dict[str, None]]()  # heading -> places, in their order
    for image, finding in _marks(case):
        region = next((each for each in REGIONS if finding.kind.name in each.kinds), LUNGS)
        place = "" if finding.kind.name == "cardiomegaly" else _place(image, finding, zone=region is LUNGS)
        seen.setdefault(region.heading, {})[place] = None
    lines = []
    for region in REGIONS:
        places = "; ".join(place for place in seen.get(region.heading, ()) if place)
        lines.append(f"{region.heading}{', ' if places else ''}{places}: {UNSAID}")
    return Beginning("\n".join(lines), tuple(each.heading for each in REGIONS if each.heading in seen))


def before(case: Case) -> str:
    """What lay before the author of a version: of every film what the AI had marked, by which model."""
    return "\n".join(_read(image) for image in case.images)


def adopted(case: Case, said: bool | str) -> str:
    """The SOP Instance UID of the answer that is taken over, or empty; ``said``: the one that counts, or its UID.

    Raises BadWords when the case has no such answer of a person.
    """
    if not said:
        return ""
    asked = [each for each in (case.consultation, *case.earlier_consultations) if each is not None]
    counts = case.consultation.answer if case.consultation else None
    if said is True:
        found: Answer | None = counts
    else:
        every = (answer for each in asked for answer in each.answers)
        found = next((one for one in every if one.sop_instance_uid == said and one.standing in _PERSONS), None)
    if found is None:
        raise BadWords(NO_ANSWER)
    return found.sop_instance_uid


_PERSONS = (Standing.FINAL, Standing.PRELIMINARY, Standing.SUPERSEDED)


def _marks(case: Case) -> Iterator[tuple[Image, Finding]]:
    return ((image, finding) for image in case.images for finding in image.told if finding.positive)


def _place(image: Image, finding: Finding, *, zone: bool) -> str:
    """``bên trái, vùng dưới``, as far as it is known; ``zone``: of the lung alone, a pleura has none."""
    parts = [SIDES[finding.side]] if finding.side else []
    if zone and finding.box is not None and image.rows:
        middle = (finding.box.y + finding.box.height / 2) / image.rows
        parts.append(ZONES[min(int(max(middle, 0.0) * len(ZONES)), len(ZONES) - 1)])
    return ", ".join(parts)


def _read(image: Image) -> str:
    if image.reason is not None:
        return unread_line(image.reason)
    found = ", ".join(score(one) for one in image.told if one.positive) or NOTHING_FOUND
    model = f" ({image.model.name} {image.model.version}, {image.model.sha256[:8]})" if image.model else ""
    return f"AI{model}: {found}"
