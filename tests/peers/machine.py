"""An X-ray machine made of raw bytes, which can say what no library would let it say. Knows nothing of ours."""

import socket
import struct
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.factories import DX

EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
VERIFICATION = "1.2.840.10008.1.1"
CONTEXTS = ((DX, EXPLICIT_LITTLE_ENDIAN),)
RELEASE_RQ = bytes([5, 0, 0, 0, 0, 4, 0, 0, 0, 0])
ABORT = bytes([7, 0, 0, 0, 0, 4, 0, 0, 0, 0])


class Machine:
    """A TCP connection to ``port`` from the address ``source``; each method is one thing said or heard."""

    def __init__(self, port: int, *, source: str = "127.0.0.1", seconds: float = 60) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=seconds, source_address=(source, 0))

    def say(self, raw: bytes) -> None:
        self.socket.sendall(raw)

    def hear(self) -> bytes:
        """The next PDU of the listener; empty when it hung up."""
        try:
            header = self._receive(6)
            return header + self._receive(int.from_bytes(header[2:], "big")) if header else b""
        except ConnectionError:
            return b""

    def associate(
        self, contexts: Sequence[tuple[str, ...]] = CONTEXTS, *, called: str = "XRAYTRIAGE", calling: str = "XRAY1"
    ) -> bytes:
        """Ask for an association; the listener's answer. Context IDs are 1, 3, 5 …"""
        self.say(association_request(contexts, called=called, calling=calling))
        return self.hear()

    def store(
        self, dataset: bytes, *, sop_instance_uid: str, sop_class_uid: str = DX, context_id: int = 1, pdu: int = 16_384
    ) -> tuple[int, str]:
        """C-STORE; the status and the error comment of the answer."""
        self.say(store_request(sop_class_uid, sop_instance_uid, context_id=context_id))
        self.say(dataset_pdus(dataset, context_id=context_id, size=pdu))
        return status_of(self.hear())

    def close(self) -> None:
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _receive(self, count: int) -> bytes:
        received = b""
        while len(received) < count:
            piece = self.socket.recv(count - len(received))
            if not piece:
                return b""
            received += piece
        return received


def role_item(sop_class_uid: str, role: bytes) -> bytes:
    """SCP/SCU role selection, PS3.7 D.3.3.4."""
    uid = sop_class_uid.encode()
    return _item(0x54, struct.pack(">H", len(uid)) + uid + role)


def association_request(
    contexts: Sequence[tuple[str, ...]] = CONTEXTS,
    *,
    called: str = "XRAYTRIAGE",
    calling: str = "XRAY1",
    roles: Mapping[str, bytes] | None = None,
) -> bytes:
    """An A-ASSOCIATE-RQ, PS3.8 9.3.2. A context is its abstract syntax and then its transfer syntaxes.

    ``roles``: by SOP class the SCU and the SCP role asked for, a byte each.
    """
    items = _item(0x10, b"1.2.840.10008.3.1.1.1")
    for index, (abstract_syntax, *transfer_syntaxes) in enumerate(contexts):
        syntaxes = _item(0x30, abstract_syntax.encode())
        syntaxes += b"".join(_item(0x40, syntax.encode()) for syntax in transfer_syntaxes)
        items += _item(0x20, bytes([2 * index + 1, 0, 0, 0]) + syntaxes)
    asked = b"".join(role_item(*each) for each in (roles or {}).items())
    items += _item(0x50, _item(0x51, (16_384).to_bytes(4, "big")) + _item(0x52, b"1.2.3.4") + asked)
    titles = called.ljust(16).encode() + calling.ljust(16).encode()
    return pdu(1, b"\x00\x01\x00\x00" + titles + bytes(32) + items)


def store_request(sop_class_uid: str, sop_instance_uid: str, *, context_id: int = 1) -> bytes:
    """The command of a C-STORE-RQ, PS3.7 9.3.1.1, with the UIDs as given."""
    return command_pdu(0x0001, sop_class_uid, sop_instance_uid, context_id=context_id, dataset_type=0)


def command_pdu(
    field: int, sop_class_uid: str, sop_instance_uid: str = "", *, context_id: int = 1, dataset_type: int = 0x0101
) -> bytes:
    """Any request, in one P-DATA-TF."""
    body = _element(0x0002, _even(sop_class_uid)) + _element(0x0100, struct.pack("<H", field))
    body += _element(0x0110, struct.pack("<H", 7)) + _element(0x0700, bytes(2))
    body += _element(0x0800, struct.pack("<H", dataset_type)) + _element(0x1000, _even(sop_instance_uid))
    return pdata(_element(0x0000, struct.pack("<I", len(body))) + body, context_id=context_id, flags=0b11)


def dataset_pdus(dataset: bytes, *, context_id: int = 1, size: int = 16_384) -> bytes:
    """The dataset in pieces of ``size``, one in each P-DATA-TF; the last one says so."""
    starts = range(0, max(len(dataset), 1), size)
    return b"".join(
        pdata(dataset[start : start + size], context_id=context_id, flags=0b10 if start == starts[-1] else 0)
        for start in starts
    )


def pdata(value: bytes, *, context_id: int = 1, flags: int) -> bytes:
    """One presentation data value in one P-DATA-TF, PS3.8 9.3.5."""
    return pdu(4, struct.pack(">IBB", len(value) + 2, context_id, flags) + value)


def pdu(kind: int, body: bytes) -> bytes:
    return struct.pack(">BBI", kind, 0, len(body)) + body


def status_of(answer: bytes) -> tuple[int, str]:
    """(0000,0900) and (0000,0902) of a response in one P-DATA-TF."""
    assert answer[:1] == b"\x04", f"no P-DATA-TF but {answer[:20]!r}"
    elements, start = {}, 12
    while start < len(answer):
        _group, element, length = struct.unpack_from("<HHI", answer, start)
        elements[element] = answer[start + 8 : start + 8 + length]
        start += 8 + length
    return int.from_bytes(elements[0x0900], "little"), elements.get(0x0902, b"").decode().rstrip(" ")


def results_of(accept: bytes) -> dict[int, int]:
    """By context ID, the result of each presentation context in an A-ASSOCIATE-AC, PS3.8 table 9-18."""
    assert accept[:1] == b"\x02", f"no A-ASSOCIATE-AC but {accept[:20]!r}"
    results, start = {}, 74
    while start < len(accept):
        kind, _, length = struct.unpack_from(">BBH", accept, start)
        if kind == 0x21:
            results[accept[start + 4]] = accept[start + 6]
        start += 4 + length
    return results


def _item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value


def _element(element: int, value: bytes) -> bytes:
    return struct.pack("<HHI", 0, element, len(value)) + value


def _even(uid: str) -> bytes:
    value = uid.encode("latin-1")
    return value + b"\0" if len(value) % 2 else value
