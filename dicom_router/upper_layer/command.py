"""Command sets of DIMSE messages, PS3.7 6.3 and annex E: always implicit VR little endian. Knows no transport."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from dicom_router.dicom.text import decode_uid
from dicom_router.dicom.uids import is_uid
from dicom_router.upper_layer.pdu import ProtocolViolation

_DATASET, _NO_DATASET = 0x0001, 0x0101
_ELEMENT = struct.Struct("<HHI")
_LONGEST_COMMENT = 64  # VR LO, PS3.5 table 6.2-1


class CommandField(IntEnum):
    """(0000,0100) of the requests that are told apart here; a response has the highest bit set as well."""

    C_STORE_RQ = 0x0001
    C_GET_RQ = 0x0010
    C_FIND_RQ = 0x0020
    C_ECHO_RQ = 0x0030
    N_EVENT_REPORT_RQ = 0x0100
    N_SET_RQ = 0x0120
    N_ACTION_RQ = 0x0130
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
    EVENT_TYPE_ID = 0x1002
    ACTION_TYPE_ID = 0x1008


_TYPE_IDS = (_Tag.EVENT_TYPE_ID, _Tag.ACTION_TYPE_ID)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a machine asks. The UIDs, affected or requested, are as they came, without padding: check them before use.

    ``message_id`` of a C-CANCEL is that of the operation to be cancelled. ``type_id``: of an event or action, else 0.
    """

    field: int
    message_id: int
    sop_class_uid: str
    sop_instance_uid: str
    has_dataset: bool
    type_id: int = 0


@dataclass(frozen=True, slots=True)
class Response:
    """The status of a response, PS3.7 annex C, and a comment for the person who reads the machine's log.

    ``dataset`` is what we send with it, encoded: one match of a C-FIND. ``error_id``: PS3.7 C.1. Of one that we got,
    ``message_id`` says what it answers, and ``has_dataset`` whether a dataset follows.
    """

    status: int
    comment: str = ""
    dataset: bytes = b""
    error_id: int = 0
    message_id: int = 0
    has_dataset: bool = False


def parse_command(encoded: bytes) -> Request | Response:
    """Read a command set. Raises ProtocolViolation when it is none."""
    elements = _parse_elements(encoded)

    def number(tag: _Tag) -> int:
        (found,) = struct.unpack("<H", elements[tag])
        return int(found)

    try:
        if _Tag.STATUS in elements:  # only a response has one; no more is asked of a peer
            return Response(
                number(_Tag.STATUS),
                decode_uid(elements.get(_Tag.ERROR_COMMENT, b"")),
                message_id=number(_Tag.MESSAGE_ID_BEING_RESPONDED_TO),
                has_dataset=elements.get(_Tag.COMMAND_DATA_SET_TYPE) != struct.pack("<H", _NO_DATASET),
            )
        field = number(_Tag.COMMAND_FIELD)
        is_cancel = field == CommandField.C_CANCEL_RQ
        return Request(
            field=field,
            message_id=number(_Tag.MESSAGE_ID_BEING_RESPONDED_TO if is_cancel else _Tag.MESSAGE_ID),
            sop_class_uid=_uid(elements, _Tag.AFFECTED_SOP_CLASS_UID, _Tag.REQUESTED_SOP_CLASS_UID),
            sop_instance_uid=_uid(elements, _Tag.AFFECTED_SOP_INSTANCE_UID, _Tag.REQUESTED_SOP_INSTANCE_UID),
            has_dataset=number(_Tag.COMMAND_DATA_SET_TYPE) != _NO_DATASET,
            type_id=next((number(tag) for tag in _TYPE_IDS if tag in elements), 0),
        )
    except (KeyError, struct.error) as error:
        raise ProtocolViolation("a command without its required elements") from error


def encode_request(request: Request) -> bytes:
    """The command set of a request that we send: of a DIMSE-C one, of medium priority, or of an N-EVENT-REPORT."""
    values: dict[_Tag, int | str] = {
        _Tag.AFFECTED_SOP_CLASS_UID: request.sop_class_uid,
        _Tag.COMMAND_FIELD: request.field,
        _Tag.MESSAGE_ID: request.message_id,
        _Tag.COMMAND_DATA_SET_TYPE: _DATASET if request.has_dataset else _NO_DATASET,
    }
    if request.field == CommandField.N_EVENT_REPORT_RQ:
        values[_Tag.EVENT_TYPE_ID] = request.type_id
    elif request.has_dataset:
        values[_Tag.PRIORITY] = 0
    if request.sop_instance_uid:
        values[_Tag.AFFECTED_SOP_INSTANCE_UID] = request.sop_instance_uid
    return _command_set(values)


def encode_cancel(message_id: int) -> bytes:
    """C-CANCEL-RQ of the operation that began with this message, PS3.7 9.3.2.3."""
    return _command_set(
        {
            _Tag.COMMAND_FIELD: CommandField.C_CANCEL_RQ,
            _Tag.MESSAGE_ID_BEING_RESPONDED_TO: message_id,
            _Tag.COMMAND_DATA_SET_TYPE: _NO_DATASET,
        }
    )


def encode_response(request: Request, answer: Response) -> bytes:
    """The response to ``request``. Its UIDs are repeated only where they are UIDs."""
    values: dict[_Tag, int | str] = {
        _Tag.COMMAND_FIELD: request.field | 0x8000,
        _Tag.MESSAGE_ID_BEING_RESPONDED_TO: request.message_id,
        _Tag.COMMAND_DATA_SET_TYPE: _DATASET if answer.dataset else _NO_DATASET,
        _Tag.STATUS: answer.status,
    }
    if answer.comment:
        values[_Tag.ERROR_COMMENT] = answer.comment[:_LONGEST_COMMENT]
    if answer.error_id:
        values[_Tag.ERROR_ID] = answer.error_id
    if is_uid(request.sop_class_uid):
        values[_Tag.AFFECTED_SOP_CLASS_UID] = request.sop_class_uid
    if is_uid(request.sop_instance_uid):
        values[_Tag.AFFECTED_SOP_INSTANCE_UID] = request.sop_instance_uid
    return _command_set(values)


def _parse_elements(encoded: bytes) -> dict[int, bytes]:
    elements: dict[int, bytes] = {}
    start = 0
    while start < len(encoded):
        if start + _ELEMENT.size > len(encoded):
            raise ProtocolViolation("a command that ends in mid-element")
        group, element, length = _ELEMENT.unpack_from(encoded, start)
        start += _ELEMENT.size
        if group != 0 or start + length > len(encoded):
            raise ProtocolViolation("a command with an element that is none")
        elements[element] = encoded[start : start + length]
        start += length
    return elements


def _command_set(values: Mapping[_Tag, int | str]) -> bytes:
    """Numbers of 16 bits, and texts in ASCII: UIDs are padded by a NUL, the comment by a blank."""
    body = b""
    for tag, value in sorted(values.items()):
        encoded = struct.pack("<H", value) if isinstance(value, int) else value.encode("ascii", "replace")
        encoded += (b" " if tag == _Tag.ERROR_COMMENT else b"\0") * (len(encoded) % 2)
        body += _ELEMENT.pack(0, tag, len(encoded)) + encoded
    return _ELEMENT.pack(0, _Tag.GROUP_LENGTH, 4) + struct.pack("<I", len(body)) + body


def _uid(elements: dict[int, bytes], affected: _Tag, requested: _Tag) -> str:
    """The UID that a C- or N-operation names; some N-operations call it requested."""
    return decode_uid(elements.get(affected) or elements.get(requested, b""))
