"""Where the dataset of a DICOM Part 10 file begins (PS3.10 7.1). Reads no dataset."""

import struct
from typing import BinaryIO

from dicom_router.errors import DamagedFile

_LONG_VRS = (b"OB", b"OW", b"OD", b"OF", b"OL", b"OV", b"SQ", b"UC", b"UN", b"UR", b"UT", b"SV", b"UV")
_META_CAP_BYTES = 1 << 20


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
