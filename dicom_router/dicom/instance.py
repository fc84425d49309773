"""The names of a DICOM instance, and its dataset as pydicom gives it. Never decodes a pixel."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError
from pydicom.tag import Tag

from dicom_router.dicom.text import decode_uid
from dicom_router.errors import DAMAGE, DamagedFile

PIXELS_HEAD_BYTES = 12  # tag, VR, two bytes, length: PS3.5 A.4, encapsulated pixels are in explicit VR
_NAMES = (Tag("SOPClassUID"), Tag("SOPInstanceUID"), Tag("StudyInstanceUID"), Tag("SeriesInstanceUID"))
_GROUPS_OF_NO_DATASET = frozenset({0x0000, 0x0002, 0xFFFE})  # commands, file meta information, delimiters


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceRef:
    """The names of one instance: PS3.3 C.12.1 and C.7.2.1, and how its bytes are encoded."""

    sop_instance_uid: str
    sop_class_uid: str
    study_instance_uid: str
    series_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SpooledFile:
    """A DICOM Part 10 file safe on disk under a key of ours. Only spool.py turns the key into a path.

    ``sha256`` is over the encoded dataset, without preamble and file meta information, so that a
    machine which sends the same object twice is recognised whatever wrapper we put around it.
    ``size_bytes`` is the size of the file.
    """

    key: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """One instance that a machine (or an import) gave us and that we answer for. ``spool_id``: where its file lies."""

    arrival_id: int
    instance: InstanceRef
    spooled: SpooledFile
    received_at: datetime
    calling_ae_title: str
    peer_host: str
    quarantined: bool
    spool_id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One instance to hand over. ``open`` gives its Part 10 file from the start, each time anew."""

    instance: InstanceRef
    size_bytes: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The peer's word that it has the instance. ``status`` e.g. ``0x0000``; ``sent_bytes`` went over the link."""

    status: str
    peer: str
    at: datetime
    sent_bytes: int


def reference_to(dataset: Dataset) -> InstanceRef:
    """The names of ``dataset``, which has its file meta information."""
    return InstanceRef(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        transfer_syntax_uid=str(dataset.file_meta.TransferSyntaxUID),
    )


def read_header(stream: BinaryIO) -> Dataset:
    """Read a DICOM Part 10 file up to, and without, its pixel data. Raises DamagedFile when it cannot be read."""
    return _read(stream, stop_before_pixels=True)


def read_dataset(stream: BinaryIO) -> Dataset:
    """Read a whole DICOM Part 10 file, its pixels still encoded. Raises DamagedFile when it cannot be read."""
    dataset = _read(stream, stop_before_pixels=False)
    return dataset if len(dataset) else _without_delimiter(stream)


def _without_delimiter(stream: BinaryIO) -> Dataset:
    """A file whose encapsulated pixels break off before their delimiter, of which pydicom gives nothing at all."""
    stream.seek(0)
    dataset = _read(stream, stop_before_pixels=True)
    if (pixels := stream.read()) and len(dataset):
        dataset.add_new(0x7FE00010, "OB", pixels[PIXELS_HEAD_BYTES:])
        dataset["PixelData"].is_undefined_length = True
    return dataset


def _read(stream: BinaryIO, *, stop_before_pixels: bool) -> Dataset:
    try:
        dataset = pydicom.dcmread(stream, stop_before_pixels=stop_before_pixels)
        overlook_trifles(dataset)
    except InvalidDicomError as error:  # whose own words tell a programmer what to pass
        raise DamagedFile("not a DICOM file: the letters DICM are not at its beginning") from error
    except DAMAGE as error:
        raise DamagedFile(f"not a readable DICOM file: {error}") from error
    return dataset


def overlook_trifles(dataset: Dataset) -> None:
    """Make of what pydicom read what the listener kept: names without padding, no element that belongs in no dataset.

    May raise one of DAMAGE.
    """
    for tag in [tag for tag in dataset.keys() if tag.group in _GROUPS_OF_NO_DATASET]:  # noqa: SIM118 - not its elements
        del dataset[tag]
    for tag in _NAMES:
        raw: Any = dataset.get_item(tag)
        if isinstance(raw, RawDataElement) and isinstance(raw.value, bytes):
            name = decode_uid(raw.value).encode("latin-1")
            dataset[tag] = raw._replace(value=name + b"\0" * (len(name) % 2))  # it may be written as it stands
