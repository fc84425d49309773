"""The content tree of a structured report as lines of text, PS3.3 C.17.3. Must never know who wrote it or why.

Whatever it says stays text: nothing here is markup, and the page escapes it.
"""

import re
from collections.abc import Callable, Iterator, Mapping

from pydicom.dataset import Dataset

from dicom_router.errors import DAMAGE, DamagedFile
from xray_triage.cases.consultation import AnswerNote
from xray_triage.consultations.rtf import is_rtf, plain_text
from xray_triage.reading.header import items, text
from xray_triage.results.codes import KEY_OBJECT_DESCRIPTION

LONGEST_TEXT = 20_000
DEEPEST = 100
MOST_ITEMS = 2000
CONTEXT = frozenset({"HAS OBS CONTEXT", "HAS CONCEPT MOD", "HAS ACQ CONTEXT"})
ADDENDUM = "121078"
# The titles and headings that reports mostly have, PS3.16 CID 7000, 7001 and 7010 and what stands in them, in the
# doctor's words; one word for a section and for what stands in it. Others are shown as they are written.
HEADINGS = {
    "11528-7": "Kết quả X-quang",
    "18748-4": "Kết quả chẩn đoán hình ảnh",
    "18782-3": "Kết quả X-quang",
    "113000": "Ảnh đáng chú ý",
    "113001": "Bị loại vì chất lượng",
    "113004": "Để giảng dạy",
    "113009": "Để nghiên cứu",
    "113010": "Vấn đề chất lượng",
    "113013": "Ảnh tốt nhất",
    "113037": "Bị loại vì an toàn người bệnh",
    "113038": "Bị loại vì sai phiếu chỉ định",
    "113039": "Hết thời hạn lưu trữ",
    "121060": "Bệnh sử",
    "121062": "Yêu cầu",
    "121064": "Kỹ thuật",
    "121065": "Kỹ thuật",
    "121066": "Lần chụp trước",
    "121068": "Kết quả trước",
    "121070": "Mô tả",
    "121071": "Mô tả",
    "121072": "Nhận định",
    "121073": "Nhận định",
    "121074": "Đề nghị",
    "121075": "Đề nghị",
    "121076": "Kết luận",
    "121077": "Kết luận",
    ADDENDUM: "Bổ sung",
    "121106": "Ghi chú",
}
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they would turn the text around them too


def said_by(header: Dataset) -> tuple[str, AnswerNote | None]:
    """What the document says, and what of it is missing. Raises DamagedFile when it cannot be read."""
    return joined(_lines(items(header, "ContentSequence")))


def joined(lines: Iterator[str | None]) -> tuple[str, AnswerNote | None]:
    """The lines as one text of LONGEST_TEXT characters at most, without what turns text around; what is missing.

    None among them: what lies too deep. Raises DamagedFile.
    """
    said, note = "", None
    try:
        for line in lines:
            if line is None:
                note = AnswerNote.CUT
                continue
            said += _DIRECTIONS.sub("", line.replace("\r\n", "\n").replace("\r", "\n")) + "\n"
            if len(said) > LONGEST_TEXT:
                return said[:LONGEST_TEXT], AnswerNote.CUT
    except DAMAGE as error:
        raise DamagedFile(f"its content cannot be read: {error}") from error
    said = said.rstrip()
    return said, note or (None if said else AnswerNote.NO_TEXT)


def content_of(header: Dataset) -> Iterator[Dataset]:
    """The first MOST_ITEMS of the tree, context too, as deep as it is read: who is behind it stands at its start."""
    waiting = [(item, 0) for item in reversed(items(header, "ContentSequence"))]
    for _ in range(MOST_ITEMS):
        if not waiting:
            return
        item, level = waiting.pop()
        yield item
        if level < DEEPEST:
            waiting += [(child, level + 1) for child in reversed(items(item, "ContentSequence"))]


