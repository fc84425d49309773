"""Films in from a folder and cases out to one: the way of a USB stick when the link is dead. Talks to no peer."""

from collections import Counter
from pathlib import Path
from typing import BinaryIO

from dicom_router.clock import SystemClock
from dicom_router.errors import DamagedFile
from dicom_router.identity import is_uid
from dicom_router.inbox import Outcome
from dicom_router.instance import Arrival, InstanceRef, read_header, reference_to
from dicom_router.outbox import Delivery
from dicom_router.transport.folder import FolderTransport
from dicom_router.transport.protocol import Parcel
from xray_triage.cases.casebook import UnknownCase
from xray_triage.config import Config
from xray_triage.rooms import Rooms, open_rooms

CALLING_AE_TITLE = "IMPORT"
HOST = "folder"


class Importer:
    """Takes DICOM files into the station, as the listener does: on disk and committed before the next."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms
        self.counts: Counter[Outcome | None] = Counter()

    @classmethod
    def from_config(cls, config: Config) -> "Importer":
        return cls(open_rooms(config, role="import", clock=SystemClock()))

    def take(self, path: Path) -> str | None:
        """Take one file; None, or one line that says why it could not be taken. Raises SpoolFull."""
        try:
            outcome = self._take(path)
        except DamagedFile as error:
            self.counts[None] += 1
            return str(error)
        self.counts[outcome] += 1
        return "another film with the same UID is here already; kept aside" if outcome is Outcome.CONFLICT else None

    def _take(self, path: Path) -> Outcome:
        with path.open("rb") as stream:
            instance = _identify(stream)
            stream.seek(0)
            spooled = self._rooms.spool.keep(stream)
        outcome = self._rooms.inbox.record(
            instance=instance, spooled=spooled, calling_ae_title=CALLING_AE_TITLE, peer_host=HOST
        )
        if outcome is Outcome.SAME:
            self._rooms.spool.delete(spooled.key)
        return outcome


def _identify(stream: BinaryIO) -> InstanceRef:
    header = read_header(stream)
    try:
        instance = reference_to(header)
    except AttributeError as error:
        raise DamagedFile(f"not an instance that can be kept: {error}") from error
    uids = (instance.sop_instance_uid, instance.study_instance_uid, instance.series_instance_uid)
    if not all(is_uid(uid) for uid in uids):
        raise DamagedFile("not an instance that can be kept: a UID is missing or wrong")
    return instance


class Exporter:
    """Writes a case, originals and results, into a folder that any DICOM viewer opens."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    @classmethod
    def from_config(cls, config: Config) -> "Exporter":
        return cls(open_rooms(config, role="export", clock=SystemClock()))

    def parcels(self, case_id: str) -> list[Parcel]:
        """All that belongs to the case. Raises UnknownCase."""
        case = self._rooms.casebook.case(case_id)
        if case is None:
            raise UnknownCase(case_id)
        study_uid = case.study_instance_uid
        kept: list[Arrival | Delivery] = [
            *(arrival for arrival in self._rooms.inbox.of_study(study_uid) if not arrival.quarantined),
            *self._rooms.outbox.of_study(study_uid),
        ]
        by_key = {each.spooled.key: each for each in kept}  # an original has an arrival and a delivery of one file
        return [self._parcel(each) for each in by_key.values()]

    def _parcel(self, kept: Arrival | Delivery) -> Parcel:
        spooled = kept.spooled
        return Parcel(
            instance=kept.instance, size_bytes=spooled.size_bytes, open=lambda: self._rooms.spool.open(spooled.key)
        )

    def put(self, parcel: Parcel, folder: Path) -> None:
        folder.mkdir(exist_ok=True)  # not its parents: a stick that is not plugged in must not become a folder
        FolderTransport(folder, clock=SystemClock()).send(parcel)
