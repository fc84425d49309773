"""The bytes of Pixel Data -> stored pixel values, whatever the compression. It must never know what they mean.

Codecs meet bytes from outside: nothing is decoded before the codestream itself says the size that the header says.
"""

import re
import struct

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array

from dicom_router.errors import DAMAGE
from xray_triage.reading.header import number

Stored = NDArray[np.integer]  # (h, w), or (h, w, 3) of a colour page

# Gray JPEG goes to imagecodecs, whose libjpeg-turbo is the only one here to take 12 bits, and lossless in a third of
# GDCM's time; the rest to the quickest decoder of pydicom's (JPEG-LS: half of GDCM's time).
JPEG = frozenset({uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit, uid.JPEGLossless, uid.JPEGLosslessSV1})
WAVELET = frozenset({uid.JPEG2000, uid.JPEG2000Lossless, uid.HTJ2K, uid.HTJ2KLossless, uid.HTJ2KLosslessRPCL})
DECODERS = (
    dict.fromkeys((uid.JPEGBaseline8Bit, uid.JPEGExtended12Bit), "pillow")
    | dict.fromkeys((uid.JPEGLossless, uid.JPEGLosslessSV1), "gdcm")
    | dict.fromkeys((uid.JPEGLSLossless, uid.JPEGLSNearLossless), "pyjpegls")
    | dict.fromkeys(WAVELET, "pylibjpeg")
    | {uid.RLELossless: "pydicom"}
)
NATIVE = frozenset({uid.ImplicitVRLittleEndian, uid.ExplicitVRLittleEndian, uid.ExplicitVRBigEndian})
MARKER = re.compile(rb"\xff+([^\x00\xff])", re.DOTALL)
END_MARKER_WITHIN = 64  # bytes: padding may follow the end marker

# What codecs were seen to raise on damaged streams; a MemoryError is what a bomb ends in.
CODEC_ERRORS = (*DAMAGE, AssertionError, MemoryError, RuntimeError)


class DamagedPixels(Exception):
    """The pixel data is not what the header says."""


class Undecodable(Exception):
    """No decoder for this transfer syntax."""


def decode(dataset: Dataset) -> Stored:
    """Stored values (rows, columns[, samples]). An uncompressed film comes as a view of its bytes, not as a copy.

    Raises DamagedPixels or Undecodable.
    """
    syntax = _transfer_syntax(dataset)
    try:
        if syntax in NATIVE:
            return _native(dataset, big_endian=syntax == uid.ExplicitVRBigEndian)
        return _compressed(dataset, syntax)
    except CODEC_ERRORS as error:
        raise DamagedPixels(f"{type(error).__name__} in {syntax.name}: {error}"[:300]) from error


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
    values = np.frombuffer(data, f"{'>' if big_endian else '<'}{kind}{allocated // 8}", count).reshape(rows, columns)
    return _without_unused_bits(values, dataset)


def _without_unused_bits(values: Stored, dataset: Dataset) -> Stored:
    """Overlays and rubbish may sit in the bits beside the stored ones (PS3.5 8.1.1)."""
    allocated, stored = number(dataset, "BitsAllocated"), number(dataset, "BitsStored")
    below = number(dataset, "HighBit", stored - 1) + 1 - stored
    if stored == allocated or not 0 <= below <= allocated - stored:
        return values
    if values.dtype.kind == "u":
        if below == 0 and values.max() < 1 << stored:
            return values
        return (values >> below) & ((1 << stored) - 1)
    above = allocated - stored - below
    return (values << above) >> (above + below)


def _compressed(dataset: Dataset, syntax: uid.UID) -> Stored:
    samples = number(dataset, "SamplesPerPixel", 1)
    if samples not in (1, 3):
        raise DamagedPixels(f"SamplesPerPixel {samples}")
    expected = (number(dataset, "Rows"), number(dataset, "Columns"))
    frame = get_frame(dataset.PixelData, 0, number_of_frames=1)
    if syntax != uid.RLELossless:
        if b"\xff\xd9" not in frame[-END_MARKER_WITHIN:]:
            raise DamagedPixels("the codestream has no end")  # libjpeg would fill the rest with gray and say nothing
        found = _codestream_size(frame, wavelet=syntax in WAVELET)
        if found != expected:
            raise DamagedPixels(f"the codestream holds {found} rows and columns, the header says {expected}")
    if syntax in JPEG and samples == 1:
        values = _signed(imagecodecs.jpeg_decode(frame), dataset)
    else:
        values = pixel_array(dataset, decoding_plugin=DECODERS[syntax])
    if values.shape[:2] != expected:
        raise DamagedPixels(f"decoded to {values.shape[:2]}, the header says {expected}")
    return values


def _signed(values: Stored, dataset: Dataset) -> Stored:
    """JPEG knows no sign: the stored bits are two's complement when Pixel Representation says so."""
    if not number(dataset, "PixelRepresentation"):
        return values
    unused = values.dtype.itemsize * 8 - number(dataset, "BitsStored")
    return (values.view(f"i{values.dtype.itemsize}") << unused) >> unused


def _codestream_size(frame: bytes, *, wavelet: bool) -> tuple[int, int]:
    """Rows and columns that the codestream itself claims: SIZ of JPEG 2000, SOF of JPEG and JPEG-LS."""
    if wavelet:
        start = frame.find(b"\xff\x4f\xff\x51", 0, 4096)
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
