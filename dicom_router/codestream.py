"""Encapsulated pixels (PS3.5 A.4) -> the codestream that a decoder should be given. It must never decode a pixel.

Machines pad fragments, forget end markers and put fill bytes before them, and strict decoders call that damage. What is
whole is mended here. Nothing is mended that lacks pixels: a decoder would make them up.
"""

import os
import re
import struct
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from typing import BinaryIO, TypeVar

from pydicom import uid

Pixels = TypeVar("Pixels")
Piece = tuple[int, int]  # offset, bytes

ITEM, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
END_OF_IMAGE = b"\xff\xd9"
END_WITHIN = 64  # bytes: so much padding after the end marker troubles no decoder
WAVELET = frozenset({uid.JPEG2000, uid.JPEG2000Lossless, uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL})
STRICT = frozenset({uid.JPEGLSLossless, uid.JPEGLSNearLossless})  # CharLS wants every bit, and none too many
MOST_ZEROS_OF_A_SCAN = 2  # a scan may end with zeros of its own, before the fill bytes
FILLS = (b"\x00" * 16, b"\x55" * 16)
PADDING = b"\x00\xff"
TILE_PART, CODESTREAM = b"\xff\x90", b"\xff\x4f\xff\x51"
START_OF_SCAN = 0xDA
MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
MARKER_IN_SCAN = re.compile(rb"\xff([\x80-\xcf\xd8-\xfe])")  # T.81 stuffs 00 after FF, T.87 a bit; RST counts to it


class NoEnd(ValueError):
    """The pixels break off."""


def fragments_in(stream: BinaryIO, offset: int) -> tuple[bytes, list[Piece]]:
    """The basic offset table's bytes, and the fragments that follow it. Raises NoEnd."""
    stream.seek(offset)
    pieces = []
    while (head := stream.read(8))[:4] == ITEM and len(head) == 8:
        (length,) = struct.unpack("<L", head[4:])
        pieces.append((stream.tell(), length))
        stream.seek(length, os.SEEK_CUR)
    ends = head[:4] == END or not head.strip(b"\0")  # some machines leave the delimiter out, or write zeros for it
    if not ends or len(pieces) < 2:
        raise NoEnd("encapsulated pixel data without an end")
    stream.seek(pieces[0][0])
    return stream.read(pieces[0][1]), pieces[1:]


def only_frame(pixel_data: bytes) -> bytes:
    """The frame in an encapsulated value that holds one, whatever its offset table says. Raises NoEnd."""
    _, fragments = fragments_in(BytesIO(pixel_data), 0)
    if sum(fragments[-1]) > len(pixel_data):
        raise NoEnd("the pixel data end before the last fragment does")
    return b"".join(pixel_data[offset : offset + length] for offset, length in fragments)


def decode_whole(
    frame: bytes,
    syntax: uid.UID,
    decode: Callable[[bytes], Pixels],
    *,
    same: Callable[[Pixels, Pixels], bool],
    damage: tuple[type[Exception], ...],
) -> Pixels:
    """What ``decode`` makes of a frame of any transfer syntax. ``damage``: what it raises on a damaged stream.

    Raises what it raised last, or NoEnd.
    """
    failure: Exception = NoEnd("the codestream has no end")
    for streams in _versions(frame, syntax):
        try:
            first, *others = [decode(stream) for stream in streams]
        except damage as error:
            failure = error
            continue
        if all(same(first, other) for other in others):
            return first
    raise failure


def _versions(frame: bytes, syntax: uid.UID) -> Iterator[Sequence[bytes]]:
    """What to decode in turn. Where there are two, they go on differently: only a whole scan gives the same pixels."""
    if syntax == uid.RLELossless:
        yield [frame]
    elif syntax in WAVELET:
        yield [frame if END_OF_IMAGE in frame[-END_WITHIN:] else frame[: _end_of_tiles(frame)] + END_OF_IMAGE]
    else:
        end = len(frame) if END_OF_IMAGE in frame[-END_WITHIN:] else _end_of_scans(frame)
        if end is not None:
            yield [frame[:end]]
        if syntax in STRICT:
            yield from _without_fill(frame if end is None else frame[: frame.rindex(END_OF_IMAGE, 0, end)])
        elif end is None:
            yield [frame.rstrip(PADDING) + fill + END_OF_IMAGE for fill in FILLS]


def _without_fill(scans: bytes) -> Iterator[Sequence[bytes]]:
    """Without the zeros at their end, or with the few that may be the scan's own."""
    bare = scans.rstrip(b"\0")
    for zeros in range(min(MOST_ZEROS_OF_A_SCAN, len(scans) - len(bare)) + 1):
        yield [bare + bytes(zeros) + END_OF_IMAGE]


def _end_of_scans(frame: bytes) -> int | None:
    """The place behind the end marker of a JPEG or JPEG-LS stream; None where none comes."""
    position, marks = 2, MARKER
    while match := marks.search(frame, position):
        marker, position = match[1][0], match.end()
        if marker == END_OF_IMAGE[1]:
            return position
        if position + 2 > len(frame):
            return None
        position += struct.unpack_from(">H", frame, position)[0]
        marks = MARKER_IN_SCAN if marker == START_OF_SCAN else MARKER
    return None


def _end_of_tiles(frame: bytes) -> int:
    """The place behind the last tile-part of a JPEG 2000 stream.

    Raises NoEnd where one is cut, says no length, or ends in zeros, which may be padding in the place of what was lost.
    """
    start = frame.find(CODESTREAM, 0, 4096)
    position = end = frame.find(TILE_PART, max(start, 0))
    while start >= 0 and position >= 0 and frame[position : position + 2] == TILE_PART and position + 12 <= len(frame):
        (length,) = struct.unpack_from(">I", frame, position + 6)  # SOT: Lsot, Isot, Psot
        if length < 12:
            break
        position = end = position + length
    if not 0 < end <= len(frame) or frame[end : end + 2] == TILE_PART or frame[end - 1] == 0:
        raise NoEnd("the codestream has no end")
    return end
