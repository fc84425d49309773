"""PA or AP, standing or lying, as far as the header says. It must never know what that is needed for."""

import re
from typing import Literal

from pydicom.dataset import Dataset

from xray_triage.reading.header import items, words

View = Literal["PA", "AP", ""]

# Whole words, without accents. A film of someone lying or at the bedside is AP, whatever else was typed.
FROM_BEHIND = re.compile(r"\b(?:PA|POSTERO ?ANTERIOR)\b")
FROM_BEFORE = re.compile(r"\b(?:AP|ANTERO ?POSTERIOR)\b")
LYING = re.compile(r"\b(?:SUPINE|RECUMBENT|[HF]FS|PORTABLE|BEDSIDE|TAI GIUONG|NAM NGUA)\b")


def view_of(dataset: Dataset) -> View:
    """By View Position, else its code, else Patient Position, else the descriptions; empty where none names one."""
    said = (
        words(dataset, "ViewPosition"),
        _meanings(dataset, "ViewCodeSequence"),
        _meanings(dataset, "PatientOrientationCodeSequence"),
        words(dataset, "PatientPosition"),  # some machines write AP and PA there
        " ".join(words(dataset, keyword) for keyword in ("SeriesDescription", "ProtocolName")),
    )
    if any(LYING.search(one) for one in said):
        return "AP"
    return next((view for view in map(_one_of, said) if view), "")


def _one_of(said: str) -> View:
    behind, before = FROM_BEHIND.search(said), FROM_BEFORE.search(said)
    if bool(behind) == bool(before):
        return ""
    return "PA" if behind else "AP"


def _meanings(dataset: Dataset, keyword: str) -> str:
    return " ".join(words(item, "CodeMeaning") for item in items(dataset, keyword))
