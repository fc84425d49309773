"""Films in from a folder and cases out to one: the way of a USB stick when the link is dead. Talks to no peer."""

from collections import Counter
from contextlib import suppress
from pathlib import Path

from dicom_router.clock import SystemClock
from dicom_router.dicom.identity import identify_file
from dicom_router.dicom.instance import Arrival, Parcel
from dicom_router.errors import DamagedFile
from dicom_router.store.delivery import Delivery
from dicom_router.store.inbox import Outcome, record_file
from dicom_router.transport.folder import FolderTransport
from xray_triage.cases.casebook import UnknownCase
from xray_triage.stores import Stores

PHOTOGRAPHED = "a photograph of a film is not taken as one: see A photographed film in docs/RUNBOOK.md"
HEAD_BYTES = 16
PICTURES = (  # where what begins, and what it is
    (0, b"\xff\xd8\xff", "JPEG"),
    (0, b"\x89PNG", "PNG"),
    (0, b"II*\0", "TIFF"),
    (0, b"MM\0*", "TIFF"),
    (4, b"ftypheic", "HEIC"),
    (4, b"ftypheix", "HEIC"),
    (4, b"ftypmif1", "HEIC"),
    (8, b"WEBP", "WEBP"),
)
CALLING_AE_TITLE = "IMPORT"
HOST = "folder"


def picture_kind(path: Path) -> str:
    """How a picture is called that is no DICOM; empty for anything else. Raises OSError."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    return next((kind for at, start, kind in PICTURES if head[at:].startswith(start)), "")


def _why_not(path: Path, error: Exception) -> str:
    kind = picture_kind(path) if isinstance(error, DamagedFile) else ""
    return f"a picture ({kind}), no DICOM file; {PHOTOGRAPHED}" if kind else str(error)


class Importer:
    """Takes DICOM files into the station, as the listener does: on disk and committed before the next."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores
        self.counts: Counter[Outcome | None] = Counter()

    def take(self, path: Path) -> str | None:
        """Take one file; None, or one line that says why it could not be taken. Raises SpoolFull."""
        try:
            outcome = self._take(path)
        except (DamagedFile, OSError) as error:  # a dying stick fails at one file and gives the next
            self.counts[None] += 1
            return _why_not(path, error)
        self.counts[outcome] += 1
        return "another film with the same UID is here already; kept aside" if outcome is Outcome.CONFLICT else None

    def summary(self) -> str:
        """What became of the files, in one line."""
        new, same, conflict, skipped = (self.counts[o] for o in (Outcome.NEW, Outcome.SAME, Outcome.CONFLICT, None))
        return f"{new} new, {same} known already, {conflict} kept aside, {skipped} not DICOM or damaged"

    def _take(self, path: Path) -> Outcome:
        with path.open("rb") as stream:
            instance = identify_file(stream)
            stream.seek(0)
            spooled = self._stores.spool.keep(stream)
        return record_file(
            self._stores.inbox,
            self._stores.spool,
            instance=instance,
            spooled=spooled,
            calling_ae_title=CALLING_AE_TITLE,
            peer_host=HOST,
        )


class Exporter:
    """Writes a case, originals and results, into a folder that any DICOM viewer opens."""

    def __init__(self, stores: Stores) -> None:
        self._stores = stores

    def parcels(self, case_id: str) -> tuple[list[Parcel], int]:
        """All that belongs to the case, and how many more lie at the PACS alone. Raises UnknownCase."""
        case = self._stores.casebook.case(case_id)
        if case is None:
            raise UnknownCase(case_id)
        study_uid = case.study_instance_uid
        kept: list[Arrival | Delivery] = [
            *(arrival for arrival in self._stores.inbox.of_study(study_uid) if not arrival.quarantined),
            *self._stores.outbox.of_study(study_uid),
        ]
        by_key = {each.spooled.key: each for each in kept}  # an original has an arrival and a delivery of one file
        purged = self._stores.inbox.purged(by_key)
        here = {key for key in by_key if key not in purged or self._stores.spool.has(key)}
        return [self._parcel(each) for key, each in by_key.items() if key in here], len(by_key) - len(here)

    def _parcel(self, kept: Arrival | Delivery) -> Parcel:
        spooled = kept.spooled
        return Parcel(
            instance=kept.instance, size_bytes=spooled.size_bytes, open=lambda: self._stores.spool.open(spooled.key)
        )

    @staticmethod
    def make_folder(stick: Path, name: str) -> Path:
        """A folder on a stick, which need not be new. Where there is no stick, writing to it will say so."""
        for folder in (stick, stick / name):
            with suppress(OSError):
                folder.mkdir()
        return stick / name

    def put(self, parcel: Parcel, folder: Path) -> None:
        """Raises PeerUnreachable, in words, where the folder cannot be had or written."""
        with suppress(OSError):  # which the transport tells better
            folder.mkdir()  # not its parents: a stick that is not plugged in must not become a folder
        FolderTransport(folder, clock=SystemClock()).send(parcel)
