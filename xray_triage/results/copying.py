"""Copies patient and study from a film to an object of ours, so that every PACS files the two together.

Real machines leave attributes out and write values that the standard forbids. What is missing stays empty (Type 2) or
away (Type 3). A malformed value is put into form where its meaning is certain, else treated as missing. Nothing is
invented. Must never know findings or models.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydicom.datadict import dictionary_VM, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import Tag
from pydicom.valuerep import format_number_as_ds

from xray_triage.reading.values.ages import parse_age
from xray_triage.reading.values.dates import parse_day
from xray_triage.results.items import add, item

# PS3.3 C.7.1.1, C.7.2.1, C.7.2.2. Left out: what describes animals, and photographs.
TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
)
TYPE_3 = (
    "IssuerOfPatientID",
    "TypeOfPatientID",
    "PatientBirthTime",
    "QualityControlSubject",
    "OtherPatientNames",
    "PatientComments",
    "PatientIdentityRemoved",
    "DeidentificationMethod",
    "ResponsiblePerson",
    "ResponsiblePersonRole",
    "ConsultingPhysicianName",
    "StudyDescription",
    "PhysiciansOfRecord",
    "NameOfPhysiciansReadingStudy",
    "RequestingService",
    "AdmittingDiagnosesDescription",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "PatientBodyMassIndex",
    "MedicalAlerts",
    "Allergies",
    "Occupation",
    "SmokingStatus",
    "AdditionalPatientHistory",
    "PregnancyStatus",
    "LastMenstrualDate",
    "ReasonForVisit",
    "AdmissionID",
    "ServiceEpisodeID",
    "ServiceEpisodeDescription",
    "PatientState",
)
_CODE = ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
_REFERENCE = ("ReferencedSOPClassUID", "ReferencedSOPInstanceUID")
# Sequence -> what an item must hold to be valid; an item that lacks one of these is left out.
SEQUENCES: Mapping[str, tuple[str, ...]] = {
    "ReferencedPatientSequence": _REFERENCE,
    "OtherPatientIDsSequence": ("PatientID", "TypeOfPatientID"),
    "EthnicGroupCodeSequence": _CODE,
    "IssuerOfAccessionNumberSequence": ("LocalNamespaceEntityID",),
    "ProcedureCodeSequence": _CODE,
    "ReferencedStudySequence": _REFERENCE,
    "RequestingServiceCodeSequence": _CODE,
    "ReasonForPerformedProcedureCodeSequence": _CODE,
    "AdmittingDiagnosesCodeSequence": _CODE,
    "ReasonForVisitCodeSequence": _CODE,
}
# One of these without the other is invalid (Type 1C), so neither is copied.
PAIRS = (("PatientIdentityRemoved", "DeidentificationMethod"), ("ResponsiblePerson", "ResponsiblePersonRole"))
ENUMERATED: Mapping[str, tuple[str, ...]] = {
    "PatientSex": ("M", "F", "O"),
    "TypeOfPatientID": ("TEXT", "RFID", "BARCODE"),
    "QualityControlSubject": ("YES", "NO"),
    "PatientIdentityRemoved": ("YES",),
    "SmokingStatus": ("YES", "NO", "UNKNOWN"),
    "PregnancyStatus": ("1", "2", "3", "4"),
}
# Copied letter by letter even when longer than allowed: a shortened identifier is another patient or study.
IDENTIFIERS = ("PatientName", "PatientID", "AccessionNumber", "StudyID", "AdmissionID", "IssuerOfPatientID")
LONGEST: Mapping[str, int] = {"SH": 16, "CS": 16, "PN": 64, "LO": 64, "ST": 1024, "LT": 10240}


def copy_patient_and_study(source: Dataset, target: Dataset) -> None:
    """Give ``target`` the patient, study and patient study modules. Raises KeyError without a Study Instance UID."""
    add(target, StudyInstanceUID=str(source["StudyInstanceUID"].value))
    for keyword in TYPE_2:
        add(target, **{keyword: formed(source, keyword) or ""})
    for keyword in TYPE_3:
        value = formed(source, keyword)
        if value is not None:
            add(target, **{keyword: value})
    for keyword, required in SEQUENCES.items():
        items = list(_formed_items(source, keyword, required))
        if items:
            add(target, **{keyword: items})
    for one, other in PAIRS:
        if (one in target) != (other in target):
            target.pop(one, None)
            target.pop(other, None)


def formed(source: Dataset, keyword: str) -> Any:
    """The value of this attribute in the form of the standard; None where it is missing, empty or beyond repair."""
    tag = Tag(keyword)
    vr, single = dictionary_VR(tag), dictionary_VM(tag) == "1"
    clean: Callable[[str], str] = _CLEAN.get(
        vr, lambda text: _line(text, LONGEST.get(vr) if keyword not in IDENTIFIERS else None)
    )
    values = [clean(text) for text in _texts(source, keyword, joined=single and vr in ("LO", "SH", "PN"))]
    allowed = ENUMERATED.get(keyword)
    kept = [value for value in values if value and (allowed is None or value in allowed)]
    if not kept:
        return None
    if vr == "US":
        return int(kept[0])
    return kept[0] if single or len(kept) == 1 else kept


def _texts(source: Dataset, keyword: str, *, joined: bool) -> list[str]:
    """The values as text. A backslash split the text of an attribute that may have one value only: it is ``joined``."""
    try:
        value = source[keyword].value
    except (LookupError, ValueError, TypeError, AttributeError, NotImplementedError):
        return []
    values = list(value) if isinstance(value, MultiValue | list) else [value]
    texts = [str(one) for one in values if one is not None and not isinstance(one, bytes | Dataset)]
    return [" ".join(texts)] if joined else texts


def _formed_items(source: Dataset, keyword: str, required: Iterable[str]) -> Iterable[Dataset]:
    try:
        items = list(source[keyword].value or ())
    except (LookupError, ValueError, TypeError, AttributeError):
        return
    for one in items:
        values = {name: formed(one, name) for name in required} if isinstance(one, Dataset) else {"": None}
        if None not in values.values():
            yield item(**values)


def _line(text: str, longest: int | None) -> str:
    return re.sub(r"[\x00-\x1f\x7f\\]", " ", text)[:longest].rstrip(" ")


def _paragraph(text: str, longest: int) -> str:
    return re.sub(r"[\x00-\x08\x0b\x0e-\x1f\x7f]", " ", text)[:longest].rstrip(" ")


def _date(text: str) -> str:
    """PS3.5 6.2 DA, of a date that is known to its day."""
    day = parse_day(text)
    return f"{day.first:%Y%m%d}" if day is not None and day.is_whole else ""


def _age(text: str) -> str:
    """PS3.5 6.2 AS: as it is where it has this form, else in years, or in months or days below two years."""
    if re.fullmatch(r"\d{3}[DWMY]", text.strip(), re.ASCII):
        return text.strip()
    years = parse_age(text)
    if years is None:
        return ""
    if years >= 2:
        return f"{int(years):03}Y"
    return f"{round(years * 12):03}M" if years >= 1 / 6 else f"{max(1, round(years * 365.25)):03}D"


def _time(text: str) -> str:
    """PS3.5 6.2 TM; the older ``11:22:07`` means the same time."""
    digits = text.strip().replace(":", "")
    return digits if re.fullmatch(r"([01]\d|2[0-3])([0-5]\d([0-5]\d(\.\d{1,6})?)?)?", digits, re.ASCII) else ""


def _number(text: str) -> str:
    """PS3.5 6.2 DS: at most 16 characters."""
    try:
        number = float(text)
    except ValueError:
        return ""
    if not math.isfinite(number):
        return ""
    text = text.strip()
    return text if len(text) <= 16 and re.fullmatch(r"[0-9+\-.eE]+", text) else format_number_as_ds(number)


def _matching(pattern: str) -> Callable[[str], str]:
    return lambda text: text.strip() if re.fullmatch(pattern, text.strip(), re.ASCII) else ""


_CLEAN: Mapping[str, Callable[[str], str]] = {
    "AS": _age,
    "CS": lambda text: _matching(r"[A-Z0-9_ ]{1,16}")(text.upper()),
    "DA": _date,
    "DS": _number,
    "LT": lambda text: _paragraph(text, LONGEST["LT"]),
    "ST": lambda text: _paragraph(text, LONGEST["ST"]),
    "TM": _time,
    "UI": _matching(r"(0|[1-9]\d*)(\.(0|[1-9]\d*))+"),
    "US": _matching(r"\d{1,5}"),
    "UT": lambda text: _paragraph(text, 100_000),
}
