"""A specialist's object -> what the doctor reads: text, author, standing, when. Knows no PACS and no database.

Whatever it says stays text: nothing here is markup, and the page escapes it.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import BinaryIO

from pydicom import uid
from pydicom.dataset import Dataset

from dicom_router.dicom.matching import fold
from dicom_router.dicom.outline import read_outline
from dicom_router.errors import DAMAGE, DamagedFile
from xray_triage.cases.consultation import AnswerKind, AnswerNote, Standing
from xray_triage.consultations import report_text as words
from xray_triage.consultations.encapsulated import words_in
from xray_triage.consultations.report_text import code
from xray_triage.reading.acquisition import PRODUCT
from xray_triage.reading.header import items, text
from xray_triage.reading.patient import repair_text
from xray_triage.results.codes import (
    ALGORITHM_NAME,
    DEVICE,
    DEVICE_OBSERVER_NAME,
    DEVICE_OBSERVER_UID,
    OBSERVER_TYPE,
    PERSON_OBSERVER_NAME,
)

# What is fetched and read.
KINDS: Mapping[str, AnswerKind] = {
    uid.BasicTextSRStorage: AnswerKind.TEXT,
    uid.EnhancedSRStorage: AnswerKind.TEXT,
    uid.ComprehensiveSRStorage: AnswerKind.TEXT,
    uid.Comprehensive3DSRStorage: AnswerKind.TEXT,
    uid.ExtensibleSRStorage: AnswerKind.TEXT,
    uid.ChestCADSRStorage: AnswerKind.TEXT,
    uid.EncapsulatedPDFStorage: AnswerKind.PDF,
    uid.KeyObjectSelectionDocumentStorage: AnswerKind.KOS,
    uid.GrayscaleSoftcopyPresentationStateStorage: AnswerKind.GSPS,
    uid.ColorSoftcopyPresentationStateStorage: AnswerKind.GSPS,
    uid.PseudoColorSoftcopyPresentationStateStorage: AnswerKind.GSPS,
}
# What the doctor is told of, and what nobody here can read: it is not fetched over the link.
UNREAD: Mapping[str, AnswerKind] = {
    uid.SecondaryCaptureImageStorage: AnswerKind.SC,
    uid.MultiFrameGrayscaleByteSecondaryCaptureImageStorage: AnswerKind.SC,
    uid.MultiFrameGrayscaleWordSecondaryCaptureImageStorage: AnswerKind.SC,
    uid.MultiFrameTrueColorSecondaryCaptureImageStorage: AnswerKind.SC,
    uid.EncapsulatedCDAStorage: AnswerKind.CDA,
}
REFERENCED = 0x00081155  # Referenced SOP Instance UID
MOST_OBJECTS = 200
MOST_PREDECESSORS = 100
_WITH_WORDS = frozenset({AnswerKind.TEXT, AnswerKind.PDF, AnswerKind.KOS})
_DEVICES = frozenset({DEVICE_OBSERVER_UID.value, DEVICE_OBSERVER_NAME.value})  # PS3.16 TID 1004
_MODIFIER = "113011"  # Document Title Modifier
# PS3.16 CID 7010: what archives write for each other, which says nothing to a doctor; and what takes objects back.
_MANIFESTS = frozenset({"113030", "113031", "113032", "113033", "113034", "113035", "113036"})
_REJECTIONS = frozenset({"113001", "113037", "113038", "113039"})
_ADDENDUM = re.compile("addend|bo sung|phu luc")  # as titles begin, folded
_OFFSET = re.compile(r"([+-])(0\d|1[0-4])([0-5]\d)\Z")


class NotAnAnswer(Exception):
    """This object answers nobody's question; the message says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAnswer:
    """What an object says, see Answer. ``written_at`` is None where it states no time.

    ``text`` holds nothing of ours; ``note``: what is missing in it. ``standing``: by itself, so never superseded.
    ``names``: the SOP Instance UIDs that it refers to, wherever in it.
    """

    kind: AnswerKind
    title: str = ""
    text: str = ""
    note: AnswerNote | None = None
    author: str = ""
    signed_by: str = ""
    verified: bool = False
    complete: bool = True
    standing: Standing = Standing.FINAL
    written_at: datetime | None = None
    predecessors: tuple[str, ...] = ()
    is_addendum: bool = False
    objects: tuple[str, ...] = ()
    names: frozenset[str] = frozenset()


