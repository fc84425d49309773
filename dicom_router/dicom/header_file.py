"""The header of an instance as a small file of its own, for when the instance itself is no longer kept.

Never decodes a pixel.
"""

from io import BytesIO
from typing import BinaryIO

import pydicom

from dicom_router.dicom.outline import read_outline
from dicom_router.errors import DAMAGE, DamagedFile

LARGEST_BYTES = 256 << 10


def header_file(stream: BinaryIO) -> bytes:
    """A Part 10 file without pixels and values over 64 KiB, the bytes of the others as they came.

    Raises DamagedFile where there is no such header, or a far too large one.
    """
    header, buffer = read_outline(stream).header, BytesIO()
    try:
        pydicom.dcmwrite(buffer, header, enforce_file_format=False)
    except DAMAGE as error:
        raise DamagedFile(f"its header cannot be written: {error}") from error
    if buffer.tell() > LARGEST_BYTES:
        raise DamagedFile(f"a header of {buffer.tell()} bytes")
    return buffer.getvalue()
