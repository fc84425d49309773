"""What is agreed when an association begins, PS3.8 7.1 and 9.3, PS3.7 annex D. Only bytes in and bytes out."""

import struct
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

from dicom_router.dicom.text import decode_uid
from dicom_router.dicom.uids import (
    APPLICATION_CONTEXT,
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    STORAGE_COMMITMENT,
    UNCOMPRESSED,
)
from dicom_router.upper_layer.pdu import PduType, ProtocolViolation, make_pdu

# The transfer syntaxes in which a SOP class is served, the preferred first; none where it is not.
Served = Callable[[str], Sequence[str]]

_TITLES = slice(10, 42)  # called and calling AE title in an A-ASSOCIATE-RQ and -AC
_FIRST_ITEM = 74
_REPORTING = frozenset({STORAGE_COMMITMENT})  # whose SCP may call its SCU, PS3.4 J.3.3: here we may be either


class _Item(IntEnum):
    """Items of the association PDUs, PS3.8 9.3.2 and 9.3.3, PS3.7 D.3.3."""

    APPLICATION_CONTEXT = 0x10
    PRESENTATION_CONTEXT_RQ = 0x20
    PRESENTATION_CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55


class _Result(IntEnum):
    """Of one presentation context, PS3.8 table 9-18."""

    ACCEPTED = 0
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One presentation context as a machine offers it."""

    context_id: int
    sop_class_uid: str
    transfer_syntax_uids: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AssociationRequest:
    """What of an A-ASSOCIATE-RQ matters here. ``titles`` are both AE titles as they came, to be sent back.

    ``max_pdu`` is the longest PDU that the machine takes, 0 for any. ``roles`` are the SCU and SCP roles that it asks
    for, by SOP class, as they came: PS3.7 D.3.3.4.
    """

    called_ae_title: str
    calling_ae_title: str
    titles: bytes
    proposals: Sequence[Proposal]
    max_pdu: int
    roles: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Context:
    """One presentation context, proposed or accepted."""

    sop_class_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What of an A-ASSOCIATE-AC matters to who asked. ``max_pdu`` is the longest PDU the peer takes, 0 for any.

    ``other_syntax_ids``: contexts that were refused, and not for their SOP class (PS3.8 table 9-18).
    """

    context_ids: frozenset[int]
    other_syntax_ids: frozenset[int]
    max_pdu: int


def propose(
    *,
    called_ae_title: str,
    calling_ae_title: str,
    contexts: Sequence[Context],
    max_pdu: int,
    taken: Collection[str] = (),
) -> bytes:
    """The A-ASSOCIATE-RQ PDU. The context at ``index`` gets the ID ``2 * index + 1``; at most 128 of them.

    ``taken`` are the SOP classes of which we propose to be the SCP: the peer shall store to us, or hear our report.
    """
    items = _item(_Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode())
    for index, context in enumerate(contexts):
        offer = bytes([2 * index + 1, 0, 0, 0])
        offer += _item(_Item.ABSTRACT_SYNTAX, context.sop_class_uid.encode("ascii", "replace"))
        offer += _item(_Item.TRANSFER_SYNTAX, context.transfer_syntax_uid.encode("ascii", "replace"))
        items += _item(_Item.PRESENTATION_CONTEXT_RQ, offer)
    titles = b"".join(each.encode("ascii", "replace")[:16].ljust(16) for each in (called_ae_title, calling_ae_title))
    roles = b"".join(_scp_role(sop_class_uid) for sop_class_uid in taken)
    information = _user_information(max_pdu, roles)
    return make_pdu(PduType.ASSOCIATE_RQ, b"\0\1\0\0" + titles + bytes(32) + items + information)


def parse_acceptance(pdu: bytes) -> Acceptance:
    """Read an A-ASSOCIATE-AC PDU. Raises ProtocolViolation."""
    if len(pdu) < _FIRST_ITEM:
        raise ProtocolViolation("no A-ASSOCIATE-AC")
    results, max_pdu = dict[int, int](), 0
    for kind, value in _items(pdu[_FIRST_ITEM:]):
        if kind == _Item.PRESENTATION_CONTEXT_AC and len(value) >= 3:
            results[value[0]] = value[2]
        elif kind == _Item.USER_INFORMATION:
            max_pdu = _max_pdu(value)
    accepted = frozenset(each for each, result in results.items() if result == _Result.ACCEPTED)
    unknown = {each for each, result in results.items() if result == _Result.ABSTRACT_SYNTAX_NOT_SUPPORTED}
    return Acceptance(context_ids=accepted, other_syntax_ids=frozenset(results) - accepted - unknown, max_pdu=max_pdu)


