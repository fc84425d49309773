"""The AI report: a Comprehensive SR of template TID 1500, with a group per finding or the reason why there is none.

Must never know pixels. PS3.3 A.35.3, PS3.16 TID 1500.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, lru_cache

from pydicom.dataset import Dataset
from pydicom.uid import UID, ComprehensiveSRStorage

from dicom_router.dicom.instance import InstanceRef
from xray_triage.reading.findings import (
    ABNORMAL,
    CARDIOTHORACIC_RATIO,
    Box,
    Code,
    Finding,
    Findings,
    Line,
    ModelIdentity,
    Reading,
    Reason,
)
from xray_triage.reading.laterality import rows_run_to, side_of
from xray_triage.reading.naming import GROUPS, listed
from xray_triage.results import codes
from xray_triage.results.content import (
    CONTAINS,
    HAS_CONCEPT_MOD,
    HAS_OBS_CONTEXT,
    INFERRED_FROM,
    SELECTED_FROM,
    add_document,
    code_item,
    container_item,
    coordinates_item,
    device_items,
    evidence,
    language_item,
    number_item,
    object_item,
    text_item,
    uid_item,
)
from xray_triage.results.items import add, reference
from xray_triage.results.origin import Kind, Origin, begin
from xray_triage.results.wording import summary

REPORT = Kind(
    what="sr",
    sop_class_uid=ComprehensiveSRStorage,
    modality="SR",
    series_number=9101,
    description="AI: báo cáo",
)
UNREAD = replace(REPORT, series_number=9108, description="AI: báo cáo, chưa đọc")  # told apart in lists of series


def make_report(origin: Origin, reading: Reading, supersedes: InstanceRef | None = None) -> Dataset:
    """The report of one film. One that says why the film was not read has other UIDs than one with findings.

    ``supersedes`` is the report of an earlier reading: PS3.3 C.17.2, Predecessor Documents Sequence.
    """
    not_readable = reading.not_readable
    dataset = begin(origin, UNREAD, not_readable.reason.code) if not_readable else begin(origin, REPORT)
    add(
        dataset,
        CompletionFlag="COMPLETE",
        VerificationFlag="UNVERIFIED",
        PreliminaryFlag="PRELIMINARY",
        PerformedProcedureCodeSequence=[],
        CurrentRequestedProcedureEvidenceSequence=[_evidence(origin.source)],
    )
    if supersedes is not None and supersedes.sop_instance_uid != dataset.SOPInstanceUID:
        instance = reference(supersedes.sop_class_uid, supersedes.sop_instance_uid)
        series = [(supersedes.series_instance_uid, [instance])]
        add(dataset, PredecessorDocumentsSequence=[evidence(supersedes.study_instance_uid, series)])
    procedure = codes.PLAIN_CHEST_XRAY if reading.findings is not None else codes.PLAIN_RADIOGRAPHY
    children = [
        language_item(),
        *device_items(origin),
        code_item(HAS_CONCEPT_MOD, codes.PROCEDURE_REPORTED, procedure),
        *_image_library(origin.source),
    ]
    if reading.findings is not None:
        children.append(container_item(codes.IMAGING_MEASUREMENTS, _groups(origin, reading.findings)))
    elif not_readable is not None and _has_corners(origin.source):
        group = _unread_group(origin, not_readable.reason)
        children.append(container_item(codes.IMAGING_MEASUREMENTS, [group]))
    children.append(container_item(codes.QUALITATIVE_EVALUATIONS, _evaluations(reading)))
    add_document(dataset, title=codes.IMAGING_MEASUREMENT_REPORT, template="1500", children=children)
    return dataset


def _image_library(source: Dataset) -> list[Dataset]:
    """The film as a content item; none for a film whose machine gave it no valid UID: viewers refuse such a report."""
    if not _is_nameable(source):
        return []
    return [container_item(codes.IMAGE_LIBRARY, [container_item(codes.IMAGE_LIBRARY_GROUP, [_film(source, CONTAINS)])])]


def _is_nameable(source: Dataset) -> bool:
    return UID(str(source.SOPInstanceUID)).is_valid


def _has_corners(source: Dataset) -> bool:
    return bool(_is_nameable(source) and source.get("Rows") and source.get("Columns"))


def _evidence(source: Dataset) -> Dataset:
    instance = reference(str(source.SOPClassUID), str(source.SOPInstanceUID))
    return evidence(str(source.StudyInstanceUID), [(str(source.SeriesInstanceUID), [instance])])


def _film(source: Dataset, relationship: str, name: Code | None = None) -> Dataset:
    return object_item(relationship, str(source.SOPClassUID), str(source.SOPInstanceUID), name=name)


def _evaluations(reading: Reading) -> list[Dataset]:
    """How soon, why not, whose the thresholds are; and the same in a few Vietnamese lines for viewers that show
    nothing but text.
    """
    triage = codes.UNPROVEN if reading.unproven else codes.TRIAGE[reading.decision.priority]
    items = [code_item(CONTAINS, codes.TRIAGE_CATEGORY, triage)]
    if reading.machine is not None:
        origin = codes.MACHINE_CUT_OFFS if reading.machine.calibrated else codes.MODEL_CUT_OFFS
        items.append(code_item(CONTAINS, codes.CUT_OFFS, origin))
    if reading.not_readable is not None:
        items.append(code_item(CONTAINS, codes.NOT_READ_REASON, codes.reason_code(reading.not_readable.reason)))
    return [*items, text_item(CONTAINS, codes.SUMMARY, "\r\n".join(summary(reading)))]


def _groups(origin: Origin, findings: Findings) -> list[Dataset]:
    whole = _whole_film(origin.source)
    groups = [_finding_group(origin, finding, findings.model, whole) for finding in listed(findings.findings)]
    abnormal, ratio = findings.scores.get(ABNORMAL), findings.scores.get(CARDIOTHORACIC_RATIO)
    if abnormal is not None:
        value = f"{100 * abnormal:.2f}"
        probability = number_item(codes.PROBABILITY_OF_ABNORMALITY, value, codes.PERCENT, whole)
        groups.append(_group(origin, "điểm chung", "scores", [*_algorithm(findings.model), probability]))
    if ratio is not None:
        groups.append(_ratio_group(origin, findings, ratio))
    return groups


def _group(origin: Origin, label: str, name: str, children: Sequence[Dataset]) -> Dataset:
    """A measurement group with its own tracking UID: TID 1501."""
    tracking = [
        _tracked(label),
        uid_item(HAS_OBS_CONTEXT, codes.TRACKING_UID, origin.uid("tracking", name)),
    ]
    return container_item(codes.MEASUREMENT_GROUP, [*tracking, *children])


@cache
def _tracked(label: str) -> Dataset:
    """What is followed, e.g. a finding by its name: one of few."""
    return text_item(HAS_OBS_CONTEXT, codes.TRACKING_IDENTIFIER, label)


@lru_cache(maxsize=256)
def _threshold(percent: str) -> Dataset:
    return number_item(codes.THRESHOLD, percent, codes.PERCENT)


def _unread_group(origin: Origin, reason: Reason) -> Dataset:
    """No number: the reason, said of all of the film. OHIF opens no report without a group that has a place."""
    children = [
        code_item(CONTAINS, codes.NOT_READ_REASON, codes.reason_code(reason)),
        _corners(origin.source, CONTAINS),
    ]
    return _group(origin, "phim chưa đọc", "not read", children)


def _finding_group(origin: Origin, finding: Finding, model: ModelIdentity, whole: Sequence[Dataset]) -> Dataset:
    """A finding under its threshold has no place and needs no algorithm of its own: the report's observer said it.

    A label that is told in a group has its numbers only: whether anything is there, and where, the group says.
    ``whole`` is the film, shared by all groups.
    """
    kind, tells = finding.kind, finding.shown
    located = tells and finding.positive and finding.box is not None
    inferred_from = () if located else whole
    children = [
        code_item(CONTAINS, codes.FINDING, kind.code),
        number_item(codes.PROBABILITY, f"{100 * finding.probability:.2f}", codes.PERCENT, inferred_from),
        _threshold(f"{100 * finding.threshold:.2f}"),
    ]
    if tells:
        children.append(code_item(CONTAINS, codes.PRESENCE, codes.PRESENT if finding.positive else codes.ABSENT))
    if tells and finding.positive:
        children += [*_algorithm(model), *_place(origin.source, finding)]
    label = kind.vi if finding.group is None else f"{GROUPS[finding.group].vi}: {kind.vi}"
    return _group(origin, label, kind.name, children)


def _place(source: Dataset, finding: Finding) -> list[Dataset]:
    """The anatomic site, and the outline on the film or at least the film."""
    site, box = codes.site_of(finding.kind.name), finding.box
    if box is None:
        return [code_item(HAS_CONCEPT_MOD, codes.FINDING_SITE, site), _film(source, CONTAINS, codes.SOURCE)]
    film = _film(source, SELECTED_FROM, codes.SOURCE)
    return [
        code_item(HAS_CONCEPT_MOD, codes.FINDING_SITE, site, [] if site == codes.HEART else _side(source, box)),
        coordinates_item(codes.IMAGE_REGION, outline(box), film),
    ]


def _whole_film(source: Dataset) -> list[Dataset]:
    """What a number without a place was inferred from. OHIF opens no report in which one is inferred from nothing."""
    return [_corners(source, INFERRED_FROM)]


def _corners(source: Dataset, relationship: str) -> Dataset:
    columns, rows = int(source.get("Columns") or 0), int(source.get("Rows") or 0)
    film, corners = _film(source, SELECTED_FROM, codes.SOURCE), [(0, 0), (columns, rows)]
    return coordinates_item(codes.FILM_CORNERS, corners, film, relationship, graphic_type="MULTIPOINT")


def outline(box: Box) -> list[tuple[float, float]]:
    """The closed outline of a box, (column, row) from the upper left corner of the film."""
    left, top, right, bottom = box.x, box.y, box.x + box.width, box.y + box.height
    return [(left, top), (right, top), (right, bottom), (left, bottom), (left, top)]


def _side(source: Dataset, box: Box) -> list[Dataset]:
    """Which lung, when the film says how the patient stands in it and the box keeps to one half of it."""
    side = side_of(box, int(source.get("Columns") or 0), rows_run_to(source))
    return [code_item(HAS_CONCEPT_MOD, codes.LATERALITY, codes.SIDES[side])] if side else []


def _ratio_group(origin: Origin, findings: Findings, ratio: float) -> Dataset:
    """The heart's width over the chest's, inferred from two lines on the film: TID 300, TID 320."""
    widths = findings.cardiothoracic
    lines = [(codes.HEART_WIDTH, widths.heart), (codes.THORAX_WIDTH, widths.thorax)] if widths else []
    film = _film(origin.source, SELECTED_FROM, codes.SOURCE)
    drawn = [coordinates_item(name, ends(line), film, INFERRED_FROM) for name, line in lines]
    inferred_from = drawn or _whole_film(origin.source)
    children = [
        *_algorithm(findings.model),
        code_item(HAS_CONCEPT_MOD, codes.FINDING_SITE, codes.HEART),
        number_item(codes.CARDIOTHORACIC_RATIO, f"{ratio:.3f}", codes.NO_UNITS, inferred_from),
    ]
    return _group(origin, "chỉ số tim – lồng ngực", "cardiothoracic ratio", children)


def ends(line: Line) -> list[tuple[float, float]]:
    """The two ends of a measuring line, (column, row) from the upper left corner of the film."""
    return [(line.left, line.row), (line.right, line.row)]


@lru_cache(maxsize=8)
def _algorithm(model: ModelIdentity) -> tuple[Dataset, ...]:
    """Who measured: TID 4019."""
    return (
        text_item(HAS_CONCEPT_MOD, codes.ALGORITHM_NAME, model.name),
        text_item(HAS_CONCEPT_MOD, codes.ALGORITHM_VERSION, model.version),
        text_item(HAS_CONCEPT_MOD, codes.ALGORITHM_PARAMETERS, f"sha256={model.sha256}"),
        code_item(HAS_CONCEPT_MOD, codes.ALGORITHM_FAMILY, codes.ARTIFICIAL_INTELLIGENCE),
    )
