"""The statuses of DIMSE responses (PS3.7 annex C, PS3.4), and what a peer's answer means for us. Knows no network."""

from enum import IntEnum

from dicom_router.errors import PeerRefused, PeerUnreachable


class Status(IntEnum):
    """Every status that is answered or told apart here, under the words that people are told."""

    SUCCESS = 0x0000
    INVALID_ATTRIBUTE_VALUE = 0x0106
    PROCESSING_FAILURE = 0x0110
    DUPLICATE_INSTANCE = 0x0111
    NO_SUCH_INSTANCE = 0x0112
    NO_SUCH_EVENT_TYPE = 0x0113
    INVALID_ARGUMENT_VALUE = 0x0115
    INVALID_INSTANCE_UID = 0x0117
    CLASS_INSTANCE_CONFLICT = 0x0119
    MISSING_ATTRIBUTE = 0x0120
    MISSING_ATTRIBUTE_VALUE = 0x0121
    CLASS_NOT_SUPPORTED = 0x0122
    NO_SUCH_ACTION = 0x0123
    NOT_AUTHORISED = 0x0124
    DUPLICATE_TRANSACTION = 0x0131  # a Failure Reason, PS3.3 C.14.1.1
    DUPLICATE_INVOCATION = 0x0210
    UNRECOGNISED_OPERATION = 0x0211
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    SUB_OPERATIONS_IMPOSSIBLE = 0xA702  # of a C-GET
    NO_LONGER_UPDATED = 0xA710  # an Error ID, PS3.4 table F.7.2-2
    CLASS_MISMATCH = 0xA900  # of a dataset, or of a query's identifier
    SUB_OPERATIONS_FAILED = 0xB000  # of a C-GET, some of them
    CANNOT_UNDERSTAND = 0xC000
    CANCELLED = 0xFE00
    MATCH = 0xFF00
    MATCH_WITHOUT_SOME_KEYS = 0xFF01


PENDING = frozenset({Status.MATCH, Status.MATCH_WITHOUT_SOME_KEYS})
TRY_AGAIN = frozenset({Status.PROCESSING_FAILURE, Status.DUPLICATE_INVOCATION, Status.RESOURCE_LIMITATION})
WARNINGS = frozenset({0x0001, 0x0107, 0x0116})


def written(status: int) -> str:
    """As people write it: ``0x0000``."""
    return f"0x{status:04X}"


def is_out_of_resources(status: int) -> bool:
    """A7xx, of any service: the peer may take it later."""
    return status & 0xFF00 == Status.OUT_OF_RESOURCES


def check_answer(status: int, *, peer: str, comment: str = "") -> str:
    """Turn a C-STORE status (PS3.4 Table B.2-1, PS3.7 Annex C) into what to do next.

    Returns the status as text, e.g. ``"0x0000"``, when the peer has the instance: Success, any warning, or
    "duplicate SOP instance". Raises PeerUnreachable when it may take it later (``slowly`` when a person must first
    change something at the peer), PeerRefused when it never will.
    """
    text = written(status)
    if status in {Status.SUCCESS, Status.DUPLICATE_INSTANCE, *WARNINGS} or status & 0xF000 == 0xB000:
        return text
    sentence = f"{peer} answered {text} ({_meaning(status)})" + (f": {comment}" if comment else "")
    if status == Status.NOT_AUTHORISED:
        raise PeerUnreachable(
            f"{sentence}; ask its administrator to allow this station to store", slowly=True, status=text
        )
    if status in TRY_AGAIN or is_out_of_resources(status):
        raise PeerUnreachable(f"{sentence}; it will be sent again", status=text)
    raise PeerRefused(sentence, status=text)


def _meaning(status: int) -> str:
    """In words; A7xx and A9xx are said as one, and so is Cxxx."""
    masks = {Status.OUT_OF_RESOURCES: 0xFF00, Status.CLASS_MISMATCH: 0xFF00, Status.CANNOT_UNDERSTAND: 0xF000}
    found = next((each for each in Status if status & masks.get(each, 0xFFFF) == each), None)
    return found.name.lower().replace("_", " ") if found is not None else "unknown status"
