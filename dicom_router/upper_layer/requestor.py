"""One DICOM association as an SCU, on one socket, without threads. Knows PDUs, no files of ours and no queue.

Not pynetdicom's upper layer: as an SCU that queues a whole film as PDU objects, counts its timeout while the bytes are
still on their way (18 MB at 256 kbit/s take ten minutes), and has no deadline for a peer that stops reading.
"""

import fcntl
import socket
import ssl
import struct
import termios
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from dicom_router.clock import SystemClock
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
from dicom_router.upper_layer.negotiation import Acceptance, Context, parse_acceptance, propose
from dicom_router.upper_layer.pdu import (
    ConnectionLost,
    MessageStream,
    PduStream,
    PduType,
    ProtocolViolation,
    make_abort,
    make_command_pdu,
    make_dataset_pdus,
    make_pdu,
)

MAX_CONTEXTS = 128
MAX_RECEIVED_PDU = 1 << 20
MAX_SENT_PDU = 1 << 17
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
        self._socket = _connect(endpoint, timeouts)
        self._stream = _TimedStream(self._socket, timeouts)
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
        return tls_fault(peer, error) or self.fault(f"connection lost ({_reason(error)})")

    def fault(self, what: str) -> PeerUnreachable:
        """The error to raise when this peer cannot go on; the connection is closed."""
        self._socket.close()
        return PeerUnreachable(f"{self._endpoint}: {what}")


class _TimedStream(PduStream):
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


def _connect(endpoint: Endpoint, timeouts: Timeouts) -> socket.socket:
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=timeouts.connect_seconds)
    except OSError as error:
        raise PeerUnreachable(
            f"{endpoint}: {_reason(error)}; check the link, the address and that the PACS runs"
        ) from error
    # Without it a small object waits 40 ms for a delayed acknowledgement between its command and its dataset.
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if endpoint.tls is None:
        return plain
    try:
        return endpoint.tls.wrap_socket(plain, server_hostname=endpoint.host)
    except OSError as error:
        plain.close()
        raise tls_fault(str(endpoint), error) or PeerUnreachable(f"{endpoint}: TLS: {_reason(error)}") from error


def tls_fault(peer: str, error: OSError) -> PeerUntrusted | None:
    """What to raise when TLS itself failed; None when only the connection was lost."""
    if not isinstance(error, ssl.SSLError) or isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return None
    why = f"{error.reason or error}".replace("_", " ").lower()
    if isinstance(error, ssl.SSLCertVerificationError):
        why += f": {error.verify_message}"
    return PeerUntrusted(f"{peer}: TLS failed ({why}); check the certificates")


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error) or type(error).__name__).lower()
