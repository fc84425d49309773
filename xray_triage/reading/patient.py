"""The patient's name and age from the header, text repaired in memory. Never touches pixels or stored bytes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from dicom_router.errors import DAMAGE
from xray_triage.reading.header import text
from xray_triage.reading.text import MULTI_BYTE, UTF_8, clean, decode, encodings_of, unmangle

TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
DAYS_PER_YEAR = 365.25
_UNIT_YEARS = {"Y": 1.0, "M": 1 / 12, "W": 7 / DAYS_PER_YEAR, "D": 1 / DAYS_PER_YEAR, "": 1.0}
OLDEST_YEARS = 130.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What the page and the reports show. Empty where the film does not say.

    ``name`` is in reading order without carets; ``sex`` M, F, O or empty; ``birth_date`` ISO 8601 or empty.
    """

    id: str
    name: str
    sex: str
    birth_date: str
    age_years: float | None


def repair_text(dataset: Dataset) -> None:
    """Make every text value in ``dataset``, sequences included, the Unicode text that was meant (NFC).

    Specific Character Set becomes ISO_IR 192, so that whatever is built from the dataset is written as UTF-8. An
    element that cannot be parsed at all is left out. Harmless to repeat. The dataset must not be written back over the
    original.
    """
    _repair(dataset, ())
    dataset.SpecificCharacterSet = "ISO_IR 192"


def _repair(dataset: Dataset, inherited: Sequence[str]) -> None:
    declared = _declared(dataset) or inherited
    for tag in list(dataset.keys()):
        try:
            _repair_element(dataset, tag, declared)
        except DAMAGE:
            del dataset[tag]


def _repair_element(dataset: Dataset, tag: BaseTag, declared: Sequence[str]) -> None:
    item = dataset.get_item(tag)
    vr = _vr(tag, item.VR)
    if vr in TEXT_VRS and item.value:
        dataset[tag] = DataElement(tag, vr, _text(item, declared), validation_mode=config.IGNORE)
    elif vr == "SQ":
        for nested in dataset[tag].value or ():
            _repair(nested, declared)
            nested.pop("SpecificCharacterSet", None)
    else:
        dataset[tag]  # parsed now, so that nobody stumbles over it later


def _declared(dataset: Dataset) -> tuple[str, ...]:
    item = dataset.get_item("SpecificCharacterSet") if "SpecificCharacterSet" in dataset else None
    value = item.value if item is not None else None
    if isinstance(value, bytes):
        value = value.decode("ascii", "replace")
    names = value.split("\\") if isinstance(value, str) else [str(name) for name in value or ()]
    return encodings_of(names)


def _vr(tag: BaseTag, vr: str | None) -> str:
    """The element's VR; implicit VR files and gateways that write UN leave it to the dictionary."""
    if vr is not None and vr != "UN":
        return vr
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _text(item: DataElement | RawDataElement, declared: Sequence[str]) -> str:
    if isinstance(item.value, bytes):
        return decode(item.value.rstrip(b"\x00 "), declared)
    values = item.value if isinstance(item.value, MultiValue) else [item.value]
    joined = "\\".join(str(value) for value in values)
    trusted = declared and (declared[0] == UTF_8 or declared[0] in MULTI_BYTE)
    return clean(joined if trusted else unmangle(joined))


def read_patient(dataset: Dataset) -> Patient:
    """The patient of a dataset whose text is repaired."""
    born = _date(text(dataset, "PatientBirthDate"))
    sex = text(dataset, "PatientSex").upper()
    return Patient(
        id=text(dataset, "PatientID"),
        name=_name(text(dataset, "PatientName")),
        sex=sex if sex in ("M", "F", "O") else "",
        birth_date=born.isoformat() if born else "",
        age_years=age_years(dataset),
    )


def age_years(dataset: Dataset) -> float | None:
    """Age at the study from Patient's Age (``058Y``, ``006M``, also a bare ``58``), else from the dates; or None.

    An age of 0 is unknown: machines write ``000Y``, and today as the birth date, for a patient nobody registered.
    """
    match = re.fullmatch(r"(\d{1,3})([YMWD]?)", text(dataset, "PatientAge").upper())
    if match and int(match[1]) > 0:
        years = int(match[1]) * _UNIT_YEARS[match[2]]
    else:
        born, taken = _date(text(dataset, "PatientBirthDate")), _date(text(dataset, "StudyDate"))
        if born is None or taken is None:
            return None
        years = (taken - born).days / DAYS_PER_YEAR
    return round(years, 2) if 0 < years <= OLDEST_YEARS else None


def _name(value: str) -> str:
    """``Family^Given^Middle^Prefix^Suffix=ideographic=phonetic`` -> the first group that says something."""
    groups = (" ".join(group.replace("^", " ").split()) for group in value.split("="))
    return next((group for group in groups if group), "")


def _date(value: str) -> date | None:
    digits = value.replace(".", "").replace("-", "")
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8])) if len(digits) == 8 else None
    except ValueError:
        return None
