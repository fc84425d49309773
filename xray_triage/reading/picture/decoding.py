"""The bytes of Pixel Data -> stored pixel values, whatever the compression. It must never know what they mean.

Codecs meet bytes from outside: nothing is decoded before the codestream itself says the size that the header says.
"""

import struct
from dataclasses import dataclass
from typing import Literal

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pixel_array

from dicom_router.codestream import CODESTREAM, MARKER, WAVELET, decode_whole, only_frame
from dicom_router.errors import DAMAGE
from xray_triage.reading.header import number

Stored = NDArray[np.integer]  # (h, w), or (h, w, 3) of a colour page

# Gray JPEG goes to imagecodecs, whose libjpeg-turbo is the only one here to take 12 bits, and lossless in a third of
# GDCM's time; the rest to the quickest decoder of pydicom's (JPEG-LS: half of GDCM's time).
JPEG = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1})
DECODERS = (
    dict.fromkeys((uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit), "pillow")
    | dict.fromkeys((uid.JPEGLossless, uid.JPEGLosslessSV1), "gdcm")
    | dict.fromkeys((uid.JPEGLSLossless, uid.JPEGLSNearLossless), "pyjpegls")
    | dict.fromkeys(WAVELET, "pylibjpeg")
    | {uid.RLELossless: "pydicom"}
)
LOSSLESS = frozenset({uid.RLELossless, uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless})
NATIVE = frozenset({uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian})
OF_ONE_FRAME = (
    "Rows", "Columns", "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation",
)  # fmt: skip
# What codecs were seen to raise on damaged streams; a MemoryError is what a bomb ends in.
CODEC_ERRORS = (*DAMAGE, AssertionError, MemoryError, RuntimeError)
REVERSIBLE_AT = 13  # from JPEG 2000's marker COD on: 1 when the wavelet loses nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What stands in the pixel data. A ``lossy`` codec may have pushed a value over the stored bits."""

    values: Stored
    kind: Literal["native", "lossless", "lossy"] = "native"


class DamagedPixels(Exception):
    """The pixel data is not what the header says."""


class Undecodable(Exception):
    """No decoder for this transfer syntax."""


def decode(dataset: Dataset) -> Stored:
    """Stored values (rows, columns[, samples]). An uncompressed film comes as a view of its bytes, not as a copy.

    Raises DamagedPixels or Undecodable.
    """
    return stored_in(words_of(dataset), dataset)


def words_of(dataset: Dataset) -> Words:
    """The pixels with whatever lies in the bits beside the stored ones. Raises DamagedPixels or Undecodable."""
    syntax = _transfer_syntax(dataset)
    try:
        if syntax in NATIVE:
            return Words(values=_native(dataset, big_endian=syntax == uid.ExplicitVRBigEndian))
        return _compressed(dataset, syntax)
    except CODEC_ERRORS as error:
        raise DamagedPixels(f"{type(error).__name__} in {syntax.name}: {error}"[:300]) from error


def stored_in(words: Words, dataset: Dataset) -> Stored:
    """The stored values: overlays and rubbish may sit in the bits beside them (PS3.5 8.1.1)."""
    values = words.values
    if values.ndim != 2:
        return values
    width, stored = values.dtype.itemsize * 8, number(dataset, "BitsStored")
    below = number(dataset, "HighBit", stored - 1) + 1 - stored
    if stored >= width or not 0 <= below <= width - stored:
        return values
    if values.dtype.kind == "u":
        if values.max() < 1 << stored and (below == 0 or words.kind != "native"):
            return values
        most = (1 << stored) - 1
        return np.minimum(values, most) if words.kind == "lossy" else (values >> below) & most
    above = width - stored - below
    return values if words.kind == "lossy" else (values << above) >> (above + below)


def _transfer_syntax(dataset: Dataset) -> uid.UID:
    meta = getattr(dataset, "file_meta", None)
    named = meta.get("TransferSyntaxUID") if meta else None
    syntax = uid.UID(str(named or uid.ImplicitVRLittleEndian))
    if syntax not in DECODERS and syntax not in NATIVE:
        raise Undecodable(str(syntax))
    return syntax


