"""Hears the HIS over MLLP, under the gatekeeper's rules, and answers every message. Knows no order and no segment.

A connection may carry any number of messages, one after the other or several at once; each is answered in its turn.
"""

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.clock import Clock
from dicom_router.store.refusals import Machine, Reason, Refusals
from dicom_router.upper_layer.gatekeeper import AllowedPeer, Gatekeeper, ListenerLimits, Visit
from dicom_router.upper_layer.server import ConnectionServer
from xray_triage.hl7.message import MOST_BYTES, NotHl7
from xray_triage.hl7.mllp import Blocks, framed
from xray_triage.orders.his import NAMELESS, HisOrders

MOST_CONNECTIONS = 10
IDLE_SECONDS = 600.0  # between messages: many HIS keep their connection open
BLOCK_SECONDS = 30.0  # for a block from its first byte to its last, a TLS handshake, an answer to be taken
_CHUNK_BYTES = 65_536

log = structlog.get_logger()


class OrderListener:
    """From ``start`` to ``stop``. ``allow``: the addresses or names that may send; empty: this computer alone."""

    def __init__(
        self,
        his: HisOrders,
        *,
        address: tuple[str, int],
        allow: Iterable[str],
        clock: Clock,
        refusals: Refusals,
        tls: ssl.SSLContext | None = None,
        idle_seconds: float = IDLE_SECONDS,
        block_seconds: float = BLOCK_SECONDS,
    ) -> None:
        self._his = his
        self._clock = clock
        self._refusals = refusals
        self._idle_seconds = idle_seconds
        self._block_seconds = block_seconds
        peers = tuple(AllowedPeer(ae_title="", host=host) for host in allow)
        self._gatekeeper = Gatekeeper(ListenerLimits(ae_title="", allow=peers, max_associations=MOST_CONNECTIONS))
        self._server = ConnectionServer(
            self._serve,
            gatekeeper=self._gatekeeper,
            address=address,
            name="order listener",
            clock=clock,
            tls=tls,
            greet_seconds=block_seconds,
            on_no_tls=lambda host, why: self._refuse(host, Reason.NO_TLS, why),
        )

    @property
    def port(self) -> int:
        """The TCP port, known after ``start``."""
        return self._server.port

    def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        self._server.start()

    def stop(self, *, seconds: float = 5.0) -> None:
        """Take no more; the message under way is still answered."""
        self._server.stop(seconds=seconds)

    def _serve(self, connection: socket.socket, visit: Visit) -> None:
        if self._gatekeeper.judge(host=visit.host, called_ae_title="", calling_ae_title="") is not None:
            self._refuse(visit.host, Reason.HIS_UNKNOWN, "address not in [orders] hl7 allow")
        elif not visit.enter():
            self._refuse(visit.host, Reason.HIS_TOO_MANY, f"over {MOST_CONNECTIONS} connections")
        else:
            self._refusals.entered(Machine(NAMELESS, visit.host))
            self._converse(connection, visit.host)

    def _converse(self, connection: socket.socket, host: str) -> None:
        try:
            self._answer_all(connection, host)
        except NotHl7 as error:  # of the frame: whatever follows is no message either
            self._part(connection, self._his.refuse(str(error), peer=host))
        except SQLAlchemyError as error:  # not answered, so that it comes again
            log.error("message of the HIS not kept", peer_host=host, error=str(error).splitlines()[0])
        except OSError as error:
            log.info("connection of the HIS lost", peer_host=host, reason=str(error))
        except Exception:  # the top of the thread: one peer's trouble stays its own
            log.exception("connection of the HIS failed", peer_host=host)

    def _answer_all(self, connection: socket.socket, host: str) -> None:
        """Until the peer ends, or is silent for too long. Raises OSError, NotHl7, SQLAlchemyError."""
        blocks, deadline = Blocks(), self._clock.monotonic() + self._idle_seconds
        while content := self._receive(connection, blocks, deadline):
            was_open, answered = blocks.is_open, False
            for message in blocks.feed(content):
                _send(connection, self._his.take(message, peer=host), self._block_seconds)
                answered = True
            if blocks.is_open and (answered or not was_open):
                deadline = self._clock.monotonic() + self._block_seconds
            elif not blocks.is_open:
                if not answered and content.strip(b"\x00\r\n\x1c"):
                    raise NotHl7("a message comes between 0x0B and 0x1C 0x0D (MLLP)")
                deadline = self._clock.monotonic() + self._idle_seconds

    def _receive(self, connection: socket.socket, blocks: Blocks, deadline: float) -> bytes:
        """What comes next; nothing at the end. Raises OSError, and NotHl7 for a block that does not end in time."""
        connection.settimeout(max(0.001, deadline - self._clock.monotonic()))
        try:
            return connection.recv(_CHUNK_BYTES)
        except TimeoutError:
            if blocks.is_open:
                raise NotHl7(f"a message ends with 0x1C 0x0D (MLLP); none in {self._block_seconds:g} s") from None
            raise

    def _part(self, connection: socket.socket, answer: bytes) -> None:
        """The last answer, which TCP would throw away if the connection ended with bytes unread."""
        with suppress(OSError):
            _send(connection, answer, self._block_seconds)
            socket.socket.shutdown(connection, socket.SHUT_WR)
            for _ in range(MOST_BYTES // _CHUNK_BYTES):
                if not connection.recv(_CHUNK_BYTES):
                    break

    def _refuse(self, host: str, reason: Reason, detail: str) -> None:
        log.warning("connection for orders refused", peer_host=host, reason=reason.value, detail=detail)
        self._refusals.note(Machine(NAMELESS, host), reason, detail=detail)


def _send(connection: socket.socket, answer: bytes, seconds: float) -> None:
    """Raises OSError when the peer does not take it in time."""
    connection.settimeout(seconds)
    connection.sendall(framed(answer))
