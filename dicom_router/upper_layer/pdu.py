"""DICOM's protocol data units on a socket, PS3.8 9.3: bounded in size and in time. Knows no association and no film."""

import socket
import ssl
import struct
from collections.abc import Iterator
from enum import IntEnum
from typing import NamedTuple

from dicom_router.clock import Clock

_HEADER_BYTES = 6
_PDV_HEADER_BYTES = 6


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
    kernel costs a turn of the interpreter's lock.
    """

    def __init__(self, connection: socket.socket, *, clock: Clock, longest: int, pdu_seconds: float) -> None:
        self._connection = connection
        self._clock = clock
        self._pdu_seconds = pdu_seconds
        self._longest = _HEADER_BYTES + longest
        self._buffer = memoryview(bytearray(4 * self._longest))
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
            held = self._end - self._start
            self._buffer[:held] = self._buffer[self._start : self._end]
            self._start, self._end = 0, held
        while self._end - self._start < count:
            remaining = deadline - self._clock.monotonic()
            if remaining <= 0:
                raise ConnectionLost("too slow")
            try:
                self._connection.settimeout(remaining)
                received = self._connection.recv_into(self._buffer[self._end :])
            except OSError as error:
                raise ConnectionLost(str(error)) from error
            if received == 0:
                raise ConnectionLost("closed by the peer")
            self._end += received


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
    pdv = bytes([context_id, 0b11]) + command
    return make_pdu(PduType.DATA, len(pdv).to_bytes(4, "big") + pdv)


def make_dataset_pdus(context_id: int, dataset: bytes, *, longest: int) -> Iterator[bytes]:
    """A dataset in P-DATA-TF PDUs of at most ``longest`` bytes after the header, PS3.8 annex E and D.1."""
    room = longest - _PDV_HEADER_BYTES
    for start in range(0, len(dataset), room):
        is_last = start + room >= len(dataset)
        pdv = bytes([context_id, 0b10 if is_last else 0]) + dataset[start : start + room]
        yield make_pdu(PduType.DATA, len(pdv).to_bytes(4, "big") + pdv)


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
