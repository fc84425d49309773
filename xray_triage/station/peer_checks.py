"""The checks that ask a peer of station.toml: is it there, does it take us, may it trust us? Knows no running front."""

from contextlib import closing
from functools import partial

from dicom_router.clock import Clock
from xray_triage.config.destinations import Destination
from xray_triage.config.loading import ConfigError
from xray_triage.config.records import RecordPeer
from xray_triage.config.station import Config
from xray_triage.health.checks import Check, CheckState, Probe, check
from xray_triage.health.computer import certificates_check
from xray_triage.health.peers import answers_check, destination_check
from xray_triage.health.records import record_peer_check
from xray_triage.language import N_
from xray_triage.station.peers import make_archives, make_transport
from xray_triage.station.records import make_record_transport
from xray_triage.stores import Stores
from xray_triage.tls import client_tls, server_tls, valid_until


def ask_destination(config: Config, destination: Destination, stores: Stores) -> Check:
    """Whether a PACS, DICOMweb server or folder can be reached and takes what is sent."""
    try:
        transport = make_transport(destination, config, clock=stores.clock)
    except ConfigError as error:
        return _bad(f"destination:{destination.name}", str(error))
    known = [each for each in stores.outbox.summary().destinations if each.name == destination.name]
    takes = any(each.last_success_at is not None and each.last_error is None for each in known)
    try:
        return destination_check(destination.name, transport, takes=takes)
    finally:
        transport.close()


def ask_record_peer(config: Config, peer: RecordPeer, clock: Clock) -> Check:
    """Whether a [[record]] can be reached."""
    codes = config.codes.chest_pa
    empty = [name for name, code in (("MA_DICH_VU", codes.service), ("MA_CHI_SO", codes.indicator)) if not code]
    try:
        transport = make_record_transport(peer, clock=clock)
    except ConfigError as error:
        return _bad(f"record:{peer.name}", str(error))
    return record_peer_check(peer.name, transport, empty=empty if peer.kind == "folder" else ())


def answers_checks(config: Config, clock: Clock) -> list[Probe]:
    """Whether those that get questions can be asked for the answers; nothing where another check says what is wrong."""
    try:
        archives = make_archives(config, clock=clock)
    except ConfigError:
        return []

    def ask(name: str) -> Check:
        with closing(archives[name]):
            return answers_check(name, archives[name])

    return [partial(ask, name) for name in archives]


def station_certificates_check(config: Config, clock: Clock) -> Check:
    """Whether the station's own certificates, to others and to the PACS, can be read and are valid for a while."""
    orders = config.orders.hl7.tls if config.orders.hl7 else None
    served = [tls for tls in (config.listener.tls, config.web.tls, orders) if tls]
    peers = (each.tls for peers in (config.destination, config.record, config.notice) for each in peers)
    used = [tls for tls in peers if tls]
    try:
        for tls in served:
            server_tls(tls)
        for tls in used:
            client_tls(tls)
        ends = sorted((valid_until(tls.cert), str(tls.cert)) for tls in (*served, *used) if tls.cert)
    except ConfigError as error:
        return _bad("certificates", str(error))
    return certificates_check(ends, clock)


def _bad(name: str, problem: str) -> Check:
    return check(name, CheckState.BAD, N_("Cần sửa: %(problem)s"), problem=problem)
