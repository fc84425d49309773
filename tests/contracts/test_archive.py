"""The contract of Archive: one suite over QIDO-RS/WADO-RS and C-FIND/C-GET to a real Orthanc."""

import hashlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pydicom
import pytest
from pydicom.uid import generate_uid

from dicom_router.clock import SystemClock
from dicom_router.errors import PeerRefused, PeerUnreachable, SpoolFull
from dicom_router.transport.archive import Archive, FoundInstance
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from dicom_router.transport.dimse_archive import DimseArchive
from tests.factories import film, film_bytes, free_port
from tests.peers.orthanc import OrthancPeer

REPORT = "1.2.840.10008.5.1.4.1.1.88.11"
PDF = "1.2.840.10008.5.1.4.1.1.104.1"


@dataclass(frozen=True)
class Peer:
    """An archive before a real Orthanc, and the same kind of archive towards nobody."""

    archive: Archive
    orthanc: OrthancPeer
    to_nobody: Archive

    def put(self, **attributes: object) -> pydicom.Dataset:
        dataset = film(**attributes)  # type: ignore[arg-type]
        self.orthanc.upload(film_bytes(dataset))
        return dataset


def dimse(port: int) -> DimseArchive:
    return DimseArchive("127.0.0.1", port, "ORTHANC", "STATION", sop_classes=(REPORT, PDF), clock=SystemClock())


def dicomweb(url: str) -> DicomwebArchive:
    return DicomwebArchive(url, clock=SystemClock())


@pytest.fixture(params=["dicomweb", "dimse"])
def peer(request: pytest.FixtureRequest, orthanc: OrthancPeer) -> Iterator[Peer]:
    if request.param == "dicomweb":
        found = Peer(dicomweb(orthanc.dicomweb_url), orthanc, dicomweb(f"http://127.0.0.1:{free_port()}/dicom-web"))
    else:
        found = Peer(dimse(orthanc.dicom_port), orthanc, dimse(free_port()))
    yield found
    found.archive.close()
    found.to_nobody.close()


def fetched(archive: Archive, found: FoundInstance) -> bytes:
    target = io.BytesIO()
    archive.fetch(found, target.write)
    return target.getvalue()


def content(part10: bytes) -> tuple[str, str]:
    """What is in a file whatever its transfer syntax: the peer may write it anew."""
    dataset = pydicom.dcmread(io.BytesIO(part10))
    return str(dataset.SOPInstanceUID), hashlib.sha256(dataset.PixelData).hexdigest()


def test_it_finds_every_instance_of_a_study_with_its_class_and_series(peer: Peer) -> None:
    study = generate_uid()
    kept = [peer.put(study_instance_uid=study, sop_class_uid=each) for each in (REPORT, PDF, REPORT)]
    peer.put()
    found = {(f.sop_instance_uid, f.sop_class_uid, f.series_instance_uid) for f in peer.archive.instances(study)}
    assert found == {(d.SOPInstanceUID, d.SOPClassUID, d.SeriesInstanceUID) for d in kept}


def test_a_study_that_it_does_not_know_has_no_instances(peer: Peer) -> None:
    assert peer.archive.instances(generate_uid()) == []
    assert peer.archive.instances(generate_uid()) == []


def test_a_fetched_instance_is_the_one_that_was_kept(peer: Peer) -> None:
    kept = [peer.put(sop_class_uid=each, rows=301, columns=257) for each in (REPORT, PDF)]
    for dataset in kept:
        (found,) = peer.archive.instances(dataset.StudyInstanceUID)
        assert content(fetched(peer.archive, found)) == content(film_bytes(dataset))


def test_a_large_instance_comes_in_pieces(peer: Peer) -> None:
    dataset = peer.put(sop_class_uid=PDF, rows=2000, columns=1500)
    (found,) = peer.archive.instances(dataset.StudyInstanceUID)
    sizes: list[int] = []
    peer.archive.fetch(found, lambda piece: sizes.append(len(piece)))
    assert sum(sizes) > 6_000_000
    assert max(sizes) <= 1 << 20


def test_text_in_any_charset_comes_byte_for_byte(peer: Peer) -> None:
    mislabelled = film(sop_class_uid=REPORT, PatientName="Đặng^Thị Ngọc Ánh")
    peer.orthanc.upload(film_bytes(mislabelled).replace(b"ISO_IR 192", b"ISO_IR 100"))
    (found,) = peer.archive.instances(mislabelled.StudyInstanceUID)
    assert "Đặng^Thị Ngọc Ánh".encode() in fetched(peer.archive, found)


def test_an_instance_that_is_gone_is_refused_and_the_next_one_comes(peer: Peer) -> None:
    dataset = peer.put(sop_class_uid=REPORT)
    (found,) = peer.archive.instances(dataset.StudyInstanceUID)
    gone = FoundInstance(
        study_instance_uid=found.study_instance_uid,
        series_instance_uid=found.series_instance_uid,
        sop_instance_uid=generate_uid(),
        sop_class_uid=REPORT,
    )
    with pytest.raises(PeerRefused):
        fetched(peer.archive, gone)
    assert content(fetched(peer.archive, found)) == content(film_bytes(dataset))


def test_what_the_writer_raises_comes_out_and_the_next_question_is_answered(peer: Peer) -> None:
    def full(_: object) -> None:
        raise SpoolFull("full")

    dataset = peer.put(sop_class_uid=PDF, rows=1000, columns=1000)
    (found,) = peer.archive.instances(dataset.StudyInstanceUID)
    with pytest.raises(SpoolFull):
        peer.archive.fetch(found, full)
    assert content(fetched(peer.archive, found)) == content(film_bytes(dataset))


def test_it_goes_on_after_close_and_after_the_peer_began_anew(
    peer: Peer, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("own")
    with OrthancPeer.start(folder, dicomweb=True) as own:
        archive = dicomweb(own.dicomweb_url) if isinstance(peer.archive, DicomwebArchive) else dimse(own.dicom_port)
        dataset = film(sop_class_uid=REPORT)
        own.upload(film_bytes(dataset))
        again: list[Callable[[], None]] = [lambda: None, archive.close, lambda: (own.kill(), own.restart())[1]]
        for step in again:
            step()
            assert len(archive.instances(dataset.StudyInstanceUID)) == 1
        archive.close()


def test_a_peer_that_is_away_is_unreachable_and_the_error_says_where(peer: Peer) -> None:
    with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1:\d+.*check"):
        peer.to_nobody.instances(generate_uid())
