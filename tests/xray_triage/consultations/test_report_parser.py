"""What a specialist wrote, as the doctor reads it: whoever made the object, in whatever charset, and however bad."""

import io
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pydicom
import pytest
from highdicom.sr import (
    CodeContentItem,
    Comprehensive3DSR,
    ComprehensiveSR,
    ContainerContentItem,
    EnhancedSR,
    NumContentItem,
    RelationshipTypeValues,
    TextContentItem,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from dicom_router.dicom.identity import MOST_ELEMENTS
from dicom_router.errors import DamagedFile
from tests.factories import film, film_bytes
from tests.xray_triage.replies import (
    ENHANCED,
    KEY_OBJECTS,
    code,
    device,
    document,
    item,
    number,
    pdf_answer,
    person,
    text_answer,
)
from xray_triage.cases.consultation import AnswerKind, AnswerNote, Standing
from xray_triage.consultations.encapsulated import document_in
from xray_triage.consultations.report_parser import (
    MOST_OBJECTS,
    MOST_PREDECESSORS,
    UNREAD,
    NotAnAnswer,
    ParsedAnswer,
    read_answer,
)
from xray_triage.consultations.report_text import LONGEST_TEXT
from xray_triage.results.content import evidence
from xray_triage.results.items import reference

# What programs really write is often wrong, which pydicom says each time; the program ignores that too.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def read(dataset: Dataset) -> ParsedAnswer:
    return read_answer(io.BytesIO(film_bytes(dataset)), sop_instance_uid=str(dataset.SOPInstanceUID))


def test_headings_and_values_stand_in_the_order_of_the_document() -> None:
    found = read(
        document(
            [
                *person("Trần^Đức^^BS."),
                item(
                    "CONTAINER",
                    "Findings",
                    children=[
                        item("TEXT", "Finding", "Tràn dịch phải"),
                        item("CODE", "Site", ConceptCodeSequence=code("39607008", "Lung", "SCT")),
                        number("Length", "12.5", "mm"),
                    ],
                ),
                item("DATE", "Seen on", "20250531"),
                item("TIME", "At", "1405"),
                item("PNAME", "Second reader", "Lê^Hoa"),
                item("IMAGE"),
                item("CONTAINER", "Impression", children=[item("TEXT", value="Không cần chuyển viện")]),
            ],
            sop_class_uid=ENHANCED,
        )
    )
    assert found.text.splitlines() == [
        "Findings",
        "  Finding: Tràn dịch phải",
        "  Site: Lung",
        "  Length: 12.5 mm",
        "Seen on: 31/05/2025",
        "At: 14:05",
        "Second reader: Lê Hoa",
        "Impression",
        "  Không cần chuyển viện",
    ]
    assert (found.kind, found.title, found.author) == ("text", "Kết quả chẩn đoán hình ảnh", "BS. Trần Đức")
    assert (found.verified, found.complete) == (False, True)


def test_usual_headings_are_said_in_the_doctors_words_and_once() -> None:
    said = item("TEXT", "Conclusion", "Tràn dịch phải.\nChuyển viện.")
    said.ConceptNameCodeSequence = code("121077", "Conclusion")
    section = item("CONTAINER", "Conclusions", children=[said])
    section.ConceptNameCodeSequence = code("121076", "Conclusions")
    assert read(document([section])).text.splitlines() == ["Kết luận", "  Tràn dịch phải.", "  Chuyển viện."]


@pytest.mark.parametrize("make", [EnhancedSR, ComprehensiveSR, Comprehensive3DSR])
def test_a_report_made_by_highdicom_is_read(make: type) -> None:
    contains = RelationshipTypeValues.CONTAINS
    name = Code("121071", "DCM", "Finding")
    root = ContainerContentItem(name=Code("18748-4", "LN", "Diagnostic Imaging Report"))
    root.ContentSequence = [
        TextContentItem(name=name, value="Không thấy tổn thương", relationship_type=contains),
        CodeContentItem(name=name, value=Code("17621005", "SCT", "Normal"), relationship_type=contains),
        NumContentItem(name=name, value=0.5, unit=Code("1", "UCUM", "no units"), relationship_type=contains),
    ]
    source = film(rows=8, columns=8)
    report = make(
        evidence=[source],
        content=root,
        series_number=1,
        series_instance_uid=generate_uid(),
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Third party",
        is_complete=True,
        is_verified=True,
        verifying_observer_name="Phạm^Minh",
        verifying_organization="BV",
    )
    found = read(report)
    assert found.text.splitlines() == ["Mô tả: Không thấy tổn thương", "Mô tả: Normal", "Mô tả: 0.5"]
    assert (found.author, found.verified) == ("Phạm Minh", True)


def test_who_wrote_and_who_signed_are_both_told() -> None:
    first, second, wrote = Dataset(), Dataset(), Dataset()
    first.VerifyingObserverName, second.VerifyingObserverName = "Một^Bác sĩ", "Một nữa^Bác sĩ"
    wrote.PersonName, wrote.ObserverType = "Hai^Bác sĩ", "PSN"
    made = document(
        [*person("Ba^Bác sĩ")],
        VerifyingObserverSequence=[first, second, first],
        AuthorObserverSequence=[wrote],
        VerificationFlag="VERIFIED",
    )
    told = []
    for keyword in ("AuthorObserverSequence", "ContentSequence", "VerifyingObserverSequence"):
        found = read(made)
        told.append((found.author, found.signed_by))
        del made[keyword]
    signed = "Một Bác sĩ, Một nữa Bác sĩ"
    assert told == [("Hai Bác sĩ", signed), ("Ba Bác sĩ", signed), (signed, signed)]
    assert (read(made).author, read(made).signed_by) == ("", "")


SAID = "Tràn khí màng phổi – ổ trống"


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO_IR 100", "Épanchement à droite"),
        ("GB18030", "Tràn khí màng phổi 右侧气胸"),
        ("ISO_IR 192", SAID),
    ],
)
def test_declared_charsets_are_understood(charset: str, text: str) -> None:
    assert read(text_answer(text, SpecificCharacterSet=charset, PatientName="An")).text == f"Finding: {text}"


