"""May this film be read at all? Answers from the header alone, before a single pixel is decoded.

It refuses only what is certainly no film that is read here. What machines and people type wrongly every day (the body
part, DERIVED, burned-in marks) is a doubt: the pixels decide. It must never look at a pixel.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date

from pydicom import uid
from pydicom.dataset import Dataset

from xray_triage.reading.acquisition import is_ours
from xray_triage.reading.findings import REASONS, NotReadable
from xray_triage.reading.header import items, number, text, words
from xray_triage.reading.patient import read_age

FILM_CLASSES = frozenset(
    {
        uid.ComputedRadiographyImageStorage,
        uid.DigitalXRayImageStorageForPresentation,
        uid.DigitalXRayImageStorageForProcessing,
        uid.SecondaryCaptureImageStorage,
    }
)

FILM_MODALITIES = frozenset({"CR", "DX", "DR", "RG", "XR", ""})
CAMERA = frozenset({"XC"})  # told apart from other modalities, for its sake people are told how to digitise a film
# How a Secondary Capture became one (PS3.3 C.8.6.1): by a scanner, from a machine's digital or video output. The rest
# was drawn or shown by a workstation.
FROM_A_MACHINE = frozenset({"DF", "SI", "DI", "DV"})
SMALLEST_SIDE = 64

# Whole words, upper case, without accents: PS3.16 annex L, what machines write, and Vietnamese.
CHEST = re.compile(
    r"\b(?:\w*CHEST\w*|\w*THORAX|TORAX|LUNGS?|PULMON\w*|POUMONS?|RIB(?:S|CAGE)?|HEART|CXR|PECHO|(?:LONG)?NGUC|PHOI)\b"
)
ELSEWHERE = re.compile(
    r"\b(?:ABDOMEN\w*|KUB|PELVIS\w*|HIPS?|\w*EXTREMITY\w*|EXTREMITIES|LEGS?|LOWLIMB|UPLIMB|LIMBS?|FEMUR|TIBIA|FIBULA|"
    r"KNEES?|PATELLA|ANKLES?|FOOT|FEET|TOES?|HEEL|CALCANEUS|ARMS?|HUMERUS|FOREARM|ULNA|RADIUS|ELBOWS?|WRISTS?|HANDS?|"
    r"FINGERS?|THUMB|SHOULDERS?|SCAPULA|CLAVICLE|SKULL|HEAD|SINUS\w*|ORBITS?|FACE|JAW\w*|MANDIBLE|MAXILLA|TMJ|"
    r"TEETH|TOOTH|DENTAL|PANORAMI\w*|NECK|\w*SPINE|SACRUM|COCCYX|SIJOINT|BREAST|WHOLEBODY|"
    r"BUNG|KHUNG CHAU|HANG|DUI|GOI|CHAN|TAY|VAI|RANG|XOANG|COT SONG|SO NAO)\b"
)
# In free text only what can mean nothing else: CHAN is a leg and half of "diagnosis", "arms up" is a chest film.
TOLD_ELSEWHERE = re.compile(
    r"\b(?:ABDOMEN|PELVIS|HIP|FEMUR|TIBIA|KNEE|ANKLE|FOOT|ELBOW|WRIST|FINGER|SKULL|JAW|MANDIBLE|TEETH|TOOTH|DENTAL|"
    r"PANORAMI\w*|LUMBAR|[CL]SPINE|SACRUM|MAMMO\w*|KHUNG CHAU|COT SONG|SO NAO|KHOP GOI|KHOP HANG|BAN TAY|BAN CHAN)\b"
)
SIDE_VIEWS = frozenset({"LL", "RL", "LLD", "RLD", "LLO", "RLO", "LAO", "RAO", "LPO", "RPO", "LAT", "RLAT", "LLAT"})
SIDE_WORDS = re.compile(r"\b(?:LATERAL|LAT|OBLIQUE|NGHIENG|PROFIL|DECUBITUS)\b")
FRONTAL_WORDS = re.compile(r"\b(?:PA|AP|POSTERO ?ANTERIOR|ANTERO ?POSTERIOR|FRONTAL|THANG)\b")
PAGE_WORDS = re.compile(r"\b(?:REPORT|SCREEN ?SAVE|SCREEN ?SHOT|SCREEN ?CAPTURE|DOSE|RENDERED|CAD|COLLAGE|LOGO)\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """What the site reads. ``max_pixels`` is rows × columns: more is refused before anything is decoded."""

    minimum_age_years: float = 15
    max_pixels: int = 100_000_000


def refusal(dataset: Dataset, policy: Admission, arrived: date | None = None) -> NotReadable | None:
    """The first reason in the header against reading this film, in the order of the checks; None when there is none."""
    return (
        _no_film(dataset) or _an_animal(dataset) or _from_the_side(dataset) or _no_original(dataset)
        or unfit(dataset, policy) or _too_young(dataset, policy, arrived)
    )  # fmt: skip


def doubt(dataset: Dataset) -> NotReadable | None:
    """What the header says against a film that is not refused: a network that can tell should look at its pixels."""
    return _elsewhere(dataset) or _derived(dataset)


def _no_film(dataset: Dataset) -> NotReadable | None:
    if is_ours(dataset):  # a PACS sends back what it was sent; a result of a result would go round for ever
        return _not("not_a_film", "made by this program")
    if text(dataset, "SOPClassUID") not in FILM_CLASSES:
        return _not("not_a_film", f"SOP class {text(dataset, 'SOPClassUID')}")
    named = words(dataset, "Modality").split() or [""]
    captured = text(dataset, "SOPClassUID") == uid.SecondaryCaptureImageStorage
    digitised = named[0] in ("OT", "SC") and (not captured or _is_from_a_machine(dataset))
    known = (FILM_MODALITIES | CAMERA).intersection(named) or digitised
    return None if known else _not("not_a_projection", f"Modality {' '.join(named)}")


def _is_from_a_machine(dataset: Dataset) -> bool:
    return words(dataset, "ConversionType") in FROM_A_MACHINE


def _an_animal(dataset: Dataset) -> NotReadable | None:
    species = words(dataset, "PatientSpeciesDescription")
    human = not species or re.search("HUMAN|HOMO|SAPIENS|NGUOI", species)
    return None if human else _not("not_a_chest", f"PatientSpeciesDescription {species}")


def _elsewhere(dataset: Dataset) -> NotReadable | None:
    part = words(dataset, "BodyPartExamined")
    if CHEST.search(part):
        return None
    if ELSEWHERE.search(part):
        return _not("not_a_chest", f"BodyPartExamined {part}")
    told = " ".join([*_meanings(dataset, "AnatomicRegionSequence"), _descriptions(dataset)])
    other = TOLD_ELSEWHERE.search(told)
    return _not("not_a_chest", f"described as {other[0]}") if other and not CHEST.search(told) else None


def _from_the_side(dataset: Dataset) -> NotReadable | None:
    view = words(dataset, "ViewPosition")
    coded = " ".join(_meanings(dataset, "ViewCodeSequence"))
    if view in SIDE_VIEWS or SIDE_WORDS.search(view) or SIDE_WORDS.search(coded):
        return _not("not_frontal", f"view {view or coded}")
    told = words(dataset, "SeriesDescription")
    if not view and not coded and SIDE_WORDS.search(told) and not FRONTAL_WORDS.search(told):
        return _not("not_frontal", "described as a lateral or oblique view")
    return None


def _no_original(dataset: Dataset) -> NotReadable | None:
    """Colours of drawn pages, pictures that call themselves a page or a report, captures with words burned in."""
    image_type = words(dataset, "ImageType").split()
    captured = text(dataset, "SOPClassUID") == uid.SecondaryCaptureImageStorage
    photometric = words(dataset, "PhotometricInterpretation")
    if CAMERA & {*words(dataset, "Modality").split()}:
        return _not("not_an_original", "Modality XC, a camera's picture")
    if photometric.startswith(("PALETTE", "HSV", "ARGB", "CMYK")):
        return _not("not_an_original", f"PhotometricInterpretation {photometric}")
    if PAGE_WORDS.search(" ".join(image_type[2:])):
        return _not("not_an_original", f"ImageType {' '.join(image_type)}")
    if captured and words(dataset, "BurnedInAnnotation") == "YES" and not _is_from_a_machine(dataset):
        return _not("not_an_original", "BurnedInAnnotation YES in a capture")
    return None


def _derived(dataset: Dataset) -> NotReadable | None:
    """Derived alone is no doubt: archives call a film derived once they compressed it, and every SC is secondary."""
    image_type = words(dataset, "ImageType").split()
    captured = text(dataset, "SOPClassUID") == uid.SecondaryCaptureImageStorage
    derived = image_type[:1] == ["DERIVED"]
    if words(dataset, "BurnedInAnnotation") == "YES" and (captured or derived):
        return _not("not_an_original", "BurnedInAnnotation YES")
    if derived and image_type[1:2] == ["SECONDARY"] and not captured:
        return _not("not_an_original", f"ImageType {' '.join(image_type)}")
    return None


def unfit(dataset: Dataset, policy: Admission) -> NotReadable | None:
    """Why its pixels must not be decoded, whatever they show; None when they may be."""
    if "PixelData" not in dataset:
        return _not("no_pixels")
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    if rows * columns > policy.max_pixels:
        return _not("too_large", f"{rows} x {columns} pixels, at most {policy.max_pixels}")
    if number(dataset, "NumberOfFrames", 1) > 1:
        return _not("more_than_one_frame", f"{number(dataset, 'NumberOfFrames')} frames")
    if min(rows, columns) < SMALLEST_SIDE:
        return (
            _not("too_small", f"{rows} x {columns} pixels") if rows and columns else _not("damaged_pixels", "no size")
        )
    stored, allocated = number(dataset, "BitsStored"), number(dataset, "BitsAllocated")
    agree = 1 < stored <= allocated
    return None if agree else _not("damaged_pixels", f"BitsStored {stored}, BitsAllocated {allocated}")


def _too_young(dataset: Dataset, policy: Admission, arrived: date | None) -> NotReadable | None:
    age = read_age(dataset, arrived).years
    if age is None or age >= policy.minimum_age_years:
        return None
    why = _not("child", f"{age} years")
    return replace(why, reason=replace(why.reason, youngest=policy.minimum_age_years))


def _descriptions(dataset: Dataset) -> str:
    return " ".join(words(dataset, keyword) for keyword in ("SeriesDescription", "ProtocolName", "StudyDescription"))


def _meanings(dataset: Dataset, keyword: str) -> Iterator[str]:
    return (words(item, "CodeMeaning") for item in items(dataset, keyword))


def _not(code: str, detail: str = "") -> NotReadable:
    return NotReadable(reason=REASONS[code], detail=detail, by="header")
