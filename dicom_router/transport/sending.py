"""Sends files as a modality would, for the ``send`` verb: no station, no queue, one try each."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from dicom_router.clock import SystemClock
from dicom_router.dicom.instance import InstanceRef, Parcel, read_header
from dicom_router.errors import DamagedFile, PeerRefused, PeerUnreachable
from dicom_router.transport.dimse import DimseTransport

UNREACHABLE = "unreachable"
_ADDRESS = re.compile(r"(?P<ae_title>[^@\\]{1,16})@(?P<host>\[[0-9A-Fa-f:.]+\]|[^@:\s]+):(?P<port>\d{1,5})\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A DICOM peer as people write it: ``AET@HOST:PORT``."""

    ae_title: str
    host: str
    port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """What came of one file. ``status`` is the peer's, or ``unreachable``, ``unreadable``."""

    path: Path
    ok: bool
    status: str
    comment: str


def parse_address(text: str) -> Address:
    """Read ``AET@HOST:PORT``. Raises ValueError with a sentence for the user."""
    found = _ADDRESS.match(text)
    if not found or not 0 < int(found["port"]) < 65536:
        raise ValueError(f"{text!r} is not AET@HOST:PORT, e.g. XRAY@127.0.0.1:11112")
    return Address(ae_title=found["ae_title"], host=found["host"].strip("[]"), port=int(found["port"]))


def send_files(paths: Iterable[Path], address: Address, *, calling_ae_title: str = "XRAY_TRIAGE") -> Iterator[SentFile]:
    """Send each file as it is encoded, all over one association, and yield the fate of each in the same order.

    A file that is no DICOM, or that the peer refuses, does not stop the others. When the peer falls silent the rest
    is ``unreachable`` without being tried.
    """
    transport = DimseTransport(
        address.host, address.port, address.ae_title, calling_ae_title, compression="none", clock=SystemClock()
    )
    silence = ""
    try:
        for path in paths:
            sent = _unreachable(path, silence) if silence else _send(path, transport)
            if sent.status == UNREACHABLE:
                silence = sent.comment
            yield sent
    finally:
        transport.close()


def _send(path: Path, transport: DimseTransport) -> SentFile:
    try:
        acknowledgement = transport.send(_parcel(path))
    except (DamagedFile, OSError) as error:
        return SentFile(path=path, ok=False, status="unreadable", comment=str(error))
    except PeerRefused as error:
        return SentFile(path=path, ok=False, status=error.status, comment=str(error))
    except PeerUnreachable as error:
        return SentFile(path=path, ok=False, status=error.status or UNREACHABLE, comment=str(error))
    return SentFile(path=path, ok=True, status=acknowledgement.status, comment="")


def _unreachable(path: Path, why: str) -> SentFile:
    return SentFile(path=path, ok=False, status=UNREACHABLE, comment=why)


def _parcel(path: Path) -> Parcel:
    with path.open("rb") as stream:
        dataset = read_header(stream)
    meta = dataset.file_meta
    try:
        instance = InstanceRef(
            # What the dataset says counts, as for storescu; the file meta information of real files may differ.
            sop_instance_uid=str(dataset.get("SOPInstanceUID") or meta.MediaStorageSOPInstanceUID),
            sop_class_uid=str(dataset.get("SOPClassUID") or meta.MediaStorageSOPClassUID),
            study_instance_uid=str(dataset.get("StudyInstanceUID", "")),
            series_instance_uid=str(dataset.get("SeriesInstanceUID", "")),
            transfer_syntax_uid=str(meta.TransferSyntaxUID),
        )
    except AttributeError as error:
        raise DamagedFile(f"it does not say what it is: {error}") from error
    return Parcel(instance=instance, size_bytes=path.stat().st_size, open=lambda: path.open("rb"))