@pytest.mark.parametrize("charset", ["ISO_IR 100", "ISO_IR 101", "ISO_IR  19"])
def test_utf_8_under_another_name_is_shown_right(charset: str) -> None:
    made = text_answer(SAID)
    part10 = film_bytes(made).replace(b"ISO_IR 192", charset.encode())
    assert read_answer(io.BytesIO(part10), sop_instance_uid=made.SOPInstanceUID).text == f"Finding: {SAID}"


def test_utf_8_without_any_charset_is_shown_right() -> None:
    made = text_answer(SAID)
    element = struct.pack("<HH2sH", 0x0008, 0x0005, b"CS", 10) + b"ISO_IR 192"
    part10 = film_bytes(made)
    assert element in part10
    found = read_answer(io.BytesIO(part10.replace(element, b"")), sop_instance_uid=made.SOPInstanceUID)
    assert found.text == f"Finding: {SAID}"


def test_script_in_any_field_stays_text() -> None:
    attack = "<script>alert(1)</script>"
    made = document(
        [*person(f"{attack}^An"), item("TEXT", attack, attack), item("PNAME", attack, attack)],
        ConceptNameCodeSequence=code("1", attack),
    )
    found = read(made)
    assert (found.title, found.author) == (attack, f"{attack} An")
    assert found.text.splitlines() == [f"{attack}: {attack}", f"{attack}: {attack}"]
    assert read(pdf_answer(DocumentTitle=attack)).title == attack


