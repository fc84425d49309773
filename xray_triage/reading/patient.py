"""The patient's name and age from the header, text repaired in memory. Never touches pixels or stored bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from pydicom import config
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag, Tag

from dicom_router.errors import DAMAGE
from xray_triage.reading.header import items, text, value_of
from xray_triage.reading.text import MULTI_BYTE, UTF_8, clean, decode, encodings_of, unmangle
from xray_triage.reading.values.ages import DAYS_PER_YEAR, OLDEST_YEARS, contradicts, parse_age
from xray_triage.reading.values.dates import FORGIVEN, PROGRAM_SINCE, first_possible, parse_day
from xray_triage.reading.values.mojibake import meant

CHARACTER_SET = Tag("SpecificCharacterSet")
TEXT_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
# When a film can have been taken, the most trustworthy first: the machine's clock is wrong at times, and then all are.
TAKEN = ("StudyDate", "SeriesDate", "AcquisitionDate", "AcquisitionDateTime", "ContentDate")
AGE_CONTRADICTS = "age_contradicts_birth_date"


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """What the page and the reports show. Empty where the film does not say.

    ``name`` is in reading order without carets; ``sex`` M, F, O or empty; ``birth_date`` ISO 8601
    as far as it is known (``1970-01-31``, ``1970-01``, ``1970``) or empty. ``issuer`` of the id,
    ``other_ids`` of the same person: Issuer of Patient ID, Other Patient IDs.
    """

    id: str
    name: str
    sex: str
    birth_date: str
    age_years: float | None
    issuer: str = ""
    other_ids: tuple[str, ...] = ()


def repair_text(dataset: Dataset) -> None:
    """Make every text value in ``dataset``, sequences included, the Unicode text that was meant (NFC).

    Specific Character Set becomes ISO_IR 192, so that whatever is built from the dataset is written as UTF-8. An
    element that cannot be parsed at all is left out. Harmless to repeat. The dataset must not be written back over the
    original.
    """
    _repair(dataset, ())
    dataset[CHARACTER_SET] = DataElement(CHARACTER_SET, "CS", "ISO_IR 192")  # whatever VR it came with


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
    return clean(meant(joined if trusted else unmangle(joined)))


def read_patient(dataset: Dataset, arrived: date | None = None) -> Patient:
    """The patient of a dataset whose text is repaired; ``arrived``: the day on which it came, where it is known."""
    born = parse_day(text(dataset, "PatientBirthDate"))
    sex = text(dataset, "PatientSex").upper()
    return Patient(
        id=text(dataset, "PatientID"),
        name=_name(text(dataset, "PatientName")),
        sex=sex if sex in ("M", "F", "O") else "",
        birth_date=str(born) if born else "",
        age_years=read_age(dataset, arrived).years,
        issuer=text(dataset, "IssuerOfPatientID"),
        other_ids=_other_ids(dataset),
    )


def _other_ids(dataset: Dataset) -> tuple[str, ...]:
    """Those of the sequence, and of the attribute that the standard has retired."""
    listed = value_of(dataset, "OtherPatientIDs")
    retired = listed if isinstance(listed, MultiValue) else [listed]
    inside = (text(item, "PatientID") for item in items(dataset, "OtherPatientIDsSequence"))
    return tuple(filter(None, (*inside, *(str(one).strip() for one in retired if one is not None))))


class Age(NamedTuple):
    """``years`` is None where the film does not say; ``flags`` say what is wrong with it."""

    years: float | None
    flags: tuple[str, ...] = ()


def read_age(dataset: Dataset, arrived: date | None = None) -> Age:
    """Age when the film was taken: as stated, else counted from the dates; the younger one where these contradict.

    An age of 0 is unknown: machines write ``000Y``, and today as the birth date, for a patient nobody registered.
    ``arrived`` says nothing where it is before this program was written: the station itself has lost its clock.
    """
    if arrived is not None and arrived < PROGRAM_SINCE:
        arrived = None
    stated, counted = parse_age(text(dataset, "PatientAge")), _counted(dataset, arrived)
    if stated is None or counted is None:
        return Age(counted if stated is None else stated)
    if contradicts(stated, counted):
        return Age(min(stated, counted), (AGE_CONTRADICTS,))
    return Age(stated)


def _counted(dataset: Dataset, arrived: date | None) -> float | None:
    born = parse_day(text(dataset, "PatientBirthDate"))
    if born is None or (arrived is not None and born.first > arrived + FORGIVEN):
        return None
    taken = first_possible((text(dataset, keyword) for keyword in TAKEN), born=born.first, arrived=arrived)
    years = (taken - born.first).days / DAYS_PER_YEAR if taken is not None else 0
    return round(years, 2) if 0 < years <= OLDEST_YEARS else None


def _name(value: str) -> str:
    """``Family^Given^Middle^Prefix^Suffix=ideographic=phonetic`` -> the first group that says something."""
    groups = (" ".join(group.replace("^", " ").split()) for group in value.split("="))
    return next((group for group in groups if group), "")
