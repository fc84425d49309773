"""DICOM Part 10 files (PS3.10 7.1): where the dataset begins in one, and how one is written. Opens no file."""

import hashlib
import struct
from io import BytesIO
from typing import BinaryIO

import pydicom
from pydicom.dataset import Dataset

from dicom_router.dicom.uids import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from dicom_router.errors import DamagedFile

_LONG_VRS = (b"OB", b"OW", b"OD", b"OF", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_META_CAP_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20


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


def file_head(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> bytes:
    """Preamble and file meta information for a dataset as it comes over the link. The UIDs are ASCII.

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
    group_length = struct.pack("<HH2sHI", 2, 0x0000, b"UL", 4, len(elements))
    return bytes(128) + b"DICM" + group_length + elements


def encode_file(dataset: Dataset) -> bytes:
    """The whole file of an object made here, which has its transfer syntax in its file meta information."""
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _meta_element(element: int, vr: bytes, text: str) -> bytes:
    value = text.encode("ascii")
    if len(value) % 2:
        value += b"\0" if vr == b"UI" else b" "
    return struct.pack("<HH2sH", 2, element, vr, len(value)) + value
