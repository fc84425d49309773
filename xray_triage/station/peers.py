"""The way to each destination of station.toml: a transport that sends to it, an archive that is asked what it has.

Must never know what is sent or asked.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from dicom_router.clock import Clock
from dicom_router.store.commitments import Commitments
from dicom_router.transport.archive import Archive
from dicom_router.transport.commitment import CommitmentPeer
from dicom_router.transport.committer import ArchiveLookup, Committer, FolderLookup, Lookup
from dicom_router.transport.compression import Economy
from dicom_router.transport.dicomweb import DicomwebTransport
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from dicom_router.transport.dimse import DimseTransport
from dicom_router.transport.dimse_archive import DimseArchive
from dicom_router.transport.folder import FolderTransport
from dicom_router.transport.http import TIMEOUTS
from dicom_router.transport.protocol import Transport
from dicom_router.upper_layer.connection import Endpoint, Timeouts
from xray_triage.config.destinations import Destination
from xray_triage.config.loading import ConfigError
from xray_triage.config.station import Config
from xray_triage.consultations.report_parser import KINDS
from xray_triage.tls import client_tls

HASTY = replace(TIMEOUTS, stall_seconds=5.0)


def make_transport(
    destination: Destination, config: Config, *, clock: Clock, economy: Economy | None = None
) -> Transport:
    """The way to one destination. Raises ConfigError when its certificate or password file cannot be read."""
    if destination.kind == "folder":
        assert destination.path is not None  # the configuration checked it
        return FolderTransport(destination.path, clock=clock)
    compression = economy or destination.compression
    if destination.kind == "dicomweb":
        return DicomwebTransport(compression=compression, **_dicomweb(destination, clock))
    return DimseTransport(compression=compression, **_dimse(destination, config, clock))


def make_archives(config: Config, *, clock: Clock, hasty: bool = False) -> dict[str, Archive]:
    """The archives of all destinations where answers are asked for, by name. Raises ConfigError.

    ``hasty``: an answer over HTTP that stands still is soon left to somebody with more time.
    """
    timeouts = HASTY if hasty else TIMEOUTS
    asked = [each for each in config.destination if each.name in config.destinations_for("requests")]
    archives = {each.name: make_archive(each, config, clock=clock, timeouts=timeouts) for each in asked}
    return {name: archive for name, archive in archives.items() if archive is not None}


def make_archive(
    destination: Destination,
    config: Config,
    *,
    clock: Clock,
    fetched: Sequence[str] = tuple(KINDS),
    timeouts: Timeouts = TIMEOUTS,
) -> Archive | None:
    """The archive behind one destination; None for a folder. ``fetched``: SOP classes to fetch. Raises ConfigError."""
    if destination.kind == "folder":
        return None
    if destination.url:
        return DicomwebArchive(**_dicomweb(destination, clock), timeouts=timeouts)
    return DimseArchive(sop_classes=tuple(fetched), **_dimse(destination, config, clock))


def make_sources(config: Config, *, clock: Clock) -> dict[str, Archive]:
    """The archives from which a film can be taken back, by name. Raises ConfigError."""
    takers = config.destinations_for("originals")
    urls = [each for each in config.destination if each.url and each.kind in ("dimse", "dicomweb")]
    return {each.name: DicomwebArchive(**_dicomweb(each, clock)) for each in urls if each.name in takers}


def make_committer(destination: Destination, config: Config, book: Commitments, *, clock: Clock) -> Committer:
    """Who proves that a destination has what it acknowledged. Raises ConfigError."""
    peer, lookup = None, _make_lookup(destination, config, clock)
    if destination.kind == "dimse":
        peer = CommitmentPeer(
            Endpoint(
                host=destination.host,
                port=destination.port,
                ae_title=destination.ae_title,
                calling_ae_title=config.station.ae_title,
                tls=client_tls(destination.tls) if destination.tls else None,
            )
        )
    return Committer(book=book, destination=destination.name, peer=peer, lookup=lookup, clock=clock)


def _make_lookup(destination: Destination, config: Config, clock: Clock) -> Lookup:
    archive = make_archive(destination, config, clock=clock, fetched=())
    if archive is not None:
        return ArchiveLookup(archive)
    assert destination.path is not None  # the configuration checked it
    return FolderLookup(FolderTransport(destination.path, clock=clock))


def _dicomweb(destination: Destination, clock: Clock) -> dict[str, Any]:
    account = {"username": destination.username, "password": _password_of(destination)}
    return {"url": destination.url, **account, **_link(destination, clock)}


def _dimse(destination: Destination, config: Config, clock: Clock) -> dict[str, Any]:
    address = {"host": destination.host, "port": destination.port, "ae_title": destination.ae_title}
    return {"calling_ae_title": config.station.ae_title, **address, **_link(destination, clock)}


def _link(destination: Destination, clock: Clock) -> dict[str, Any]:
    tls = client_tls(destination.tls) if destination.tls else None
    return {"tls": tls, "max_kbit_per_second": destination.max_kbit_per_second, "clock": clock}


def _password_of(destination: Destination) -> str:
    if destination.password_file is None:
        return ""
    try:
        return destination.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"destination {destination.name}: password_file cannot be read: {error}") from error
