"""The interface of a way out for records: what a HIS, a FHIR server and a folder have in common. Knows no queue."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from xray_triage.records.record import Record


class RecordTransport(Protocol):
    """One peer. Not shared between threads."""

    def compose(self, record: Record, *, number: str, at: datetime) -> Sequence[bytes]:
        """The record in this peer's form. ``number`` and ``at``: of this sending, the same when it is sent again."""
        ...

    def send(self, content: Sequence[bytes], number: str) -> str:
        """Hand over what ``compose`` made; return the peer's word only when it has it. Harmless to repeat.

        Raises PeerUnreachable (wait, try again) or PeerRefused (a person must look; its words are the peer's).
        """
        ...

    def echo(self) -> None:
        """Ask whether the peer is there. Raises PeerUnreachable or PeerRefused."""
        ...

    def close(self) -> None:
        """Let go of a connection kept open. The next sending opens a new one."""
        ...
