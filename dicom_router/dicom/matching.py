"""Attribute matching of C-FIND, PS3.4 C.2.2.2: a query's keys against one entry, and what of the entry is returned.

Pure. Knows no SOP class beyond what its caller names.
"""

import fnmatch
import re
import unicodedata
from collections.abc import Sequence

from pydicom.tag import Tag

from dicom_router.dicom.keys import CHARACTER_SET, Keys, vr_of

START_DATE, START_TIME = 0x00400002, 0x00400003
_WILD_VRS = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"})
_EXACT_VRS = frozenset({"AS", "UI"})
_ANSWERS_BESIDES = frozenset({CHARACTER_SET})
_LONGEST_TEXT = 256  # characters that one key may ask for: a list of thousands would take minutes


class BadIdentifier(ValueError):
    """The query cannot be a query of this SOP class: status 0xA900."""


def matches(keys: Keys, entry: Keys) -> bool:
    """Whether ``entry`` is one of those asked for. A key that the entry does not have matches everything.

    Raises BadIdentifier: a date or time that is none, a text too long, a sequence of several items (C.2.2.2.6).
    """
    pair = _start_range(keys) if START_DATE in entry and START_TIME in entry else None
    for tag, wanted in keys.items():
        if tag not in entry or tag in _ANSWERS_BESIDES or (pair and tag in (START_DATE, START_TIME)):
            continue
        if isinstance(wanted, str):
            if wanted and not _matches_text(wanted, entry[tag], tag):
                return False
        elif not _matches_items(wanted, entry[tag], tag):
            return False
    return pair is None or _within(pair, f"{entry[START_DATE]}{_padded_time(str(entry[START_TIME]))}")


def select(keys: Keys, entry: Keys) -> tuple[dict[int, "str | Sequence[Keys]"], bool]:
    """The attributes of ``entry`` that are asked for, and whether it has all of them (PS3.4 C.2.2.1.3)."""
    selected: dict[int, str | Sequence[Keys]] = {}
    whole = True
    for tag, wanted in keys.items():
        if tag in _ANSWERS_BESIDES or tag & 0xFFFF == 0:  # group lengths, which old machines send
            continue
        if tag not in entry:
            whole = False
        elif isinstance(wanted, str) or not wanted or not wanted[0]:
            selected[tag] = entry[tag]
        else:
            parts = [select(wanted[0], item) for item in _items(entry[tag])]
            selected[tag] = [part for part, _ in parts]
            whole = whole and all(all_there for _, all_there in parts)
    return selected, whole


def fold(text: str) -> str:
    """``text`` without accents, case and carets: "NGUYEN^VAN*" is asked where "Nguyễn Văn An" is kept."""
    return " ".join(without_accents(text).casefold().replace("^", " ").split())


def like(wanted: str) -> re.Pattern[str]:
    """``*`` any characters, ``?`` one (C.2.2.2.4), of the whole text. No pattern takes exponential time."""
    return re.compile(fnmatch.translate(wanted.replace("[", "[[]")))  # whose [sets] are none of DICOM's


def without_accents(text: str) -> str:
    """``Nguyễn Văn Đức`` -> ``Nguyen Van Duc``."""
    plain = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(character for character in plain if not unicodedata.combining(character))


def _items(value: "str | Sequence[Keys]") -> Sequence[Keys]:
    return () if isinstance(value, str) else value


def _matches_items(wanted: Sequence[Keys], value: "str | Sequence[Keys]", tag: int) -> bool:
    if len(wanted) > 1 or vr_of(tag) != "SQ":
        raise BadIdentifier(f"{Tag(tag)} is asked for by several items, or is no sequence")
    return not wanted or not wanted[0] or any(matches(wanted[0], item) for item in _items(value))


def _matches_text(wanted: str, value: "str | Sequence[Keys]", tag: int) -> bool:
    vr = vr_of(tag)
    if not isinstance(value, str) or (vr not in _WILD_VRS and vr not in ("DA", "TM", *_EXACT_VRS)):
        return True
    if len(wanted) > _LONGEST_TEXT and vr not in _EXACT_VRS:
        raise BadIdentifier(f"{Tag(tag)} is asked for by {len(wanted)} characters, at most {_LONGEST_TEXT}")
    alternatives = wanted.split("\\")  # a list of UIDs, C.2.2.2.2; several of anything else are taken the same way
    return any(_matches_one(each.strip(), held, vr) for each in alternatives for held in value.split("\\"))


def _matches_one(wanted: str, value: str, vr: str) -> bool:
    if vr in ("DA", "TM"):
        return _within(_range(wanted, vr), value if vr == "DA" else _padded_time(value))
    if vr == "PN":
        wanted, value = fold(wanted), fold(value)
    if vr in _EXACT_VRS or not re.search(r"[*?]", wanted):
        return wanted == value
    return like(wanted).match(value) is not None


def _start_range(keys: Keys) -> tuple[str, str] | None:
    """A date range and a time range together are one span of time, PS3.4 table K.6-1; None when they are not both."""
    date, time = keys.get(START_DATE, ""), keys.get(START_TIME, "")
    if not (isinstance(date, str) and isinstance(time, str) and "-" in date and "-" in time):
        return None
    (first_day, last_day), (first_time, last_time) = _range(date, "DA"), _range(time, "TM")
    return first_day + first_time, last_day + last_time


def _within(bounds: tuple[str, str], value: str) -> bool:
    return bool(value) and bounds[0] <= value <= bounds[1]


def _range(wanted: str, vr: str) -> tuple[str, str]:
    """First and last value of a single date or time, or of a range open at either end, C.2.2.2.5."""
    first, dash, last = wanted.partition("-")
    first, last = first.strip(), last.strip() if dash else first.strip()
    if vr == "DA":
        first, last = first.replace(".", ""), last.replace(".", "")
        bounds, form = (first or "00000000", last or "99999999"), r"\d{8}"
    else:
        first, last = first.replace(":", ""), last.replace(":", "")
        bounds = (_padded_time(first), (last or "23").split(".")[0].ljust(6, "9") + ".999999")
        form = r"\d{2}|\d{4}|\d{6}(\.\d{1,6})?"
    if not all(re.fullmatch(form, each) for each in (first, last) if each) or not (first or last):
        raise BadIdentifier(f"{wanted[:24]!r} is no {'date' if vr == 'DA' else 'time'}")
    return bounds


def _padded_time(time: str) -> str:
    whole, _, fraction = time.partition(".")
    return f"{whole.ljust(6, '0')}.{fraction.ljust(6, '0')}"
