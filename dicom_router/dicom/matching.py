"""Attribute matching, PS3.4 C.2.2.2: a query's keys against one entry, and what of the entry is returned.

The one matcher of C-FIND and of QIDO-RS. Pure. Knows no SOP class beyond what its caller names.
"""

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

from pydicom.tag import Tag

from dicom_router.dicom.keys import CHARACTER_SET, Keys, vr_of

START_DATE, START_TIME = 0x00400002, 0x00400003
# Of dates and times what one of them looks like, and how many digits it has when whole. Half a date is all its days.
_RANGED = {
    "DA": (r"\d{4}(?:\d{2}(?:\d{2})?|\.\d{2}(?:\.\d{2})?|-\d{2}(?:-\d{2})?)?", 8),
    "TM": (r"\d{2}(?::?\d{2}(?::?\d{2}(?:\.\d{1,6})?)?)?", 12),
    "DT": (r"(?:\d{4}|\d{6}|\d{8}|\d{10}|\d{12}|\d{14}(?:\.\d{1,6})?)(?:\+\d{4})?", 20),
}
_SEPARATORS = {"CS": r"[\\,]", "UI": r"[\\,]", "PN": r"[\\=]"}  # between values: a URL has commas, a name its groups
_ASKS_NOTHING = {"DA": "*-", "TM": "*-", "DT": "*-", "PN": "*^,= "}  # a key of these characters alone is universal
_ANSWERS_BESIDES = frozenset({CHARACTER_SET})
_LONGEST_TEXT = 256  # characters that one key may ask for: a list of thousands would take minutes


class BadIdentifier(ValueError):
    """The query cannot be a query: status 0xA900 of C-FIND, 400 of QIDO-RS."""


def matches(keys: Keys, entry: Keys) -> bool:
    """Whether ``entry`` is one of those asked for. A key that the entry does not have matches everything.

    Raises BadIdentifier as ``check`` does, for the keys that it comes to.
    """
    pair = _start_range(keys) if START_DATE in entry and START_TIME in entry else None
    for tag, wanted in keys.items():
        if tag not in entry or tag in _ANSWERS_BESIDES or (pair and tag in (START_DATE, START_TIME)):
            continue
        if isinstance(wanted, str):
            if not _has_value(tag, wanted, entry[tag]):
                return False
        elif (item := _only_item(tag, wanted)) and not any(matches(item, each) for each in _items(entry[tag])):
            return False
    return pair is None or _within(pair, _digits("DA", str(entry[START_DATE])) + _digits("TM", str(entry[START_TIME])))


def check(keys: Keys) -> None:
    """Raises BadIdentifier: no date or time, a text too long, several items or none of a sequence (C.2.2.2.6)."""
    for tag, wanted in keys.items():
        if isinstance(wanted, str):
            _test(vr_of(tag), wanted)
        else:
            check(_only_item(tag, wanted))


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


def span(vr: str, wanted: str) -> tuple[str, str]:
    """First and last value, in digits, of a date or time or of a range open at either end (C.2.2.2.5).

    As machines write them: 2026.11.22 and 2026-11-22 are days, 202611 and 202611* a month. Raises BadIdentifier.
    """
    form, digits = _RANGED[vr]
    said = wanted.strip().rstrip("*")
    ends = re.fullmatch(f"({form})", said) or re.fullmatch(rf"({form})?\s*-\s*({form})?", said)
    if ends is None:
        raise BadIdentifier(f"{wanted[:24]!r} is no {'date' if vr == 'DA' else 'time'}")
    first, last = (re.sub(r"\D", "", (end or "").partition("+")[0]) for end in (ends[1], ends[ends.re.groups]))
    return first.ljust(digits, "0"), last.ljust(digits, "9")


def fold(text: str) -> str:
    """``text`` without accents, case and carets: "NGUYEN^VAN*" is asked where "Nguyễn Văn An" is kept."""
    return " ".join(without_accents(text).casefold().replace("^", " ").split())


def like(wanted: str) -> re.Pattern[str]:
    """``*`` any characters, ``?`` one (C.2.2.2.4), of the whole text. No pattern takes exponential time."""
    return re.compile(fnmatch.translate(wanted.replace("[", "[[]")))  # whose [sets] are none of DICOM's


