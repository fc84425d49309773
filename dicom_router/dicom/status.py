"""What a peer's answer to a C-STORE means for us: one table for DIMSE and DICOMweb. Pure; knows no network."""

from dicom_router.errors import PeerRefused, PeerUnreachable

ALREADY_THERE = 0x0111
NOT_AUTHORISED = 0x0124
TRY_AGAIN = frozenset({0x0110, 0x0210, 0x0213})  # processing failure, duplicate invocation, resource limitation
WARNINGS = frozenset({0x0001, 0x0107, 0x0116})

MEANINGS = {
    0x0110: "processing failure",
    0x0117: "invalid SOP Instance UID",
    0x0122: "SOP class not supported",
    0x0124: "not authorised",
    0x0210: "duplicate invocation",
    0x0211: "operation not known",
    0x0212: "mistyped argument",
    0x0213: "resource limitation",
}


def check_answer(status: int, *, peer: str, comment: str = "") -> str:
    """Turn a C-STORE status (PS3.4 Table B.2-1, PS3.7 Annex C) into what to do next.

    Returns the status as text, e.g. ``"0x0000"``, when the peer has the instance: Success, any warning, or
    "duplicate SOP instance". Raises PeerUnreachable when it may take it later (``slowly`` when a person must first
    change something at the peer), PeerRefused when it never will.
    """
    text = f"0x{status:04X}"
    if status in {0x0000, ALREADY_THERE} or status in WARNINGS or status & 0xF000 == 0xB000:
        return text
    sentence = f"{peer} answered {text} ({_meaning(status)})" + (f": {comment}" if comment else "")
    if status == NOT_AUTHORISED:
        raise PeerUnreachable(
            f"{sentence}; ask its administrator to allow this station to store", slowly=True, status=text
        )
    if status in TRY_AGAIN or status & 0xFF00 == 0xA700:
        raise PeerUnreachable(f"{sentence}; it will be sent again", status=text)
    raise PeerRefused(sentence, status=text)


def _meaning(status: int) -> str:
    if status & 0xFF00 == 0xA700:
        return "out of resources"
    if status & 0xFF00 == 0xA900:
        return "dataset does not match its SOP class"
    if status & 0xF000 == 0xC000:
        return "cannot understand"
    return MEANINGS.get(status, "unknown status")
