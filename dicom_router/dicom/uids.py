"""Unique identifiers (PS3.5 9): what is one, and which are ours. Knows no object that bears them."""

import re

IMPLEMENTATION_CLASS_UID = "2.25.150870262393914318929571426853217083409"
IMPLEMENTATION_VERSION_NAME = "XRAY_TRIAGE"

_UID = re.compile(r"[0-9][0-9.]{0,63}\Z")  # no dot first: it becomes a part of a URL


def is_uid(text: str) -> bool:
    """At most 64 digits and dots, a digit first, PS3.5 9.1. Leading zeros, which real machines write, are let pass."""
    return _UID.match(text) is not None
