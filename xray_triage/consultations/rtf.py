"""Rich Text Format (version 1.9.1) -> its plain text: some reading systems write it into a report. Knows no object.

Never fails: what is no RTF after all comes out with its words in it.
"""

import codecs
import re
from collections.abc import Callable
from dataclasses import dataclass, field

from xray_triage.reading.text import clean

MOST_TOKENS = 200_000  # a report has hundreds, and some 10,000 lines of a picture
_TOKEN = re.compile(r"\\([a-zA-Z]{1,32})(-?\d{1,9})? ?|\\'([0-9a-fA-F]{2})|\\([^a-zA-Z])|([{}])|([^\\{}\r\n]+)|[\r\n]")
# Groups that hold no words of the text.
_SKIPPED = re.compile(
    "fonttbl|colortbl|stylesheet|info|pict|object|generator|list(override)?table|revtbl|rsidtbl|themedata|datastore|"
    "latentstyles|xmlnstbl|filetbl|fldinst|bkmk(start|end)"
)
_SIGNS = dict.fromkeys(("par", "line", "sect", "page", "row"), "\n") | {
    **dict.fromkeys(("tab", "cell"), "\t"),
    "emdash": "—",
    "endash": "–",
    "bullet": "•",
    "lquote": "‘",
    "rquote": "’",
    "ldblquote": "“",
    "rdblquote": "”",
}
# Windows' character sets of fonts (\fcharset) as code pages; 0 and 1 are the document's own.
_CHARSETS = {128: "cp932", 129: "cp949", 134: "cp936", 136: "cp950", 161: "cp1253", 162: "cp1254", 163: "cp1258"}
_CHARSETS |= {177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251", 222: "cp874", 238: "cp1250"}


def is_rtf(text: str) -> bool:
    """Whether it begins as RTF does."""
    return text.lstrip().startswith("{\\rtf")


def plain_text(rtf: str) -> str:
    """Its words, composed (NFC), with line ends and tabs, without formats and pictures; what is endless as it is."""
    reader = _Reader()
    for count, match in enumerate(_TOKEN.finditer(rtf)):
        if count == MOST_TOKENS:
            return rtf
        word, number, byte, sign, brace, plain = match.groups()
        if brace:
            reader.turn(brace)
        elif word:
            reader.command(word, int(number) if number else None)
        elif byte:
            reader.byte(bytes.fromhex(byte))
        elif sign:
            reader.sign(sign)
        elif plain:
            reader.write(plain)
    return reader.said()


@dataclass(slots=True)
class _Group:
    """What holds until a brace closes. ``uc``: how many characters stand in for each Unicode character."""

    is_skipped: bool = False
    is_font_table: bool = False
    codec: str = "cp1252"
    uc: int = 1


@dataclass(slots=True)
class _Reader:
    """Where we are in the text."""

    parts: list[str] = field(default_factory=list)
    bytes_held: bytearray = field(default_factory=bytearray)  # of one codec, which may need several for a letter
    group: _Group = field(default_factory=_Group)
    outer: list[_Group] = field(default_factory=list)
    fonts: dict[int, str] = field(default_factory=dict)
    font: int = 0
    document_codec: str = "cp1252"
    stand_ins: int = 0

    def turn(self, brace: str) -> None:
        self._flush()
        self.stand_ins = 0
        if brace == "{":
            self.outer.append(self.group)
            now = self.group
            self.group = _Group(now.is_skipped, now.is_font_table, now.codec, now.uc)
        elif self.outer:
            self.group = self.outer.pop()

    def byte(self, byte: bytes) -> None:
        if self.stand_ins:
            self.stand_ins -= 1
        elif not self.group.is_skipped:
            self.bytes_held += byte

    def sign(self, sign: str) -> None:
        if sign == "*":
            self.group.is_skipped = True
        elif sign == "'":  # of a byte that is none
            return
        else:
            self.write({"~": "\u00a0", "-": "", "_": "-", "\n": "\n", "\r": "\n"}.get(sign, sign))

    def write(self, text: str) -> None:
        self._flush()
        text, self.stand_ins = text[self.stand_ins :], max(0, self.stand_ins - len(text))
        if not self.group.is_skipped:
            self.parts.append(text)

    def command(self, word: str, number: int | None) -> None:
        if word == "u" and number is not None:
            self.stand_ins = 0
            self.write(chr(number % 0x10000))
            self.stand_ins = self.group.uc
            return
        self._flush()
        if word in _SIGNS:
            self.write(_SIGNS[word])
        elif _SKIPPED.fullmatch(word):
            self.group.is_skipped, self.group.is_font_table = True, word == "fonttbl"
        elif number is not None and word in _SETTINGS:
            _SETTINGS[word](self, number)

    def said(self) -> str:
        self._flush()
        joined = "".join(self.parts).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        return clean(joined).strip()

    def set_code_page(self, number: int) -> None:
        self.document_codec = self.group.codec = _codec(f"cp{number}")

    def set_font(self, number: int) -> None:
        self.font = number
        self.group.codec = self.fonts.get(number, self.document_codec)

    def set_charset(self, number: int) -> None:
        if self.group.is_font_table and number in _CHARSETS:
            self.fonts[self.font] = _CHARSETS[number]

    def set_stand_ins(self, number: int) -> None:
        self.group.uc = max(0, number)

    def _flush(self) -> None:
        if self.bytes_held:
            self.parts.append(self.bytes_held.decode(self.group.codec, "replace"))
            self.bytes_held.clear()


_SETTINGS: dict[str, Callable[[_Reader, int], None]] = {
    "ansicpg": _Reader.set_code_page,
    "f": _Reader.set_font,
    "fcharset": _Reader.set_charset,
    "uc": _Reader.set_stand_ins,
}


def _codec(name: str) -> str:
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"
