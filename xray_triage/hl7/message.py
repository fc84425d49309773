r"""Messages of HL7 version 2 as text: delimiters, escapes, letters. Knows no order, no result and no network.

HL7 v2.5 chapter 2. A message is segments, a segment is fields, a field is repetitions of components. What a peer writes
is read by its own delimiters; what we write has the recommended ones and UTF-8.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

RECOMMENDED = "|^~\\&"
MOST_BYTES = 1 << 20
_CODECS = {"UNICODE UTF-8": "utf-8", "UNICODE": "utf-8", "UTF-8": "utf-8", "UTF8": "utf-8", "ASCII": "utf-8"}
_CODECS |= {"8859/1": "latin-1", "WINDOWS-1258": "cp1258", "CP1258": "cp1258", "UNICODE UTF-16": "utf-16"}


class NotHl7(Exception):
    """These bytes are no message: to be answered AR. The message says why."""


class BadField(Exception):
    """A message that cannot be done as it is: to be answered AE. ``place`` is as in ``PID-7``."""

    def __init__(self, place: str, why: str) -> None:
        super().__init__(f"{place}: {why}")
        self.place = place
        self.why = why


@dataclass(frozen=True, slots=True)
class Delimiters:
    """As MSH-1 and MSH-2 name them."""

    field: str
    component: str
    repetition: str
    escape: str
    subcomponent: str


@dataclass(frozen=True, slots=True)
class Segment:
    """One line of a message. Fields and components count from 1, as in the standard."""

    name: str
    fields: Sequence[str]
    by: Delimiters

    def text(self, number: int, component: int = 1, repetition: int = 1) -> str:
        """One component, unescaped, in NFC, without blanks at its ends; empty where there is none."""
        return _unescaped(self._component(number, component, repetition), self.by)

    def whole(self, number: int) -> str:
        """A field without components, as text fields are."""
        raw = self.fields[number - 1] if number <= len(self.fields) else ""
        return "" if raw == '""' else _unescaped(raw, self.by)

    def repetitions(self, number: int) -> int:
        """How often a field is given."""
        raw = self.fields[number - 1] if number <= len(self.fields) else ""
        return raw.count(self.by.repetition) + 1 if raw else 0

    def _component(self, number: int, component: int, repetition: int) -> str:
        raw = self.fields[number - 1] if number <= len(self.fields) else ""
        repeated = raw.split(self.by.repetition)
        parts = repeated[repetition - 1].split(self.by.component) if repetition <= len(repeated) else []
        found = parts[component - 1].split(self.by.subcomponent)[0] if component <= len(parts) else ""
        return "" if found == '""' else found


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was read."""

    segments: Sequence[Segment]

    @property
    def head(self) -> Segment:
        return self.segments[0]

    @property
    def kind(self) -> str:
        """``ORM^O01``."""
        return f"{self.head.text(9, 1)}^{self.head.text(9, 2)}"

    @property
    def control_id(self) -> str:
        return self.head.text(10)

    def first(self, name: str) -> Segment | None:
        """The first segment of this name."""
        return next(self.all(name), None)

    def all(self, name: str) -> Iterator[Segment]:
        return (segment for segment in self.segments if segment.name == name)

    def need(self, name: str) -> Segment:
        """The first segment of this name. Raises BadField."""
        found = self.first(name)
        if found is None:
            raise BadField(name, "this segment is missing")
        return found


def read(content: bytes) -> Message:
    """A message out of its bytes, whatever ends its lines. Raises NotHl7."""
    content = content.lstrip(b"\x0b\xef\xbb\xbf \r\n\t").rstrip(b"\x1c\r\n \t\x00")
    if not content.startswith(b"MSH") or len(content) < 9:
        raise NotHl7("a message begins with MSH and its delimiters")
    if len(content) > MOST_BYTES:
        raise NotHl7(f"a message has at most {MOST_BYTES} bytes")
    text = unicodedata.normalize("NFC", _decoded(content))
    by = _delimiters(text)
    segments = []
    for line in re.split(r"[\r\n]+", text):
        name, *fields = line.split(by.field)
        if not re.fullmatch(r"[A-Z][A-Z0-9]{2}", name):
            raise NotHl7(f"a segment begins with its name, not with {name[:10]!r}")
        segments.append(Segment(name, [by.field, *fields] if name == "MSH" else fields, by))
    return Message(segments)


