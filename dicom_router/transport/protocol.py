"""The seam of sending: what every transport promises. Knows no queue and no retry."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, Protocol

from dicom_router.instance import InstanceRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One instance to hand over. ``open`` gives its Part 10 file from the start, each time anew."""

    instance: InstanceRef
    size_bytes: int
    open: Callable[[], BinaryIO]


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgement:
    """The peer's word that it has the instance. ``status`` e.g. ``0x0000``; ``sent_bytes`` went over the link."""

    status: str
    peer: str
    at: datetime
    sent_bytes: int


class Transport(Protocol):
    """One peer. Not shared between threads: every worker has its own."""

    def send(self, parcel: Parcel) -> Acknowledgement:
        """Hand over one instance; return only when the peer has taken it. Harmless to repeat.

        Raises PeerUnreachable (wait, try again) or PeerRefused (a person must look).
        """
        ...

    def echo(self) -> None:
        """Ask whether the peer is there and knows us. Raises PeerUnreachable or PeerRefused."""
        ...

    def close(self) -> None:
        """Let go of a connection kept open. The next send opens a new one."""
        ...