def _native(dataset: Dataset, *, big_endian: bool) -> Stored:
    rows, columns = number(dataset, "Rows"), number(dataset, "Columns")
    samples, allocated = number(dataset, "SamplesPerPixel", 1), number(dataset, "BitsAllocated")
    if allocated not in (8, 16, 32) or samples not in (1, 3):
        raise DamagedPixels(f"BitsAllocated {allocated}, SamplesPerPixel {samples}")
    data = dataset.PixelData
    count = rows * columns * samples
    if len(data) < count * allocated // 8:
        raise DamagedPixels(f"{len(data)} bytes of pixel data, {count * allocated // 8} needed")
    if samples != 1:
        return pixel_array(dataset)
    kind = "i" if number(dataset, "PixelRepresentation") else "u"
    return np.frombuffer(data, f"{'>' if big_endian else '<'}{kind}{allocated // 8}", count).reshape(rows, columns)


def _compressed(dataset: Dataset, syntax: uid.UID) -> Words:
    if number(dataset, "SamplesPerPixel", 1) not in (1, 3):
        raise DamagedPixels(f"SamplesPerPixel {number(dataset, 'SamplesPerPixel')}")
    return decode_whole(
        only_frame(dataset.PixelData),
        syntax,
        lambda stream: _decoded(stream, dataset, syntax),
        same=lambda one, other: np.array_equal(one.values, other.values),
        damage=CODEC_ERRORS,
    )


def _decoded(stream: bytes, dataset: Dataset, syntax: uid.UID) -> Words:
    expected = (number(dataset, "Rows"), number(dataset, "Columns"))
    if syntax != uid.RLELossless:
        found = _codestream_size(stream, wavelet=syntax in WAVELET)
        if found != expected:
            raise DamagedPixels(f"the codestream holds {found} rows and columns, the header says {expected}")
    if syntax in JPEG and number(dataset, "SamplesPerPixel", 1) == 1:
        values = _signed(imagecodecs.jpeg_decode(stream), dataset)
    else:
        values = pixel_array(_alone(dataset, stream), decoding_plugin=DECODERS[syntax])
    if values.shape[:2] != expected:
        raise DamagedPixels(f"decoded to {values.shape[:2]}, the header says {expected}")
    exact = syntax in LOSSLESS or (syntax in WAVELET and _is_reversible(stream))
    return Words(values=values, kind="lossless" if exact else "lossy")


def _alone(dataset: Dataset, stream: bytes) -> Dataset:
    """What a decoder must know of the film, with this stream as its only frame."""
    alone = Dataset()
    for keyword in OF_ONE_FRAME:
        if keyword in dataset:
            alone[keyword] = dataset[keyword]
    alone.file_meta = dataset.file_meta
    alone.add_new("PixelData", "OB", encapsulate([stream], has_bot=False))
    return alone


def _is_reversible(stream: bytes) -> bool:
    at = stream.find(b"\xff\x52", 0, 4096)
    return at >= 0 and stream[at + REVERSIBLE_AT : at + REVERSIBLE_AT + 1] == b"\1"


def _signed(values: Stored, dataset: Dataset) -> Stored:
    """JPEG knows no sign: the stored bits are two's complement when Pixel Representation says so."""
    if not number(dataset, "PixelRepresentation"):
        return values
    unused = values.dtype.itemsize * 8 - number(dataset, "BitsStored")
    return (values.view(f"i{values.dtype.itemsize}") << unused) >> unused


def _codestream_size(frame: bytes, *, wavelet: bool) -> tuple[int, int]:
    """Rows and columns that the codestream itself claims: SIZ of JPEG 2000, SOF of JPEG and JPEG-LS."""
    if wavelet:
        start = frame.find(CODESTREAM, 0, 4096)
        if start < 0:
            raise DamagedPixels("no JPEG 2000 codestream")
        width, height, left, top = struct.unpack_from(">4I", frame, start + 8)
        return height - top, width - left
    position = 2
    while match := MARKER.search(frame, position):
        marker, position = match[1][0], match.end()
        if (0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)) or marker == 0xF7:
            height, width = struct.unpack_from(">HH", frame, position + 3)
            return height, width
        position += struct.unpack_from(">H", frame, position)[0]
    raise DamagedPixels("no JPEG frame header")
