"""Accepts associations of X-ray machines and hands each request to the service of its SOP class.

Knows no service.
"""

import socket
import ssl
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
from dicom_router.upper_layer.server import ConnectionServer

_LONGEST_REQUEST = 131_072  # for an A-ASSOCIATE-RQ, which max_pdu does not bind
_SLACK = 64  # some machines count the PDV header into, some out of, the maximum length
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
        self._gatekeeper = Gatekeeper(limits)
        self._providers = providers
        self._clock = clock or SystemClock()
        self._server = ConnectionServer(
            self._serve,
            gatekeeper=self._gatekeeper,
            address=(host, port),
            name="listener",
            clock=self._clock,
            tls=tls,
            greet_seconds=limits.pdu_seconds,
            on_no_tls=lambda peer_host, why: self._refuse(Machine("", peer_host), Reason.NO_TLS, detail=why),
        )

    @property
    def port(self) -> int:
        """The TCP port, known after ``start``."""
        return self._server.port

    @property
    def open_connections(self) -> int:
        """How many connections are being served now."""
        return self._server.open_connections

    def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        self._server.start()

    def stop(self, *, seconds: float = 10.0) -> None:
        """Take no more. A film whose bytes are all here is still kept and answered; others are cut, and come again."""
        self._server.stop(seconds=seconds)

    def _serve(self, connection: socket.socket, visit: Visit) -> None:
        longest = max(self._limits.max_pdu, _LONGEST_REQUEST) + _SLACK
        stream = PduStream(
            connection,
            clock=self._clock,
            longest=longest,
            pdu_seconds=self._limits.pdu_seconds,
            buffer_bytes=_PDUS_AHEAD * longest,
        )
        self._converse(stream, visit)
        stream.finish()

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
