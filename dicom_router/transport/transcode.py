"""Rewrites one DICOM file in another transfer syntax, without loss.

``python -m dicom_router.transport.transcode UID <in >out``.

Run in a process of its own with a cap on memory and time (see compression.py), because codecs meet bytes from outside.
It must never change anything but the encoding: the SOP Instance UID, the attributes and every pixel stay.
"""

import argparse
import math
import sys
from io import BytesIO
from typing import BinaryIO

import imagecodecs
import jpeg_ls
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames

from dicom_router.child import restrain
from dicom_router.codestream import decode_whole, only_frame
from dicom_router.dicom.instance import read_dataset
from dicom_router.dicom.uids import UNCOMPRESSED
from dicom_router.errors import DAMAGE

ENCODERS = {uid.JPEGLSLossless: "pyjpegls", uid.JPEG2000Lossless: "pylibjpeg", uid.JPEGLosslessSV1: "imagecodecs"}
MAX_PIXEL_BYTES = 400_000_000
CANNOT = 3  # exit status: this film cannot be rewritten; the reason is on stderr


class CannotTranscodeError(ValueError):
    """This file cannot be rewritten without loss or risk. It goes as it is."""


def transcode(source: BinaryIO, target: BinaryIO, transfer_syntax_uid: str) -> None:
    """Read a Part 10 file from ``source`` and write it to ``target`` in ``transfer_syntax_uid``.

    Raises CannotTranscodeError, or whatever the codecs raise on a damaged codestream.
    """
    wanted = uid.UID(transfer_syntax_uid)
    dataset = read_dataset(source)
    _check_size(dataset)
    current = dataset.file_meta.TransferSyntaxUID
    if current == uid.ExplicitVRBigEndian:
        raise CannotTranscodeError("big endian is not rewritten")
    if current.is_compressed and current != wanted:
        dataset = decompressed(dataset)
    if wanted in ENCODERS:
        compress(dataset, wanted)
    elif wanted in UNCOMPRESSED:
        dataset.file_meta.TransferSyntaxUID = wanted
    else:
        raise CannotTranscodeError(f"no encoder for {wanted.name}")
    pydicom.dcmwrite(target, dataset, implicit_vr=wanted == uid.ImplicitVRLittleEndian, little_endian=True)


def compress(dataset: Dataset, wanted: uid.UID) -> None:
    """Compress native little endian pixels in place, and prove by decoding that every stored word is still the same."""
    stored = stored_words(dataset, colour=wanted == uid.JPEGLosslessSV1)
    check_compressible(dataset, stored, wanted)
    if wanted == uid.JPEGLosslessSV1:
        decoded = _compress_jpeg(dataset, stored)
    else:
        dataset.compress(wanted, encoding_plugin=ENCODERS[wanted], generate_instance_uid=False)
        if wanted == uid.JPEGLSLossless:
            (codestream,) = generate_frames(dataset.PixelData, number_of_frames=1)
            decoded = jpeg_ls.decode(np.frombuffer(codestream, dtype=np.uint8))
        else:
            decoded = dataset.pixel_array
    if decoded.astype(stored.dtype, copy=False).tobytes() != stored.tobytes():
        raise CannotTranscodeError("the codec did not give the same pixels back")


def _compress_jpeg(dataset: Dataset, stored: NDArray[np.generic]) -> NDArray[np.generic]:
    """JPEG Lossless of first-order prediction (PS3.5 8.2.1), for which pydicom knows no encoder; decoded again."""
    space = "RGB" if stored.ndim == 3 else None
    codestream = bytes(
        imagecodecs.jpeg8_encode(
            stored,
            lossless=True,
            predictor=1,
            bitspersample=dataset.BitsStored,
            colorspace=space,
            outcolorspace=space,
        )
    )
    dataset.PixelData = encapsulate([codestream])
    dataset["PixelData"].VR = "OB"
    dataset["PixelData"].is_undefined_length = True
    dataset.file_meta.TransferSyntaxUID = uid.JPEGLosslessSV1
    return imagecodecs.jpeg8_decode(codestream, colorspace=space, outcolorspace=space)


def decompressed(dataset: Dataset) -> Dataset:
    """The same in Explicit VR Little Endian; a film of one frame is mended as the reader mends it."""
    if int(dataset.get("NumberOfFrames") or 1) != 1:
        dataset.decompress(generate_instance_uid=False)
        return dataset
    return decode_whole(
        only_frame(dataset.PixelData),
        dataset.file_meta.TransferSyntaxUID,
        lambda stream: _decompressed(dataset, stream),
        same=lambda one, other: bool(one.PixelData == other.PixelData),
        damage=(*DAMAGE, RuntimeError),
    )