def _delimiters(text: str) -> Delimiters:
    marks = text[3:8]
    if len({*marks}) != len(marks) or any(mark.isalnum() or mark.isspace() for mark in marks):
        raise NotHl7(f"MSH-1 and MSH-2 name no five delimiters: {marks!r}")
    return Delimiters(*marks)


def _decoded(content: bytes) -> str:
    """By MSH-18 where it names an encoding that fits, else UTF-8, else Windows-1258."""
    line = re.split(rb"[\r\n]", content, maxsplit=1)[0]
    fields = line.split(content[3:4])
    stated = fields[17].split(content[5:6])[0].decode("ascii", "ignore").strip().upper() if len(fields) > 17 else ""
    for codec in dict.fromkeys((_CODECS.get(stated, "utf-8"), "utf-8", "cp1258")):
        try:
            return content.decode(codec)
        except UnicodeDecodeError:
            continue
    raise NotHl7("these letters are neither UTF-8 nor Windows-1258, nor what MSH-18 says")


def _unescaped(text: str, by: Delimiters) -> str:
    mark = re.escape(by.escape)
    plain = {"F": by.field, "S": by.component, "T": by.subcomponent, "R": by.repetition, "E": by.escape, ".br": "\n"}

    def meant(found: re.Match[str]) -> str:
        code = found[1]
        if code in plain:
            return plain[code]
        if code.startswith("X"):
            try:
                return bytes.fromhex(code[1:]).decode("utf-8", "replace")
            except ValueError:
                return found[0]
        return "" if code in ("H", "N") or code.startswith(".") else found[0]

    return re.sub(f"{mark}([^{mark}]*){mark}", meant, text).strip()


def escaped(text: str) -> str:
    """Free text as a component of ours: delimiters escaped, line ends as ``.br``, blanks of any kind as plain ones,
    control characters left out.
    """
    codes = {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}
    lines = (
        "".join(codes.get(letter, letter) for letter in re.sub(r"\s", " ", line) if letter.isprintable())
        for line in text.splitlines()
    )
    return "\\.br\\".join(lines)


def written(segments: Sequence[Sequence[str]]) -> bytes:
    """A message of ours: segments of fields whose free text is ``escaped`` already; MSH begins with MSH-3."""
    lines = []
    for name, *fields in segments:
        head = [name, RECOMMENDED[1:]] if name == "MSH" else [name]
        lines.append("|".join([*head, *fields]).rstrip("|"))
    return ("\r".join(lines) + "\r").encode("utf-8")


def moment(at: datetime) -> str:
    """A time stamp with its offset (HL7 v2.5 2.A.22), in local time: many peers pass over the offset."""
    return at.astimezone().strftime("%Y%m%d%H%M%S%z")


def acknowledgement(message: Message, code: str, *, at: datetime, number: str, why: str = "", place: str = "") -> bytes:
    """The answer to ``message``: AA, AE or AR, the reason in MSA-3 and ERR, in the version that the peer speaks."""
    head = message.head
    version = head.text(12) or "2.5"
    sender = (head.fields[4] if len(head.fields) > 4 else "", head.fields[5] if len(head.fields) > 5 else "")
    receiver = (head.fields[2] if len(head.fields) > 2 else "", head.fields[3] if len(head.fields) > 3 else "")
    kind = "ACK" if version < "2.4" or not head.text(9, 2) else f"ACK^{head.text(9, 2)}^ACK"
    mode = head.text(11) or "P"
    lines = [
        ["MSH", *sender, *receiver, moment(at), "", kind, number, mode, version, "", "", "", "", "", "UNICODE UTF-8"],
        ["MSA", code, escaped(message.control_id), escaped(why)],
    ]
    if place:
        lines.append(
            ["ERR", "", place.replace("-", "^1^"), "207^Application internal error^HL70357", "E", "", "", escaped(why)]
        )
    return written(lines)
