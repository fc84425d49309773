"""Command sets of DIMSE messages, PS3.7 6.3 and annex E: always implicit VR little endian. Knows no transport."""

import struct
from dataclasses import dataclass
from enum import IntEnum

from dicom_router.dicom.text import decode_uid
from dicom_router.dicom.uids import is_uid

_DATASET, _NO_DATASET = 0x0001, 0x0101
_ELEMENT = struct.Struct("<HHI")
_LONGEST_COMMENT = 64  # VR LO, PS3.5 table 6.2-1


class CommandField(IntEnum):
    """(0000,0100) of the requests that are told apart here."""

    C_STORE_RQ = 0x0001
    C_GET_RQ = 0x0010
    C_FIND_RQ = 0x0020
    C_ECHO_RQ = 0x0030
    N_SET_RQ = 0x0120
    N_CREATE_RQ = 0x0140
    C_CANCEL_RQ = 0x0FFF


class _Tag(IntEnum):
    GROUP_LENGTH = 0x0000
    AFFECTED_SOP_CLASS_UID = 0x0002
    REQUESTED_SOP_CLASS_UID = 0x0003
    COMMAND_FIELD = 0x0100
    MESSAGE_ID = 0x0110
    MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
    PRIORITY = 0x0700
    COMMAND_DATA_SET_TYPE = 0x0800
    STATUS = 0x0900
    ERROR_COMMENT = 0x0902
    ERROR_ID = 0x0903
    AFFECTED_SOP_INSTANCE_UID = 0x1000
    REQUESTED_SOP_INSTANCE_UID = 0x1001


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a machine asks. The UIDs, affected or requested, are as they came, without padding: check them before use.

    ``message_id`` of a C-CANCEL is that of the operation to be cancelled.
    """

    field: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_dataset: bool


@dataclass(frozen=True, slots=True)
class Response:
    """The status of a response, PS3.7 annex C, and a comment for the person who reads the machine's log.

    ``dataset`` is what goes with it, encoded: one match of a C-FIND. ``error_id``: PS3.7 C.1.
    """

    status: int
    comment: str = ""
    dataset: bytes = b""
    error_id: int = 0


def parse_request(encoded: bytes) -> Request:
    """Read a command set. Raises ValueError when it is none, or no request."""
    elements = _parse_elements(encoded)
    is_cancel = elements.get(_Tag.COMMAND_FIELD) == struct.pack("<H", CommandField.C_CANCEL_RQ)
    number = _Tag.MESSAGE_ID_BEING_RESPONDED_TO if is_cancel else _Tag.MESSAGE_ID
    try:
        field, message_id, dataset_type = (
            struct.unpack("<H", elements[tag])[0] for tag in (_Tag.COMMAND_FIELD, number, _Tag.COMMAND_DATA_SET_TYPE)
        )
    except (KeyError, struct.error) as error:
        raise ValueError("a command without its required elements") from error
    return Request(
        field=field,
        message_id=message_id,
        sop_class_uid=_uid(elements, _Tag.AFFECTED_SOP_CLASS_UID, _Tag.REQUESTED_SOP_CLASS_UID),
        sop_instance_uid=_uid(elements, _Tag.AFFECTED_SOP_INSTANCE_UID, _Tag.REQUESTED_SOP_INSTANCE_UID),
        has_dataset=dataset_type != _NO_DATASET,
    )


def encode_request(request: Request) -> bytes:
    """The command set of a request, of medium priority where it has one."""
    elements: list[tuple[_Tag, bytes]] = [
        (_Tag.AFFECTED_SOP_CLASS_UID, _padded(request.sop_class_uid.encode("ascii", "replace"), b"\0")),
        (_Tag.COMMAND_FIELD, struct.pack("<H", request.field)),
        (_Tag.MESSAGE_ID, struct.pack("<H", request.message_id)),
        (_Tag.COMMAND_DATA_SET_TYPE, struct.pack("<H", _DATASET if request.has_dataset else _NO_DATASET)),
    ]
    if request.has_dataset:
        elements.append((_Tag.PRIORITY, bytes(2)))
    if request.sop_instance_uid:
        uid = _padded(request.sop_instance_uid.encode("ascii", "replace"), b"\0")
        elements.append((_Tag.AFFECTED_SOP_INSTANCE_UID, uid))
    return _command_set(elements)


def encode_cancel(message_id: int) -> bytes:
    """C-CANCEL-RQ of the operation that began with this message, PS3.7 9.3.2.3."""
    return _command_set(
        [
            (_Tag.COMMAND_FIELD, struct.pack("<H", CommandField.C_CANCEL_RQ)),
            (_Tag.MESSAGE_ID_BEING_RESPONDED_TO, struct.pack("<H", message_id)),
            (_Tag.COMMAND_DATA_SET_TYPE, struct.pack("<H", _NO_DATASET)),
        ]
    )


def is_request(encoded: bytes, field: CommandField) -> bool:
    """Whether a command set is this request. Raises ValueError when it is none."""
    return _parse_elements(encoded).get(_Tag.COMMAND_FIELD) == struct.pack("<H", field)


def announces_dataset(encoded: bytes) -> bool:
    """Whether a dataset follows this command set. Raises ValueError when it is none."""
    return _parse_elements(encoded).get(_Tag.COMMAND_DATA_SET_TYPE) != struct.pack("<H", _NO_DATASET)


def parse_response(encoded: bytes) -> tuple[int, Response]:
    """The Message ID Being Responded To, and the answer. Raises ValueError when it is no response."""
    elements = _parse_elements(encoded)
    try:
        message_id, status = (
            struct.unpack("<H", elements[tag])[0] for tag in (_Tag.MESSAGE_ID_BEING_RESPONDED_TO, _Tag.STATUS)
        )
    except (KeyError, struct.error) as error:
        raise ValueError("a response without its required elements") from error
    return message_id, Response(status, decode_uid(elements.get(_Tag.ERROR_COMMENT, b"")))


def encode_response(request: Request, answer: Response) -> bytes:
    """The response to ``request``. Its UIDs are repeated only where they are UIDs."""
    elements: list[tuple[_Tag, bytes]] = [
        (_Tag.COMMAND_FIELD, struct.pack("<H", request.field | 0x8000)),
        (_Tag.MESSAGE_ID_BEING_RESPONDED_TO, struct.pack("<H", request.message_id)),
        (_Tag.COMMAND_DATA_SET_TYPE, struct.pack("<H", _DATASET if answer.dataset else _NO_DATASET)),
        (_Tag.STATUS, struct.pack("<H", answer.status)),
    ]
    if answer.comment:
        comment = answer.comment.encode("ascii", "replace")[:_LONGEST_COMMENT]
        elements.append((_Tag.ERROR_COMMENT, _padded(comment, b" ")))
    if answer.error_id:
        elements.append((_Tag.ERROR_ID, struct.pack("<H", answer.error_id)))
    for tag, uid in (
        (_Tag.AFFECTED_SOP_CLASS_UID, request.sop_class_uid),
        (_Tag.AFFECTED_SOP_INSTANCE_UID, request.sop_instance_uid),
    ):
        if is_uid(uid):
            elements.append((tag, _padded(uid.encode("ascii"), b"\0")))
    return _command_set(elements)


def _parse_elements(encoded: bytes) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    start = 0
    while start < len(encoded):
        if start + _ELEMENT.size > len(encoded):
            raise ValueError("a command that ends in mid-element")
        group, element, length = _ELEMENT.unpack_from(encoded, start)
        start += _ELEMENT.size
        if group != 0 or start + length > len(encoded):
            raise ValueError("a command with an element that is none")
        elements[element] = encoded[start : start + length]
        start += length
    return elements


def _command_set(elements: list[tuple[_Tag, bytes]]) -> bytes:
    body = b"".join(_element(tag, value) for tag, value in sorted(elements))
    return _element(_Tag.GROUP_LENGTH, struct.pack("<I", len(body))) + body


def _element(tag: _Tag, value: bytes) -> bytes:
    return _ELEMENT.pack(0, tag, len(value)) + value


def _padded(value: bytes, padding: bytes) -> bytes:
    return value + padding if len(value) % 2 else value


def _uid(elements: dict[int, bytes], affected: _Tag, requested: _Tag) -> str:
    """The UID that a C- or N-operation names; some N-operations call it requested."""
    return decode_uid(elements.get(affected) or elements.get(requested, b""))
