"""The lanes by which records of results leave: for every [[record]] a thread of its own, beside those of the films."""

from dicom_router.clock import Clock
from xray_triage.config.records import RecordPeer
from xray_triage.config.station import Config
from xray_triage.records.fhir_transport import FhirTransport
from xray_triage.records.folder_transport import FolderRecords
from xray_triage.records.hl7_transport import Hl7Transport
from xray_triage.records.sender import RecordSender
from xray_triage.records.transport import RecordTransport
from xray_triage.station.delivery import Lane
from xray_triage.stores import Stores
from xray_triage.tls import client_tls


def make_record_transport(peer: RecordPeer, *, clock: Clock) -> RecordTransport:
    """The way to one peer. Raises ConfigError when a certificate cannot be read."""
    tls = client_tls(peer.tls) if peer.tls else None
    if peer.kind == "hl7":
        return Hl7Transport(peer.host, peer.port, clock=clock, tls=tls, version=peer.version, with_ai=peer.ai)
    if peer.kind == "fhir":
        return FhirTransport(peer.url, token_file=peer.token_file, tls=tls)
    assert peer.path is not None  # the configuration checked it
    return FolderRecords(peer.path, version=peer.version, with_ai=peer.ai)


def record_lanes(config: Config, stores: Stores, *, clock: Clock) -> list[Lane]:
    """A lane for each peer; to be started, rung when a result was made, and stopped with the others."""
    lanes = []
    for peer in config.record:
        transport = make_record_transport(peer, clock=clock)
        sender = RecordSender(
            outbox=stores.records,
            gather=stores.gatherer.gather,
            transport=transport,
            name=peer.name,
            clock=clock,
        )
        lanes.append(Lane(sender, transport, f"record/{peer.name}"))
    return lanes
