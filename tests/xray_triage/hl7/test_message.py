"""HL7 v2 as text: delimiters, escapes, letters, and what is no message at all."""

import re
import unicodedata
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.hl7.message import NotHl7, acknowledgement, escaped, moment, read, written

HEAD = "MSH|^~\\&|HIS|TYT|XRT|TYT|20260611083000||ORM^O01|17|P|2.3.1"
NAME = "Nguyễn Thị Bưởi"
AT = datetime(2026, 6, 11, 1, 30, tzinfo=UTC)


def message(*lines: str, head: str = HEAD, codec: str = "utf-8") -> bytes:
    return "\r".join((head, *lines)).encode(codec)


def test_fields_components_and_repetitions_count_from_one() -> None:
    read_one = read(message("PID|1||P01^^^TYT~079123456789^^^BYT||NGUYEN^THI BUOI||19700131|F"))
    pid = read_one.need("PID")
    assert (read_one.kind, read_one.control_id) == ("ORM^O01", "17")
    assert (pid.text(3), pid.text(3, repetition=2), pid.text(3, 4, 2), pid.repetitions(3)) == (
        "P01",
        "079123456789",
        "BYT",
        2,
    )
    assert (pid.text(5, 2), pid.text(8), pid.text(30), pid.text(5, 9), pid.repetitions(4)) == (
        "THI BUOI",
        "F",
        "",
        "",
        0,
    )


def test_a_peer_may_choose_its_delimiters_and_line_ends() -> None:
    content = b"\x0bMSH$%*!@$HIS$$$$20260611$$ADT%A01$1$P$2.5\nPID$1$$P1*P2$$AN%VAN!S!A\r\n\x1c\r"
    pid = read(content).need("PID")
    assert (pid.text(3, 1, 2), pid.text(5, 2)) == ("P2", "VAN%A")


@pytest.mark.parametrize(
    ("stated", "codec"),
    [("", "utf-8"), ("UNICODE UTF-8", "utf-8"), ("", "cp1258"), ("UNICODE UTF-8", "cp1258")],
)
def test_letters_are_read_by_msh_18_then_as_utf_8_then_as_windows_1258(stated: str, codec: str) -> None:
    name = NAME if codec == "utf-8" else cp1258(NAME)
    head = f"{HEAD}||||||{stated}"
    assert read(message(f"PID|1||P1||{name}", head=head, codec=codec)).need("PID").text(5) == NAME


def cp1258(text: str) -> str:
    """The letters as Windows-1258 writes them: a base letter with its hat, then the tone as a mark of its own."""
    tones = {"\u0300", "\u0301", "\u0303", "\u0309", "\u0323"}
    out = ""
    for letter in text:
        parts = unicodedata.normalize("NFD", letter)
        marks = [mark for mark in parts[1:] if mark in tones]
        out += unicodedata.normalize("NFC", "".join(part for part in parts if part not in tones)) + "".join(marks)
    return out


@given(st.text())
def test_what_is_escaped_is_read_as_it_was(text: str) -> None:
    content = written([["MSH", "a", "b", "c", "d", "t", "", "ORU^R01", "1", "P", "2.5"], ["OBX", escaped(text)]])
    lines = [re.sub(r"\s", " ", line) for line in text.splitlines()]
    kept = "\n".join("".join(letter for letter in line if letter.isprintable()) for line in lines)
    assert read(content).need("OBX").whole(1) == unicodedata.normalize("NFC", kept).strip()


@pytest.mark.parametrize(
    "content", [b"", b"GET / HTTP/1.1\r\n", b"MSH", b"MSH|^^^^|x", b"MSH|ABCD|x", b"MSH|^~\\&|\r\x00\x01junk|x"]
)
def test_what_is_no_message_is_said(content: bytes) -> None:
    with pytest.raises(NotHl7):
        read(content)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_none(content: bytes) -> None:
    with suppress(NotHl7):
        read(b"MSH|^~\\&|" + content)


def test_an_acknowledgement_goes_back_to_its_sender() -> None:
    back = read(acknowledgement(read(message()), "AE", at=AT, number="9", why="không có tên | nào", place="PID-5"))
    assert [back.head.text(number) for number in (3, 4, 5, 6, 9, 10, 11, 12)] == [
        "XRT", "TYT", "HIS", "TYT", "ACK", "9", "P", "2.3.1",
    ]  # fmt: skip
    assert [back.need("MSA").text(number) for number in (1, 2, 3)] == ["AE", "17", "không có tên | nào"]
    assert moment(AT) == "20260611013000+0000"
