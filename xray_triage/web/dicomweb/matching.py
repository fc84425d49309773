"""What a QIDO-RS search asks for (PS3.18 8.3.4), as keys of the matcher that C-FIND uses too. Knows no file."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import HTTPException
from pydicom.datadict import dictionary_has_tag, keyword_dict
from pydicom.tag import Tag
from starlette.datastructures import QueryParams

from dicom_router.dicom.keys import Keys
from dicom_router.dicom.matching import BadIdentifier, check, fold, is_pattern, matches, span
from xray_triage.cases.studies import Hints
from xray_triage.web.dicomweb.attributes import Attributes

MOST_RESULTS = 1000
USUAL_RESULTS = 200
# Parameters that are no keys (PS3.18 8.3.4); several values of a key are always matched.
_NO_KEYS = ("includefield", "limit", "offset", "fuzzymatching", "multiplevaluematching", "accept")
_TAGS = {keyword.lower(): tag for keyword, tag in keyword_dict.items()}
_NAMED = re.compile(r"[\w.-]{1,64}\Z", re.ASCII)  # what may be repeated in a header
_DEEPEST = 10  # sequences in sequences
PATIENT_NAME, PATIENT_ID, ACCESSION_NUMBER = "00100010", "00100020", "00080050"
STUDY_UID, SERIES_UID, SOP_UID = "0020000D", "0020000E", "00080018"
STUDY_DATE = "00080020"
_TAG = re.compile(r"[0-9A-Fa-f]{8}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A search: ``keys`` says by tag, down into sequences, what the value must be like.

    ``ignored``: names of parameters and fields that are no attributes.
    """

    keys: Keys
    include: frozenset[str]
    include_all: bool
    limit: int
    offset: int
    fuzzy: bool
    ignored: tuple[str, ...] = ()

    @property
    def tags(self) -> frozenset[str]:
        """What must be known of an instance to tell whether it is wanted."""
        return frozenset(f"{tag:08X}" for tag in self.keys)

    def matches(self, attributes: Attributes) -> bool:
        """Whether an instance with these attributes is wanted."""
        return matches(self.keys, _entry(self.keys, attributes))

    def may_match(self, attributes: Attributes, tags: Collection[str]) -> bool:
        """The same for the keys among ``tags`` alone, which all instances of a study share."""
        keys = {tag: wanted for tag, wanted in self.keys.items() if f"{tag:08X}" in tags}
        return matches(keys, _entry(keys, attributes))

    def uids(self, tag: str) -> list[str] | None:
        """The UIDs asked for; None when any will do, or a pattern tells them."""
        wanted = self._asked(tag)
        return None if is_pattern(wanted) else [uid for uid in re.split(r"[,\\\s]+", wanted) if uid] or None

    def hints(self) -> Hints:
        """What the casebook can narrow the search by: nothing by a key of several values."""
        numbers = {tag: self._asked(tag) for tag in (PATIENT_ID, ACCESSION_NUMBER)}
        exact = {tag: wanted for tag, wanted in numbers.items() if not set(wanted) & set("*?\\")}
        patterns = [self._asked(PATIENT_NAME), *(wanted for tag, wanted in numbers.items() if tag not in exact)]
        words = [re.split(r"[*?\s,]+", fold(pattern)) for pattern in patterns if not set(pattern) & set("\\=")]
        first, last = _days(self._asked(STUDY_DATE))
        return Hints(
            patient_id=exact.get(PATIENT_ID) or None,
            accession_number=exact.get(ACCESSION_NUMBER) or None,
            words=[word for each in words for word in each if word],
            first_day=first,
            last_day=last,
        )

    def _asked(self, tag: str) -> str:
        wanted = self.keys.get(int(tag, 16), "")
        return wanted.strip() if isinstance(wanted, str) else ""


