"""Films in every encoding that DICOMweb hands out."""

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import (
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from tests.factories import film

MULTI_FRAME_SC = "1.2.840.10008.5.1.4.1.1.7.2"
NATIVE = (ExplicitVRLittleEndian, ImplicitVRLittleEndian)
ENCODERS = {JPEGLSLossless: "pyjpegls", JPEG2000Lossless: "pylibjpeg", RLELossless: "pydicom"}
SYNTAXES = (*NATIVE, ExplicitVRBigEndian, *ENCODERS)


def film_in(syntax: str, **attributes: object) -> Dataset:
    """A film in this transfer syntax."""
    if syntax in ENCODERS:
        dataset = film(**attributes)  # type: ignore[arg-type]
        dataset.compress(syntax, encoding_plugin=ENCODERS[pydicom.uid.UID(syntax)], generate_instance_uid=False)
        return dataset
    return film(transfer_syntax_uid=syntax, **attributes)  # type: ignore[arg-type]


def pages(count: int, *, offsets: str = "native", fragments: int = 1) -> tuple[Dataset, list[bytes]]:
    """A multi-frame secondary capture, and what each frame is.

    ``offsets``: native (not compressed), or JPEG-LS with a basic or extended offset table, or with none.
    """
    planes = np.random.default_rng(7).integers(0, 256, size=(count, 40, 40), dtype=np.uint8)
    dataset = film(rows=40, columns=40, sop_class_uid=MULTI_FRAME_SC, Modality="OT", NumberOfFrames=count)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
    if offsets == "native":
        frames = [plane.tobytes() for plane in planes]
        dataset.PixelData = b"".join(frames)
        return dataset, frames
    frames = [_jpeg_ls(plane) for plane in planes]
    dataset.file_meta.TransferSyntaxUID = JPEGLSLossless
    if offsets == "extended":
        data, table, lengths = encapsulate_extended(frames)
        dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths = table, lengths
    else:
        data = encapsulate(frames, fragments_per_frame=fragments, has_bot=offsets == "basic")
    dataset.add_new("PixelData", "OB", data)
    dataset["PixelData"].is_undefined_length = True
    return dataset, frames


def _jpeg_ls(plane: np.ndarray) -> bytes:
    one = film(rows=40, columns=40, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=plane.tobytes())
    one.compress(JPEGLSLossless, encoding_plugin="pyjpegls", generate_instance_uid=False)
    frame = next(pydicom.encaps.generate_frames(one.PixelData, number_of_frames=1))
    return frame + b"\0" * (len(frame) % 2)
