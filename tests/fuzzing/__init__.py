"""What comes from outside, made up by chance. Short in `make test`, and the same each time; long with --rehearse."""

import sys
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

LONG = "--rehearse" in sys.argv
TIMES_LONGER = 300

# One change of some bytes: where (as a share of their length), what kind, and bytes for it.
_edit = st.tuples(
    st.floats(0, 1, exclude_max=True),
    st.sampled_from(["replace", "insert", "delete", "repeat", "cut"]),
    st.one_of(
        st.binary(max_size=8),
        st.sampled_from(
            [b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0", b"SQ", b"UN"]
        ),
    ),
)


def fuzz(examples: int) -> Callable[[Any], Any]:
    """So many examples, or many more of chance in the long form."""
    return settings(
        max_examples=examples * (TIMES_LONGER if LONG else 1),
        derandomize=not LONG,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def edits(most: int = 6) -> st.SearchStrategy[list[tuple[float, str, bytes]]]:
    """Some changes, for ``changed``."""
    return st.lists(_edit, min_size=1, max_size=most)


def changed(raw: bytes, changes: list[tuple[float, str, bytes]]) -> bytes:
    """``raw`` with these changes, one after the other."""
    for share, how, piece in changes:
        at = int(share * len(raw))
        if how == "cut":
            raw = raw[:at]
        elif how == "repeat":
            raw = raw[:at] + raw[max(0, at - 64) : at] * 2 + raw[at:]
        else:
            gone = {"replace": len(piece), "insert": 0, "delete": max(1, len(piece))}[how]
            raw = raw[:at] + (b"" if how == "delete" else piece) + raw[at + gone :]
    return raw