def test_it_tells_what_an_answer_refers_to_wherever_it_does() -> None:
    inner = item("COMPOSITE")
    inner.ReferencedSOPSequence = [reference(KEY_OBJECTS, "1.2.3.1")]
    named = read(
        document(
            [item("CONTAINER", "F", children=[inner])],
            CurrentRequestedProcedureEvidenceSequence=[evidence("1.2", [("1.3", [reference(KEY_OBJECTS, "1.2.3.2")])])],
        )
    ).names
    assert named == {"1.2.3.1", "1.2.3.2"}
    assert read(pdf_answer(SourceInstanceSequence=[reference(KEY_OBJECTS, "1.2.3.3")])).names == {"1.2.3.3"}


def test_script_stays_text() -> None:
    attack = "<script>alert(1)</script> <img src=x onerror=alert(2)> {{7*7}} %(n)s"
    assert read(text_answer(attack)).text == f"Finding: {attack}"


def test_control_and_direction_characters_are_taken_out() -> None:
    found = read(text_answer("a\x07b\u202ec\x1b[31md\r\ne", ConceptNameCodeSequence=code("1", "T\u2066itle")))
    assert found.text == "Finding: abc[31md\ne"
    assert found.title == "Title"


@pytest.mark.parametrize("content", [None, [], [item("TEXT", "Finding", "  ")], person("Trần^Đức"), [item("IMAGE")]])
def test_an_answer_without_text_says_so(content: list[Dataset] | None) -> None:
    found = read(document(content))
    assert (found.text, found.note) == ("", AnswerNote.NO_TEXT)


def test_a_text_without_end_is_cut_and_says_so() -> None:
    found = read(text_answer("dài " * LONGEST_TEXT))
    assert found.note is AnswerNote.CUT
    assert len(found.text) == LONGEST_TEXT


def test_containers_in_containers_without_end_are_cut() -> None:
    inner = item("TEXT", value="innermost")
    for _ in range(120):
        inner = item("CONTAINER", children=[inner])
    found = read(document([inner, item("TEXT", value="beside")]))
    assert (found.text, found.note) == ("beside", AnswerNote.CUT)


@pytest.mark.slow
def test_an_object_of_millions_of_elements_is_damaged_and_not_opened() -> None:
    made = text_answer("?")
    raw = film_bytes(made) + struct.pack("<HH2sH", 0x0029, 0x1000, b"LO", 0) * (MOST_ELEMENTS + 1)
    with pytest.raises(DamagedFile, match="elements"):
        read_answer(io.BytesIO(raw), sop_instance_uid=made.SOPInstanceUID)


def test_the_time_is_what_it_states_in_the_zone_that_it_states() -> None:
    stated = datetime(2025, 6, 1, 9, 30)  # noqa: DTZ001
    assert read(text_answer("x", TimezoneOffsetFromUTC="+0700")).written_at == stated.replace(
        tzinfo=timezone(timedelta(hours=7))
    )
    assert read(text_answer("x")).written_at == stated.astimezone()
    assert read(text_answer("x", ContentDate="", ContentTime="")).written_at is None
    assert read(text_answer("x", ContentTime="0930", TimezoneOffsetFromUTC="+0000")).written_at == stated.replace(
        tzinfo=UTC
    )


@pytest.mark.parametrize("make", [text_answer, lambda _, **more: pdf_answer(**more)])
@pytest.mark.parametrize(
    ("flags", "standing"),
    [
        ({"CompletionFlag": "COMPLETE", "VerificationFlag": "VERIFIED"}, Standing.FINAL),
        ({"CompletionFlag": "COMPLETE", "VerificationFlag": "UNVERIFIED"}, Standing.FINAL),
        ({"CompletionFlag": "", "VerificationFlag": ""}, Standing.FINAL),
        ({"PreliminaryFlag": "FINAL"}, Standing.FINAL),
        ({"PreliminaryFlag": "PRELIMINARY"}, Standing.PRELIMINARY),
        ({"PreliminaryFlag": "PRELIMINARY", "VerificationFlag": "VERIFIED"}, Standing.PRELIMINARY),
        ({"CompletionFlag": "PARTIAL", "PreliminaryFlag": "FINAL"}, Standing.PRELIMINARY),
    ],
)
def test_a_report_is_final_unless_it_says_otherwise(
    make: Callable[..., Dataset], flags: dict[str, str], standing: Standing
) -> None:
    found = read(make("x", **flags))
    assert (found.standing, found.complete) == (standing, flags.get("CompletionFlag") != "PARTIAL")


