"""A specialist's object -> what the doctor reads: text, author, verified or not, when. Knows no PACS and no database.

Whatever it says stays text: nothing here is markup, and the page escapes it.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import BinaryIO

from pydicom import uid
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset

from dicom_router.dicom.outline import Extent, Outline, read_outline
from dicom_router.errors import DAMAGE, DamagedFile
from xray_triage.cases.case import AnswerNote
from xray_triage.reading.acquisition import PRODUCT
from xray_triage.reading.header import items, text
from xray_triage.reading.patient import repair_text
from xray_triage.results.codes import DEVICE, KEY_OBJECT_DESCRIPTION, OBSERVER_TYPE, PERSON_OBSERVER_NAME

KINDS: Mapping[str, str] = {
    uid.BasicTextSRStorage: "text",
    uid.EnhancedSRStorage: "text",
    uid.ComprehensiveSRStorage: "text",
    uid.Comprehensive3DSRStorage: "text",
    uid.EncapsulatedPDFStorage: "pdf",
    uid.KeyObjectSelectionDocumentStorage: "kos",
}
LONGEST_TEXT = 20_000
DEEPEST = 100
DOCUMENT = 0x00420011
REFERENCED = 0x00081155  # Referenced SOP Instance UID
# PS3.16 CID 7010: what archives write for each other, which says nothing to a doctor.
_MANIFESTS = frozenset({"113030", "113031", "113032", "113033", "113034", "113035", "113036", "113039"})
_CONTEXT = frozenset({"HAS OBS CONTEXT", "HAS CONCEPT MOD", "HAS ACQ CONTEXT"})
# The titles and headings that reports mostly have, PS3.16 CID 7000 and 7001 and what stands in them, in the doctor's
# words; one word for a section and for what stands in it. Others are shown as they are written.
_HEADINGS = {
    "11528-7": "Kết quả X-quang",
    "18748-4": "Kết quả chẩn đoán hình ảnh",
    "18782-3": "Kết quả X-quang",
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
    "121078": "Bổ sung",
    "121106": "Ghi chú",
}
_DIRECTIONS = re.compile("[\u202a-\u202e\u2066-\u2069]")  # they would turn the text around them too
_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)\Z")


class NotAnAnswer(Exception):
    """This object answers nobody's question; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAnswer:
    """What an object says. ``kind``: text, pdf or kos; ``written_at`` is None where it states no time.

    ``text`` holds nothing of ours; ``note``: what is missing in it.
    ``names``: the SOP Instance UIDs that it refers to, wherever in it.
    """

    kind: str
    title: str
    text: str
    note: AnswerNote | None
    author: str
    verified: bool
    complete: bool
    written_at: datetime | None
    names: frozenset[str] = frozenset()


def read_answer(stream: BinaryIO, *, sop_instance_uid: str) -> ParsedAnswer:
    """What the Part 10 file in ``stream`` says. Raises NotAnAnswer, or DamagedFile when it is not this instance."""
    stream.seek(0)
    outline = read_outline(stream)
    header = outline.header
    is_pdf = text(header, "SOPClassUID") == uid.EncapsulatedPDFStorage
    if is_pdf:
        _document_of(outline, stream)
    repair_text(header)
    if text(header, "SOPInstanceUID") != sop_instance_uid:
        raise DamagedFile(f"it does not say that it is {sop_instance_uid}")
    kind = KINDS.get(text(header, "SOPClassUID"))
    if kind is None:
        raise NotAnAnswer("no report, no PDF and no key object selection")
    author, is_verified = _author(header), text(header, "VerificationFlag") == "VERIFIED"
    _refuse_machines(header, is_anybodys=bool(author) or is_verified)
    title = _line(text(header, "DocumentTitle") or _heading(header))
    said, note = ("", None) if is_pdf else _joined(_lines(items(header, "ContentSequence")))
    return ParsedAnswer(
        kind=kind,
        title=title,
        text=said,
        note=note,
        author=author,
        verified=is_verified,
        complete=text(header, "CompletionFlag") != "PARTIAL",
        written_at=_written_at(header),
        names=_names(header),
    )


def document_in(stream: BinaryIO) -> Extent:
    """Where the PDF lies in an Encapsulated PDF. Never loads it. Raises DamagedFile when there is none."""
    stream.seek(0)
    return _document_of(read_outline(stream), stream)


def _document_of(outline: Outline, stream: BinaryIO) -> Extent:
    extent = outline.large.get(DOCUMENT) or _small_document(outline.header)
    if extent is None or extent.length is None:
        raise DamagedFile("an encapsulated PDF without its document")
    stream.seek(extent.offset)
    if not stream.read(5).startswith(b"%PDF-"):
        raise DamagedFile("an encapsulated PDF whose document is none")
    return extent


def _small_document(header: Dataset) -> Extent | None:
    raw: object = header.get_item(DOCUMENT) if DOCUMENT in header else None
    if not isinstance(raw, RawDataElement) or not raw.value:
        return None
    return Extent(vr="OB", offset=raw.value_tell, length=raw.length)


def _refuse_machines(header: Dataset, *, is_anybodys: bool) -> None:
    """An answer is somebody's: neither ours nor another program's finding that no person signed."""
    makers = [header, *items(header, "ContributingEquipmentSequence")]
    if any(text(maker, "Manufacturer") == PRODUCT for maker in makers):
        raise NotAnAnswer("made by a station")
    observers = [_code(item, "ConceptCodeSequence") for item in _named(header, OBSERVER_TYPE.value)]
    if not is_anybodys and DEVICE.value in observers:
        raise NotAnAnswer("made by a device, and nobody signed it")
    if _code(header, "ConceptNameCodeSequence") in _MANIFESTS:
        raise NotAnAnswer("a list for archives")


