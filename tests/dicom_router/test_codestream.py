"""Encapsulated pixels as machines write them: what is whole is decoded, what breaks off is damage."""

import itertools
import struct
from collections.abc import Callable
from dataclasses import dataclass

import imagecodecs
import jpeg_ls
import numpy as np
import pytest
from pydicom import uid

from dicom_router.codestream import END, END_OF_IMAGE, ITEM, NoEnd, decode_whole, only_frame

PIXELS = (np.add.outer(np.arange(64), np.arange(48)) * 30 + np.random.default_rng(1).integers(0, 60, (64, 48))).astype(
    np.uint16
)


@dataclass(frozen=True)
class Codec:
    syntax: uid.UID
    stream: bytes
    decode: Callable[[bytes], np.ndarray]


def _jpeg_ls(stream: bytes) -> np.ndarray:
    return np.asarray(jpeg_ls.decode(np.frombuffer(stream, np.uint8)))


CODECS = {
    "JPEG-LS": Codec(uid.JPEGLSLossless, imagecodecs.jpegls_encode(PIXELS), _jpeg_ls),
    "JPEG lossless": Codec(
        uid.JPEGLosslessSV1, imagecodecs.ljpeg_encode(PIXELS, bitspersample=12), imagecodecs.jpeg_decode
    ),
    "JPEG extended": Codec(
        uid.JPEGExtended12Bit, imagecodecs.jpeg8_encode(PIXELS, level=95, bitspersample=12), imagecodecs.jpeg_decode
    ),
    "JPEG 2000": Codec(
        uid.JPEG2000Lossless,
        imagecodecs.jpeg2k_encode(PIXELS, level=0, codecformat="j2k", reversible=True),
        imagecodecs.jpeg2k_decode,
    ),
}


def decoded(codec: Codec, stream: bytes) -> np.ndarray:
    return decode_whole(
        stream, codec.syntax, codec.decode, same=np.array_equal, damage=(RuntimeError, ValueError, LookupError)
    )


def bare(codec: Codec) -> bytes:
    """The stream without its end marker."""
    return codec.stream[: codec.stream.rindex(END_OF_IMAGE)]


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda stream: stream + END_OF_IMAGE,
        lambda stream: stream + END_OF_IMAGE + b"\0",
        lambda stream: stream + END_OF_IMAGE + b"\0" * 5000,
        lambda stream: stream + END_OF_IMAGE + b"\xff" * 600,
        lambda stream: stream + END_OF_IMAGE + b" rubbish of the buffer before " * 40,
        lambda stream: stream,
        lambda stream: stream + b"\0",
    ],
    ids=["whole", "even", "zeros", "ones", "rubbish", "no end", "no end, even"],
)
def test_what_has_every_pixel_is_decoded(name: str, spoil: Callable[[bytes], bytes]) -> None:
    codec = CODECS[name]
    assert np.array_equal(decoded(codec, spoil(bare(codec))), codec.decode(codec.stream))


@pytest.mark.parametrize("name", ["JPEG-LS", "JPEG lossless", "JPEG extended"])
@pytest.mark.parametrize("fill", [b"\0", b"\0\0\0", b"\xff", b"\0" * 200])
def test_fill_bytes_before_the_end_are_no_damage(name: str, fill: bytes) -> None:
    codec = CODECS[name]
    assert np.array_equal(decoded(codec, bare(codec) + fill + END_OF_IMAGE), codec.decode(codec.stream))


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("lost", [3, 20, 500])
def test_what_breaks_off_is_never_filled_in(name: str, lost: int) -> None:
    codec = CODECS[name]
    for rest in (b"", b"\0" * 100, b"\xff"):
        with pytest.raises((NoEnd, RuntimeError, ValueError)):
            decoded(codec, bare(codec)[:-lost] + rest)


def test_a_jpeg_2000_stream_that_says_no_length_and_has_no_end_is_refused() -> None:
    codec = CODECS["JPEG 2000"]
    at = codec.stream.index(b"\xff\x90") + 6
    open_ended = codec.stream[:at] + bytes(4) + codec.stream[at + 4 :]
    with pytest.raises(NoEnd):
        decoded(codec, open_ended[: open_ended.rindex(END_OF_IMAGE)])


def item(data: bytes) -> bytes:
    return ITEM + struct.pack("<L", len(data)) + data


@pytest.mark.parametrize("table", [b"", struct.pack("<L", 12), struct.pack("<LL", 0, 99), b"\1\2\3\4\5\6"])
@pytest.mark.parametrize("cuts", [[], [1], [2, 2, 3], [0, 5, 5, 12]])
@pytest.mark.parametrize("end", [b"", bytes(8), END + bytes(4), bytes(3)])
def test_one_frame_needs_no_table_and_no_whole_fragments(table: bytes, cuts: list[int], end: bytes) -> None:
    data = bytes(range(12))
    edges = [0, *cuts, len(data)]
    pieces = [data[one:other] for one, other in itertools.pairwise(edges)]
    assert only_frame(item(table) + b"".join(map(item, pieces)) + end) == data


@pytest.mark.parametrize(
    "value",
    [b"", item(b""), item(b"") + b"\xe0\x7f\x10\x00" + bytes(4), item(b"") + item(bytes(9))[:-1], b"\xff\xd8\xff\xe0"],
)
def test_fragments_that_break_off_are_damage(value: bytes) -> None:
    with pytest.raises(NoEnd):
        only_frame(value)
