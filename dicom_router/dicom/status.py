"""The statuses of DIMSE responses (PS3.7 annex C, PS3.4), and what a peer's answer means for us. Knows no network."""

from dicom_router.errors import PeerRefused, PeerUnreachable

SUCCESS = 0x0000
INVALID_ATTRIBUTE_VALUE = 0x0106
PROCESSING_FAILURE = 0x0110
DUPLICATE_INSTANCE = 0x0111
NO_SUCH_INSTANCE = 0x0112
INVALID_INSTANCE_UID = 0x0117
MISSING_ATTRIBUTE = 0x0120
MISSING_ATTRIBUTE_VALUE = 0x0121
CLASS_NOT_SUPPORTED = 0x0122
NOT_AUTHORISED = 0x0124
DUPLICATE_INVOCATION = 0x0210
UNRECOGNISED_OPERATION = 0x0211
MISTYPED_ARGUMENT = 0x0212
RESOURCE_LIMITATION = 0x0213
OUT_OF_RESOURCES = 0xA700
SUB_OPERATIONS_IMPOSSIBLE = 0xA702  # of a C-GET
NO_LONGER_UPDATED = 0xA710  # an Error ID, PS3.4 table F.7.2-2
CLASS_MISMATCH = 0xA900  # of a dataset, or of a query's identifier
SUB_OPERATIONS_FAILED = 0xB000  # of a C-GET, some of them
CANNOT_UNDERSTAND = 0xC000
CANCELLED = 0xFE00
MATCH, MATCH_WITHOUT_SOME_KEYS = 0xFF00, 0xFF01
PENDING = frozenset({MATCH, MATCH_WITHOUT_SOME_KEYS})

TRY_AGAIN = frozenset({PROCESSING_FAILURE, DUPLICATE_INVOCATION, RESOURCE_LIMITATION})
WARNINGS = frozenset({0x0001, 0x0107, 0x0116})
MEANINGS = {
    PROCESSING_FAILURE: "processing failure",
    INVALID_INSTANCE_UID: "invalid SOP Instance UID",
    CLASS_NOT_SUPPORTED: "SOP class not supported",
    NOT_AUTHORISED: "not authorised",
    DUPLICATE_INVOCATION: "duplicate invocation",
    UNRECOGNISED_OPERATION: "operation not known",
    MISTYPED_ARGUMENT: "mistyped argument",
    RESOURCE_LIMITATION: "resource limitation",
}


def written(status: int) -> str:
    """As people write it: ``0x0000``."""
    return f"0x{status:04X}"


def is_out_of_resources(status: int) -> bool:
    """A7xx, of any service: the peer may take it later."""
    return status & 0xFF00 == OUT_OF_RESOURCES


def check_answer(status: int, *, peer: str, comment: str = "") -> str:
    """Turn a C-STORE status (PS3.4 Table B.2-1, PS3.7 Annex C) into what to do next.

    Returns the status as text, e.g. ``"0x0000"``, when the peer has the instance: Success, any warning, or
    "duplicate SOP instance". Raises PeerUnreachable when it may take it later (``slowly`` when a person must first
    change something at the peer), PeerRefused when it never will.
    """
    text = written(status)
    if status in {SUCCESS, DUPLICATE_INSTANCE, *WARNINGS} or status & 0xF000 == 0xB000:
        return text
    sentence = f"{peer} answered {text} ({_meaning(status)})" + (f": {comment}" if comment else "")
    if status == NOT_AUTHORISED:
        raise PeerUnreachable(
            f"{sentence}; ask its administrator to allow this station to store", slowly=True, status=text
        )
    if status in TRY_AGAIN or is_out_of_resources(status):
        raise PeerUnreachable(f"{sentence}; it will be sent again", status=text)
    raise PeerRefused(sentence, status=text)


def _meaning(status: int) -> str:
    if is_out_of_resources(status):
        return "out of resources"
    if status & 0xFF00 == CLASS_MISMATCH:
        return "dataset does not match its SOP class"
    if status & 0xF000 == CANNOT_UNDERSTAND:
        return "cannot understand"
    return MEANINGS.get(status, "unknown status")
