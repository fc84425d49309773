"""One DICOM association as an SCU, on one socket, without threads. Knows PDUs, no files of ours and no queue.

Not pynetdicom's upper layer: as an SCU that queues a whole film as PDU objects, counts its timeout while the bytes are
still on their way (18 MB at 256 kbit/s take ten minutes), and has no deadline for a peer that stops reading.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from typing import BinaryIO

from dicom_router.dicom.uids import VERIFICATION
from dicom_router.errors import PeerUnreachable, PeerUntrusted
from dicom_router.upper_layer.command import (
    CommandField,
    Request,
    Response,
    encode_cancel,
    encode_request,
    encode_response,
    parse_command,
)
from dicom_router.upper_layer.connection import (
    MAX_RECEIVED_PDU,
    Endpoint,
    TimedStream,
    Timeouts,
    connect,
    reason_of,
    tls_fault,
)
from dicom_router.upper_layer.negotiation import Acceptance, Context, parse_acceptance, propose
from dicom_router.upper_layer.pdu import (
    ConnectionLost,
    MessageStream,
    PduType,
    ProtocolViolation,
    make_abort,
    make_command_pdu,
    make_dataset_pdus,
    make_pdu,
)

MAX_CONTEXTS = 128
MAX_SENT_PDU = 1 << 17


class RequestedAssociation:
    """An open association. Any fault of the network closes it and raises PeerUnreachable.

    ``accepted`` maps what the peer accepted to the context ID; ``known_classes`` are the
    SOP classes of which it accepts anything at all, ``choosy_classes`` those that it would take in another transfer
    syntax. ``taken``: those of which we are the SCP: the peer shall store to us (C-GET), or hear our report.
    """

    def __init__(
        self, endpoint: Endpoint, contexts: Sequence[Context], timeouts: Timeouts, *, taken: Collection[str] = ()
    ) -> None:
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._message_id = 0
        self._socket = connect(endpoint, timeouts)
        self._stream = TimedStream(self._socket, timeouts)
        self._messages = MessageStream(self._stream.read_patiently)
        try:
            acceptance = self._associate(contexts, taken)
        except PeerUnreachable:
            self._socket.close()
            raise
        numbers = {context: 2 * index + 1 for index, context in enumerate(contexts)}
        self.accepted = {each: number for each, number in numbers.items() if number in acceptance.context_ids}
        self.known_classes = {context.sop_class_uid for context in self.accepted}
        choosy = {each.sop_class_uid for each, number in numbers.items() if number in acceptance.other_syntax_ids}
        self.choosy_classes = choosy - self.known_classes
        self._max_pdu = min(max(acceptance.max_pdu or MAX_SENT_PDU, 128), MAX_SENT_PDU)

    def echo(self) -> Response:
        """C-ECHO, PS3.7 9.1.5; only where VERIFICATION is in ``known_classes``."""
        context = next(each for each in self.accepted if each.sop_class_uid == VERIFICATION)
        self._send(self._command(context, CommandField.C_ECHO_RQ))
        return self._answer()

    def store(
        self, context: Context, sop_instance_uid: str, dataset: BinaryIO, paced: Callable[[int], None] | None = None
    ) -> Response:
        """C-STORE, PS3.7 9.1.1: ``dataset`` is the encoded dataset from where the stream stands to its end.

        ``paced`` is called with the number of bytes after each write, and may wait.
        """
        pending = self._command(context, CommandField.C_STORE_RQ, sop_instance_uid, has_dataset=True)
        with self._faults():
            for pdu in make_dataset_pdus(self.accepted[context], dataset, longest=self._max_pdu):
                pending += pdu
                self._stream.write(pending)
                if paced:
                    paced(len(pending))
                pending = b""
        return self._answer()

    def report(self, context: Context, sop_instance_uid: str, event_type: int, dataset: bytes) -> Response:
        """N-EVENT-REPORT, PS3.7 10.1.1, as the SCP of a class that is among the ``taken``."""
        command = self._command(
            context, CommandField.N_EVENT_REPORT_RQ, sop_instance_uid, has_dataset=True, type_id=event_type
        )
        self._send(command)
        for pdu in make_dataset_pdus(self.accepted[context], BytesIO(dataset), longest=self._max_pdu):
            self._send(pdu)
        return self._answer()

    def ask(self, context: Context, field: CommandField, identifier: bytes) -> None:
        """Begin a C-FIND or C-GET, PS3.7 9.1.2 and 9.1.3; ``next_message`` gives what comes back."""
        self._send(self._command(context, field, has_dataset=True))
        for pdu in make_dataset_pdus(self.accepted[context], BytesIO(identifier), longest=self._max_pdu):
            self._send(pdu)

    def cancel(self, context: Context) -> None:
        """C-CANCEL of what was asked last. The peer may still answer some of it."""
        self._send(make_command_pdu(self.accepted[context], encode_cancel(self._message_id)))

    def next_message(self) -> tuple[int, Request | Response]:
        """Context ID and command of the next message; its ``dataset`` has to be read before the next.

        A response is one to our last request. What is no command, or answers something else, ends the association.
        """
        with self._faults():
            told = self._messages.command()
            if told is None:
                raise self.fault("it released the association before its answer")
            context_id, command = told[0], parse_command(told[1])
        if isinstance(command, Response) and command.message_id != self._message_id:
            raise self.fault(f"its answer is to message {command.message_id} instead of {self._message_id}")
        return context_id, command

    def dataset(self, context_id: int) -> Iterator[memoryview]:
        """The dataset of the command just read, piece by piece."""
        with self._faults():
            yield from self._messages.dataset(context_id)

    def respond(self, context_id: int, request: Request, answer: Response) -> None:
        """Answer a request of the peer: a C-STORE within a C-GET."""
        self._send(make_command_pdu(context_id, encode_response(request, answer)))

    def is_stale(self) -> bool:
        """True when it is closed, or the peer has closed, aborted or asked to release while we were silent."""
        try:
            return self._messages.has_begun() or self._stream.has_more()
        except ConnectionLost:
            return True

    def release(self) -> None:
        """A-RELEASE, then close. Never raises: there is nothing left to lose."""
        try:
            self._send(make_pdu(PduType.RELEASE_RQ, bytes(4)))
            self._socket.settimeout(1.0)
            self._socket.recv(64)
        except (OSError, PeerUnreachable):
            pass
        self._socket.close()

    def abort(self) -> None:
        """A-ABORT, then close."""
        try:
            self._socket.settimeout(1.0)
            self._socket.send(make_abort(ProtocolViolation.UNSPECIFIED))
        except OSError:
            pass
        self._socket.close()

    def _associate(self, contexts: Sequence[Context], taken: Collection[str]) -> Acceptance:
        asked = self._endpoint
        self._send(
            propose(
                called_ae_title=asked.ae_title,
                calling_ae_title=asked.calling_ae_title,
                contexts=contexts,
                max_pdu=MAX_RECEIVED_PDU,
                taken=taken,
            )
        )
        with self._faults():
            pdu = bytes(self._stream.read_patiently())
            if pdu[0] == PduType.ASSOCIATE_RJ and len(pdu) >= 10:
                raise self._rejected(result=pdu[7], source=pdu[8], reason=pdu[9])
            if pdu[0] != PduType.ASSOCIATE_AC:
                raise self.fault(f"it answered the association request with PDU type {pdu[0]}")
            return parse_acceptance(pdu)

    def _rejected(self, *, result: int, source: int, reason: int) -> PeerUnreachable:
        """A-ASSOCIATE-RJ, PS3.8 9.3.4."""
        code = f"{result}/{source}/{reason}"
        advice = {
            "1/1/3": f"it does not know our AE title {self._endpoint.calling_ae_title}: have it added there",
            "1/1/7": f"it is not called {self._endpoint.ae_title}: check its AE title",
        }.get(code, "it has too many connections or does not allow ours")
        return PeerUnreachable(f"{self._endpoint} rejected the association ({code}): {advice}", slowly=result == 1)

    def _command(
        self,
        context: Context,
        field: CommandField,
        sop_instance_uid: str = "",
        *,
        has_dataset: bool = False,
        type_id: int = 0,
    ) -> bytes:
        self._message_id = self._message_id % 0xFFFF + 1
        request = Request(
            field=field,
            message_id=self._message_id,
            sop_class_uid=context.sop_class_uid,
            sop_instance_uid=sop_instance_uid,
            has_dataset=has_dataset,
            type_id=type_id,
        )
        return make_command_pdu(self.accepted[context], encode_request(request))

    def _answer(self) -> Response:
        _, command = self.next_message()
        if isinstance(command, Request):
            raise self.fault("it asks instead of answering")
        return command

    def _send(self, message: bytes) -> None:
        with self._faults():
            self._stream.write(message)

    @contextmanager
    def _faults(self) -> Iterator[None]:
        """What ends the conversation, as PeerUnreachable; the connection is closed."""
        try:
            yield
        except ConnectionLost as error:
            if isinstance(error.__cause__, OSError):
                raise self._lost(error.__cause__) from error
            raise self.fault(str(error)) from error
        except ProtocolViolation as error:
            raise self.fault(f"its answer is no DICOM ({error}); is this a DICOM port?") from error

    def _lost(self, error: OSError) -> PeerUnreachable:
        self._socket.close()
        peer = str(self._endpoint)
        if self._endpoint.tls is not None and not self._stream.has_heard:  # some hang up on a stranger without an alert
            return PeerUntrusted(
                f"{peer}: it hung up after TLS: does it want a certificate of ours? check cert and key"
            )
        return tls_fault(peer, error) or self.fault(f"connection lost ({reason_of(error)})")

    def fault(self, what: str) -> PeerUnreachable:
        """The error to raise when this peer cannot go on; the connection is closed."""
        self._socket.close()
        return PeerUnreachable(f"{self._endpoint}: {what}")
