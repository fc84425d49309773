"""Accession numbers: who gave it, on which day, and when: at most 16 characters (VR SH). Knows no database.

``79012`` + ``251122`` + ``3061``: the station's prefix, the day, a counter of the day. It is never behind the clock,
which moves it on by one every ten seconds, and goes on with every number: so those of a day are not given again when
the clock was set back, nor when the database was put back to this morning's copy. No two stations behind one PACS may
have the same prefix. It is the site's (``[registration] prefix``; best the number by which the health insurance knows
the station, which is unique in the country), or six characters drawn once by chance: among 300 stations two would draw
the same with a probability of 4 in 100,000.
"""

import secrets
from datetime import date, datetime

DRAWN_LENGTH = 6
MOST_A_DAY = 9999
SECONDS_A_NUMBER = 10
_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # without 0 and O, 1 and I


class NumbersUsedUp(RuntimeError):
    """The day has no number left."""


def draw_prefix() -> str:
    """A prefix for a site that gave none."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(DRAWN_LENGTH))


def stem(prefix: str, day: date) -> str:
    """What all numbers of a station on one day begin with."""
    return f"{prefix}{day:%y%m%d}"


def next_number(stem: str, last: str | None, *, at: datetime) -> str:
    """A number greater than ``last``, the greatest one so far with this stem. ``at``: local time.

    Raises NumbersUsedUp.
    """
    by_clock = (at.hour * 3600 + at.minute * 60 + at.second) // SECONDS_A_NUMBER + 1
    count = max(by_clock, int(last.removeprefix(stem)) + 1 if last else 1)
    if count > MOST_A_DAY:
        raise NumbersUsedUp(f"{MOST_A_DAY} is the last number of a day")
    return f"{stem}{count:04}"