def _decompressed(source: Dataset, stream: bytes) -> Dataset:
    """JPEG Extended with 12 bits is beyond GDCM and Pillow.

    ``xray_triage/reading/picture/decoding.py`` asks the same codec; no decoder may stand where both could import it.
    """
    dataset = Dataset(source)
    dataset.file_meta, dataset.preamble = FileMetaDataset(source.file_meta), bytes(128)
    if dataset.file_meta.TransferSyntaxUID != uid.JPEGExtended12Bit or dataset.get("BitsStored", 8) <= 8:
        dataset.PixelData = encapsulate([stream], has_bot=False)
        dataset.decompress(generate_instance_uid=False)
        return dataset
    if dataset.get("SamplesPerPixel", 1) != 1:
        raise CannotTranscodeError("JPEG Extended in colour")
    pixels = imagecodecs.jpeg8_decode(stream)
    if pixels.shape != (dataset.Rows, dataset.Columns):
        raise CannotTranscodeError("the codestream has another size than the header")
    # A lossy codestream may overshoot; the header promises BitsStored.
    pixels = np.minimum(pixels, (1 << dataset.BitsStored) - 1).astype("<u2")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset["PixelData"].is_undefined_length = False
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    return dataset


def stored_words(dataset: Dataset, *, colour: bool = False) -> NDArray[np.generic]:
    """The native pixel words as they stand in the file, (rows, columns), all BitsAllocated bits of them.

    With ``colour`` those of a picture in RGB too, (rows, columns, 3).
    """
    if "PixelData" not in dataset:
        raise CannotTranscodeError("no pixel data")
    is_colour = (dataset.SamplesPerPixel, dataset.get("PlanarConfiguration"), dataset.BitsAllocated) == (3, 0, 8)
    is_rgb = colour and is_colour and dataset.PhotometricInterpretation == "RGB"
    if (dataset.SamplesPerPixel != 1 and not is_rgb) or int(dataset.get("NumberOfFrames") or 1) != 1:
        raise CannotTranscodeError("colour or several frames")
    if dataset.BitsAllocated not in (8, 16):
        raise CannotTranscodeError(f"BitsAllocated {dataset.BitsAllocated}")
    shape = (dataset.Rows, dataset.Columns, 3) if is_rgb else (dataset.Rows, dataset.Columns)
    expected = math.prod(shape) * dataset.BitsAllocated // 8
    if len(dataset.PixelData) != expected + expected % 2:
        raise CannotTranscodeError("PixelData has another length than the header says")
    words = np.frombuffer(dataset.PixelData, dtype=np.dtype(f"<u{dataset.BitsAllocated // 8}"), count=math.prod(shape))
    return words.reshape(shape)


def check_compressible(dataset: Dataset, stored: NDArray[np.generic], wanted: uid.UID) -> None:
    """Raise CannotTranscodeError where compression would lose something or decoders disagree.

    Bits above BitsStored may carry an overlay (retired, PS3.5 8.1.2) that no codestream keeps. dcmtk gives signed
    JPEG-LS pixels of fewer bits than allocated back without their sign extension.
    """
    bits, allocated = dataset.BitsStored, dataset.BitsAllocated
    if dataset.HighBit != bits - 1 or not allocated - 8 < bits <= allocated:
        raise CannotTranscodeError(f"BitsStored {bits}, HighBit {dataset.HighBit}, BitsAllocated {allocated}")
    if dataset.PixelRepresentation and bits < allocated:
        raise CannotTranscodeError(f"signed pixels of {bits} in {allocated} bits")
    if not dataset.PixelRepresentation and int(stored.max()) >> bits:
        raise CannotTranscodeError("bits above BitsStored are in use")
    if wanted == uid.JPEG2000Lossless and min(stored.shape[:2]) < 32:
        raise CannotTranscodeError("too small for JPEG 2000's five levels")


def _check_size(dataset: Dataset) -> None:
    """Refuse by the header alone what would eat the machine's memory."""
    pixels = int(dataset.get("Rows") or 0) * int(dataset.get("Columns") or 0)
    samples = int(dataset.get("SamplesPerPixel") or 1) * int(dataset.get("NumberOfFrames") or 1)
    size = pixels * samples * int(dataset.get("BitsAllocated") or 8) // 8
    if size > MAX_PIXEL_BYTES:
        raise CannotTranscodeError(f"{size} bytes of pixels are over the limit of {MAX_PIXEL_BYTES}")


def main() -> int:
    """The command of the child process."""
    parser = argparse.ArgumentParser(description="Rewrite a DICOM file from stdin in another transfer syntax to stdout")
    parser.add_argument("transfer_syntax_uid")
    parser.add_argument("--memory-mb", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.memory_mb:
        restrain(arguments.memory_mb << 20, niceness=5)  # the doctor's result is made on the same cores
    try:
        whole = BytesIO()
        transcode(BytesIO(sys.stdin.buffer.read()), whole, arguments.transfer_syntax_uid)
        sys.stdout.buffer.write(whole.getbuffer())
        sys.stdout.buffer.flush()
    except Exception as error:  # noqa: BLE001 - the top of a process whose only task this is; codecs raise anything
        sys.stderr.write(f"{type(error).__name__}: {error}"[:500])
        return CANNOT
    return 0


if __name__ == "__main__":
    sys.exit(main())
