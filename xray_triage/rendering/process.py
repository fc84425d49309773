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
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID

from dicom_router.child import restrain
from dicom_router.dicom.frames import NoSuchFrame, locate_frame
from dicom_router.dicom.outline import PIXEL_DATA, Outline, read_outline
from dicom_router.errors import DamagedFile
from xray_triage.log import ignore_pydicom_warnings, log_to_stderr
from xray_triage.reading.eligibility import Admission
from xray_triage.reading.header import number
from xray_triage.reading.picture.cover import Mask, covered_in, shrink_film
from xray_triage.reading.picture.decoding import DamagedPixels, Stored, Undecodable, stored_in, words_of
from xray_triage.reading.picture.geometry import aspect_of, size_of
from xray_triage.reading.picture.grayscale import render, render_window
from xray_triage.reading.picture.overlays import drawn, graphics_in
from xray_triage.rendering.renderer import ANSWER, TAKEN

MEMORY_BYTES = 2 << 30
IDLE_SECONDS = 180.0
LONGEST_SIDE = 4096  # pixels, of any picture
OVERLAY_DATA = 0x60003000  # of the first of sixteen groups
MOST_OVERLAY_BYTES = 16 << 20
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
    words = words_of(dataset)
    stored = stored_in(words, dataset)
    values = _region(stored, wanted["region"])
    size = _size(values, aspect_of(dataset), wanted["viewport"])
    if values.ndim == 3:
        return _resized(Image.fromarray(_bytes(values)), size)
    covered, graphics = covered_in(words, stored, dataset), graphics_in(dataset, words)
    hidden = None if covered is None else _region(covered, wanted["region"])
    shown = _resized(_grey(values, hidden, dataset, wanted, max(size)), size)
    if graphics is None:
        return shown
    return Image.fromarray(drawn(np.asarray(shown), _region(graphics, wanted["region"])))


def encoded(shown: Image.Image, wanted: dict[str, Any]) -> bytes:
    """The picture as the media type says."""
    buffer = io.BytesIO()
    shown.save(buffer, FORMATS[wanted["media_type"]], quality=wanted["quality"], compress_level=3)
    return buffer.getvalue()


def _size(values: Stored, aspect: float, viewport: list[int] | None) -> tuple[int, int]:
    """Width and height of the picture: the film in its true proportions, as it fits."""
    high, wide = size_of(values.shape, aspect, 1 << 16)
    width, height = viewport or (LONGEST_SIDE, LONGEST_SIDE)
    scale = min(width / wide, height / high)
    if viewport is None:
        scale = min(scale, 1.0)
    return min(LONGEST_SIDE, max(1, round(wide * scale))), min(LONGEST_SIDE, max(1, round(high * scale)))


def _resized(shown: Image.Image, size: tuple[int, int]) -> Image.Image:
    if shown.size == size:
        return shown
    grows = size[0] > shown.width or size[1] > shown.height
    return shown.resize(size, None if grows else Image.Resampling.BOX)


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
    for tag, extent in outline.large.items():
        if extent.length is not None and tag & 0xFFE1FFFF == OVERLAY_DATA and extent.length <= MOST_OVERLAY_BYTES:
            stream.seek(extent.offset)
            header.add_new(tag, "OW", stream.read(extent.length))
    return header


def _region(values: NDArray[Any], region: list[int] | None) -> NDArray[Any]:
    if region is None:
        return values
    x, y, width, height = region
    cut = values[y : y + height, x : x + width]
    if cut.size == 0:
        raise DamagedFile("the region lies outside the frame")
    return cut


def _grey(values: Stored, hidden: Mask | None, dataset: Dataset, wanted: dict[str, Any], longest: int) -> Image.Image:
    """As the reader sees it; in the window that is wanted instead of the film's own. What is hidden is black."""
    (small, counted), window = shrink_film(values, hidden, 2 * longest), wanted["window"]
    if window is None:
        shown = render(small, dataset, counted)
    else:
        shown = render_window(small, dataset, (window[0], window[1]), window[2])
    shown = 1 - shown if wanted["inverted"] else shown
    return Image.fromarray(((shown if counted is None else shown * counted) * 255).round().astype(np.uint8))


def _bytes(values: Stored) -> Any:
    """Colours as bytes, (h, w, 3)."""
    return values.astype(np.uint8) if values.dtype.itemsize == 1 else (values >> 8).astype(np.uint8)


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
