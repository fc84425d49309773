"""Bytes of a DICOM text value -> the text that was meant, when the declared character set is missing or wrong.

Pure functions over bytes; it must never know a Dataset. PS3.5 6.1, PS3.3 C.12.1.1.2.
"""

import re
import unicodedata
from collections.abc import Sequence

from pydicom.charset import CODES_TO_ENCODINGS, python_encoding

from xray_triage.reading.values.mojibake import VIETNAMESE, meant

LATIN_1 = "latin_1"
UTF_8 = "utf_8"
MULTI_BYTE = frozenset({"GB18030", "GBK", "GB2312", "shift_jis", "euc_kr", "iso_ir_58"})
_CONTROL = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f]")


def encodings_of(character_sets: Sequence[str]) -> tuple[str, ...]:
    """Python's names for the values of Specific Character Set, odd spellings included; the unknown are left out."""
    found = (_encoding_of(name) for name in character_sets)
    return tuple(name for name in found if name)


def _encoding_of(name: str) -> str | None:
    plain = re.sub(r"[^A-Z0-9]", "", name.upper())
    if not plain:
        return None
    if "192" in plain or "UTF" in plain:
        return UTF_8
    same = (encoding for term, encoding in python_encoding.items() if re.sub(r"[^A-Z0-9]", "", term) == plain)
    return next(same, None)


def decode(value: bytes, declared: Sequence[str]) -> str:
    """The text in ``value``, composed (NFC), without control characters. ``declared``: see encodings_of."""
    return clean(meant(_decode(value, declared)))


def clean(text: str) -> str:
    """Composed (NFC) and without the control characters that databases, XML and terminals stumble over."""
    return _CONTROL.sub("", unicodedata.normalize("NFC", text))


def unmangle(text: str) -> str:
    """Text that somebody took for Latin-1 although it was UTF-8, Windows-1258 or TCVN3; any other as it is."""
    try:
        return _decode(text.encode(LATIN_1), ())
    except UnicodeEncodeError:
        return text


def _decode(value: bytes, declared: Sequence[str]) -> str:
    if value.isascii() and b"\x1b" not in value:
        return value.decode("ascii")
    first = declared[0] if declared else LATIN_1
    if b"\x1b" in value:
        return _decode_iso_2022(value, first)
    utf_8 = _strict(value, UTF_8)
    if first in MULTI_BYTE:
        expected = _strict(value, first)
        meant_utf_8 = utf_8 is not None and (expected is None or VIETNAMESE.search(utf_8))
        return utf_8 if meant_utf_8 and utf_8 is not None else value.decode(first, "replace")
    return utf_8 if utf_8 is not None else _decode_single_byte(value, first)


def _decode_single_byte(value: bytes, first: str) -> str:
    """What is no UTF-8: TCVN3, which ``meant`` reads; Windows-1258 when that gives Vietnamese letters; UTF-8 cut in a
    letter; or as declared.
    """
    if meant(latin := value.decode(LATIN_1)) != latin:
        return latin
    windows = unicodedata.normalize("NFC", value.decode("cp1258", "replace"))
    if VIETNAMESE.search(windows) and "\ufffd" not in windows:
        return windows
    damaged = value.decode(UTF_8, "replace")
    if first == UTF_8 and re.search("[^\x00-\x7f\ufffd]", damaged):
        return damaged
    return value.decode(LATIN_1 if first == UTF_8 else first, "replace")


def _decode_iso_2022(value: bytes, first: str) -> str:
    """Code extensions, PS3.5 6.1.2.5: every escape sequence changes the set until the next one or a delimiter."""
    return "".join(_fragment(part, first) for part in re.findall(rb"^[^\x1b]+|\x1b[^\x1b]*", value))


def _fragment(part: bytes, first: str) -> str:
    escape = next((code for code in CODES_TO_ENCODINGS if part.startswith(code)), b"")
    encoding = CODES_TO_ENCODINGS.get(escape, first)
    if encoding.startswith("iso2022"):
        return part.decode(encoding, "replace")  # Python's codec wants to see the escape sequence
    body = part[len(escape) :]
    delimiter = re.search(rb"[\\^=\r\n\f\t]", body)
    end = delimiter.start() if delimiter else len(body)
    return body[:end].decode(encoding, "replace") + body[end:].decode(first, "replace")


def _strict(value: bytes, encoding: str) -> str | None:
    try:
        return value.decode(encoding)
    except UnicodeDecodeError:
        return None
