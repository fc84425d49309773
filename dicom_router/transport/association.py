"""One DICOM association as a storage SCU, on one socket, without threads. Knows PDUs, no files of ours and no queue.

pynetdicom encodes and decodes the association PDUs and the command sets; the socket is ours, because its own upper
layer queues a whole film as PDU objects, counts its timeout while the bytes are still on their way (18 MB at
256 kbit/s take ten minutes), and has no deadline for a peer that stops reading.
"""

import fcntl
import select
import socket
import ssl
import struct
import termios
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import PYNETDICOM_IMPLEMENTATION_UID, build_context
from pynetdicom.dsutils import decode, encode
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RJ, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import A_ASSOCIATE, ImplementationClassUIDNotification, MaximumLengthNotification

from dicom_router.errors import PeerUnreachable

APPLICATION_CONTEXT = UID("1.2.840.10008.3.1.1.1")
VERIFICATION = "1.2.840.10008.1.1"
MAX_CONTEXTS = 128
MAX_RECEIVED_PDU = 1 << 20
MAX_SENT_PDU = 1 << 17
P_DATA, RELEASE_RQ, RELEASE_RP, ABORT = 0x04, 0x05, 0x06, 0x07
NO_DATASET = 0x0101

ContextKey = tuple[str, str]  # (SOP class UID, transfer syntax UID)


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
class Patience:
    """Seconds to wait: for the connection, for a write to move on, for an answer once all bytes have left."""

    connect_seconds: float = 10.0
    stall_seconds: float = 30.0
    answer_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The peer's answer to one request: PS3.7 Status (0000,0900) and Error Comment (0000,0902)."""

    status: int
    comment: str
    sent_bytes: int


