"""The interface of a transport: what every way of sending promises. Knows no queue and no retry."""

from typing import Protocol

from dicom_router.dicom.instance import Acknowledgement, Parcel


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
