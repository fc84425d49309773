"""What a listener may answer beside storage and echo: the seam, and how a small dataset comes out of a message.

Knows no SOP class of its own: worklist.py and performed.py are two.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from io import BytesIO
from typing import Protocol, TypeAlias

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.errors import BytesLengthException
from pydicom.filereader import read_dataset

from dicom_router.association import Message
from dicom_router.command import Answer
from dicom_router.errors import DamagedFile
from dicom_router.identity import check_structure

SUCCESS = 0x0000
UNRECOGNISED_OPERATION = 0x0211
LONGEST_DATASET = 1 << 16
CHARACTER_SET = 0x00080005
_IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})  # 32 bit lengths
_ITEM = b"\xfe\xff\x00\xe0"
_DAMAGE = (
    ArithmeticError, AttributeError, BytesLengthException, EOFError, LookupError, NotImplementedError, OSError,
    RecursionError, TypeError, ValueError, struct.error,
)  # fmt: skip

# A small dataset, asked or answered: by tag the text of an element, or the items of a sequence. Numbers are no text.
Keys: TypeAlias = Mapping[int, "str | Sequence[Keys]"]


class Provider(Protocol):
    """A service class provider, PS3.7 7.5. One for the listener; every association calls it from its own thread."""

    @property
    def sop_class_uid(self) -> str:
        """The SOP class that it answers for."""
        ...

    def answer(self, message: Message, *, calling_ae_title: str) -> Iterator[Answer]:
        """The responses to one request, the last one final; after a C-CANCEL no more of them are asked for.

        Raises ConnectionLost or ProtocolViolation when the request's dataset never ends.
        """
        ...


class TooLong(ValueError):
    """The dataset of a request is over LONGEST_DATASET."""


def read_keys(message: Message) -> Keys:
    """The dataset of a request, of at most LONGEST_DATASET bytes, every text in it decoded.

    Raises TooLong; DamagedFile when it is no dataset; ConnectionLost or ProtocolViolation when it never ends.
    """
    encoded = bytearray()
    for fragment in message.fragments:
        encoded += fragment
        if len(encoded) > LONGEST_DATASET:
            raise TooLong(f"a dataset over {LONGEST_DATASET} bytes")
    syntax = message.context.transfer_syntax_uid
    check_structure(BytesIO(encoded), end=len(encoded), transfer_syntax_uid=syntax)
    try:
        dataset = read_dataset(BytesIO(encoded), syntax == _IMPLICIT_LITTLE_ENDIAN, True)
        return _keys(dataset, "")
    except _DAMAGE as error:
        raise DamagedFile(f"not a readable dataset: {error}") from error


def encode(attributes: Keys, transfer_syntax_uid: str, to_bytes: Callable[[str], bytes]) -> bytes:
    """The attributes in explicit or implicit VR little endian; ``to_bytes`` puts texts into the character set.

    By hand, for pydicom takes a millisecond for what a machine asks of one patient (PS3.5 7.1, 7.5).
    """
    parts: list[bytes] = []
    for tag in sorted(attributes):
        vr, value = vr_of(tag), attributes[tag]
        if isinstance(value, str):
            body = to_bytes(value)
            body += (b"\0" if vr == "UI" else b" ") * (len(body) % 2)
        else:
            items = [encode(item, transfer_syntax_uid, to_bytes) for item in value]
            body = b"".join(_ITEM + struct.pack("<I", len(item)) + item for item in items)
        parts += (_head(tag, vr, len(body), transfer_syntax_uid), body)
    return b"".join(parts)


@cache
def vr_of(tag: int) -> str:
    """The value representation of a standard attribute, else UN."""
    return dictionary_VR(tag) if dictionary_has_tag(tag) else "UN"


def _head(tag: int, vr: str, length: int, transfer_syntax_uid: str) -> bytes:
    number = struct.pack("<HH", tag >> 16, tag & 0xFFFF)
    if transfer_syntax_uid == _IMPLICIT_LITTLE_ENDIAN:
        return number + struct.pack("<I", length)
    return number + vr.encode() + struct.pack("<HI" if vr in _LONG_VRS else "<H", *([0] * (vr in _LONG_VRS)), length)


def _keys(dataset: Dataset, inherited: str) -> dict[int, "str | Sequence[Keys]"]:
    declared = dataset.get_item(CHARACTER_SET)
    character_set = _decode(declared.value or b"", "") if declared else inherited
    keys: dict[int, str | Sequence[Keys]] = {}
    for tag in list(dataset.keys()):
        item = dataset.get_item(tag)
        if (vr_of(tag) if item.VR in (None, "UN") else item.VR) == "SQ":
            keys[int(tag)] = [_keys(nested, character_set) for nested in dataset[tag].value or ()]
        else:
            keys[int(tag)] = _decode(item.value or b"", character_set)
    return keys


def _decode(value: bytes, character_set: str) -> str:
    """Text without padding. What names no set that carries Vietnamese is UTF-8 if it can be, else Latin-1."""
    encoding = "gb18030" if "GB" in character_set.upper() else "utf-8"
    try:
        text = value.decode(encoding)
    except UnicodeDecodeError:
        text = value.decode("latin-1")
    return text.strip(" \0")