class Association:
    """An open association. Any fault of the network closes it and raises PeerUnreachable.

    ``accepted`` maps (SOP class, transfer syntax) to the context that the peer accepted; ``known_classes`` are the
    SOP classes of which it accepts anything at all.
    """

    def __init__(self, endpoint: Endpoint, contexts: Sequence[ContextKey], patience: Patience) -> None:
        self._endpoint = endpoint
        self._patience = patience
        self._message_id = 0
        self._sent_bytes = 0
        self._socket = _connect(endpoint, patience)
        try:
            self.accepted, self._max_pdu = self._associate(contexts)
        except PeerUnreachable:
            self._socket.close()
            raise
        self.known_classes = {sop_class for sop_class, _ in self.accepted}

    def echo(self) -> Answer:
        """C-ECHO, PS3.7 9.1.5."""
        context_id = next(number for (name, _), number in self.accepted.items() if name == VERIFICATION)
        self._send(self._command(context_id, command_field=0x0030, sop_class_uid=VERIFICATION))
        return self._answer()

    def store(
        self, key: ContextKey, sop_instance_uid: str, dataset: BinaryIO, paced: Callable[[int], None] | None = None
    ) -> Answer:
        """C-STORE, PS3.7 9.1.1: ``dataset`` is the encoded dataset from where the stream stands to its end.

        ``paced`` is called with the number of bytes after each write, and may wait.
        """
        context_id = self.accepted[key]
        pending = self._command(
            context_id, command_field=0x0001, sop_class_uid=key[0], sop_instance_uid=sop_instance_uid
        )
        self._sent_bytes = 0
        for fragment, is_last in _fragments(dataset, self._max_pdu - 6):
            pending += _pdv(context_id, 0x02 if is_last else 0x00, fragment)
            self._send(pending)
            if paced:
                paced(len(pending))
            pending = b""
        return self._answer()

    def is_stale(self) -> bool:
        """True when the peer has closed, aborted or asked to release while we were silent."""
        readable, _, _ = select.select([self._socket], [], [], 0)
        return bool(readable)

    def release(self) -> None:
        """A-RELEASE, then close. Never raises: there is nothing left to lose."""
        try:
            self._send(struct.pack(">BBLL", RELEASE_RQ, 0, 4, 0))
            self._socket.settimeout(1.0)
            self._socket.recv(64)
        except (OSError, PeerUnreachable):
            pass
        self._socket.close()

    def abort(self) -> None:
        """A-ABORT, then close."""
        try:
            self._socket.settimeout(1.0)
            self._socket.send(struct.pack(">BBLBBBB", ABORT, 0, 4, 0, 0, 0, 0))
        except OSError:
            pass
        self._socket.close()

    def _associate(self, contexts: Sequence[ContextKey]) -> tuple[dict[ContextKey, int], int]:
        self._send(_associate_request(self._endpoint, contexts))
        kind, body = self._receive_pdu()
        pdu = struct.pack(">BBL", kind, 0, len(body)) + body
        try:
            if kind == 0x03:
                raise self._rejected(pdu)
            if kind != 0x02:
                raise self._fault(f"it answered the association request with PDU type {kind}")
            accept = A_ASSOCIATE_AC()
            accept.decode(pdu)
        except (ValueError, KeyError, IndexError, struct.error, AttributeError) as error:
            raise self._fault(f"its answer to the association request is no DICOM: {error}") from error
        proposed = {2 * index + 1: key for index, key in enumerate(contexts)}
        accepted = {
            proposed[item.presentation_context_id]: item.presentation_context_id
            for item in accept.presentation_context
            if item.result == 0 and item.presentation_context_id in proposed
        }
        maximum = accept.user_information.maximum_length if accept.user_information else 0
        return accepted, min(max(maximum or MAX_SENT_PDU, 128), MAX_SENT_PDU)

    def _rejected(self, pdu: bytes) -> PeerUnreachable:
        reject = A_ASSOCIATE_RJ()
        reject.decode(pdu)
        code = f"{reject.result}/{reject.source}/{reject.reason_diagnostic}"
        advice = {
            "1/1/3": f"it does not know our AE title {self._endpoint.calling_ae_title}: have it added there",
            "1/1/7": f"it is not called {self._endpoint.ae_title}: check its AE title",
        }.get(code, "it has too many connections or does not allow ours")
        permanent = reject.result == 1
        return PeerUnreachable(f"{self._endpoint} rejected the association ({code}): {advice}", slowly=permanent)

    def _command(self, context_id: int, *, command_field: int, sop_class_uid: str, sop_instance_uid: str = "") -> bytes:
        self._message_id = self._message_id % 0xFFFF + 1
        command = Dataset()
        command.AffectedSOPClassUID = sop_class_uid
        command.CommandField = command_field
        command.MessageID = self._message_id
        command.CommandDataSetType = NO_DATASET
        if sop_instance_uid:
            command.Priority = 0
            command.CommandDataSetType = 0x0001
            command.AffectedSOPInstanceUID = sop_instance_uid
        body = encode(command, True, True) or b""
        group_length = struct.pack("<HHLL", 0, 0, 4, len(body))
        return _pdv(context_id, 0x03, group_length + body)

    def _answer(self) -> Answer:
        command = self._receive_command()
        if command.get("MessageIDBeingRespondedTo") != self._message_id or "Status" not in command:
            raise self._fault("it answered something else than was asked")
        comment = str(command.get("ErrorComment", "") or "")
        return Answer(status=int(command.Status), comment=comment, sent_bytes=self._sent_bytes)

    def _receive_command(self) -> Dataset:
        encoded = BytesIO()
        while True:
            kind, body = self._receive_pdu()
            if kind != P_DATA:
                raise self._fault({ABORT: "it aborted the association"}.get(kind, f"it sent PDU type {kind}"))
            try:
                if _append_fragments(body, encoded):
                    encoded.seek(0)
                    return decode(encoded, True, True)
            except (struct.error, ValueError, EOFError, OSError, KeyError, NotImplementedError) as error:
                raise self._fault(f"its answer is no DICOM: {error}") from error

    def _receive_pdu(self) -> tuple[int, bytes]:
        kind, _, length = struct.unpack(">BBL", self._receive(6))
        if length > MAX_RECEIVED_PDU:
            raise self._fault(f"it sent a PDU of {length} bytes; is this a DICOM port?")
        return kind, self._receive(length)

    def _receive(self, length: int) -> bytes:
        """Wait for ``length`` bytes. The patience starts anew as long as our own bytes still move out."""
        received = bytearray()
        unsent, waited = self._unsent(), 0.0
        step = min(1.0, self._patience.answer_seconds)
        self._socket.settimeout(step)
        while len(received) < length:
            try:
                self._acknowledge_at_once()
                part = self._socket.recv(length - len(received))
            except TimeoutError:
                left, unsent = unsent, self._unsent()
                waited = 0.0 if unsent < left else waited + step
                if waited >= self._patience.answer_seconds:
                    raise self._fault(f"no answer within {self._patience.answer_seconds:g} s") from None
                continue
            except OSError as error:
                raise self._fault(f"connection lost ({_reason(error)})") from error
            if not part:
                raise self._fault("it closed the connection")
            received += part
        return bytes(received)

    def _acknowledge_at_once(self) -> None:
        # Many PACS write an answer in two pieces with Nagle's algorithm on: their second piece waits for our kernel to
        # acknowledge the first, 40 ms on Linux. The kernel forgets this option, hence before each read.
        if hasattr(socket, "TCP_QUICKACK"):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def _send(self, message: bytes) -> None:
        self._socket.settimeout(self._patience.stall_seconds)
        view = memoryview(message)
        while view:
            try:
                sent = self._socket.send(view)
            except TimeoutError:
                raise self._fault(f"nothing moved for {self._patience.stall_seconds:g} s") from None
            except OSError as error:
                raise self._fault(f"connection lost ({_reason(error)})") from error
            self._sent_bytes += sent
            view = view[sent:]

    def _unsent(self) -> int:
        """Bytes that wait in the kernel for the peer to acknowledge them (Linux SIOCOUTQ)."""
        try:
            (count,) = struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
        except OSError:
            return 0
        return int(count)

    def _fault(self, what: str) -> PeerUnreachable:
        self._socket.close()
        return PeerUnreachable(f"{self._endpoint}: {what}")


