"""Every odd object that the station refuses or calls damaged, sent to a bare Orthanc and to dcmtk's storescp as well.

A film that another receiver takes and ours does not must stand here, with the reason.
"""

import urllib.error
from collections.abc import Iterator
from contextlib import suppress

import pytest

from dicom_router.dicom.instance import read_dataset
from dicom_router.errors import DamagedFile
from tests.dicom_router.scp.conftest import Station, running_station
from tests.peers.dcmtk import RunningStorescp, running_storescp
from tests.peers.machine import Machine
from tests.peers.odd_objects import PIXELS, REFUSED, TRIFLES, OddObject
from tests.peers.orthanc import OrthancPeer
from xray_triage.reading.picture.decoding import DamagedPixels, Undecodable, decode

# A peer that waits for more of an object than there is has refused it; one that shall take it may be slow.
REFUSES_SECONDS, TAKES_SECONDS = 1.0, 60.0

ODD = TRIFLES | REFUSED | PIXELS
# What Orthanc or dcmtk takes and the station does not; why.
DIFFERENCES = {
    "no study UID": "dcmtk keeps any file; without a study there is no case, and Orthanc refuses it too",
    "no series UID": "dcmtk keeps any file; no report of ours could name the film, and Orthanc refuses it too",
    "study UID empty": "as without one",
    "study UID a path": "dcmtk keeps any file; the UID is part of addresses and of file names at others",
    "text behind": "cannot be told from an element that was cut off: what was lost may be the film",
    "truncated to less than an element": "the pixels are missing; the machine, told so, sends the film again",
    "an item's end amid": "readers stop there, and the film would be lost behind it; Orthanc refuses it too",
}


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with running_station(tmp_path_factory.mktemp("yardstick")) as running:
        yield running


@pytest.fixture(scope="module")
def a_storescp_for_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStorescp]:
    """It reads what it is sent, of any class and encoding; told to keep the bytes as they come, it takes noise."""
    with running_storescp(tmp_path_factory.mktemp("storescp"), "+xa", "-pm") as peer:
        yield peer


def ours(station: Station, odd: OddObject) -> str:
    """What becomes of it: refused, damaged or read."""
    if not takes(station.port, "XRAYTRIAGE", odd, seconds=TAKES_SECONDS):
        return "refused"
    try:
        with station.spool.open(station.arrivals()[-1].spooled.key) as stream:
            decode(read_dataset(stream))
    except (DamagedFile, DamagedPixels, Undecodable):
        return "damaged"
    return "read"


def takes(port: int, ae_title: str, odd: OddObject, *, seconds: float) -> bool:
    """Whether the receiver says that it has it; it has not when it aborts or waits for more."""
    with Machine(port, seconds=seconds) as machine:
        try:
            machine.associate([(odd.context_class, odd.syntax)], called=ae_title)
            return machine.store(odd.dataset, sop_instance_uid=odd.uid, sop_class_uid=odd.command_class)[0] == 0
        except (TimeoutError, ConnectionError, AssertionError):
            return False


def draws(orthanc: OrthancPeer, odd: OddObject, *, seconds: float) -> bool:
    """Whether Orthanc takes it and makes a picture of it."""
    if not takes(orthanc.dicom_port, orthanc.ae_title, odd, seconds=seconds):
        return False
    (instance,) = orthanc.find(SOPInstanceUID=odd.uid)
    with suppress(urllib.error.HTTPError):
        return bool(orthanc.preview(instance))
    return False


@pytest.mark.parametrize("oddity", ODD)
def test_what_another_receiver_can_use_is_used_here_or_has_a_reason(
    oddity: str, station: Station, orthanc: OrthancPeer, a_storescp_for_all: RunningStorescp
) -> None:
    odd = ODD[oddity]()
    seconds = TAKES_SECONDS if oddity in DIFFERENCES else REFUSES_SECONDS
    outcome = ours(station, odd)
    others = []
    if outcome == "refused":
        others += ["Orthanc"] * takes(orthanc.dicom_port, orthanc.ae_title, odd, seconds=seconds)
        others += ["dcmtk"] * takes(a_storescp_for_all.port, a_storescp_for_all.ae_title, odd, seconds=seconds)
    elif outcome == "damaged":
        others += ["Orthanc's picture"] * draws(orthanc, odd, seconds=seconds)
    assert (oddity in DIFFERENCES) is bool(others), f"{outcome} here, taken by {others}"


def test_the_list_of_differences_is_of_these_objects() -> None:
    assert DIFFERENCES.keys() <= ODD.keys()