def has_words(header: Dataset) -> bool:
    """Whether anybody wrote something into it, beside what it was chosen from a list as."""
    return any(text(one, "ValueType") == "TEXT" and text(one, "TextValue") for one in content_of(header))


def person(value: str) -> str:
    """``Family^Given^Middle^Prefix^Suffix`` as people write it here, the prefix (BS.) first: PS3.5 6.2.1."""
    group = next((group for group in value.split("=") if group.strip("^ ")), "")
    family, given, middle, prefix, suffix = (*group.split("^"), *[""] * 5)[:5]
    return line(" ".join(" ".join((prefix, family, given, middle, suffix)).split()))


def heading(item: Dataset) -> str:
    """What an item, or the document, is called."""
    return HEADINGS.get(code(item, "ConceptNameCodeSequence")) or meaning(item, "ConceptNameCodeSequence")


def meaning(item: Dataset, keyword: str) -> str:
    """What the code in this sequence means, in its own words."""
    return next((text(one, "CodeMeaning") for one in items(item, keyword)), "")


def code(item: Dataset, keyword: str) -> str:
    """The value of the code in this sequence."""
    return next((text(one, "CodeValue") for one in items(item, keyword)), "")


def line(value: str) -> str:
    """One line of it."""
    return _DIRECTIONS.sub("", " ".join(value.split()))[:200]


def _lines(content: list[Dataset], level: int = 0, indent: str = "", above: str = "") -> Iterator[str | None]:
    """The tree in its order, one line an item, children under their parent.

    ``above`` is the heading they stand under, which is not said again. None: what lies too deep.
    """
    if level > DEEPEST:
        yield None
        return
    for item in content:
        if text(item, "RelationshipType") in CONTEXT:
            continue
        name, value = heading(item), _value(item)
        if code(item, "ConceptNameCodeSequence") == KEY_OBJECT_DESCRIPTION.value:
            name = ""
        said = f"{name}: {value}" if name and name != above and value else value
        if text(item, "ValueType") == "CONTAINER":
            said = name
        if said:
            yield indent + said.replace("\n", "\n" + indent)
        yield from _lines(items(item, "ContentSequence"), level + 1, indent + "  " if said else indent, name)


def _value(item: Dataset) -> str:
    """What one content item says: PS3.3 C.18. Nothing for pictures, places and what this program does not know."""
    say = _SAY.get(text(item, "ValueType"))
    return say(item) if say else ""


def _text(item: Dataset) -> str:
    said = text(item, "TextValue")
    return plain_text(said) if is_rtf(said) else said


def _number(item: Dataset) -> str:
    for measured in items(item, "MeasuredValueSequence"):
        (unit, *_) = [*items(measured, "MeasurementUnitsCodeSequence"), Dataset()]
        symbol = (
            text(unit, "CodeValue") if text(unit, "CodingSchemeDesignator") == "UCUM" else text(unit, "CodeMeaning")
        )
        return f"{text(measured, 'NumericValue')} {'' if symbol in ('1', '{0:1}') else symbol}".strip()
    return meaning(item, "NumericValueQualifierCodeSequence")


def _day(value: str) -> str:
    return f"{value[6:8]}/{value[4:6]}/{value[:4]}" if re.fullmatch(r"\d{8}", value) else value


def _time(value: str) -> str:
    return f"{value[:2]}:{value[2:4]}" if re.match(r"\d{4}", value) else value


def _moment(item: Dataset) -> str:
    stamp = text(item, "DateTime")
    return f"{_day(stamp[:8])} {_time(stamp[8:14])}".strip()


_SAY: Mapping[str, Callable[[Dataset], str]] = {
    "TEXT": _text,
    "CODE": lambda item: meaning(item, "ConceptCodeSequence"),
    "NUM": _number,
    "PNAME": lambda item: person(text(item, "PersonName")),
    "DATE": lambda item: _day(text(item, "Date")),
    "TIME": lambda item: _time(text(item, "Time")),
    "DATETIME": _moment,
}