def is_pattern(wanted: str) -> bool:
    """Whether there are wild cards in it."""
    return "*" in wanted or "?" in wanted


def without_accents(text: str) -> str:
    """``Nguyễn Văn Đức`` -> ``Nguyen Van Duc``."""
    plain = unicodedata.normalize("NFKD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(character for character in plain if not unicodedata.combining(character))


def _items(value: "str | Sequence[Keys]") -> Sequence[Keys]:
    return () if isinstance(value, str) else value


def _only_item(tag: int, wanted: Sequence[Keys]) -> Keys:
    if len(wanted) > 1 or vr_of(tag) != "SQ":
        raise BadIdentifier(f"{Tag(tag)} is asked for by several items, or is no sequence")
    return wanted[0] if wanted else {}


def _has_value(tag: int, wanted: str, value: "str | Sequence[Keys]") -> bool:
    """Whether one of the values is one of those asked for: a list is one of UIDs (C.2.2.2.2), or of anything else."""
    vr = vr_of(tag)
    test = _test(vr, wanted)
    return test is None or any(map(test, re.split(_SEPARATORS.get(vr, r"\\"), str(value))))


@lru_cache(maxsize=64)
def _test(vr: str, wanted: str) -> Callable[[str], bool] | None:
    """Whether a single value is as asked for. None: universal matching, no value will do as well (C.2.2.2.3)."""
    if len(wanted) > _LONGEST_TEXT and (vr != "UI" or is_pattern(wanted)):
        raise BadIdentifier(f"a key of {len(wanted)} characters, at most {_LONGEST_TEXT}")
    asked = [each.strip() for each in re.split(_SEPARATORS.get(vr, r"\\"), wanted) if each.strip()]
    if not asked or not all(each.strip(_ASKS_NOTHING.get(vr, "*")) for each in asked):
        return None
    if vr == "SQ":
        raise BadIdentifier(f"{wanted[:24]!r} is asked for in place of a sequence's item")
    if vr in _RANGED:
        spans = [span(vr, each) for each in asked]
        return lambda value: any(_within(ends, _digits(vr, value)) for ends in spans)
    plain = _PLAIN.get(vr, str.strip)
    texts = [plain(each) for each in asked]
    if vr == "PN":
        texts += [re.sub(r"( \*)+\Z", "", text) for text in texts]  # NGUYEN^* is also who has no other name
    literal = {text for text in texts if not is_pattern(text)}
    patterns = [like(text) for text in texts if is_pattern(text)]
    return lambda value: plain(value) in literal or any(pattern.match(plain(value)) for pattern in patterns)


def _plain_name(name: str) -> str:
    """Without accents, case and the difference between carets, commas and blanks."""
    return fold(name.replace(",", " "))


def _plain_code(code: str) -> str:
    """A CS has capitals only (PS3.5 6.2): who asks for dx means DX."""
    return code.strip().upper()


_PLAIN = {"PN": _plain_name, "CS": _plain_code}


def _start_range(keys: Keys) -> tuple[str, str] | None:
    """A date range and a time range together are one span of time, PS3.4 table K.6-1; None when they are not both."""
    date, time = keys.get(START_DATE, ""), keys.get(START_TIME, "")
    if not (isinstance(date, str) and isinstance(time, str) and _is_range("DA", date) and _is_range("TM", time)):
        return None
    (first_day, last_day), (first_time, last_time) = span("DA", date), span("TM", time)
    return first_day + first_time, last_day + last_time


def _is_range(vr: str, wanted: str) -> bool:
    return "-" in wanted and _test(vr, wanted) is not None and not re.fullmatch(_RANGED[vr][0], wanted.strip())


def _within(ends: tuple[str, str], digits: str) -> bool:
    return bool(digits) and ends[0] <= digits <= ends[1]


def _digits(vr: str, value: str) -> str:
    """Of a value, as many as of a whole one; none of an empty one."""
    digits = re.sub(r"\D", "", value.partition("+")[0])
    return digits and digits.ljust(_RANGED[vr][1], "0")
