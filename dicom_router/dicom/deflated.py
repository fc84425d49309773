"""A deflated file (PS3.5 A.5) written out as explicit VR little endian, up to a size. Reads no element of its dataset.

For what we asked for ourselves: nobody may send us such a file (uids.TRANSFER_SYNTAXES).
"""

import struct
import zlib
from typing import BinaryIO

from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

from dicom_router.dicom.part10 import file_head, seek_dataset
from dicom_router.errors import DamagedFile

CHUNK_BYTES = 1 << 16
_SOP_CLASS, _SOP_INSTANCE, _TRANSFER_SYNTAX = 0x0002, 0x0003, 0x0010  # of group 0002


def is_deflated(stream: BinaryIO) -> bool:
    """Whether the file says so. Raises DamagedFile when it is none."""
    return _meta(stream, _TRANSFER_SYNTAX) == DeflatedExplicitVRLittleEndian


def inflate(stream: BinaryIO, target: BinaryIO, *, longest: int) -> bool:
    """Write the file as it is without its compression. False: it is longer than that. Raises DamagedFile."""
    names = _meta(stream, _SOP_CLASS), _meta(stream, _SOP_INSTANCE)
    target.write(file_head(*names, ExplicitVRLittleEndian))
    seek_dataset(stream)
    inflater, left = zlib.decompressobj(-zlib.MAX_WBITS), longest
    try:
        while not inflater.eof and (coded := inflater.unconsumed_tail or stream.read(CHUNK_BYTES)):
            left -= target.write(inflater.decompress(coded, CHUNK_BYTES))
            if left < 0:
                return False
    except zlib.error as error:
        raise DamagedFile(f"its dataset is not deflated: {error}") from error
    if not inflater.eof:
        raise DamagedFile("its deflated dataset ends in the middle")
    return True


def _meta(stream: BinaryIO, element: int) -> str:
    """A UID of the file meta information, which is in explicit VR little endian always: PS3.10 7.1."""
    end = seek_dataset(stream)
    stream.seek(132)
    elements = stream.read(end - 132)
    start = elements.find(struct.pack("<HH2s", 0x0002, element, b"UI"))
    if start < 0:
        return ""
    (length,) = struct.unpack_from("<H", elements, start + 6)
    return elements[start + 8 : start + 8 + length].decode("ascii", "replace").strip(" \0")
