"""The renderer's own process: ``python -m xray_triage.rendering.process SOCKET``, started by renderer.py.

It decodes one frame at a time and shows it as the reader sees it, under a cap on memory. It goes home when nobody asks
for a while, and when the front is gone. It opens no file by name, and must never know the database.
"""

import io
import json
import os
import socket
import sys
from contextlib import suppress
from typing import Any, BinaryIO

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from dicom_router.child import restrain
from dicom_router.dicom.frames import NoSuchFrame, locate_frame
from dicom_router.dicom.outline import PIXEL_DATA, Outline, read_outline
from dicom_router.errors import DamagedFile
from xray_triage.log import ignore_pydicom_warnings, log_to_stderr
from xray_triage.reading.decoding import DamagedPixels, Stored, Undecodable, decode
from xray_triage.reading.eligibility import Admission
from xray_triage.reading.grayscale import render, render_window
from xray_triage.reading.header import number
from xray_triage.reading.pixels import as_image, shrink
from xray_triage.rendering.renderer import ANSWER, TAKEN

MEMORY_BYTES = 2 << 30
IDLE_SECONDS = 180.0
LONGEST_SIDE = 4096  # pixels, of any picture
FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG"}


def main(link: socket.socket) -> None:
    """Make pictures until nobody wants one for IDLE_SECONDS."""
    restrain(MEMORY_BYTES, niceness=5)  # the reader works on the same cores, and goes first
    log_to_stderr()
    ignore_pydicom_warnings()
    link.settimeout(IDLE_SECONDS)
    with suppress(OSError):  # the front went, or nobody asked
        while True:
            asked, descriptors, _, _ = socket.recv_fds(link, 1 << 16, 1)
            if not asked or not descriptors:
                return
            link.sendall(TAKEN)
            with os.fdopen(descriptors[0], "rb") as stream:
                status, body = answer(stream, json.loads(asked))
            link.sendall(ANSWER.pack(status, len(body)) + body)


def answer(stream: BinaryIO, wanted: dict[str, Any]) -> tuple[int, bytes]:
    """HTTP status, and the picture or the reason why there is none. ``wanted`` holds an Exposure's fields."""
    try:
        return 200, encoded(picture(stream, wanted), wanted)
    except NoSuchFrame as error:
        return 404, str(error).encode()
    except (DamagedFile, DamagedPixels, Undecodable) as error:
        return 422, str(error).encode()
    except (MemoryError, OverflowError, ValueError) as error:
        return 422, f"cannot be shown: {type(error).__name__} {error}"[:300].encode()


def picture(stream: BinaryIO, wanted: dict[str, Any]) -> Image.Image:
    """The frame as the doctor should see it: grey or colour, no side over LONGEST_SIDE."""
    outline = read_outline(stream)
    _check_size(outline.header)
    dataset = _alone(stream, outline, wanted["frame"])
    values = _region(decode(dataset), wanted["region"])
    width, height = wanted["viewport"] or (LONGEST_SIDE, LONGEST_SIDE)
    scale = min(width / values.shape[1], height / values.shape[0])
    if wanted["viewport"] is None:
        scale = min(scale, 1.0)
    size = tuple(min(LONGEST_SIDE, max(1, round(side * scale))) for side in (values.shape[1], values.shape[0]))
    shown = _grey(values, dataset, wanted, max(size)) if values.ndim == 2 else Image.fromarray(_bytes(values))
    return shown if shown.size == size else shown.resize(size, Image.Resampling.BOX if scale < 1 else None)


def encoded(shown: Image.Image, wanted: dict[str, Any]) -> bytes:
    """The picture as the media type says."""
    buffer = io.BytesIO()
    shown.save(buffer, FORMATS[wanted["media_type"]], quality=wanted["quality"], compress_level=3)
    return buffer.getvalue()


def _check_size(header: Dataset) -> None:
    """Refuse by the header alone what would eat the machine's memory."""
    rows, columns = number(header, "Rows"), number(header, "Columns")
    if rows < 1 or columns < 1 or rows * columns > Admission().max_pixels:
        raise DamagedFile(f"{rows} x {columns} pixels, at most {Admission().max_pixels} are shown")


def _alone(stream: BinaryIO, outline: Outline, frame: int) -> Dataset:
    """The header with the bytes of one frame as its only one."""
    pieces = []
    for offset, length in locate_frame(stream, outline, frame):
        stream.seek(offset)
        pieces.append(stream.read(length))
    data, header = b"".join(pieces), outline.header
    compressed = UID(str(header.file_meta.TransferSyntaxUID)).is_compressed
    header.NumberOfFrames = 1
    header.add_new(PIXEL_DATA, outline.large[PIXEL_DATA].vr, encapsulate([data]) if compressed else data)
    header["PixelData"].is_undefined_length = compressed
    return header


def _region(values: Stored, region: list[int] | None) -> Stored:
    if region is None:
        return values
    x, y, width, height = region
    cut = values[y : y + height, x : x + width]
    if cut.size == 0:
        raise DamagedFile("the region lies outside the frame")
    return cut


def _grey(values: Stored, dataset: Dataset, wanted: dict[str, Any], longest: int) -> Image.Image:
    """As the reader sees it; in the window that is wanted instead of the film's own."""
    small, window = as_image(shrink(values, 2 * longest)), wanted["window"]
    if window is None:
        shown = render(small, dataset)
    else:
        shown = render_window(small, dataset, (window[0], window[1]), window[2])
    return Image.fromarray(((1 - shown if wanted["inverted"] else shown) * 255).round().astype(np.uint8))


def _bytes(values: Stored) -> Any:
    """Colours as bytes, (h, w, 3)."""
    return values.astype(np.uint8) if values.dtype.itemsize == 1 else (values >> 8).astype(np.uint8)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