def read_answer(stream: BinaryIO, *, sop_instance_uid: str) -> ParsedAnswer:
    """What the Part 10 file in ``stream`` says. Raises NotAnAnswer, or DamagedFile when it is not this instance."""
    stream.seek(0)
    outline = read_outline(stream)
    header = outline.header
    said, note = words_in(outline, stream)
    repair_text(header)
    if text(header, "SOPInstanceUID") != sop_instance_uid:
        raise DamagedFile(f"it does not say that it is {sop_instance_uid}")
    kind = _kind(header)
    if kind is AnswerKind.GSPS:
        said, note = words.joined(_annotations(header))
    elif kind is not AnswerKind.PDF:
        said, note = words.said_by(header)
    wrote, signed = _authors(header), _signatures(header)
    standing = _standing(header, kind, is_anybodys=bool(wrote or signed))
    return ParsedAnswer(
        kind=AnswerKind.TEXT if kind is AnswerKind.PDF and said else kind,
        title=_title(header),
        text=said,
        note=None if standing is Standing.MARK and note is AnswerNote.NO_TEXT else note,
        author=next(iter(wrote), ", ".join(signed)),
        signed_by=", ".join(signed),
        verified=text(header, "VerificationFlag") == "VERIFIED",
        complete=text(header, "CompletionFlag") != "PARTIAL",
        standing=standing,
        written_at=_written_at(header),
        predecessors=_some(_within(header, "PredecessorDocumentsSequence"), MOST_PREDECESSORS),
        is_addendum=_is_addendum(header),
        objects=_some(_marked(header, kind), MOST_OBJECTS) if standing is Standing.MARK else (),
        names=frozenset(_referenced(header)),
    )


def _kind(header: Dataset) -> AnswerKind:
    """Raises NotAnAnswer for what no doctor is told of: no document of a specialist, ours, lists for archives."""
    title = code(header, "ConceptNameCodeSequence")
    sop_class = text(header, "SOPClassUID")
    kind = KINDS.get(sop_class) or UNREAD.get(sop_class)
    if kind is None:
        raise NotAnAnswer("nothing that a specialist writes")
    makers = [header, *items(header, "ContributingEquipmentSequence")]
    if any(text(maker, "Manufacturer") == PRODUCT for maker in makers):
        raise NotAnAnswer("made by a station")
    if kind is AnswerKind.GSPS and not items(header, "GraphicAnnotationSequence"):
        raise NotAnAnswer("a way to show a film, and nothing drawn on it")
    if kind is AnswerKind.KOS and title in _MANIFESTS:
        raise NotAnAnswer("a list for archives")
    return AnswerKind.REJECTION if kind is AnswerKind.KOS and title in _REJECTIONS else kind


def _standing(header: Dataset, kind: AnswerKind, *, is_anybodys: bool) -> Standing:
    """Decision 0033. What a device observed and no person's name stands under is its own, whatever flags it sets."""
    if kind not in _WITH_WORDS or (kind is AnswerKind.KOS and not words.has_words(header)):
        return Standing.MARK
    if not is_anybodys and _is_by_device(header):
        return Standing.MACHINE
    is_draft = text(header, "CompletionFlag") == "PARTIAL" or text(header, "PreliminaryFlag") == "PRELIMINARY"
    return Standing.PRELIMINARY if is_draft else Standing.FINAL


def _is_by_device(header: Dataset) -> bool:
    if text(header, "SOPClassUID") == uid.ChestCADSRStorage:
        return True
    if any(text(one, "ObserverType") == "DEV" for one in items(header, "AuthorObserverSequence")):
        return True
    stated = [(code(one, "ConceptNameCodeSequence"), one) for one in words.content_of(header)]
    named = {name for name, _ in stated}
    types = {code(one, "ConceptCodeSequence") for name, one in stated if name == OBSERVER_TYPE.value}
    # A device that is told of without a type is the observer; beside a person it may be where the person sat.
    return ALGORITHM_NAME.value in named or DEVICE.value in types or (not types and not named.isdisjoint(_DEVICES))


