"""The post of a station: for every destination two lanes, each with its own forwarder, transport and thread."""

import ssl
import threading
from collections.abc import Sequence

from dicom_router.clock import Bell, Clock
from dicom_router.forwarder import Forwarder
from dicom_router.outbox import LANES, Outbox
from dicom_router.spool import Spool
from dicom_router.transport.dicomweb import DicomwebTransport
from dicom_router.transport.dimse import DimseTransport
from dicom_router.transport.folder import FolderTransport
from dicom_router.transport.protocol import Transport
from dicom_router.worker import run_forever
from xray_triage.config import Config, ConfigError, Destination, Tls

POLL_SECONDS = 2.0
STOP_SECONDS = 5.0


def make_transport(destination: Destination, config: Config, *, clock: Clock) -> Transport:
    """The way to one destination. Raises ConfigError when its certificate or password file cannot be read."""
    tls = client_tls(destination.tls) if destination.tls else None
    if destination.kind == "folder":
        assert destination.path is not None  # config.py checked it
        return FolderTransport(destination.path, clock=clock)
    if destination.kind == "dicomweb":
        return DicomwebTransport(
            destination.url,
            username=destination.username,
            password=_password(destination),
            tls=tls,
            compression=destination.compression,
            max_kbit_per_second=destination.max_kbit_per_second,
            clock=clock,
        )
    return DimseTransport(
        host=destination.host,
        port=destination.port,
        ae_title=destination.ae_title,
        calling_ae_title=config.station.ae_title,
        compression=destination.compression,
        max_kbit_per_second=destination.max_kbit_per_second,
        tls=tls,
        clock=clock,
    )


class Post:
    """All forwarders of the station, in threads of the front process."""

    def __init__(self, config: Config, *, outbox: Outbox, spool: Spool, clock: Clock) -> None:
        self._stop = threading.Event()
        self._lanes: list[tuple[str, Bell, Transport, threading.Thread]] = []
        for destination in config.destination:
            for lane in LANES:
                self._add(destination, lane, config, outbox=outbox, spool=spool, clock=clock)

    def _add(
        self, destination: Destination, lane: str, config: Config, *, outbox: Outbox, spool: Spool, clock: Clock
    ) -> None:
        transport = make_transport(destination, config, clock=clock)
        forwarder = Forwarder(
            outbox=outbox, spool=spool, transport=transport, destination=destination.name, lane=lane, clock=clock
        )
        bell, name = Bell(), f"post/{destination.name}/{lane}"
        options = {"bell": bell, "poll_seconds": POLL_SECONDS, "stop": self._stop, "name": name}
        thread = threading.Thread(
            target=run_forever, args=(forwarder.run_once,), kwargs=options, name=name, daemon=True
        )
        self._lanes.append((lane, bell, transport, thread))

    def start(self) -> None:
        for _, _, _, thread in self._lanes:
            thread.start()

    def ring(self, lanes: Sequence[str] = LANES) -> None:
        """Wake the forwarders of these lanes: there may be something to send."""
        for lane, bell, _, _ in self._lanes:
            if lane in lanes:
                bell.ring()

    def stop(self) -> None:
        """Let what is on the wire finish for some seconds; what does not is sent again after the next start."""
        self._stop.set()
        self.ring()
        for _, _, transport, thread in self._lanes:
            thread.join(STOP_SECONDS)
            if not thread.is_alive():
                transport.close()


def client_tls(tls: Tls) -> ssl.SSLContext:
    """The context of a client: ``ca`` instead of the system's authorities, ``cert`` and ``key`` when the peer asks."""
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:
        raise ConfigError(f"tls: a certificate file cannot be read: {error}; see ca, cert, key") from error
    return context


def server_tls(tls: Tls) -> ssl.SSLContext:
    """The context of a server with ``cert`` and ``key``; with ``ca`` only clients that it signed are let in."""
    if tls.cert is None:
        raise ConfigError("tls: cert is missing: a server needs cert and key")
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.ca)
        context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:
        raise ConfigError(f"tls: a certificate file cannot be read: {error}; see ca, cert, key") from error
    if tls.ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _password(destination: Destination) -> str:
    if destination.password_file is None:
        return ""
    try:
        return destination.password_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"destination {destination.name}: password_file cannot be read: {error}") from error