def _author(header: Dataset) -> str:
    """Who verified it, else who wrote it, else who observed: PS3.3 C.17.2, PS3.16 TID 1003."""
    signed = [text(one, "VerifyingObserverName") for one in items(header, "VerifyingObserverSequence")]
    wrote = [text(one, "PersonName") for one in items(header, "AuthorObserverSequence")]
    observed = [text(one, "PersonName") for one in _named(header, PERSON_OBSERVER_NAME.value)]
    return next((name for raw in (*signed, *wrote, *observed) if (name := _person(raw))), "")


def _named(header: Dataset, code: str) -> list[Dataset]:
    """The content items of the document itself with this concept name."""
    return [one for one in items(header, "ContentSequence") if _code(one, "ConceptNameCodeSequence") == code]


def _names(header: Dataset) -> frozenset[str]:
    try:
        return frozenset(_referenced(header))
    except DAMAGE:  # what it says is there all the same
        return frozenset()


def _referenced(dataset: Dataset, level: int = 0) -> Iterator[str]:
    for element in dataset:
        if element.VR == "SQ" and level < DEEPEST:
            for item in element.value:
                yield from _referenced(item, level + 1)
        elif element.tag == REFERENCED:
            yield str(element.value)


def _person(value: str) -> str:
    """``Family^Given^Middle^Prefix^Suffix`` as people write it here, the prefix (BS.) first: PS3.5 6.2.1."""
    group = next((group for group in value.split("=") if group.strip("^ ")), "")
    family, given, middle, prefix, suffix = (*group.split("^"), *[""] * 5)[:5]
    return _line(" ".join(" ".join((prefix, family, given, middle, suffix)).split()))


def _lines(content: list[Dataset], level: int = 0, indent: str = "", above: str = "") -> Iterator[str | None]:
    """The tree in its order, one line an item, children under their parent: PS3.3 C.17.3.

    ``above`` is the heading they stand under, which is not said again. None: what lies too deep.
    """
    if level > DEEPEST:
        yield None
        return
    for item in content:
        if text(item, "RelationshipType") in _CONTEXT:
            continue
        name, value = _heading(item), _value(item)
        if _code(item, "ConceptNameCodeSequence") == KEY_OBJECT_DESCRIPTION.value:
            name = ""
        line = f"{name}: {value}" if name and name != above and value else value
        if text(item, "ValueType") == "CONTAINER":
            line = name
        if line:
            yield indent + line.replace("\n", "\n" + indent)
        yield from _lines(items(item, "ContentSequence"), level + 1, indent + "  " if line else indent, name)


def _heading(item: Dataset) -> str:
    """What an item, or the document, is called."""
    return _HEADINGS.get(_code(item, "ConceptNameCodeSequence")) or _meaning(item, "ConceptNameCodeSequence")


def _value(item: Dataset) -> str:
    """What one content item says: PS3.3 C.18. Nothing for pictures, places and what this program does not know."""
    say = _SAY.get(text(item, "ValueType"))
    return say(item) if say else ""


def _number(item: Dataset) -> str:
    for measured in items(item, "MeasuredValueSequence"):
        (unit, *_) = [*items(measured, "MeasurementUnitsCodeSequence"), Dataset()]
        code = text(unit, "CodeValue") if text(unit, "CodingSchemeDesignator") == "UCUM" else text(unit, "CodeMeaning")
        return f"{text(measured, 'NumericValue')} {'' if code in ('1', '{0:1}') else code}".strip()
    return _meaning(item, "NumericValueQualifierCodeSequence")


def _meaning(item: Dataset, keyword: str) -> str:
    return next((text(code, "CodeMeaning") for code in items(item, keyword)), "")


def _code(item: Dataset, keyword: str) -> str:
    return next((text(code, "CodeValue") for code in items(item, keyword)), "")


def _joined(lines: Iterator[str | None]) -> tuple[str, AnswerNote | None]:
    """The lines as one text of LONGEST_TEXT characters at most, without what turns text around; what is missing."""
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


def _line(value: str) -> str:
    return _DIRECTIONS.sub("", " ".join(value.split()))[:200]


def _day(value: str) -> str:
    return f"{value[6:8]}/{value[4:6]}/{value[:4]}" if re.fullmatch(r"\d{8}", value) else value


def _time(value: str) -> str:
    return f"{value[:2]}:{value[2:4]}" if re.match(r"\d{4}", value) else value


def _moment(item: Dataset) -> str:
    stamp = text(item, "DateTime")
    return f"{_day(stamp[:8])} {_time(stamp[8:14])}".strip()


_SAY: Mapping[str, Callable[[Dataset], str]] = {
    "TEXT": lambda item: text(item, "TextValue"),
    "CODE": lambda item: _meaning(item, "ConceptCodeSequence"),
    "NUM": _number,
    "PNAME": lambda item: _person(text(item, "PersonName")),
    "DATE": lambda item: _day(text(item, "Date")),
    "TIME": lambda item: _time(text(item, "Time")),
    "DATETIME": _moment,
}


def _written_at(header: Dataset) -> datetime | None:
    """Content Date and Time; without an offset from UTC (PS3.3 C.12.1) they are taken for the station's own zone."""
    day, time = (re.sub(r"\D", "", text(header, name).split(".")[0]) for name in ("ContentDate", "ContentTime"))
    try:
        stated = datetime.strptime(day + (time + "000000")[:6], "%Y%m%d%H%M%S")  # noqa: DTZ007
        offset = _OFFSET.match(text(header, "TimezoneOffsetFromUTC"))
        if offset is None:
            return stated.astimezone()
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return stated.replace(tzinfo=timezone(-away if offset[1] == "-" else away))
    except (ValueError, OverflowError):
        return None
