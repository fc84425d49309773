"""Accession numbers: who gave it, on which day, the how manieth: at most 16 characters (VR SH). Knows no database.

``79012`` + ``251122`` + ``0001``: the station's prefix, the day, a counter of the day. No two stations behind one PACS
may have the same prefix. It is the site's (``[registration] prefix``; best the number by which the health insurance
knows the station, which is unique in the country), or six characters drawn once by chance: among 300 stations two would
draw the same with a probability of 4 in 100,000.
"""

import secrets
from datetime import date

DRAWN_LENGTH = 6
MOST_A_DAY = 9999
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0 and O, 1 and I


class NumbersUsedUp(RuntimeError):
    """More than MOST_A_DAY orders on one day."""


def draw_prefix() -> str:
    """A prefix for a site that gave none."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(DRAWN_LENGTH))


def stem(prefix: str, day: date) -> str:
    """What all numbers of a station on one day begin with."""
    return f"{prefix}{day:%y%m%d}"


def next_number(stem: str, last: str | None) -> str:
    """The number after ``last``, the greatest one so far with this stem; the first one after None.

    Raises NumbersUsedUp.
    """
    count = int(last.removeprefix(stem)) + 1 if last else 1
    if count > MOST_A_DAY:
        raise NumbersUsedUp(f"{MOST_A_DAY} orders on one day")
    return f"{stem}{count:04}"
