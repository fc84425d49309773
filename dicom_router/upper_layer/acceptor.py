"""One association with a machine, acceptor's side, PS3.8 9.2: from its first byte to its end, in one thread.

Why not pynetdicom's acceptor (3.0.4): it buffers a PDU of any length before looking at it, has no deadline for half a
PDU, counts half-open connections as associations, and joins two threads that poll a thousand times a second. An
acceptor of C-STORE and C-ECHO alone needs so little of the protocol that it is this loop.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO

from dicom_router.clock import Clock
from dicom_router.upper_layer.command import (
    CommandField,
    Request,
    Response,
    encode_request,
    encode_response,
    parse_command,
)
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from dicom_router.upper_layer.negotiation import AssociationRequest, Context, Served, accept, parse_association_request
from dicom_router.upper_layer.pdu import (
    RELEASE_RP,
    MessageStream,
    PduStream,
    PduType,
    ProtocolViolation,
    make_command_pdu,
    make_dataset_pdus,
)

_SHORTEST_SENT, _LONGEST_SENT = 128, 1 << 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request of the machine. ``fragments`` gives the encoded dataset as it arrives, each piece good until the next.

    It raises ConnectionLost or ProtocolViolation when the dataset never ends as it should.
    """

    context_id: int
    context: Context
    request: Request
    fragments: Iterator[memoryview]
    calling_ae_title: str
    peer_host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReport:
    """What we tell a machine without being asked, about what its last request named: N-EVENT-REPORT, PS3.7 10.1.1."""

    event_type: int
    dataset: bytes


class AcceptedAssociation:
    """The conversation: first ``ask``, then ``accept``, then ``messages`` with an ``answer`` for each, or several.

    Every method raises ConnectionLost or ProtocolViolation.
    """

    def __init__(
        self, stream: PduStream, *, limits: ListenerLimits, clock: Clock, peer_host: str, served: Served
    ) -> None:
        self._stream = stream
        self._messages = MessageStream(self._read)
        self._limits = limits
        self._clock = clock
        self._peer_host = peer_host
        self._served = served
        self._calling_ae_title = ""
        self._max_sent = _LONGEST_SENT
        self._contexts: Mapping[int, Context] = {}
        self._reports = self._reports_answered = 0
        self._ends_at = clock.monotonic() + limits.lifetime_seconds

    def ask(self) -> AssociationRequest:
        """Read what the machine wants."""
        pdu = self._stream.read(wait_seconds=self._limits.pdu_seconds)
        if pdu[0] != PduType.ASSOCIATE_RQ:
            raise ProtocolViolation(f"PDU type {pdu[0]} before an association", ProtocolViolation.UNEXPECTED_PDU)
        return parse_association_request(bytes(pdu))

    def accept(self, request: AssociationRequest) -> None:
        """Agree, context by context."""
        pdu, self._contexts = accept(request, max_pdu=self._limits.max_pdu, served=self._served)
        self._calling_ae_title = request.calling_ae_title
        self._max_sent = min(max(request.max_pdu or _LONGEST_SENT, _SHORTEST_SENT), _LONGEST_SENT)
        self._stream.write(pdu)

    @property
    def sop_classes(self) -> frozenset[str]:
        """Those of which a presentation context was accepted."""
        return frozenset(context.sop_class_uid for context in self._contexts.values())

    def messages(self) -> Iterator[Message]:
        """The requests, one after the other, until the machine releases the association."""
        while (told := self._messages.command()) is not None:
            context_id, command = told
            if context_id not in self._contexts:
                raise ProtocolViolation(f"presentation context {context_id} was not accepted")
            request = parse_command(command)
            if isinstance(request, Response):
                self._end_report(context_id, request)
                continue
            if request.field == CommandField.C_CANCEL_RQ:  # it crossed our last answer
                continue
            yield Message(
                context_id=context_id,
                context=self._contexts[context_id],
                request=request,
                fragments=self._messages.dataset(context_id) if request.has_dataset else iter(()),
                calling_ae_title=self._calling_ae_title,
                peer_host=self._peer_host,
            )
        self._stream.write(RELEASE_RP)

    def answer(self, message: Message, answer: Response) -> None:
        """Send a response, after the last fragment, so that the machine is listening."""
        for _ in message.fragments:
            pass
        self._stream.write(make_command_pdu(message.context_id, encode_response(message.request, answer)))
        if answer.dataset:
            for pdu in make_dataset_pdus(message.context_id, BytesIO(answer.dataset), longest=self._max_sent):
                self._stream.write(pdu)

    def report(self, message: Message, event: EventReport) -> None:
        """Send an N-EVENT-REPORT after the response; what the machine says to it comes among its ``messages``."""
        self._reports += 1
        request = Request(
            field=CommandField.N_EVENT_REPORT_RQ,
            message_id=self._reports,
            sop_class_uid=message.context.sop_class_uid,
            sop_instance_uid=message.request.sop_instance_uid,
            has_dataset=True,
            type_id=event.event_type,
        )
        self._stream.write(make_command_pdu(message.context_id, encode_request(request)))
        for pdu in make_dataset_pdus(message.context_id, BytesIO(event.dataset), longest=self._max_sent):
            self._stream.write(pdu)

    def _end_report(self, context_id: int, answer: Response) -> None:
        self._reports_answered += 1
        if self._reports_answered > self._reports:
            raise ProtocolViolation("a response to nothing that was asked")
        if answer.has_dataset:
            for _ in self._messages.dataset(context_id):
                pass

    def is_cancelled(self) -> bool:
        """Whether the machine sent a C-CANCEL, PS3.7 9.3.2.3, between two of our responses. Does not wait."""
        if not self._messages.has_begun() and not self._stream.has_more():
            return False
        told = self._messages.command()
        if told is None:
            raise ProtocolViolation("a release before the last response", ProtocolViolation.UNEXPECTED_PDU)
        if _parsed(told[1]).field != CommandField.C_CANCEL_RQ:
            raise ProtocolViolation("a second operation before the first one was answered")
        return True

    def _read(self) -> memoryview:
        if self._clock.monotonic() > self._ends_at:
            raise ProtocolViolation("an association without end", ProtocolViolation.UNSPECIFIED)
        return self._stream.read(wait_seconds=self._limits.idle_seconds)


def _parsed(command: bytes) -> Request:
    parsed = parse_command(command)
    if isinstance(parsed, Response):
        raise ProtocolViolation("a response to nothing that was asked")
    return parsed
