"""One association with a machine, acceptor's side, PS3.8 9.2: from its first byte to its end, in one thread.

Why not pynetdicom's acceptor (3.0.4): it buffers a PDU of any length before looking at it, has no deadline for half a
PDU, counts half-open connections as associations, and joins two threads that poll a thousand times a second. An
acceptor of C-STORE and C-ECHO alone needs so little of the protocol that it is this loop.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from dicom_router.clock import Clock
from dicom_router.upper_layer.command import CommandField, Request, Response, encode_response, parse_request
from dicom_router.upper_layer.gatekeeper import Gate
from dicom_router.upper_layer.negotiation import AssociationRequest, Context, accept, parse_association_request
from dicom_router.upper_layer.pdu import (
    RELEASE_RP,
    ConnectionLost,
    PduStream,
    PduType,
    Pdv,
    ProtocolViolation,
    make_command_pdu,
    make_dataset_pdus,
    split_pdvs,
)

_LONGEST_COMMAND = 65_536
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


class AcceptedAssociation:
    """The conversation: first ``ask``, then ``accept``, then ``messages`` with an ``answer`` for each, or several.

    ``others`` are the SOP classes that are accepted beside storage and echo.

    Every method raises ConnectionLost or ProtocolViolation.
    """

    def __init__(self, stream: PduStream, *, gate: Gate, clock: Clock, others: Collection[str] = ()) -> None:
        self._stream = stream
        self._gate = gate
        self._clock = clock
        self._others = others
        self._max_sent = _LONGEST_SENT
        self._contexts: Mapping[int, Context] = {}
        self._pdvs: Iterator[Pdv] = iter(())
        self._ends_at = clock.monotonic() + gate.lifetime_seconds

    def ask(self) -> AssociationRequest:
        """Read what the machine wants."""
        pdu = self._stream.read(wait_seconds=self._gate.pdu_seconds)
        if pdu[0] != PduType.ASSOCIATE_RQ:
            raise ProtocolViolation(f"PDU type {pdu[0]} before an association", ProtocolViolation.UNEXPECTED_PDU)
        return parse_association_request(bytes(pdu))

    def accept(self, request: AssociationRequest) -> None:
        """Agree, context by context."""
        pdu, self._contexts = accept(request, max_pdu=self._gate.max_pdu, others=self._others)
        self._max_sent = min(max(request.max_pdu or _LONGEST_SENT, _SHORTEST_SENT), _LONGEST_SENT)
        self._stream.write(pdu)

    def messages(self) -> Iterator[Message]:
        """The requests, one after the other, until the machine releases the association."""
        while (first := self._next_pdv(between_messages=True)) is not None:
            context = self._contexts.get(first.context_id)
            if context is None:
                raise ProtocolViolation(f"presentation context {first.context_id} was not accepted")
            request = self._read_command(first)
            if request.field == CommandField.C_CANCEL_RQ:  # it crossed our last answer
                continue
            fragments = self._fragments(first.context_id) if request.has_dataset else iter(())
            yield Message(context_id=first.context_id, context=context, request=request, fragments=fragments)

    def answer(self, message: Message, answer: Response) -> None:
        """Send a response, after the last fragment, so that the machine is listening."""
        for _ in message.fragments:
            pass
        self._stream.write(make_command_pdu(message.context_id, encode_response(message.request, answer)))
        for pdu in make_dataset_pdus(message.context_id, answer.dataset, longest=self._max_sent):
            self._stream.write(pdu)

    def is_cancelled(self) -> bool:
        """Whether the machine sent a C-CANCEL, PS3.7 9.3.2.3, between two of our responses. Does not wait."""
        first = next(self._pdvs, None)
        if first is None:
            if not self._stream.has_more():
                return False
            first = self._inner_pdv()
        if self._read_command(first).field != CommandField.C_CANCEL_RQ:
            raise ProtocolViolation("a second operation before the first one was answered")
        return True

    def _read_command(self, pdv: Pdv) -> Request:
        encoded = bytes(_piece(pdv, pdv.context_id, is_command=True))
        while not pdv.is_last:
            pdv = self._inner_pdv()
            encoded += _piece(pdv, pdv.context_id, is_command=True)
            if len(encoded) > _LONGEST_COMMAND:
                raise ProtocolViolation("a command without end")
        try:
            return parse_request(encoded)
        except ValueError as error:
            raise ProtocolViolation(str(error)) from error

    def _fragments(self, context_id: int) -> Iterator[memoryview]:
        is_last = False
        while not is_last:
            pdv = self._inner_pdv()
            is_last = pdv.is_last
            yield _piece(pdv, context_id, is_command=False)

    def _inner_pdv(self) -> Pdv:
        return cast(Pdv, self._next_pdv(between_messages=False))

    def _next_pdv(self, *, between_messages: bool) -> Pdv | None:
        """The next piece; None when the machine released the association, which it may only between messages."""
        while (pdv := next(self._pdvs, None)) is None:
            if self._clock.monotonic() > self._ends_at:
                raise ProtocolViolation("an association without end", ProtocolViolation.UNSPECIFIED)
            pdu = self._stream.read(wait_seconds=self._gate.idle_seconds)
            if pdu[0] == PduType.DATA:
                self._pdvs = split_pdvs(pdu)
            elif pdu[0] == PduType.RELEASE_RQ and between_messages:
                self._stream.write(RELEASE_RP)
                return None
            elif pdu[0] == PduType.ABORT:
                raise ConnectionLost("aborted by the peer")
            else:
                raise ProtocolViolation(f"PDU type {pdu[0]} now", ProtocolViolation.UNEXPECTED_PDU)
        return pdv


def _piece(pdv: Pdv, context_id: int, *, is_command: bool) -> memoryview:
    """The value of a fragment that must belong to this part of this message, PS3.7 6.3.1."""
    if pdv.context_id != context_id or pdv.is_command != is_command:
        raise ProtocolViolation("fragments of two messages mixed")
    return pdv.value
