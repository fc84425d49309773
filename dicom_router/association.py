"""One association with a machine, acceptor's side, PS3.8 9.2: from its first byte to its end, in one thread.

Why not pynetdicom's acceptor (3.0.4): it buffers a PDU of any length before looking at it, has no deadline for half a
PDU, counts half-open connections as associations, and joins two threads that poll a thousand times a second. An
acceptor of C-STORE and C-ECHO alone needs so little of the protocol that it is this loop.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import cast

from dicom_router.clock import Clock
from dicom_router.command import Answer, Request, encode_response, parse_request
from dicom_router.gatekeeper import Gate
from dicom_router.negotiation import AssociationRequest, Context, accept, parse_association_request
from dicom_router.pdu import (
    RELEASE_RP,
    ConnectionLost,
    PduStream,
    PduType,
    Pdv,
    ProtocolViolation,
    make_command_pdu,
    split_pdvs,
)

_LONGEST_COMMAND = 65_536


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A request of the machine. ``fragments`` gives the encoded dataset as it arrives, each piece good until the next.

    It raises ConnectionLost or ProtocolViolation when the dataset never ends as it should.
    """

    context_id: int
    context: Context
    request: Request
    fragments: Iterator[memoryview]


class Association:
    """The conversation: first ``ask``, then ``accept``, then ``messages`` with one ``answer`` for each.

    Every method raises ConnectionLost or ProtocolViolation.
    """

    def __init__(self, stream: PduStream, *, gate: Gate, clock: Clock) -> None:
        self._stream = stream
        self._gate = gate
        self._clock = clock
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
        pdu, self._contexts = accept(request, max_pdu=self._gate.max_pdu)
        self._stream.write(pdu)

    def messages(self) -> Iterator[Message]:
        """The requests, one after the other, until the machine releases the association."""
        while (first := self._next_pdv(between_messages=True)) is not None:
            context = self._contexts.get(first.context_id)
            if context is None:
                raise ProtocolViolation(f"presentation context {first.context_id} was not accepted")
            request = self._read_command(first)
            fragments = self._fragments(first.context_id) if request.has_dataset else iter(())
            yield Message(context_id=first.context_id, context=context, request=request, fragments=fragments)

    def answer(self, message: Message, answer: Answer) -> None:
        """Send the response, after the last fragment, so that the machine is listening."""
        for _ in message.fragments:
            pass
        self._stream.write(make_command_pdu(message.context_id, encode_response(message.request, answer)))

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
