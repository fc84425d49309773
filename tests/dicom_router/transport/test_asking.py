"""What a PACS has from before our database was lost is not sent to it again; what it does not tell of is."""

import io
from contextlib import closing

from pydicom.dataset import Dataset

from dicom_router.clock import SystemClock
from dicom_router.dicom.instance import Parcel, reference_to
from dicom_router.transport.asking import FOUND, AskingTransport
from dicom_router.transport.dimse import DimseTransport
from dicom_router.transport.dimse_archive import DimseArchive
from tests.factories import film, film_bytes
from tests.peers.dcmtk import StartStorescp
from tests.peers.orthanc import OrthancPeer


def asking(port: int, ae_title: str, *doubtful: str) -> AskingTransport:
    peer, clock = ("127.0.0.1", port, ae_title, "STATION"), SystemClock()
    transport, archive = DimseTransport(*peer, clock=clock), DimseArchive(*peer, sop_classes=(), clock=clock)
    return AskingTransport(transport, archive, is_doubtful=lambda study: study in doubtful, clock=clock)


def test_what_the_pacs_has_is_not_sent_again_and_the_rest_of_the_study_is(orthanc: OrthancPeer) -> None:
    there, other = film(), film()
    other.StudyInstanceUID = there.StudyInstanceUID
    orthanc.upload(film_bytes(there))
    with closing(asking(orthanc.dicom_port, orthanc.ae_title, str(there.StudyInstanceUID))) as transport:
        transport.echo()
        said = [transport.send(parcel(one)) for one in (there, other)]
    assert [(one.status, one.sent_bytes > 0) for one in said] == [(FOUND, False), ("0x0000", True)]
    assert sorted(orthanc.sop_instance_uids()) == sorted([there.SOPInstanceUID, other.SOPInstanceUID])


def test_a_study_in_which_nothing_was_lost_is_sent_unasked(orthanc: OrthancPeer) -> None:
    there = film()
    orthanc.upload(film_bytes(there))
    with closing(asking(orthanc.dicom_port, orthanc.ae_title)) as transport:
        assert transport.send(parcel(there)).status == "0x0000"


def test_a_pacs_that_cannot_be_asked_is_sent_it(start_storescp: StartStorescp) -> None:
    peer, one = start_storescp("+xa", "-pm", "+B"), film()
    with closing(asking(peer.port, "PACS", str(one.StudyInstanceUID))) as transport:
        assert transport.send(parcel(one)).status == "0x0000"
    assert len(peer.received()) == 1


def parcel(dataset: Dataset) -> Parcel:
    content = film_bytes(dataset)
    return Parcel(instance=reference_to(dataset), size_bytes=len(content), open=lambda: io.BytesIO(content))
