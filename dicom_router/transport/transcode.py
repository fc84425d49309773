"""Rewrites one DICOM file in another transfer syntax, without loss.

``python -m dicom_router.transport.transcode UID <in >out``.

Run in a process of its own with a cap on memory and time (see compression.py), because codecs meet bytes from outside.
It must never change anything but the encoding: the SOP Instance UID, the attributes and every pixel stay.
"""

import argparse
import sys
from io import BytesIO
from typing import BinaryIO

import imagecodecs
import jpeg_ls
import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import generate_frames

from dicom_router.child import restrain
from dicom_router.dicom.instance import read_dataset
from dicom_router.dicom.uids import UNCOMPRESSED

ENCODERS = {uid.JPEGLSLossless: "pyjpegls", uid.JPEG2000Lossless: "pylibjpeg"}
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
        decompress(dataset)
    if wanted in ENCODERS:
        compress(dataset, wanted)
    elif wanted in UNCOMPRESSED:
        dataset.file_meta.TransferSyntaxUID = wanted
    else:
        raise CannotTranscodeError(f"no encoder for {wanted.name}")
    pydicom.dcmwrite(target, dataset, implicit_vr=wanted == uid.ImplicitVRLittleEndian, little_endian=True)


def compress(dataset: Dataset, wanted: uid.UID) -> None:
    """Compress native little endian pixels in place, and prove by decoding that every stored word is still the same."""
    stored = stored_words(dataset)
    check_compressible(dataset, stored, wanted)
    dataset.compress(wanted, encoding_plugin=ENCODERS[wanted], generate_instance_uid=False)
    if wanted == uid.JPEGLSLossless:
        (codestream,) = generate_frames(dataset.PixelData, number_of_frames=1)
        decoded = jpeg_ls.decode(np.frombuffer(codestream, dtype=np.uint8))
    else:
        decoded = dataset.pixel_array
    if decoded.astype(stored.dtype, copy=False).tobytes() != stored.tobytes():
        raise CannotTranscodeError("the codec did not give the same pixels back")


def decompress(dataset: Dataset) -> None:
    """Decompress in place to Explicit VR Little Endian. JPEG Extended with 12 bits is beyond GDCM and Pillow.

    ``xray_triage/reading/decoding.py`` asks the same codec; no decoder may stand where both packages could import it.
    """
    if dataset.file_meta.TransferSyntaxUID != uid.JPEGExtended12Bit or dataset.get("BitsStored", 8) <= 8:
        dataset.decompress(generate_instance_uid=False)
        return
    if dataset.SamplesPerPixel != 1 or int(dataset.get("NumberOfFrames") or 1) != 1:
        raise CannotTranscodeError("JPEG Extended in colour or in several frames")
    (codestream,) = generate_frames(dataset.PixelData, number_of_frames=1)
    pixels = imagecodecs.jpeg8_decode(codestream)
    if pixels.shape != (dataset.Rows, dataset.Columns):
        raise CannotTranscodeError("the codestream has another size than the header")
    # A lossy codestream may overshoot; the header promises BitsStored.
    pixels = np.minimum(pixels, (1 << dataset.BitsStored) - 1).astype("<u2")
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    dataset["PixelData"].is_undefined_length = False
    dataset.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian


def stored_words(dataset: Dataset) -> NDArray[np.generic]:
    """The native pixel words as they stand in the file, (rows, columns), all BitsAllocated bits of them."""
    if "PixelData" not in dataset:
        raise CannotTranscodeError("no pixel data")
    if dataset.SamplesPerPixel != 1 or int(dataset.get("NumberOfFrames") or 1) != 1:
        raise CannotTranscodeError("colour or several frames")
    if dataset.BitsAllocated not in (8, 16):
        raise CannotTranscodeError(f"BitsAllocated {dataset.BitsAllocated}")
    rows, columns = dataset.Rows, dataset.Columns
    expected = rows * columns * dataset.BitsAllocated // 8
    if len(dataset.PixelData) != expected + expected % 2:
        raise CannotTranscodeError("PixelData has another length than the header says")
    words = np.frombuffer(dataset.PixelData, dtype=np.dtype(f"<u{dataset.BitsAllocated // 8}"), count=rows * columns)
    return words.reshape(rows, columns)


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
    if wanted == uid.JPEG2000Lossless and min(stored.shape) < 32:
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
