"""What a DICOMweb server says became of one instance: the store response (PS3.18 10.5.3, annex I.2). Knows no network.

A status of 200 proves nothing: a login page, a captive portal and a wrong URL answer it too. Only a payload that names
the instance does.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree as ET

REFERENCED_SOP_SEQUENCE, FAILED_SOP_SEQUENCE, OTHER_FAILURES_SEQUENCE = "00081199", "00081198", "0008119A"
REFERENCED_SOP_INSTANCE_UID, FAILURE_REASON = "00081155", "00081197"
SOP_INSTANCE_UID = "00080018"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreVerdict:
    """``stored``: the payload names the instance as stored. ``failed``: it tells of a failure, ``reason`` why, or None.

    Neither: it says nothing of this instance.
    """

    stored: bool = False
    failed: bool = False
    reason: int | None = None


def verdict(body: bytes, sop_instance_uid: str) -> StoreVerdict:
    """What ``body``, in DICOM JSON or native XML with any prefix, says of this one instance. Never raises."""
    try:
        answer = _from_json(body)
    except (ValueError, RecursionError):
        answer = _from_xml(body)
    failures = [*_items(answer, FAILED_SOP_SEQUENCE), *_items(answer, OTHER_FAILURES_SEQUENCE)]
    for item in failures:  # one instance was sent: a failure that names none is its own
        if _first(item, REFERENCED_SOP_INSTANCE_UID) in ("", sop_instance_uid):
            reason = _first(item, FAILURE_REASON)
            return StoreVerdict(failed=True, reason=int(reason) if reason.isdecimal() else None)
    stored = _items(answer, REFERENCED_SOP_SEQUENCE)
    return StoreVerdict(stored=any(_first(item, REFERENCED_SOP_INSTANCE_UID) == sop_instance_uid for item in stored))


def is_list(body: bytes) -> bool:
    """Whether ``body`` is a list in JSON, as every answer to a search is."""
    try:
        return isinstance(json.loads(body), list)
    except (ValueError, RecursionError):
        return False


def names(body: bytes, sop_instance_uid: str) -> bool:
    """Whether a search's or a metadata answer, a list in DICOM JSON, has an entry of this instance."""
    return is_list(body) and any(_first(entry, SOP_INSTANCE_UID) == sop_instance_uid for entry in json.loads(body))


def _from_json(body: bytes) -> Any:
    answer = json.loads(body)
    return answer[0] if isinstance(answer, list) and answer else answer


def _from_xml(body: bytes) -> dict[str, Any]:
    """The Native DICOM Model (PS3.19 A.1) in the shape of the JSON one; nothing where it is none."""
    if b"<!" in body.replace(b"<!--", b""):  # a document type: nobody's entities are expanded here
        return {}
    try:
        return _attributes(ET.fromstring(body))  # noqa: S314 - bounded by its reader, and without a document type
    except (ET.ParseError, RecursionError, ValueError, LookupError):  # LookupError: an encoding that nobody knows
        return {}


def _attributes(parent: ET.Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for element in parent.iterfind("{*}DicomAttribute"):
        items = [_attributes(item) for item in element.iterfind("{*}Item")]
        texts = [(value.text or "").strip() for value in element.iterfind("{*}Value")]
        found[element.get("tag", "").upper()] = {"Value": items or texts}
    return found


def _items(answer: Any, tag: str) -> Iterator[Any]:
    values = _values(answer, tag)
    return (item for item in values if isinstance(item, dict))


def _first(item: Any, tag: str) -> str:
    return str(next(iter(_values(item, tag)), "")).strip(" \0")


def _values(item: Any, tag: str) -> list[Any]:
    attribute = item.get(tag) if isinstance(item, dict) else None
    values = attribute.get("Value") if isinstance(attribute, dict) else None
    return values if isinstance(values, list) else []
