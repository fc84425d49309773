"""The coded concepts of our objects, except the findings' own (reading/findings.py). Data only.

Meanings stand as in PS3.16 (2024) and SNOMED CT. 99XRT is our private scheme, for what neither of them names.
"""

from collections.abc import Mapping

from xray_triage.language import ENGLISH
from xray_triage.reading.findings import Code, Priority, Reason, Side


def _dcm(value: str, meaning: str) -> Code:
    return Code(value, "DCM", meaning)


def _sct(value: str, meaning: str) -> Code:
    return Code(value, "SCT", meaning)


def _own(value: str, meaning: str) -> Code:
    return Code(value, "99XRT", meaning)


# Documents, TID 1500 and TID 2010
IMAGING_MEASUREMENT_REPORT = _dcm("126000", "Imaging Measurement Report")
FOR_CONFERENCE = _dcm("113005", "For Conference")
OF_INTEREST = _dcm("113000", "Of Interest")
KEY_OBJECT_DESCRIPTION = _dcm("113012", "Key Object Description")
IMAGE_LIBRARY = _dcm("111028", "Image Library")
IMAGE_LIBRARY_GROUP = _dcm("126200", "Image Library Group")
IMAGING_MEASUREMENTS = _dcm("126010", "Imaging Measurements")
MEASUREMENT_GROUP = _dcm("125007", "Measurement Group")
QUALITATIVE_EVALUATIONS = Code("C0034375", "UMLS", "Qualitative Evaluations")
SUMMARY = _dcm("121111", "Summary")

# Context, TID 1204, TID 1001 to 1004
LANGUAGE = _dcm("121049", "Language of Content Item and Descendants")
VIETNAMESE = Code("vi", "RFC5646", "Vietnamese")
OBSERVER_TYPE = _dcm("121005", "Observer Type")
DEVICE = _dcm("121007", "Device")
PERSON = _dcm("121006", "Person")
PERSON_OBSERVER_NAME = _dcm("121008", "Person Observer Name")
DEVICE_OBSERVER_UID = _dcm("121012", "Device Observer UID")
DEVICE_OBSERVER_NAME = _dcm("121013", "Device Observer Name")
DEVICE_OBSERVER_MANUFACTURER = _dcm("121014", "Device Observer Manufacturer")
DEVICE_OBSERVER_MODEL = _dcm("121015", "Device Observer Model Name")
PROCEDURE_REPORTED = _dcm("121058", "Procedure reported")
PLAIN_CHEST_XRAY = _sct("399208008", "Plain chest X-ray")
PLAIN_RADIOGRAPHY = _sct("168537006", "Plain radiography")

# One finding, TID 1501, TID 1410, TID 4019
TRACKING_IDENTIFIER = _dcm("112039", "Tracking Identifier")
TRACKING_UID = _dcm("112040", "Tracking Unique Identifier")
FINDING = _dcm("121071", "Finding")
FINDING_SITE = _sct("363698007", "Finding Site")
LATERALITY = _sct("272741003", "Laterality")
SIDES: Mapping[Side, Code] = {"left": _sct("7771000", "Left"), "right": _sct("24028007", "Right")}
IMAGE_REGION = _dcm("111030", "Image Region")
SOURCE = _sct("260753009", "Source")
PROBABILITY = _dcm("122157", "Probability")
THRESHOLD = _dcm("122411", "Threshold Value")
PERCENT = Code("%", "UCUM", "Percent")
NO_UNITS = Code("1", "UCUM", "no units")
PRESENCE = _sct("705057003", "Presence")
PRESENT = _sct("52101004", "Present")
ABSENT = _sct("2667000", "Absent")
ALGORITHM_FAMILY = _dcm("111000", "Algorithm Family")
ARTIFICIAL_INTELLIGENCE = _dcm("123110", "Artificial Intelligence")
ALGORITHM_NAME = _dcm("111001", "Algorithm Name")
ALGORITHM_VERSION = _dcm("111003", "Algorithm Version")
ALGORITHM_PARAMETERS = _dcm("111002", "Algorithm Parameters")
PROBABILITY_OF_ABNORMALITY = _own("abnormal", "Probability of any abnormality")
# LOINC and PS3.16 (CID 12279) have the ratio of areas and of circumferences, in the fetus only.
CARDIOTHORACIC_RATIO = _own("ctr", "Cardiothoracic ratio")
HEART_WIDTH = _own("heart_width", "Greatest transverse width of the heart")
THORAX_WIDTH = _own("thorax_width", "Greatest transverse width between outer lung edges")
FILM_CORNERS = _own("film_corners", "Corners of the whole film")

LUNG = _sct("39607008", "Lung")
PLEURA = _sct("3120008", "Pleura")
HEART = _sct("80891009", "Heart")
DIAPHRAGM = _sct("5798000", "Diaphragm")
# Finding name -> site, where it is not the lung.
SITES: Mapping[str, Code] = {
    "pneumothorax": PLEURA,
    "pleural_effusion": PLEURA,
    "pleural_thickening": PLEURA,
    "cardiomegaly": HEART,
    "hernia": DIAPHRAGM,
}

# Triage: CID 7035 where an actionable finding was seen. Category 1 is minutes, 2 hours, 3 days: an abnormal film waits
# for the doctor at the station, who looks the same day.
TRIAGE_CATEGORY = _own("triage_category", "Triage category")
TRIAGE: Mapping[Priority, Code] = {
    Priority.URGENT: Code("RID49480", "RADLEX", "ACR Category 1 Actionable Finding"),
    Priority.ABNORMAL: Code("RID49481", "RADLEX", "ACR Category 2 Actionable Finding"),
    Priority.NORMAL: _own("normal", "No finding over its threshold"),
    Priority.NOT_READ: _own("not_read", "Not read by AI"),
}
UNPROVEN = _own("unproven", "No finding, but the machine's cut-offs are not proven")
CUT_OFFS = _own("cut_offs", "Origin of the thresholds")
MACHINE_CUT_OFFS = _own("machine_cut_offs", "Set for the machine that made the film")
MODEL_CUT_OFFS = _own("model_cut_offs", "Of the model, not set for the machine")
NOT_READ_REASON = _own("not_read_reason", "Reason why the image was not read")
# CID 7011 "Rejected for Quality Reasons", for the reasons of ours that mean the same.
QUALITY_REASONS: Mapping[str, Code] = {
    "rotated": _dcm("111209", "Positioning"),
    "no_pixels": _dcm("111213", "No image"),
    "model_failed": _dcm("111218", "Software failure"),
    "reader_died": _dcm("111218", "Software failure"),
}

PROCESSING_EQUIPMENT = _dcm("109102", "Processing Equipment")
SOURCE_IMAGE = _dcm("121322", "Source image for image processing operation")


def site_of(finding_name: str) -> Code:
    """The anatomic site of a finding: SNOMED CT."""
    return SITES.get(finding_name, LUNG)


def reason_code(reason: Reason) -> Code:
    """Why a film was not read, as a code."""
    meaning = ENGLISH.translate(reason.vi)
    return QUALITY_REASONS.get(reason.code) or _own(reason.code[:16], meaning.rstrip(".")[:64])
