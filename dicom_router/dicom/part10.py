"""DICOM Part 10 files (PS3.10 7.1): where the dataset begins in one, and how one is written. Opens no file."""

import hashlib
import struct
from collections.abc import Iterable
from typing import Any, BinaryIO

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue

from dicom_router.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_router.errors import DamagedFile

_LONG_VRS = (b"OB", b"OW", b"OD", b"OF", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_META_CAP_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_TEXTS = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}
_UNDEFINED = 0xFFFFFFFF
_SEQUENCE_END = struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


def seek_dataset(stream: BinaryIO) -> int:
    """Put ``stream`` on the first byte of the dataset and return that offset.

    Walks the elements of group 0002, because the group length is often missing or wrong. Raises DamagedFile.
    """
    stream.seek(0)
    if stream.read(132)[128:] != b"DICM":
        raise DamagedFile("not a DICOM file: the prefix DICM is missing")
    offset = 132
    while (head := stream.read(8))[:2] == b"\x02\x00":
        if head[4:6] in _LONG_VRS:
            (length,) = struct.unpack("<L", stream.read(4).ljust(4, b"\xff"))
            offset += 12 + length
        else:
            (length,) = struct.unpack("<H", head[6:8].ljust(2, b"\xff"))
            offset += 8 + length
        if offset > _META_CAP_BYTES:
            raise DamagedFile("not a DICOM file: its file meta information is damaged")
        stream.seek(offset)
    if len(head) < 8:
        raise DamagedFile("a DICOM file without a dataset")
    stream.seek(offset)
    return offset


def dataset_sha256(stream: BinaryIO) -> str:
    """Of the encoded dataset of a file, as SpooledFile has it. Raises DamagedFile, or OSError of the disk."""
    seek_dataset(stream)
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK_BYTES):
        digest.update(chunk)
    return digest.hexdigest()


def file_head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, *, stray: bytes = b"") -> bytes:
    """Preamble and file meta information for a dataset as it comes over the link. The UIDs are ASCII.

    ``stray``: what a machine sent that is no part of the dataset; kept as private information, PS3.10 table 7.1-1.
    Written by hand: pydicom refuses to write a UID with leading zeros, and some machines make such UIDs.
    """
    elements = struct.pack("<HH2sxxI2s", 2, 0x0001, b"OB", 2, b"\0\1") + b"".join(
        _meta_element(element, vr, text)
        for element, vr, text in (
            (0x0002, b"UI", sop_class_uid),
            (0x0003, b"UI", sop_instance_uid),
            (0x0010, b"UI", transfer_syntax_uid),
            (0x0012, b"UI", IMPLEMENTATION_CLASS_UID),
            (0x0013, b"SH", IMPLEMENTATION_VERSION_NAME),
        )
    )
    if stray:
        elements += _meta_element(0x0100, b"UI", IMPLEMENTATION_CLASS_UID)
        padded = stray + b"\0" * (len(stray) % 2)
        elements += struct.pack("<HH2sxxI", 2, 0x0102, b"OB", len(padded)) + padded
    group_length = struct.pack("<HH2sHI", 2, 0x0000, b"UL", 4, len(elements))
    return bytes(128) + b"DICM" + group_length + elements


def encode_file(dataset: Dataset) -> bytes:
    """The whole file of an object made here: explicit VR little endian, or compressed, and text in UTF-8.

    By hand, in a sixth of pydicom's time: a report has 1,400 elements, and a doctor waits for it. Raises KeyError for
    a VR that has to be looked up in other elements ("US or SS").
    """
    names = dataset.SOPClassUID, dataset.SOPInstanceUID, dataset.file_meta.TransferSyntaxUID
    return file_head(*map(str, names)) + _encoded(dataset, {})


def _encoded(elements: Iterable[DataElement], items: dict[int, bytes]) -> bytes:
    """``items``: by id the items of sequences that have been encoded; most of a report's are codes it says often."""
    return b"".join([_element(one, items) for one in elements])


def _element(one: DataElement, items: dict[int, bytes]) -> bytes:
    """PS3.5 7.1.2."""
    vr = one.VR.encode()
    value = b"".join([_item(each, items) for each in one.value]) if vr == b"SQ" else _value(one.VR, one.value)
    if vr not in _LONG_VRS and len(value) <= 0xFFFF:
        return struct.pack("<HH2sH", one.tag.group, one.tag.element, vr, len(value)) + value
    if vr not in _LONG_VRS:
        vr = b"UN"  # PS3.5 6.2.2, note: what is too long for its own VR
    length = _UNDEFINED if one.is_undefined_length else len(value)
    end = _SEQUENCE_END if one.is_undefined_length else b""
    return struct.pack("<HH2sxxL", one.tag.group, one.tag.element, vr, length) + value + end


def _value(vr: str, value: Any) -> bytes:
    if value is None or isinstance(value, bytes):
        encoded = value or b""
        return encoded + b"\0" * (len(encoded) % 2)
    values = value if isinstance(value, MultiValue | list) else [value]
    if vr in _TEXTS:
        text = "\\".join(map(str, values)).encode(errors="replace")
        return text + (b"\0" if vr == "UI" else b" ") * (len(text) % 2)
    return struct.pack(f"<{len(values)}{_NUMBERS[vr]}", *values)


def _item(one: Dataset, items: dict[int, bytes]) -> bytes:
    if id(one) not in items:
        content = _encoded(one, items)
        items[id(one)] = struct.pack("<HHL", 0xFFFE, 0xE000, len(content)) + content
    return items[id(one)]


def _meta_element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value
