"""Which of our representations a client will take (RFC 9110 12.5.1, PS3.18 8.7). Knows no instance."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from fastapi import HTTPException

MULTIPART = "multipart/related"
_PART = re.compile(r"""((?:[^,;"]|"[^"]*")*)([,;]?)""")


@dataclass(frozen=True, slots=True)
class Offer:
    """A representation that we have. ``transfer_syntax``: the UID behind the media type, where it has one."""

    media_type: str
    transfer_syntax: str = ""
    multipart: bool = False

    @property
    def content_type(self) -> str:
        """Of the body, or of each part."""
        return f"{self.media_type}; transfer-syntax={self.transfer_syntax}" if self.transfer_syntax else self.media_type


def choose(accept: str, offers: Sequence[Offer]) -> Offer:
    """The offer that the client likes most; among equals its own order, then ours. Raises 406."""
    ranges = sorted(_ranges(accept or "*/*"), key=_weight, reverse=True)
    for wanted in ranges:
        for offer in offers:
            if _weight(wanted) > 0 and _takes(wanted, offer):
                return offer
    have = ", ".join(dict.fromkeys(offer.content_type for offer in offers))
    raise HTTPException(406, f"there is only {have}")


def _takes(wanted: dict[str, str], offer: Offer) -> bool:
    syntax = wanted.get("transfer-syntax", "*")
    if offer.transfer_syntax and syntax not in ("*", offer.transfer_syntax):
        return False
    if wanted[""] == MULTIPART:
        return offer.multipart and _covers(wanted.get("type", "*/*"), offer.media_type)
    return wanted[""] == "*/*" or (not offer.multipart and _covers(wanted[""], offer.media_type))


def _covers(media_range: str, media_type: str) -> bool:
    return media_range in ("*/*", media_type, f"{media_type.partition('/')[0]}/*")


def _weight(wanted: dict[str, str]) -> float:
    try:
        return float(wanted.get("q", "1"))
    except ValueError:
        return 0.0


def _ranges(accept: str) -> Iterator[dict[str, str]]:
    """Each media range as its parameters, the range itself under the empty name."""
    found: dict[str, str] = {}
    for text, end in _PART.findall(accept):
        name, _, value = text.strip().partition("=") if found else ("", "", text.strip())
        found[name.strip().lower()] = value.strip().strip('"').lower()
        if end != ";":
            if found[""]:
                yield found
            found = {}
