"""Where the frames of an instance lie in its file, compressed or not (PS3.5 8 and A.4). Never decodes a pixel."""

import os
import struct
from collections.abc import Sequence
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.uid import UID

from dicom_router.codestream import END_OF_IMAGE, END_WITHIN, Piece, fragments_in
from dicom_router.dicom.outline import PIXEL_DATA, Extent, Outline
from dicom_router.errors import DAMAGE, DamagedFile


class NoSuchFrame(Exception):
    """The instance has no pixels, or not so many frames."""


def locate_frame(stream: BinaryIO, outline: Outline, number: int) -> list[Piece]:
    """The pieces of frame ``number``, counted from 1, in order. Raises NoSuchFrame, DamagedFile."""
    pixels = outline.large.get(PIXEL_DATA)
    if pixels is None:
        raise NoSuchFrame("this instance has no pixel data")
    try:
        count = int(outline.header.get("NumberOfFrames") or 1)
        if not 1 <= number <= count:
            raise NoSuchFrame(f"frame {number} of {count}")
        compressed = UID(str(outline.header.file_meta.TransferSyntaxUID)).is_compressed
        found = (_compressed if compressed else _native)(stream, outline.header, pixels, number, count)
        end = stream.seek(0, os.SEEK_END)
    except DAMAGE as error:
        raise DamagedFile(f"frames that cannot be told apart: {error}") from error
    if sum(length for _, length in found) == 0 or any(offset + length > end for offset, length in found):
        raise DamagedFile(f"the file ends before frame {number} does")
    return found


def _native(_: BinaryIO, header: Dataset, pixels: Extent, number: int, count: int) -> list[Piece]:
    samples, allocated = int(header.get("SamplesPerPixel") or 1), int(header.BitsAllocated)
    bits = int(header.Rows) * int(header.Columns) * samples * allocated
    if header.get("PhotometricInterpretation") == "YBR_FULL_422":
        bits = bits * 2 // 3
    if bits % 8 and count > 1:
        raise DamagedFile("frames that begin within a byte")
    size = (bits + 7) // 8
    if pixels.length is None or pixels.length < number * size:
        raise DamagedFile(f"{pixels.length} bytes of pixel data, {number * size} needed")
    return [(pixels.offset + (number - 1) * size, size)]


def _compressed(stream: BinaryIO, header: Dataset, pixels: Extent, number: int, count: int) -> list[Piece]:
    table, fragments = fragments_in(stream, pixels.offset)
    starts = _starts(header, table)
    if count == 1:
        return fragments
    if len(starts) == count:
        first = fragments[0][0] - 8  # offsets count from the item tag of the first fragment
        bounds = [*starts, fragments[-1][0]]
        return [one for one in fragments if bounds[number - 1] <= one[0] - 8 - first < bounds[number]]
    if len(fragments) == count:
        return [fragments[number - 1]]
    return _by_end_marker(stream, fragments, count)[number - 1]


def _starts(header: Dataset, table: bytes) -> Sequence[int]:
    """Where each frame begins, from the first fragment's item on; empty where no table says so."""
    if extended := header.get("ExtendedOffsetTable"):
        return struct.unpack(f"<{len(extended) // 8}Q", extended[: len(extended) // 8 * 8])
    return struct.unpack(f"<{len(table) // 4}L", table[: len(table) // 4 * 4])


def _by_end_marker(stream: BinaryIO, fragments: Sequence[Piece], count: int) -> list[list[Piece]]:
    frames: list[list[Piece]] = [[]]
    for offset, length in fragments:
        frames[-1].append((offset, length))
        stream.seek(offset + max(0, length - END_WITHIN))
        if END_OF_IMAGE in stream.read(min(length, END_WITHIN)):
            frames.append([])
    if len(frames) != count + 1 or frames[-1]:
        raise DamagedFile(f"{len(fragments)} fragments that are not {count} frames")
    return frames