def key_objects(title: str, *content: Dataset, **more: object) -> Dataset:
    return document([*content], sop_class_uid=KEY_OBJECTS, ConceptNameCodeSequence=code(title, "As written"), **more)


NOTE = item("TEXT", value="Xem ảnh này", ConceptNameCodeSequence=code("113012", "Key Object Description"))
BLANK = item("TEXT", value=" ", ConceptNameCodeSequence=code("113012", "Key Object Description"))


def test_key_objects_with_a_description_are_an_answer() -> None:
    found = read(key_objects("113002", NOTE))
    assert (found.kind, found.title, found.text) == ("kos", "As written", "Xem ảnh này")
    assert found.standing is Standing.FINAL


@pytest.mark.parametrize("title", ["113000", "113002", "113004", "113005", "113013", "99"])
@pytest.mark.parametrize("content", [[], [BLANK], person("Trần^Đức"), [item("IMAGE")]])
def test_key_objects_without_words_are_a_mark(title: str, content: list[Dataset]) -> None:
    films = [evidence("1.2", [("1.3", [reference(KEY_OBJECTS, f"1.2.3.{n}") for n in range(MOST_OBJECTS + 1)])])]
    found = read(key_objects(title, *content, CurrentRequestedProcedureEvidenceSequence=films))
    assert (found.kind, found.standing, found.note) == (AnswerKind.KOS, Standing.MARK, None)
    assert found.objects[:2] == ("1.2.3.0", "1.2.3.1")
    assert len(found.objects) == MOST_OBJECTS


@pytest.mark.parametrize("title", ["113001", "113037", "113038", "113039"])
@pytest.mark.parametrize("content", [[], [NOTE], device()])
def test_a_rejection_says_what_it_rejects_and_why_and_is_never_an_answer(title: str, content: list[Dataset]) -> None:
    why = item("CODE", ConceptCodeSequence=code("111209", "Positioning"))
    why.RelationshipType, why.ConceptNameCodeSequence = "HAS CONCEPT MOD", code("113011", "Document Title Modifier")
    films = [evidence("1.2", [("1.3", [reference(KEY_OBJECTS, "1.2.3.1")])])]
    found = read(key_objects(title, why, *content, CurrentRequestedProcedureEvidenceSequence=films))
    assert (found.kind, found.standing) == (AnswerKind.REJECTION, Standing.MARK)
    assert found.title.endswith(": Positioning")
    assert "As written" not in found.title
    assert found.objects == ("1.2.3.1",)


def author(kind: str, name: str = "") -> Dataset:
    one = Dataset()
    one.ObserverType, one.StationName = kind, "BOX"
    if name:
        one.PersonName = name
    return one


ALGORITHM = item("TEXT", value="CXR-AI", ConceptNameCodeSequence=code("111001", "Algorithm Name"))


@pytest.mark.parametrize(
    ("content", "more"),
    [
        (device(), {}),
        (device(), {"VerificationFlag": "VERIFIED"}),
        ([], {"AuthorObserverSequence": [author("DEV")]}),
        ([], {"AuthorObserverSequence": [author("DEV", "CXR^AI"), author("DEV")]}),
        ([item("CONTAINER", "Algorithm", children=[ALGORITHM])], {}),
        ([], {"sop_class_uid": uid.ChestCADSRStorage}),
    ],
)
def test_what_no_person_stands_behind_is_a_programs(content: list[Dataset], more: dict[str, object]) -> None:
    found = read(document([*content, item("TEXT", "Finding", "nodule 0.97")], **more))  # type: ignore[arg-type]
    assert (found.standing, found.author) == (Standing.MACHINE, "")
    assert "nodule 0.97" in found.text


