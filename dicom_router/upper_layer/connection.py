"""The connection to a peer that the site chose: where it is, how long we wait, TLS, and a stream that counts silence.

Knows no association and no DIMSE.
"""

import fcntl
import socket
import ssl
import struct
import termios
from dataclasses import dataclass

from dicom_router.clock import SystemClock
from dicom_router.errors import PeerUnreachable, PeerUntrusted
from dicom_router.upper_layer.pdu import ConnectionLost, PduStream

MAX_RECEIVED_PDU = 1 << 20
_BUFFER_BYTES = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Whom to call and as whom. ``tls`` is a client context; None speaks plain TCP."""

    host: str
    port: int
    ae_title: str
    calling_ae_title: str
    tls: ssl.SSLContext | None = None

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """Seconds to wait: for the connection, for a write to move on, for an answer once all bytes have left."""

    connect_seconds: float = 10.0
    stall_seconds: float = 30.0
    answer_seconds: float = 60.0


TIMEOUTS = Timeouts()


def connect(endpoint: Endpoint, timeouts: Timeouts) -> socket.socket:
    """An open socket, TLS spoken where the endpoint says so. Raises PeerUnreachable."""
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=timeouts.connect_seconds)
    except OSError as error:
        raise PeerUnreachable(
            f"{endpoint}: {reason_of(error)}; check the link, the address and that the PACS runs"
        ) from error
    # Without it a small object waits 40 ms for a delayed acknowledgement between its command and its dataset.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if endpoint.tls is None:
        return plain
    try:
        return endpoint.tls.wrap_socket(plain, server_hostname=endpoint.host)
    except OSError as error:
        plain.close()
        raise tls_fault(str(endpoint), error) or PeerUnreachable(f"{endpoint}: TLS: {reason_of(error)}") from error


def tls_fault(peer: str, error: OSError) -> PeerUntrusted | None:
    """What to raise when TLS itself failed; None when only the connection was lost."""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    why = f"{error.reason or error}".replace("_", " ").lower()
    if isinstance(error, ssl.SSLCertVerificationError):
        why += f": {error.verify_message}"
    return PeerUntrusted(f"{peer}: TLS failed ({why}); check the certificates")


def reason_of(error: OSError) -> str:
    """The fault in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error) or type(error).__name__).lower()


class TimedStream(PduStream):
    """To a peer that the site chose, over any link: only silence is counted, and none while our bytes still move."""

    def __init__(self, connection: socket.socket, timeouts: Timeouts) -> None:
        super().__init__(
            connection,
            clock=SystemClock(),
            longest=MAX_RECEIVED_PDU,
            pdu_seconds=timeouts.answer_seconds,
            buffer_bytes=_BUFFER_BYTES,
        )
        self._timeouts = timeouts
        self._unsent = 0
        self._waited = 0.0
        self.has_heard = False

    def read_patiently(self) -> memoryview:
        """See ``read``. Waits for ``answer_seconds`` of silence."""
        self._unsent, self._waited = self._count_unsent(), 0.0
        return self.read(wait_seconds=self._timeouts.answer_seconds)

    def write(self, pdu: bytes) -> None:
        """See PduStream. Waits for ``stall_seconds`` in which nothing moves."""
        self._connection.settimeout(self._timeouts.stall_seconds)
        rest = memoryview(pdu)
        while rest:
            try:
                rest = rest[self._connection.send(rest) :]
            except TimeoutError:
                raise ConnectionLost(f"nothing moved for {self._timeouts.stall_seconds:g} s") from None
            except OSError as error:
                raise ConnectionLost(str(error)) from error

    def _receive(self, room: memoryview, _deadline: float) -> int:
        step = min(1.0, self._timeouts.answer_seconds)
        while True:
            self._connection.settimeout(step)
            try:
                self._acknowledge_at_once()
                received = self._connection.recv_into(room)
            except TimeoutError:
                left, self._unsent = self._unsent, self._count_unsent()
                self._waited = 0.0 if self._unsent < left else self._waited + step
                if self._waited >= self._timeouts.answer_seconds:
                    raise ConnectionLost(f"no answer within {self._timeouts.answer_seconds:g} s") from None
                continue
            if not received:
                raise ConnectionResetError("it closed the connection")
            self.has_heard = True
            return received

    def _acknowledge_at_once(self) -> None:
        # Many PACS write an answer in two pieces with Nagle's algorithm on: their second piece waits for our kernel to
        # acknowledge the first, 40 ms on Linux. The kernel forgets this option, hence before each read.
        if hasattr(socket, "TCP_QUICKACK"):
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _count_unsent(self) -> int:
        """Bytes that wait in the kernel for the peer to acknowledge them (Linux SIOCOUTQ)."""
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(self._connection.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
        except OSError:
            return 0
        return int(count)