def parse_association_request(pdu: bytes) -> AssociationRequest:
    """Read an A-ASSOCIATE-RQ PDU. Raises ProtocolViolation."""
    if len(pdu) < _FIRST_ITEM or not pdu[7] & 1:
        raise ProtocolViolation("no A-ASSOCIATE-RQ of version 1")
    titles, items = pdu[_TITLES], list(_items(pdu[_FIRST_ITEM:]))
    return AssociationRequest(
        called_ae_title=titles[:16].decode("latin-1").strip(" \0"),
        calling_ae_title=titles[16:].decode("latin-1").strip(" \0"),
        titles=titles,
        proposals=[_parse_proposal(value) for kind, value in items if kind == _Item.PRESENTATION_CONTEXT_RQ],
        max_pdu=next((_max_pdu(value) for kind, value in items if kind == _Item.USER_INFORMATION), 0),
        roles={
            sop_class_uid: role
            for kind, value in items
            if kind == _Item.USER_INFORMATION
            for sop_class_uid, role in _roles(value)
        },
    )


def accept(request: AssociationRequest, *, max_pdu: int, served: Served) -> tuple[bytes, Mapping[int, Context]]:
    """The A-ASSOCIATE-AC PDU, and by context ID what it accepts.

    The roles asked for are agreed to where we may be either. No other extended negotiation is replied to: by default
    the machine is the SCU and one operation runs at a time.
    """
    contexts: dict[int, Context] = {}
    items = _item(_Item.APPLICATION_CONTEXT, APPLICATION_CONTEXT.encode())
    for proposal in request.proposals:
        result, syntax = _choose(proposal, served(proposal.sop_class_uid))
        if result == _Result.ACCEPTED:
            contexts[proposal.context_id] = Context(proposal.sop_class_uid, syntax)
        answer = bytes([proposal.context_id, 0, result, 0]) + _item(_Item.TRANSFER_SYNTAX, syntax.encode("ascii"))
        items += _item(_Item.PRESENTATION_CONTEXT_AC, answer)
    agreed = _REPORTING & request.roles.keys() & {each.sop_class_uid for each in contexts.values()}
    items += _user_information(max_pdu, b"".join(_role(each, request.roles[each]) for each in agreed))
    return make_pdu(PduType.ASSOCIATE_AC, b"\0\1\0\0" + request.titles + bytes(32) + items), contexts


def _user_information(max_pdu: int, roles: bytes = b"") -> bytes:
    information = (
        _item(_Item.MAXIMUM_LENGTH, max_pdu.to_bytes(4, "big"))
        + _item(_Item.IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_CLASS_UID.encode("ascii"))
        + roles
        + _item(_Item.IMPLEMENTATION_VERSION_NAME, IMPLEMENTATION_VERSION_NAME.encode("ascii"))
    )
    return _item(_Item.USER_INFORMATION, information)


def _scp_role(sop_class_uid: str) -> bytes:
    """SCP/SCU role selection, PS3.7 D.3.3.4: we are no SCU of it and wish to be its SCP."""
    return _role(sop_class_uid, b"\0\1")


def _role(sop_class_uid: str, role: bytes) -> bytes:
    uid = sop_class_uid.encode("ascii", "replace")
    return _item(_Item.ROLE_SELECTION, struct.pack(">H", len(uid)) + uid + role)


def _roles(user_information: bytes) -> Iterator[tuple[str, bytes]]:
    for kind, value in _items(user_information):
        if kind == _Item.ROLE_SELECTION and len(value) >= 4:
            yield decode_uid(value[2:-2]), bytes(each & 1 for each in value[-2:])


def _max_pdu(user_information: bytes) -> int:
    lengths = [each for kind, each in _items(user_information) if kind == _Item.MAXIMUM_LENGTH]
    return int.from_bytes(lengths[0], "big") if lengths else 0


def _choose(proposal: Proposal, ours: Sequence[str]) -> tuple[_Result, str]:
    """The result and the transfer syntax; where there is none, one of ours stands in its place, not to be tested."""
    if not ours:
        return _Result.ABSTRACT_SYNTAX_NOT_SUPPORTED, UNCOMPRESSED[0]
    for syntax in ours:
        if syntax in proposal.transfer_syntax_uids:
            return _Result.ACCEPTED, syntax
    return _Result.TRANSFER_SYNTAXES_NOT_SUPPORTED, UNCOMPRESSED[0]


def _parse_proposal(value: bytes) -> Proposal:
    syntaxes: dict[int, list[str]] = {_Item.ABSTRACT_SYNTAX: [], _Item.TRANSFER_SYNTAX: []}
    for kind, name in _items(value[4:]):
        syntaxes.setdefault(kind, []).append(decode_uid(name))
    if len(syntaxes[_Item.ABSTRACT_SYNTAX]) != 1:
        raise ProtocolViolation("a presentation context without its one abstract syntax")
    return Proposal(
        context_id=value[0],
        sop_class_uid=syntaxes[_Item.ABSTRACT_SYNTAX][0],
        transfer_syntax_uids=syntaxes[_Item.TRANSFER_SYNTAX],
    )


def _items(encoded: bytes) -> Iterator[tuple[int, bytes]]:
    start = 0
    while start < len(encoded):
        end = start + 4 + int.from_bytes(encoded[start + 2 : start + 4], "big")
        if start + 4 > len(encoded) or end > len(encoded):
            raise ProtocolViolation("an item longer than its PDU")
        yield encoded[start], encoded[start + 4 : end]
        start = end


def _item(kind: _Item, value: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(value)) + value
