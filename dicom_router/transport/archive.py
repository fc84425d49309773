"""The interface of an archive: what a peer has of a study, and one instance of it. Knows no consultation."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from dicom_router.dicom.uids import IMPLEMENTATION_CLASS_UID

NOBODYS_STUDY = IMPLEMENTATION_CLASS_UID
MOST_INSTANCES = 10_000  # of one study; whoever answers more is not asking to be believed
MOST_STUDIES = 20  # of one accession number

Write = Callable[[bytes | memoryview], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundInstance:
    """An instance that a peer says it has. ``sop_class_uid`` is empty where the peer does not tell."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    sop_class_uid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundStudy:
    """A study that a peer says it has, and whose: texts as the peer gives them, empty where it does not."""

    study_instance_uid: str
    patient_id: str
    patient_name: str
    patient_birth_date: str


class Archive(Protocol):
    """One peer that can be asked. Not shared between threads."""

    def instances(self, study_instance_uid: str) -> list[FoundInstance]:
        """All that the peer has of a study; none when it does not know the study.

        Raises PeerUnreachable (wait, try again) or PeerRefused (a person must look).
        """
        ...

    def studies(self, accession_number: str) -> list[FoundStudy]:
        """Those that bear exactly this accession number, which is plain ASCII without wildcards.

        Raises PeerUnreachable or PeerRefused; not every peer can search for it.
        """
        ...

    def probe(self) -> None:
        """Ask for a study that nobody has, and whether instances would be given, as far as that can be known.

        Raises PeerUnreachable, or NotOffered when a person must allow something at the peer.
        """
        ...

    def fetch(self, found: FoundInstance, write: Write) -> None:
        """Hand the instance to ``write`` as a Part 10 file, piece by piece, in order. Holds no more than a piece.

        What ``write`` raises comes out, and the connection is let go. Raises PeerUnreachable, or PeerRefused when the
        peer will not give it; half a file may then have been written.
        """
        ...

    def close(self) -> None:
        """Let go of a connection kept open. The next question opens a new one."""
        ...
