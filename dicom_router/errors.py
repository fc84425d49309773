"""The errors of the router. What to do next is in the type; this module imports nothing of ours.

RouterError
├── PeerUnreachable     wait and try again, without limit
│   └── PeerUntrusted   TLS found no common ground: a person must look at the certificates
├── PeerRefused         the peer said no to this object for good: a person must look
│   └── NotOffered      the peer is there and lacks what was asked of it: a person must allow it there
├── SpoolFull           the disk reserve is reached: answer 0xA700, go on when space returns
├── DamagedFile         these bytes are not what they claim to be
├── FenceLost           the lease ran out and another worker took the work: drop the result
├── DatabaseDamaged     the database file cannot be read: set it aside, rebuild from the spool
├── SpoolMismatch       the database is another station's: a person must give this one its own
│   └── JournalDamaged  the file is sound, its newest changes (the WAL) are not: set those aside
├── DatabaseLost        the database is gone and its spool is there: rebuild from the spool
└── SchemaTooNew        the database was written by a newer program: stop, touch nothing
"""

import struct
import zlib

from pydicom.errors import BytesLengthException, InvalidDicomError

# What pydicom raises on bytes that are not what they say, e.g. a character set written as a number.
DAMAGE = (
    ArithmeticError, AttributeError, BytesLengthException, EOFError, InvalidDicomError, LookupError,
    NotImplementedError, OSError, RecursionError, TypeError, ValueError, struct.error, zlib.error,
)  # fmt: skip


class RouterError(Exception):
    """Base of every error that dicom_router raises on purpose."""


class PeerUnreachable(RouterError):
    """The peer did not answer, or answered "later". Wait and try again, without limit.

    ``slowly`` asks for the longest delay at once (status 0x0124: a configuration that a person
    must mend at the peer, which heals without us). ``status`` is the peer's answer, where it gave one.
    ``after_seconds``: how long it wishes to be left alone, 0 when it did not say.
    """

    def __init__(self, message: str, *, slowly: bool = False, status: str = "", after_seconds: float = 0) -> None:
        super().__init__(message)
        self.slowly = slowly
        self.status = status
        self.after_seconds = after_seconds


class PeerUntrusted(PeerUnreachable):
    """No TLS with this peer: a certificate that is not trusted, not valid or not there, or no TLS at all."""


class PeerRefused(RouterError):
    """The peer refused this one object for good. ``status`` is its answer, e.g. ``0xA900``."""

    def __init__(self, message: str, *, status: str = "") -> None:
        super().__init__(message)
        self.status = status


class NotOffered(PeerRefused):
    """The peer has no such service for us."""


class SpoolFull(RouterError):
    """Keeping this file would eat into the disk reserve."""


class DamagedFile(RouterError):
    """These bytes are no DICOM instance we could keep, or no longer the bytes that we kept."""


class FenceLost(RouterError):
    """The lease on a piece of work ran out and another worker claimed it."""


class DatabaseDamaged(RouterError):
    """The database cannot be opened or read."""


class SpoolMismatch(RouterError):
    """The database's films lie in another spool, and its station has this one's name."""


class JournalDamaged(DatabaseDamaged):
    """The write-ahead log beside the database holds nothing that can be read: the newest changes may be lost."""


class DatabaseLost(RouterError):
    """There is no database, or an empty one, beside a spool that had one."""


class SchemaTooNew(RouterError):
    """The database has a newer schema than this program knows."""
