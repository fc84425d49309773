"""An instance's header without its megabytes, and where in the file those lie. Never decodes a pixel."""

import itertools
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, BinaryIO

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_partial
from pydicom.tag import BaseTag
from pydicom.uid import DeflatedExplicitVRLittleEndian

from dicom_router.dicom.identity import MOST_ELEMENTS
from dicom_router.dicom.instance import overlook_trifles
from dicom_router.errors import DAMAGE, DamagedFile

PIXEL_DATA = 0x7FE00010
PIXELS = frozenset((0x7FE00008, 0x7FE00009, PIXEL_DATA))
LARGE_BYTES = 64 * 1024
LARGEST_SEQUENCE_BYTES = 16 << 20
UNDEFINED = 0xFFFFFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """A value left in the file: its VR, its first byte. ``length`` in bytes; None where the file does not say it."""

    vr: str
    offset: int
    length: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """The header up to the pixel data, and by tag what was left out of it: the pixels, values over 64 KiB."""

    header: Dataset
    large: dict[int, Extent]


def read_outline(stream: BinaryIO, *, only: Collection[int] = ()) -> Outline:
    """Read a Part 10 file's header; with ``only``, no more of it than these tags. Raises DamagedFile."""
    large: dict[int, Extent] = {}
    last = max(only, default=UNDEFINED)
    seen = itertools.count(1)

    def is_enough(tag: BaseTag, vr: str | None, length: int) -> bool:
        if next(seen) > MOST_ELEMENTS:  # what a PACS gave us came through no gate
            raise DamagedFile(f"over {MOST_ELEMENTS} elements")
        if tag in PIXELS:
            extent = None if length == UNDEFINED else length
            large[tag] = Extent(vr=vr or dictionary_VR(tag)[:2], offset=stream.tell(), length=extent)
        return tag in PIXELS or tag > last

    try:
        header = read_partial(stream, is_enough, defer_size=LARGE_BYTES, specific_tags=[BaseTag(tag) for tag in only])
        if header.file_meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
            raise DamagedFile("deflated: this is not accepted")
        _set_aside(stream, header, large)
        overlook_trifles(header)
    except DAMAGE as error:
        raise DamagedFile(f"not a readable DICOM file: {error}") from error
    return Outline(header=header, large=large)


def _set_aside(stream: BinaryIO, header: Dataset, large: dict[int, Extent]) -> None:
    """Take the values that pydicom left in the file out of ``header``; a sequence, which is structure, is read."""
    for tag in list(header.keys()):
        raw: Any = header.get_item(tag, keep_deferred=True)
        if not (isinstance(raw, RawDataElement) and raw.value is None and raw.length > LARGE_BYTES):
            continue
        vr = raw.VR if raw.VR and raw.VR != "UN" else _known_vr(tag)
        if vr == "SQ" and raw.length <= LARGEST_SEQUENCE_BYTES:
            stream.seek(raw.value_tell)
            header[tag] = raw._replace(value=stream.read(raw.length))
        else:
            del header[tag]
            large[tag] = Extent(vr=vr, offset=raw.value_tell, length=raw.length)


def _known_vr(tag: BaseTag) -> str:
    try:
        return dictionary_VR(tag)[:2]
    except KeyError:
        return "UN"
