"""Small datasets (C-FIND, MPPS) as mappings from tag to text, from bytes and to bytes. Knows no service."""

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from io import BytesIO
from typing import TypeAlias

from pydicom.datadict import dictionary_has_tag, dictionary_VR
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.uid import ImplicitVRLittleEndian
from pydicom.valuerep import STR_VR

from dicom_router.dicom.identity import check_structure
from dicom_router.dicom.text import decode
from dicom_router.errors import DAMAGE, DamagedFile

CHARACTER_SET = 0x00080005
_LONG_VRS = frozenset({"OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"})  # 32 bit lengths
_ITEM = b"\xfe\xff\x00\xe0"

_TEXT_VRS = STR_VR - {"DS", "IS"}

# A small dataset, asked or answered: by tag the text of an element, or the items of a sequence. Numbers are no text:
# empty when they are asked for, as none of them is known to whoever is asked.
Keys: TypeAlias = Mapping[int, "str | Sequence[Keys]"]


def decode_keys(encoded: bytes, transfer_syntax_uid: str) -> Keys:
    """The dataset in ``encoded``, every text in it decoded. Raises DamagedFile when it is none."""
    check_structure(BytesIO(encoded), end=len(encoded), transfer_syntax_uid=transfer_syntax_uid)
    try:
        dataset = read_dataset(BytesIO(encoded), transfer_syntax_uid == ImplicitVRLittleEndian, True)
        return _keys(dataset, "")
    except DAMAGE as error:
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
    if transfer_syntax_uid == ImplicitVRLittleEndian:
        return number + struct.pack("<I", length)
    return number + vr.encode() + struct.pack("<HI" if vr in _LONG_VRS else "<H", *([0] * (vr in _LONG_VRS)), length)


def _keys(dataset: Dataset, inherited: str) -> dict[int, "str | Sequence[Keys]"]:
    declared = dataset.get_item(CHARACTER_SET)
    character_set = decode(declared.value or b"", "") if declared else inherited
    keys: dict[int, str | Sequence[Keys]] = {}
    for tag in list(dataset.keys()):
        item = dataset.get_item(tag)
        vr = vr_of(tag) if item.VR in (None, "UN") else item.VR
        if vr == "SQ":
            keys[int(tag)] = [_keys(nested, character_set) for nested in dataset[tag].value or ()]
        else:
            keys[int(tag)] = decode(item.value or b"", character_set) if vr in _TEXT_VRS else ""
    return keys