def _connect(endpoint: Endpoint, patience: Patience) -> socket.socket:
    try:
        plain = socket.create_connection((endpoint.host, endpoint.port), timeout=patience.connect_seconds)
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
    except (OSError, ssl.CertificateError) as error:
        plain.close()
        raise PeerUnreachable(f"{endpoint}: TLS failed ({_reason(error)}); check the certificates") from error


def _reason(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return (error.strerror or str(error) or type(error).__name__).lower()


def _associate_request(endpoint: Endpoint, contexts: Sequence[ContextKey]) -> bytes:
    request = A_ASSOCIATE()
    request.application_context_name = APPLICATION_CONTEXT
    request.calling_ae_title = endpoint.calling_ae_title
    request.called_ae_title = endpoint.ae_title
    definitions = []
    for index, (sop_class_uid, transfer_syntax_uid) in enumerate(contexts):
        context = build_context(sop_class_uid, transfer_syntax_uid)
        context.context_id = 2 * index + 1
        definitions.append(context)
    request.presentation_context_definition_list = definitions
    maximum = MaximumLengthNotification()
    maximum.maximum_length_received = MAX_SENT_PDU
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = UID(PYNETDICOM_IMPLEMENTATION_UID)
    request.user_information = [maximum, implementation]
    return bytes(A_ASSOCIATE_RQ(request).encode())


def _pdv(context_id: int, control: int, fragment: bytes) -> bytes:
    """One P-DATA-TF PDU with one presentation data value, PS3.8 9.3.5."""
    size = len(fragment)
    return struct.pack(">BBLLBB", P_DATA, 0, size + 6, size + 2, context_id, control) + fragment


def _fragments(dataset: BinaryIO, size: int) -> Iterator[tuple[bytes, bool]]:
    """The rest of the stream in pieces of ``size`` (even, PS3.8 Annex D), each with whether it is the last."""
    size -= size % 2
    fragment = dataset.read(size)
    while True:
        following = dataset.read(size)
        yield fragment, not following
        if not following:
            return
        fragment = following


def _append_fragments(body: bytes, encoded: BinaryIO) -> bool:
    """Add the command fragments of one P-DATA-TF body to ``encoded``; True when the command is complete."""
    offset = 0
    while offset < len(body):
        size, _, control = struct.unpack_from(">LBB", body, offset)
        if control & 0x01:
            encoded.write(body[offset + 6 : offset + 4 + size])
        if control & 0x03 == 0x03:
            return True
        offset += 4 + max(size, 2)
    return False
