"""Accepts connections of X-ray machines and hands each request to the service of its SOP class; a thread each.

Knows no service.
"""

import socket
import ssl
import threading
from collections.abc import Sequence
from contextlib import suppress

import structlog

from dicom_router.clock import Clock, SystemClock
from dicom_router.dicom.status import PENDING, Status, written
from dicom_router.dicom.uids import VERIFICATION
from dicom_router.scp.provider import Provider
from dicom_router.store.refusals import Machine, Reason, Refusals
from dicom_router.upper_layer.acceptor import AcceptedAssociation, EventReport, Message
from dicom_router.upper_layer.command import CommandField, Response
from dicom_router.upper_layer.gatekeeper import (
    TOO_MANY,
    UNKNOWN_CALLER,
    WRONG_CALLED_TITLE,
    Gatekeeper,
    ListenerLimits,
    Visit,
)
from dicom_router.upper_layer.negotiation import AssociationRequest
from dicom_router.upper_layer.pdu import ConnectionLost, PduStream, ProtocolViolation, make_abort, make_reject

_LONGEST_REQUEST = 131_072  # for an A-ASSOCIATE-RQ, which max_pdu does not bind
_SLACK = 64  # some machines count the PDV header into, some out of, the maximum length
_BACKLOG = 128
_PDUS_AHEAD = 4  # taken from the socket at once

_REASONS = {
    UNKNOWN_CALLER: Reason.UNKNOWN_CALLER,
    WRONG_CALLED_TITLE: Reason.WRONG_CALLED_TITLE,
    TOO_MANY: Reason.TOO_MANY,
}
_TOLD = frozenset({CommandField.C_STORE_RQ, CommandField.C_FIND_RQ})  # a film or a worklist that somebody misses

log = structlog.get_logger()