def query_of(parameters: QueryParams, names: Mapping[str, str] | None = None) -> Query:
    """The query string, with ``names`` of the path (UIDs by tag). Raises 400 on what is no key or number.

    Names count in any case, and what is no attribute is ignored: clients add what other servers know.
    """
    asked = [(name.lower(), value) for name, value in parameters.multi_items()]
    plain = dict(asked)
    fields = {field.strip() for name, value in asked if name == "includefield" for field in value.split(",")} - {""}
    include = {field: _tag(field.partition(".")[0]) for field in fields if field.lower() != "all"}
    keys: dict[int, str | Sequence[Keys]] = {}
    try:
        ignored = _add_keys(keys, asked)
        keys |= {int(tag, 16): uid for tag, uid in (names or {}).items()}
        check(keys)
    except BadIdentifier as error:
        raise HTTPException(400, str(error)) from error
    return Query(
        keys=keys,
        include=frozenset(tag for tag in include.values() if tag is not None),
        include_all=len(include) < len(fields),
        limit=min(_number(plain, "limit", USUAL_RESULTS), MOST_RESULTS),
        offset=_number(plain, "offset", 0),
        fuzzy=plain.get("fuzzymatching", "").lower() == "true",
        ignored=_told([*ignored, *(field for field, tag in include.items() if tag is None)]),
    )


def _add_keys(keys: dict[int, "str | Sequence[Keys]"], asked: Sequence[tuple[str, str]]) -> list[str]:
    """Put what is asked for into ``keys``; the names that are no attributes."""
    ignored = []
    for name, value in asked:
        if name not in _NO_KEYS and value:
            path = [_tag(part) for part in name.split(".")]
            if None in path:
                ignored.append(name)
            else:
                _add(keys, [int(tag, 16) for tag in path if tag is not None], value)
    return ignored


def _told(names: Sequence[str]) -> tuple[str, ...]:
    """At most five of them, without what no header can say."""
    return tuple(sorted({name if _NAMED.match(name) else "?" for name in names}))[:5]


def _add(keys: dict[int, Any], path: Sequence[int], value: str) -> None:
    """``value`` at the end of ``path`` through the items of sequences; the same key again is another value."""
    *above, last = path
    for tag in above[:_DEEPEST]:
        items = keys.setdefault(tag, [{}])
        keys = {last: []} if isinstance(items, str) else items[0]
    known = keys.get(last, "")
    if not isinstance(known, str) or len(above) > _DEEPEST:
        raise BadIdentifier(f"{Tag(last)} lies too deep, or is asked for as a value and as a sequence")
    keys[last] = f"{known}\\{value}" if known else value


def _tag(name: str) -> str | None:
    """The eight digits of an attribute called by its keyword, or by them; None when there is no such standard one."""
    tag = int(name, 16) if _TAG.match(name) else _TAGS.get(name.lower())
    return f"{tag:08X}" if tag is not None and dictionary_has_tag(tag) else None


def _number(parameters: Mapping[str, str], name: str, missing: int) -> int:
    said = parameters.get(name, str(missing))
    if not (said.isascii() and said.isdigit() and len(said) < 10):
        raise HTTPException(400, f"{name} must be a number, 0 or more")
    return int(said)


def _entry(keys: Keys, attributes: Mapping[str, Any]) -> Keys:
    """What an instance has of the keys; what it lacks is empty."""
    return {tag: _plain(wanted, attributes.get(f"{tag:08X}", {}).get("Value", ())) for tag, wanted in keys.items()}


def _plain(wanted: "str | Sequence[Keys]", values: Sequence[Any]) -> "str | Sequence[Keys]":
    if isinstance(wanted, str):
        return "\\".join(map(_text, values))
    return [_entry(wanted[0], item) for item in values if isinstance(item, dict)]


def _text(value: object) -> str:
    """A name's groups, a number or a text."""
    if isinstance(value, dict):
        return "=".join(map(str, value.values()))
    return f"{value:g}" if isinstance(value, float) else str("" if value is None else value).strip()


def _days(wanted: str) -> tuple[date | None, date | None]:
    try:
        first, last = span("DA", wanted)
    except BadIdentifier:  # several days, or no date at all
        return None, None
    return _day(first), _day(last)


def _day(digits: str) -> date | None:
    try:
        return date.fromisoformat(digits)
    except ValueError:  # the beginning of a month, or of all times
        return None
