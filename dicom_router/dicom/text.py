"""Texts of small datasets from their bytes and to them: which character set, and what is padding (PS3.5 6.1, 6.2).

Enough for what machines ask and are told. What a doctor reads is repaired by ``xray_triage/reading/text.py``, which
knows every set, and which may not be imported here. Knows no dataset.
"""

# Specific Character Sets that carry Vietnamese. Of several that are asked for, the first here is answered in.
VIETNAMESE = {"ISO_IR 192": "utf-8", "GB18030": "gb18030"}
PADDING = " \0"


def decode(value: bytes, character_set: str) -> str:
    """Text without padding. What names no set that carries Vietnamese is UTF-8 if it can be, else Latin-1."""
    try:
        return value.decode("gb18030" if "GB" in character_set.upper() else "utf-8").strip(PADDING)
    except UnicodeDecodeError:
        return value.decode("latin-1").strip(PADDING)


def decode_uid(value: bytes) -> str:
    """A UID or title without padding: one NUL by PS3.5 9.1, several and blanks, also in front, by machines."""
    return value.decode("latin-1").strip(" \0\t\r\n")
