"""A header as the DICOM JSON Model has it (PS3.18 annex F): text repaired, large values left out. Decodes no pixel."""

import json
from typing import Any

from pydicom.dataelem import DataElement

from dicom_router.dicom.outline import Outline
from dicom_router.errors import DAMAGE
from xray_triage.reading.patient import repair_text

Attributes = dict[str, dict[str, Any]]  # by tag, eight upper-case hexadecimal digits
AVAILABLE_TRANSFER_SYNTAX = "00083002"


def attributes_of(outline: Outline, *, bulk_url: str = "") -> Attributes:
    """All attributes of ``outline``, whose text is repaired in place; what no JSON can say is left out.

    ``bulk_url`` and a tag make the URI of a large value; without it those are left out too.
    """
    repair_text(outline.header)
    found: Attributes = {}
    for element in outline.header:
        written = _written(element)
        if written is not None:
            found[f"{element.tag:08X}"] = written
    if bulk_url:
        for tag, extent in outline.large.items():
            found[f"{tag:08X}"] = {"vr": extent.vr, "BulkDataURI": f"{bulk_url}/{tag:08X}"}
    syntax = outline.header.file_meta.get("TransferSyntaxUID")
    if syntax:
        found[AVAILABLE_TRANSFER_SYNTAX] = {"vr": "UI", "Value": [str(syntax)]}
    return dict(sorted(found.items()))


def value_of(attributes: Attributes, tag: str) -> Any:
    """The first value of an attribute; None when it is missing or empty."""
    return next(iter(attributes.get(tag, {}).get("Value", ())), None)


def _written(element: DataElement) -> dict[str, Any] | None:
    try:
        written: dict[str, Any] = element.to_json_dict(None, 0)
        json.dumps(written, allow_nan=False)
    except DAMAGE:
        return None
    return written