def _authors(header: Dataset) -> list[str]:
    """Who wrote it, then who observed: PS3.3 C.17.2, PS3.16 TID 1003; of a presentation state who made it."""
    authors = items(header, "AuthorObserverSequence")
    wrote = [text(one, "PersonName") for one in authors if text(one, "ObserverType") != "DEV"]
    observed = [
        text(one, "PersonName")
        for one in words.content_of(header)
        if code(one, "ConceptNameCodeSequence") == PERSON_OBSERVER_NAME.value
    ]
    return [name for raw in (*wrote, *observed, text(header, "ContentCreatorName")) if (name := words.person(raw))]


def _signatures(header: Dataset) -> list[str]:
    """Who verified it, each once."""
    signed = [text(one, "VerifyingObserverName") for one in items(header, "VerifyingObserverSequence")]
    return list(dict.fromkeys(name for raw in signed if (name := words.person(raw))))


def _title(header: Dataset) -> str:
    """What it is called, and why: a rejection's reason, how an image is the best."""
    called = text(header, "DocumentTitle") or words.heading(header)
    called = called or text(header, "ContentDescription") or text(header, "ContentLabel")
    why = [
        words.meaning(one, "ConceptCodeSequence")
        for one in items(header, "ContentSequence")
        if code(one, "ConceptNameCodeSequence") == _MODIFIER
    ]
    return words.line(": ".join(part for part in (called, ", ".join(filter(None, why))) if part))


def _is_addendum(header: Dataset) -> bool:
    """Whether it only adds: by its title, or because all that it says stands under this heading."""
    if code(header, "ConceptNameCodeSequence") == words.ADDENDUM:
        return True
    title = text(header, "DocumentTitle") or words.meaning(header, "ConceptNameCodeSequence")
    if _ADDENDUM.match(fold(title)):
        return True
    said = [one for one in items(header, "ContentSequence") if text(one, "RelationshipType") not in words.CONTEXT]
    return bool(said) and all(code(one, "ConceptNameCodeSequence") == words.ADDENDUM for one in said)


def _annotations(header: Dataset) -> Iterator[str]:
    """The words that are drawn on the films, PS3.3 C.10.5."""
    for drawn in items(header, "GraphicAnnotationSequence"):
        for each in items(drawn, "TextObjectSequence"):
            yield text(each, "UnformattedTextValue")


def _marked(header: Dataset, kind: AnswerKind) -> Iterator[str]:
    if kind is AnswerKind.GSPS:
        return _within(header, "ReferencedSeriesSequence")
    return _within(header, "CurrentRequestedProcedureEvidenceSequence")


def _within(header: Dataset, keyword: str) -> Iterator[str]:
    for item in items(header, keyword):
        yield from _referenced(item)


def _some(uids: Iterator[str], most: int) -> tuple[str, ...]:
    return tuple(islice(dict.fromkeys(uids), most))


def _referenced(dataset: Dataset, level: int = 0) -> Iterator[str]:
    """The SOP Instance UIDs named in it, wherever; as far as it can be read: what it says is there all the same."""
    try:
        for element in dataset:
            if element.VR == "SQ" and level < words.DEEPEST:
                for item in element.value:
                    yield from _referenced(item, level + 1)
            elif element.tag == REFERENCED:
                yield str(element.value)
    except DAMAGE:
        return


def _written_at(header: Dataset) -> datetime | None:
    """Content Date and Time; without an offset from UTC (PS3.3 C.12.1) they are taken for the station's own zone."""
    kind = "PresentationCreation" if "PresentationCreationDate" in header else "Content"
    day, time = (re.sub(r"\D", "", text(header, kind + name).split(".")[0]) for name in ("Date", "Time"))
    try:
        stated = datetime.strptime(day + (time + "000000")[:6], "%Y%m%d%H%M%S")  # noqa: DTZ007
        offset = _OFFSET.match(text(header, "TimezoneOffsetFromUTC"))
        if offset is None:
            return stated.astimezone()
        away = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return stated.replace(tzinfo=timezone(-away if offset[1] == "-" else away))
    except (ValueError, OverflowError):
        return None
