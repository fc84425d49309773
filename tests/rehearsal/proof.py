"""What became of every film that was acknowledged: in a case, in the PACS, byte for byte, each of our objects once."""

import hashlib
import io
from collections import Counter
from collections.abc import Mapping

import pydicom

from tests.factories import until
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import StationPeer
from tests.rehearsal.machine import FilmMachine
from tests.rehearsal.table import Row

RESULTS = {
    "1.2.840.10008.5.1.4.1.1.88.33",  # Comprehensive SR
    "1.2.840.10008.5.1.4.1.1.7",  # Secondary Capture
    "1.2.840.10008.5.1.4.1.1.11.1",  # Grayscale Softcopy Presentation State
}
SETTLED_SECONDS = 240.0


def settled(station: StationPeer, machine: FilmMachine) -> None:
    """Wait until every acknowledged film is in a case and nothing is left to read or send."""
    until(lambda: machine.acknowledged.keys() <= station.images().keys(), SETTLED_SECONDS)
    until(station.is_done, SETTLED_SECONDS)


def proved(
    fault: str, station: StationPeer, machine: FilmMachine, pacs: OrthancPeer | None, *, times: int, back: list[float]
) -> Row:
    """The row of this fault; lost: not read in a case, not at the PACS, or not the bytes that were sent."""
    settled(station, machine)
    images = station.images()
    lost = {uid for uid in machine.acknowledged if images[uid]["status"] != "read"}
    doubled = 0
    if pacs is not None:
        objects = objects_in(pacs)
        for uid, digest in machine.acknowledged.items():
            held = objects.get(uid[:-1], Counter())
            if held[digest] != 1 or not held.keys() >= RESULTS:
                lost.add(uid)
        doubled = sum(count - 1 for held in objects.values() for count in held.values())
    return Row(
        fault=fault, times=times, proved=len(machine.acknowledged), lost=len(lost), doubled=doubled, back=tuple(back)
    )


def objects_in(pacs: OrthancPeer) -> Mapping[str, Counter[str]]:
    """By study (its UID without the last digit): films counted by their pixels' SHA-256, the rest by SOP class."""
    found: dict[str, Counter[str]] = {}
    for instance in pacs.instances():
        made = pydicom.dcmread(io.BytesIO(pacs.download(instance)))
        study = found.setdefault(str(made.StudyInstanceUID)[:-1], Counter())
        is_film = str(made.SOPInstanceUID)[:-1] == str(made.StudyInstanceUID)[:-1]
        study[_digest(made) if is_film else str(made.SOPClassUID)] += 1
    return found


def _digest(film: pydicom.Dataset) -> str:
    return hashlib.sha256(film.PixelData).hexdigest()