@pytest.mark.parametrize(
    "more",
    [
        {"content": [*device(), *person("Trần^Đức")]},
        {"content": device(), "AuthorObserverSequence": [author("DEV"), author("PSN", "Trần^Đức")]},
        {"content": [ALGORITHM], "VerifyingObserverSequence": [item("", VerifyingObserverName="Trần^Đức")]},
    ],
)
def test_what_a_person_stands_behind_is_a_persons_whatever_program_helped(more: dict[str, object]) -> None:
    found = read(document(**more))  # type: ignore[arg-type]
    assert (found.standing, found.author) == (Standing.FINAL, "Trần Đức")


def predecessor(*uids: str) -> list[Dataset]:
    return [evidence("1.2", [("1.3", [reference(KEY_OBJECTS, uid) for uid in uids])])]


def test_it_tells_from_what_it_goes_on() -> None:
    for made in (text_answer("x"), pdf_answer(), key_objects("113000", NOTE)):
        made.PredecessorDocumentsSequence = predecessor("1.2.3.1", "1.2.3.2", "1.2.3.1")
        assert read(made).predecessors == ("1.2.3.1", "1.2.3.2")
        made.PredecessorDocumentsSequence = predecessor(*(f"1.2.{n}" for n in range(MOST_PREDECESSORS + 1)))
        assert len(read(made).predecessors) == MOST_PREDECESSORS


ADDED = item("TEXT", value="x", ConceptNameCodeSequence=code("121078", "Addendum"))


@pytest.mark.parametrize(
    ("more", "is_addendum"),
    [
        ({"ConceptNameCodeSequence": code("121078", "Whatever")}, True),
        ({"ConceptNameCodeSequence": code("1", "ADDENDUM to report")}, True),
        ({"DocumentTitle": "Bổ sung kết quả"}, True),
        ({"content": [*person("A^B"), ADDED]}, True),
        ({"content": [item("TEXT", "Finding", "cũ"), ADDED]}, False),
        ({"content": []}, False),
        ({"ConceptNameCodeSequence": code("1", "Report with addendum")}, False),
    ],
)
def test_an_addendum_is_known_by_its_title_or_as_all_that_it_says(more: dict[str, object], is_addendum: bool) -> None:
    assert read(document(**more)).is_addendum is is_addendum  # type: ignore[arg-type]


GSPS = str(uid.GrayscaleSoftcopyPresentationStateStorage)


def test_words_drawn_on_a_film_are_told_and_are_no_answer() -> None:
    drawn, said, films = Dataset(), Dataset(), Dataset()
    said.UnformattedTextValue = "Tràn khí ở đây"
    drawn.TextObjectSequence = [said]
    films.SeriesInstanceUID, films.ReferencedImageSequence = "1.3", [reference(GSPS, "1.2.3.1")]
    made = document(
        sop_class_uid=GSPS,
        ContentLabel="BS",
        ContentCreatorName="Hùng^Trần^^BS.",
        GraphicAnnotationSequence=[drawn],
        ReferencedSeriesSequence=[films],
        PresentationCreationDate="20250602",
        PresentationCreationTime="101500",
        TimezoneOffsetFromUTC="+0000",
    )
    del made.ConceptNameCodeSequence
    found = read(made)
    assert (found.kind, found.standing, found.title) == (AnswerKind.GSPS, Standing.MARK, "BS")
    assert (found.text, found.author, found.objects) == ("Tràn khí ở đây", "BS. Hùng Trần", ("1.2.3.1",))
    assert found.written_at == datetime(2025, 6, 2, 10, 15, tzinfo=UTC)
    del made.GraphicAnnotationSequence
    with pytest.raises(NotAnAnswer, match="nothing drawn"):
        read(made)