class Listener:
    """Answers machines from ``start`` to ``stop``, for the SOP classes that its ``providers`` serve.

    ``tls`` is the context of a server; with it nobody is heard in plain TCP. ``refusals`` hears who was not served.
    """

    def __init__(
        self,
        *,
        limits: ListenerLimits,
        host: str,
        port: int,
        providers: Sequence[Provider],
        tls: ssl.SSLContext | None = None,
        clock: Clock | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        self._limits = limits
        self._refusals = refusals
        self._tls = tls
        self._gatekeeper = Gatekeeper(limits)
        self._providers = providers
        self._address = (host, port)
        self._clock = clock or SystemClock()
        self._server: socket.socket | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}

    @property
    def port(self) -> int:
        """The TCP port, known after ``start``."""
        if self._server is None:
            raise RuntimeError("the listener has not been started")
        return int(self._server.getsockname()[1])

    @property
    def open_connections(self) -> int:
        """How many connections are being served now."""
        return len(self._connections)

    def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._server = socket.create_server(self._address, family=family, backlog=_BACKLOG)
        threading.Thread(target=self._accept_forever, args=(self._server,), name="listener", daemon=True).start()

    def stop(self, *, seconds: float = 10.0) -> None:
        """Take no more. A film whose bytes are all here is still kept and answered; others are cut, and come again."""
        if self._server is None:
            return
        self._stopping.set()
        _shut(self._server, socket.SHUT_RDWR)
        self._server.close()
        self._hang_up(socket.SHUT_RD, seconds)
        self._hang_up(socket.SHUT_RDWR, seconds)

    def _hang_up(self, how: int, seconds: float) -> None:
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            _shut(connection, how)
        deadline = self._clock.monotonic() + seconds
        for thread in connections:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    def _accept_forever(self, server: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, address = server.accept()
            except OSError as error:
                if not self._stopping.wait(0.1):  # e.g. no descriptor left, until others give theirs back
                    log.error("cannot accept", error=str(error))
                continue
            visit = self._gatekeeper.knock(address[0])
            if visit is None:
                connection.close()
                continue
            self._begin(connection, visit)

    def _begin(self, connection: socket.socket, visit: Visit) -> None:
        thread = threading.Thread(target=self._serve, args=(connection, visit), name="association", daemon=True)
        with self._lock:  # which the thread takes before it looks for itself
            try:
                thread.start()
            except RuntimeError as error:  # no thread left, until others end
                log.error("cannot accept", error=str(error))
                visit.leave()
                connection.close()
                return
            self._connections[thread] = connection

    def _serve(self, connection: socket.socket, visit: Visit) -> None:
        try:
            with connection, self._secured(connection) as secured:
                secured.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                longest = max(self._limits.max_pdu, _LONGEST_REQUEST) + _SLACK
                stream = PduStream(
                    secured,
                    clock=self._clock,
                    longest=longest,
                    pdu_seconds=self._limits.pdu_seconds,
                    buffer_bytes=_PDUS_AHEAD * longest,
                )
                self._converse(stream, visit)
                stream.finish()
        except ssl.SSLError as error:
            log.warning("association without TLS", peer_host=visit.host, reason=str(error))
            if isinstance(error.__cause__, ssl.SSLError) and not isinstance(error.__cause__, ssl.SSLEOFError):
                self._refuse(Machine("", visit.host), Reason.NO_TLS, detail=str(error))
        finally:
            visit.leave()
            with self._lock:
                del self._connections[threading.current_thread()]

    def _secured(self, connection: socket.socket) -> socket.socket:
        """The connection over TLS where the station wants that. Raises SSLError when the peer does not speak it."""
        if self._tls is None:
            return connection
        connection.settimeout(self._limits.pdu_seconds)
        try:
            secured = self._tls.wrap_socket(connection, server_side=True)
        except OSError as error:  # also a peer that hangs up, or is too slow
            raise ssl.SSLError(str(error)) from error
        with self._lock:
            self._connections[threading.current_thread()] = secured
        return secured

    def _converse(self, stream: PduStream, visit: Visit) -> None:
        try:
            self._hold_association(stream, visit)
        except ConnectionLost as error:
            log.info("association lost", peer_host=visit.host, reason=str(error))
        except ProtocolViolation as error:
            log.warning("association aborted", peer_host=visit.host, reason=str(error))
            _abort(stream, error.reason)
        except Exception:  # the top of the thread: one peer's trouble stays its own
            log.exception("association failed", peer_host=visit.host)
            _abort(stream, ProtocolViolation.UNSPECIFIED)

    def _hold_association(self, stream: PduStream, visit: Visit) -> None:
        association = AcceptedAssociation(
            stream, limits=self._limits, clock=self._clock, peer_host=visit.host, served=self._served
        )
        request = association.ask()
        calling = request.calling_ae_title
        rejection = self._gatekeeper.judge(
            host=visit.host, called_ae_title=request.called_ae_title, calling_ae_title=calling
        )
        if rejection is None and not visit.enter():
            rejection = TOO_MANY
        machine = Machine(calling, visit.host)
        if rejection is not None:
            log.warning("association rejected", calling_ae_title=calling, peer_host=visit.host, reason=rejection.why)
            self._refuse(machine, _REASONS[rejection], detail=f"called {request.called_ae_title}")
            stream.write(make_reject(rejection.result, rejection.source, rejection.reason))
            return
        association.accept(request)
        self._note_entry(machine, request, association.sop_classes)
        try:
            for message in association.messages():
                self._serve_message(association, message, machine)
        except ProtocolViolation as error:
            self._refuse(machine, Reason.ABORTED, detail=str(error))
            raise

    def _serve_message(self, association: AcceptedAssociation, message: Message, machine: Machine) -> None:
        (provider,) = self._providers_of(message.context.sop_class_uid)
        for answer in provider.answer(message):
            if isinstance(answer, EventReport):
                association.report(message, answer)
                continue
            if answer.status in PENDING and association.is_cancelled():
                association.answer(message, Response(Status.CANCELLED, "cancelled"))
                break
            self._note_outcome(machine, message, answer)
            association.answer(message, answer)

    def _note_entry(self, machine: Machine, request: AssociationRequest, agreed: frozenset[str]) -> None:
        """Nobody comes for an echo alone: a machine that asked for more and got none of it was not served."""
        asked = [each for each in request.proposals if each.sop_class_uid != VERIFICATION]
        if asked and not agreed - {VERIFICATION}:
            detail = f"{asked[0].sop_class_uid} in {', '.join(asked[0].transfer_syntax_uids)}"
            log.warning("no context", calling_ae_title=machine.ae_title, peer_host=machine.host, asked=detail)
            self._refuse(machine, Reason.NO_CONTEXT, detail=detail)
        if self._refusals is not None:
            self._refusals.entered(machine)

    def _note_outcome(self, machine: Machine, message: Message, answer: Response) -> None:
        if self._refusals is None or message.request.field not in _TOLD or answer.status in PENDING:
            return
        uid, is_query = message.request.sop_instance_uid, message.request.field == CommandField.C_FIND_RQ
        if answer.status == Status.SUCCESS:
            self._refusals.served(machine, "" if is_query else uid)
        else:
            reason = Reason.QUERY if is_query else written(answer.status)
            self._refuse(machine, reason, detail=answer.comment, sop_instance_uid=uid)

    def _refuse(self, machine: Machine, reason: str, *, detail: str, sop_instance_uid: str = "") -> None:
        if self._refusals is not None:
            self._refusals.note(machine, reason, detail=detail, sop_instance_uid=sop_instance_uid)

    def _providers_of(self, sop_class_uid: str) -> list[Provider]:
        return [provider for provider in self._providers if provider.serves(sop_class_uid)]

    def _served(self, sop_class_uid: str) -> Sequence[str]:
        """See Served."""
        return [syntax for provider in self._providers_of(sop_class_uid) for syntax in provider.transfer_syntaxes]


def _abort(stream: PduStream, reason: int) -> None:
    with suppress(ConnectionLost):
        stream.write(make_abort(reason))


def _shut(connection: socket.socket, how: int) -> None:
    """Close one direction. Under TLS too only on the wire: SSLSocket.shutdown would leave its thread reading cipher."""
    with suppress(OSError):  # the peer was faster
        socket.socket.shutdown(connection, how)
