"""What a QIDO-RS search asks for, and whether an instance is that (PS3.18 8.3.4, PS3.4 C.2.2.2). Knows no file."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import HTTPException
from pydicom.datadict import dictionary_has_tag, dictionary_VR, tag_for_keyword
from starlette.datastructures import QueryParams

from dicom_router.dicom.matching import fold, like
from xray_triage.cases.studies import Hints
from xray_triage.web.dicomweb.attributes import Attributes

MOST_RESULTS = 1000
USUAL_RESULTS = 200
PATIENT_NAME, PATIENT_ID, ACCESSION_NUMBER = "00100010", "00100020", "00080050"
STUDY_UID, SERIES_UID, SOP_UID = "0020000D", "0020000E", "00080018"
STUDY_DATE = "00080020"
_TAG = re.compile(r"[0-9A-Fa-f]{8}\Z")
_RANGED = ("DA", "TM", "DT")
_BETWEEN_NAMES = re.compile(r"[\s^,]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search: by tag (or tags, down into sequences) what the value must be like."""

    keys: Mapping[tuple[str, ...], str]
    include: frozenset[str]
    include_all: bool
    limit: int
    offset: int
    fuzzy: bool

    def matches(self, attributes: Attributes) -> bool:
        """Whether an instance with these attributes is wanted."""
        return all(_found(attributes, path, wanted) for path, wanted in self.keys.items())

    def may_match(self, attributes: Attributes, tags: Collection[str]) -> bool:
        """The same for the keys among ``tags`` alone, which all instances of a study share."""
        return all(_found(attributes, path, wanted) for path, wanted in self.keys.items() if path[0] in tags)

    def uids(self, tag: str) -> list[str] | None:
        """The UIDs asked for; None when any will do."""
        wanted = self.keys.get((tag,))
        return None if wanted is None else re.split(r"[,\\]", wanted)

    def hints(self) -> Hints:
        """What the casebook can narrow the search by."""
        patient_id, accession_number = self.keys.get((PATIENT_ID,)), self.keys.get((ACCESSION_NUMBER,))
        first, last = _days(self.keys.get((STUDY_DATE,), ""))
        patterns = [self.keys.get((PATIENT_NAME,), ""), *(filter(_is_pattern, (patient_id, accession_number)))]
        return Hints(
            patient_id=None if _is_pattern(patient_id) else patient_id,
            accession_number=None if _is_pattern(accession_number) else accession_number,
            words=[piece for pattern in patterns for piece in re.split(r"[*?\s^=,]+", fold(pattern or "")) if piece],
            first_day=first,
            last_day=last,
        )


def query_of(parameters: QueryParams, names: Mapping[str, str] | None = None) -> Query:
    """The query string, with ``names`` of the path (UIDs by tag). Raises 400 on what is no attribute or number."""
    keys: dict[tuple[str, ...], str] = {}
    include: set[str] = set()
    for name, value in parameters.multi_items():
        if name == "includefield":
            include |= {field for field in value.split(",") if field}
        elif name not in ("limit", "offset", "fuzzymatching", "accept") and value:
            path = tuple(_tag(part) for part in name.split("."))
            keys[path] = f"{keys[path]},{value}" if path in keys and dictionary_VR(path[-1]) == "UI" else value
    return Query(
        keys=keys | {(tag,): uid for tag, uid in (names or {}).items()},
        include=frozenset(_tag(field) for field in include - {"all"}),
        include_all="all" in include,
        limit=min(_number(parameters, "limit", USUAL_RESULTS), MOST_RESULTS),
        offset=_number(parameters, "offset", 0),
        fuzzy=parameters.get("fuzzymatching", "false").lower() == "true",
    )


def _tag(name: str) -> str:
    tag = int(name, 16) if _TAG.match(name) else tag_for_keyword(name)
    if tag is None or not dictionary_has_tag(tag):
        raise HTTPException(400, f"{name[:64]!r} is no attribute: give its keyword or its eight digits")
    return f"{tag:08X}"


def _number(parameters: QueryParams, name: str, missing: int) -> int:
    said = parameters.get(name, str(missing))
    if not (said.isascii() and said.isdigit() and len(said) < 10):
        raise HTTPException(400, f"{name} must be a number, 0 or more")
    return int(said)


def _found(attributes: Mapping[str, Any], path: tuple[str, ...], wanted: str) -> bool:
    values = attributes.get(path[0], {}).get("Value", [])
    if len(path) > 1:
        return any(_found(item, path[1:], wanted) for item in values)
    return _matches(dictionary_VR(path[0]), values, wanted)


def _matches(vr: str, values: Sequence[Any], wanted: str) -> bool:
    if not wanted.strip("*"):
        return True
    if vr == "UI":
        return any(value in re.split(r"[,\\]", wanted) for value in values)
    if vr in _RANGED:
        return any(_within(str(value), wanted) for value in values)
    if vr == "PN":
        pattern = like(_plain_name(wanted))
        return any(pattern.match(_plain_name(name)) for value in values for name in _names(value))
    pattern = like(wanted.strip())
    return any(pattern.match(_text(value)) for value in values)


def _names(value: object) -> Iterable[str]:
    return value.values() if isinstance(value, dict) else ()


def _plain_name(name: str) -> str:
    """Without accents, case and the difference between carets, commas and blanks."""
    return _BETWEEN_NAMES.sub(" ", fold(name)).strip()


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value).strip()


def _is_pattern(wanted: str | None) -> bool:
    return wanted is not None and ("*" in wanted or "?" in wanted)


def _within(value: str, wanted: str) -> bool:
    """A date or a time in a range, or of the same day, minute or second (PS3.4 C.2.2.2.5)."""
    first, dash, last = wanted.replace(":", "").partition("-")
    value = value.replace(":", "").replace(".", "") if len(value) == 10 else value.replace(":", "")
    if not dash:
        return value.startswith(first)
    return (not first or value >= first) and (not last or value[: len(last)] <= last)


def _days(wanted: str) -> tuple[date | None, date | None]:
    first, dash, last = wanted.partition("-")
    return _day(first), _day(last if dash else first)


def _day(written: str) -> date | None:
    try:
        return date.fromisoformat(written) if len(written) == 8 else None
    except ValueError:
        return None