@pytest.mark.parametrize("sop_class_uid", UNREAD)
def test_what_nobody_here_can_read_is_a_mark(sop_class_uid: str) -> None:
    assert read(film(sop_class_uid=sop_class_uid)).standing is Standing.MARK


def test_what_a_station_made_is_no_answer() -> None:
    equipment = Dataset()
    equipment.Manufacturer = "xray-triage"
    with pytest.raises(NotAnAnswer):
        read(text_answer("x", Manufacturer="xray-triage"))
    with pytest.raises(NotAnAnswer):
        read(text_answer("x", ContributingEquipmentSequence=[equipment]))


def test_rich_text_is_shown_as_its_words() -> None:
    said = r"{\rtf1\ansi\ansicpg1258 K\u7871?t lu\u7853?n: tr\u224?n kh\u237?\par\b ph\u7843?i\b0}"
    assert read(text_answer(said)).text == "Finding: Kết luận: tràn khí\nphải"
    found = read(pdf_answer(said.encode()))
    assert (found.kind, found.text, found.note) == (AnswerKind.TEXT, "Kết luận: tràn khí\nphải", None)


def test_films_and_lists_for_archives_are_no_answers() -> None:
    with pytest.raises(NotAnAnswer):
        read(film())
    with pytest.raises(NotAnAnswer):
        read(document([], sop_class_uid=KEY_OBJECTS, ConceptNameCodeSequence=code("113030", "Manifest")))


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\r\n\r\n", b"HTTP/1.1 200\r\n\r\n", bytes(1023), b"%PDF"])
@pytest.mark.parametrize("size", [10, 200_000])
def test_a_pdf_lies_where_it_is_said_to_lie(size: int, before: bytes) -> None:
    content = b"%PDF-1.7\n" + np.random.default_rng(1).bytes(size)
    stream = io.BytesIO(film_bytes(pdf_answer(before + content, DocumentTitle="Kết quả")))
    extent = document_in(stream)
    stream.seek(extent.offset)
    assert stream.read(extent.length or 0)[: len(content)] == content
    found = read_answer(stream, sop_instance_uid=str(pydicom.dcmread(io.BytesIO(stream.getvalue())).SOPInstanceUID))
    assert (found.kind, found.title, found.text) == ("pdf", "Kết quả", "")


def test_a_pdf_that_is_none_is_damage() -> None:
    with pytest.raises(DamagedFile):
        read(pdf_answer(b"<html><script>"))
    with pytest.raises(DamagedFile):
        read(pdf_answer(bytes(1024) + b"%PDF-1.7"))
    with pytest.raises(DamagedFile):
        read(document(sop_class_uid="1.2.840.10008.5.1.4.1.1.104.1"))


def test_an_object_that_is_not_what_was_asked_for_is_damage() -> None:
    with pytest.raises(DamagedFile):
        read_answer(io.BytesIO(film_bytes(text_answer("x"))), sop_instance_uid="1.2.3")
    with pytest.raises(DamagedFile):
        read_answer(io.BytesIO(b"<html>not found</html>"), sop_instance_uid="1.2.3")


WHOLE = film_bytes(document([*person("A^B"), item("CONTAINER", "F", children=[item("TEXT", "x", SAID)])]))
UID = str(pydicom.dcmread(io.BytesIO(WHOLE)).SOPInstanceUID)


@settings(max_examples=150, deadline=None)
@given(st.integers(140, len(WHOLE) - 1), st.binary(min_size=1, max_size=6), st.booleans())
def test_damaged_bytes_raise_what_they_may_and_nothing_else(start: int, noise: bytes, is_cut: bool) -> None:
    spoilt = WHOLE[:start] if is_cut else WHOLE[:start] + noise + WHOLE[start + len(noise) :]
    try:
        found = read_answer(io.BytesIO(spoilt), sop_instance_uid=UID)
    except (DamagedFile, NotAnAnswer):
        return
    assert len(found.text) <= LONGEST_TEXT
