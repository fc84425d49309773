"""DICOM's protocol data units on a socket, PS3.8 9.3, and the messages in them, for both sides of an association.

Bounded in size and in time. Knows no association and no film.
"""

import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import BinaryIO, NamedTuple

from dicom_router.clock import Clock

_HEADER_BYTES = 6
_PDV_HEADER_BYTES = 6
_LONGEST_COMMAND = 1 << 16
_DATA = struct.Struct(">BBIIBB")  # the headers of a P-DATA-TF PDU and of the one piece in it


class PduType(IntEnum):
    """The first byte of a PDU, PS3.8 9.3.1."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    DATA = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


class ConversationError(Exception):
    """The connection cannot go on."""


class ConnectionLost(ConversationError):
    """The peer hung up, aborted, or was too slow. There is nobody left to answer."""


class ProtocolViolation(ConversationError):
    """The peer does not speak DICOM: it gets an A-ABORT with ``reason``, PS3.8 table 9-26."""

    UNSPECIFIED, UNRECOGNISED_PDU, UNEXPECTED_PDU, INVALID_PARAMETER = 0, 1, 2, 6

    def __init__(self, message: str, reason: int = INVALID_PARAMETER) -> None:
        super().__init__(message)
        self.reason = reason


_PDU_TYPES = frozenset(PduType)


class Pdv(NamedTuple):
    """One presentation data value, PS3.8 annex E: a piece of a command or of a dataset."""

    context_id: int
    is_command: bool
    is_last: bool
    value: memoryview


class PduStream:
    """One connection, PDU by PDU, in one buffer that is used again: memory stays flat whatever is sent.

    It takes from the socket whatever has come, also of later PDUs: a film is a thousand of them, and every call of the
    kernel costs a turn of the interpreter's lock. The buffer has ``buffer_bytes``, and grows to the longest PDU.
    """

    def __init__(
        self, connection: socket.socket, *, clock: Clock, longest: int, pdu_seconds: float, buffer_bytes: int
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._pdu_seconds = pdu_seconds
        self._longest = _HEADER_BYTES + longest
        self._buffer = memoryview(bytearray(buffer_bytes))
        self._start = 0  # of the PDU that is read next
        self._end = 0  # of what has been received

    def read(self, *, wait_seconds: float) -> memoryview:
        """The next PDU, header included; good until the next read. Waits so long for its first byte.

        Raises ConnectionLost or ProtocolViolation (unknown type, longer than allowed).
        """
        self._fetch(1, deadline=self._clock.monotonic() + wait_seconds)
        deadline = self._clock.monotonic() + self._pdu_seconds
        self._fetch(_HEADER_BYTES, deadline=deadline)
        kind, length = struct.unpack_from(">BxI", self._buffer, self._start)
        if kind not in _PDU_TYPES:
            raise ProtocolViolation(f"unknown PDU type {kind}", ProtocolViolation.UNRECOGNISED_PDU)
        size = _HEADER_BYTES + length
        if size > self._longest:
            raise ProtocolViolation(f"a PDU of {size} bytes is over the limit")
        self._fetch(size, deadline=deadline)
        self._start += size
        return self._buffer[self._start - size : self._start]

    def has_more(self) -> bool:
        """Whether something of a next PDU has come. Does not wait; the last PDU read is no longer good."""
        if self._start == self._end:
            self._start = self._end = 0
            try:
                self._connection.settimeout(0)
                self._end = self._connection.recv_into(self._buffer)
            except (BlockingIOError, ssl.SSLWantReadError):
                return False
            except OSError as error:
                raise ConnectionLost(str(error)) from error
            if self._end == 0:
                raise ConnectionLost("closed by the peer")
        return True

    def write(self, pdu: bytes) -> None:
        """Send one PDU. Raises ConnectionLost."""
        try:
            self._connection.settimeout(self._pdu_seconds)
            self._connection.sendall(pdu)
        except OSError as error:
            raise ConnectionLost(f"cannot send: {error}") from error

    def finish(self) -> None:
        """Say that nothing more comes and let the peer hang up first, so that it surely reads our last PDU."""
        try:
            self._connection.shutdown(socket.SHUT_WR)
            self._connection.settimeout(1.0)
            self._connection.recv_into(self._buffer)
        except OSError:
            return

    def _fetch(self, count: int, *, deadline: float) -> None:
        """Have at least so many bytes of the next PDU."""
        if self._start + count > len(self._buffer):
            held = self._buffer[self._start : self._end]
            if count > len(self._buffer):
                self._buffer = memoryview(bytearray(count))
            self._buffer[: len(held)] = held
            self._start, self._end = 0, len(held)
        while self._end - self._start < count:
            try:
                received = self._receive(self._buffer[self._end :], deadline)
            except OSError as error:
                raise ConnectionLost(str(error)) from error
            if received == 0:
                raise ConnectionLost("closed by the peer")
            self._end += received

    def _receive(self, room: memoryview, deadline: float) -> int:
        """Wait for some bytes; how many came, none when the peer closed. Raises ConnectionLost, OSError."""
        remaining = deadline - self._clock.monotonic()
        if remaining <= 0:
            raise ConnectionLost("too slow")
        self._connection.settimeout(remaining)
        return self._connection.recv_into(room)


class MessageStream:
    """The messages in the P-DATA-TF PDUs of one association: commands and datasets, PS3.7 6.3.1 and PS3.8 annex E.

    ``read`` gives the next PDU. Every method raises what that raises, ConnectionLost or ProtocolViolation.
    """

    def __init__(self, read: Callable[[], memoryview]) -> None:
        self._read = read
        self._pdvs: deque[Pdv] = deque()

    def has_begun(self) -> bool:
        """Whether a piece of the next message came with the last PDU."""
        return bool(self._pdvs)

    def command(self) -> tuple[int, bytes] | None:
        """Context ID and command set of the next message; None when the peer wants to release the association."""
        if not self._pdvs and not self._read_pdvs():
            return None
        context_id, command = self._pdvs[0].context_id, b""
        for piece in self._pieces(context_id, is_command=True):
            command += piece
            if len(command) > _LONGEST_COMMAND:
                raise ProtocolViolation("a command without end")
        return context_id, command

    def dataset(self, context_id: int) -> Iterator[memoryview]:
        """The dataset that goes with the command just read, as it arrives, each piece good until the next."""
        return self._pieces(context_id, is_command=False)

    def _pieces(self, context_id: int, *, is_command: bool) -> Iterator[memoryview]:
        is_last = False
        while not is_last:
            if not self._pdvs and not self._read_pdvs():
                raise ProtocolViolation("a release within a message", ProtocolViolation.UNEXPECTED_PDU)
            pdv = self._pdvs.popleft()
            if pdv.context_id != context_id or pdv.is_command != is_command:
                raise ProtocolViolation("fragments of two messages mixed")
            is_last = pdv.is_last
            yield pdv.value

    def _read_pdvs(self) -> bool:
        """Take in one more PDU with pieces in it. False: the peer wants to release the association."""
        while not self._pdvs:
            pdu = self._read()
            if pdu[0] == PduType.RELEASE_RQ:
                return False
            if pdu[0] == PduType.ABORT:
                raise ConnectionLost("aborted by the peer")
            if pdu[0] != PduType.DATA:
                raise ProtocolViolation(f"PDU type {pdu[0]} now", ProtocolViolation.UNEXPECTED_PDU)
            self._pdvs.extend(split_pdvs(pdu))
        return True


def split_pdvs(pdu: memoryview) -> Iterator[Pdv]:
    """The presentation data values of a P-DATA-TF PDU. Raises ProtocolViolation when the lengths do not add up."""
    start = _HEADER_BYTES
    while start < len(pdu):
        end = start + 4 + int.from_bytes(pdu[start : start + 4], "big")
        if end < start + _PDV_HEADER_BYTES or end > len(pdu):
            raise ProtocolViolation("bad length of a presentation data value")
        flags = pdu[start + 5]
        yield Pdv(pdu[start + 4], bool(flags & 1), bool(flags & 2), pdu[start + _PDV_HEADER_BYTES : end])
        start = end


def make_command_pdu(context_id: int, command: bytes) -> bytes:
    """A whole command in one P-DATA-TF PDU. Ours are far smaller than the smallest maximum a peer may set."""
    return _data_pdu(context_id, 0b11, command)


def make_dataset_pdus(context_id: int, dataset: BinaryIO, *, longest: int) -> Iterator[bytes]:
    """The rest of a stream in P-DATA-TF PDUs of at most ``longest`` bytes after the header, PS3.8 annex E.

    The pieces are of even length, D.1: a zero more where the stream is of odd length, which some peers abort over.
    """
    room = (longest - _PDV_HEADER_BYTES) // 2 * 2
    piece = dataset.read(room)
    while True:
        following = dataset.read(room)
        yield _data_pdu(context_id, 0 if following else 0b10, piece + b"\0" * (len(piece) % 2))
        if not following:
            return
        piece = following


def _data_pdu(context_id: int, flags: int, piece: bytes) -> bytes:
    return _DATA.pack(PduType.DATA, 0, len(piece) + _PDV_HEADER_BYTES, len(piece) + 2, context_id, flags) + piece


def make_pdu(kind: PduType, body: bytes) -> bytes:
    """The header of PS3.8 9.3.1 and the body."""
    return bytes([kind, 0]) + len(body).to_bytes(4, "big") + body


def make_abort(reason: int) -> bytes:
    """A-ABORT from the service provider, PS3.8 9.3.8."""
    return make_pdu(PduType.ABORT, bytes([0, 0, 2, reason]))


def make_reject(result: int, source: int, reason: int) -> bytes:
    """A-ASSOCIATE-RJ, PS3.8 9.3.4."""
    return make_pdu(PduType.ASSOCIATE_RJ, bytes([0, result, source, reason]))


RELEASE_RP = make_pdu(PduType.RELEASE_RP, bytes(4))
