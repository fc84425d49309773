"""Sends messages to a HIS over MLLP and hears its answers. Knows no order, no result, no database.

HL7 v2.5 2.9.2 (original mode): after each message its acknowledgement, told by the control id in MSA-2.
"""

import socket
import ssl
from contextlib import suppress

from dicom_router.clock import Clock
from dicom_router.errors import PeerUnreachable, PeerUntrusted
from xray_triage.hl7.message import Message, NotHl7, read
from xray_triage.hl7.mllp import Blocks, framed

CONNECT_SECONDS, ANSWER_SECONDS = 10.0, 30.0
PIECE_BYTES = 1 << 14  # each has its own time to leave: with its PDF a message takes long on a link that films fill
SEND_BUFFER_BYTES = 1 << 15  # bytes in the kernel count as sent, and the wait for the answer begins: keep them few


class MllpClient:
    """One peer; its connection is kept open between messages. Not shared between threads."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self.peer = f"{host}:{port}"
        self._address, self._tls = (host, port), tls
        self._clock, self._answer_seconds = clock, answer_seconds
        self._socket: socket.socket | None = None

    def exchange(self, content: bytes, control_id: str) -> Message:
        """Send a message, and give its acknowledgement; what answers another one is passed over.

        Raises PeerUnreachable, with the status ``no HL7`` where what comes back is none.
        """
        if self._is_stale():
            self.close()
        is_answered = False
        try:
            wire = self._socket = self._socket or self._connect()
            self._send(wire, framed(content))
            answer = self._acknowledgement(wire, control_id)
            is_answered = True
            return answer
        except OSError as error:
            raise _fault(self.peer, error) or PeerUnreachable(
                f"{self.peer}: {_why(error)}; is the HIS well?"
            ) from error
        finally:
            if not is_answered:  # what comes now on this connection answers nobody
                self.close()

    def _send(self, wire: socket.socket, block: bytes) -> None:
        for begin in range(0, len(block), PIECE_BYTES):
            wire.settimeout(self._answer_seconds)
            wire.sendall(block[begin : begin + PIECE_BYTES])

    def _acknowledgement(self, wire: socket.socket, control_id: str) -> Message:
        blocks, others = Blocks(), ""
        until = self._clock.monotonic() + self._answer_seconds
        while piece := self._received(wire, until, others):
            try:
                for message in map(read, blocks.feed(piece)):
                    told = message.first("MSA")
                    if told and told.text(2) == control_id:
                        return message
                    others = f", only one of {told.text(2)[:40]!r} (MSA-2), not of {control_id!r}" if told else others
            except NotHl7 as error:
                raise PeerUnreachable(f"{self.peer} answers, but no HL7: {error}", status="no HL7") from error
        raise PeerUnreachable(f"{self.peer} ended the connection without an acknowledgement{others}")

    def _received(self, wire: socket.socket, until: float, others: str) -> bytes:
        """What comes next; nothing at the end."""
        left = until - self._clock.monotonic()
        with suppress(TimeoutError):
            if left > 0:
                wire.settimeout(left)
                return wire.recv(PIECE_BYTES)
        raise TimeoutError(f"no acknowledgement in time{others}")

    def echo(self) -> None:
        """Whether somebody listens there: HL7 has no question for it. Raises PeerUnreachable."""
        self.close()
        try:
            self._connect().close()
        except OSError as error:
            raise _fault(self.peer, error) or PeerUnreachable(
                f"{self.peer}: {_why(error)}; check the link, host and port, and that the HIS runs"
            ) from error

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connect(self) -> socket.socket:
        plain = socket.create_connection(self._address, timeout=CONNECT_SECONDS)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        if self._tls is None:
            return plain
        try:
            return self._tls.wrap_socket(plain, server_hostname=self._address[0])
        except OSError:
            plain.close()
            raise

    def _is_stale(self) -> bool:
        """Whether the peer closed the kept connection, or said something that nobody asked for."""
        if self._socket is None:
            return False
        self._socket.settimeout(0)
        try:
            self._socket.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True
        return True


def _fault(peer: str, error: OSError) -> PeerUntrusted | None:
    """What TLS itself says; None when only the connection was lost."""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    why = error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else error.reason or str(error)
    return PeerUntrusted(f"{peer}: TLS failed ({why}); check the certificates")


def _why(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return str(error.strerror or error)
    return (error.strerror or str(error) or type(error).__name__).lower()
