"""The contract of Transport: one suite over DIMSE and STOW-RS to a real Orthanc, DIMSE to a storescp, and a folder."""

import errno
import hashlib
import io
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from dicom_router.dicom.instance import Parcel, reference_to
from dicom_router.errors import DamagedFile, PeerUnreachable
from dicom_router.transport.dicomweb import DicomwebTransport
from dicom_router.transport.dimse import DimseTransport
from dicom_router.transport.folder import FolderTransport
from dicom_router.transport.protocol import Transport
from tests.factories import StoppedClock, film, film_bytes, free_port, shared_folder
from tests.peers.dcmtk import StartStorescp
from tests.peers.orthanc import OrthancPeer

REPORT = "1.2.840.10008.5.1.4.1.1.88.33"


@dataclass(frozen=True)
class Peer:
    """A transport, what its peer holds by SOP Instance UID, and the same kind of transport towards nobody."""

    transport: Transport
    received: Callable[[], dict[str, bytes]]
    to_nobody: Transport


def parcel_of(dataset: Dataset) -> Parcel:
    return parcel_of_bytes(film_bytes(dataset), dataset)


def parcel_of_bytes(part10: bytes, dataset: Dataset) -> Parcel:
    return Parcel(instance=reference_to(dataset), size_bytes=len(part10), open=lambda: io.BytesIO(part10))


def dataset_digest(part10: bytes) -> str:
    """Of the encoded dataset, without the file meta information that every peer writes anew."""
    length = int.from_bytes(part10[140:144], "little")
    return hashlib.sha256(part10[144 + length :]).hexdigest()


def from_orthanc(orthanc: OrthancPeer) -> dict[str, bytes]:
    files = [orthanc.download(instance) for instance in orthanc.instances()]
    return by_uid(files)


def by_uid(files: list[bytes]) -> dict[str, bytes]:
    return {str(pydicom.dcmread(io.BytesIO(file), force=True).SOPInstanceUID): file for file in files}


def dimse(port: int, ae_title: str) -> DimseTransport:
    return DimseTransport("127.0.0.1", port, ae_title, "STATION", clock=StoppedClock(), compression="none")


@pytest.fixture(params=["orthanc-dimse", "orthanc-dicomweb", "storescp", "folder"])
def peer(request: pytest.FixtureRequest, tmp_path: Path, start_storescp: StartStorescp) -> Iterator[Peer]:
    nobody = dimse(free_port(), "NOBODY")
    if request.param == "folder":
        folder = tmp_path / "stick"
        folder.mkdir()
        found = Peer(
            FolderTransport(folder, clock=StoppedClock()),
            lambda: by_uid([path.read_bytes() for path in folder.glob("*/*.dcm")]),
            FolderTransport(tmp_path / "unplugged", clock=StoppedClock()),
        )
    elif request.param == "storescp":
        storescp = start_storescp("+xa", "+B")
        found = Peer(
            dimse(storescp.port, "PACS"),
            lambda: by_uid([path.read_bytes() for path in storescp.received()]),
            nobody,
        )
    else:
        orthanc: OrthancPeer = request.getfixturevalue("orthanc")
        if request.param == "orthanc-dimse":
            found = Peer(dimse(orthanc.dicom_port, "ORTHANC"), lambda: from_orthanc(orthanc), nobody)
        else:
            found = Peer(
                DicomwebTransport(orthanc.dicomweb_url, clock=StoppedClock()),
                lambda: from_orthanc(orthanc),
                DicomwebTransport(f"http://127.0.0.1:{free_port()}/dicom-web", clock=StoppedClock()),
            )
    yield found
    found.transport.close()
    found.to_nobody.close()


def test_an_acknowledged_instance_is_at_the_peer_with_the_bytes_that_were_sent(peer: Peer) -> None:
    parcel = parcel_of(film(rows=301, columns=257))
    acknowledgement = peer.transport.send(parcel)
    (received,) = peer.received().values()
    assert dataset_digest(received) == dataset_digest(parcel.open().read())
    assert acknowledgement.status == "0x0000"
    assert acknowledgement.peer
    assert acknowledgement.at == StoppedClock().now()
    assert acknowledgement.sent_bytes >= parcel.size_bytes * 0.9


def test_sending_twice_is_harmless(peer: Peer) -> None:
    parcel = parcel_of(film())
    for _ in range(2):
        peer.transport.send(parcel)
    assert list(peer.received()) == [parcel.instance.sop_instance_uid]


def test_instances_of_many_classes_go_one_after_the_other(peer: Peer) -> None:
    classes = [REPORT, "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.1", "1.2.840.10008.5.1.4.1.1.2"]
    parcels = [parcel_of(film(sop_class_uid=each)) for each in classes]
    for parcel in parcels:
        peer.transport.send(parcel)
    assert set(peer.received()) == {parcel.instance.sop_instance_uid for parcel in parcels}


def test_it_goes_on_after_close(peer: Peer) -> None:
    peer.transport.send(parcel_of(film()))
    peer.transport.close()
    peer.transport.close()
    peer.transport.send(parcel_of(film()))
    assert len(peer.received()) == 2


def test_a_peer_that_is_there_answers_an_echo(peer: Peer) -> None:
    peer.transport.echo()
    peer.transport.echo()


def test_a_peer_that_is_away_is_unreachable_and_the_error_says_where(peer: Peer) -> None:
    with pytest.raises(PeerUnreachable, match=r"(127\.0\.0\.1:\d+|unplugged).*(check|plug)") as of_send:
        peer.to_nobody.send(parcel_of(film()))
    with pytest.raises(PeerUnreachable, match=r"127\.0\.0\.1:\d+|unplugged"):
        peer.to_nobody.echo()
    assert "\n" not in str(of_send.value)
    assert not of_send.value.slowly


def test_a_file_that_is_gone_is_damage_and_the_next_one_goes(peer: Peer) -> None:
    def gone() -> io.BytesIO:
        raise DamagedFile("gone")

    dataset = film()
    with pytest.raises(DamagedFile):
        peer.transport.send(Parcel(instance=reference_to(dataset), size_bytes=1, open=gone))
    peer.transport.send(parcel_of(dataset))
    assert list(peer.received()) == [dataset.SOPInstanceUID]


def test_text_in_any_charset_arrives_byte_for_byte(peer: Peer) -> None:
    mislabelled = film(character_set="ISO_IR 192", PatientName="Đặng^Thị Ngọc Ánh")
    part10 = film_bytes(mislabelled).replace(b"ISO_IR 192", b"ISO_IR 100")
    peer.transport.send(parcel_of_bytes(part10, mislabelled))
    (received,) = peer.received().values()
    assert "Đặng^Thị Ngọc Ánh".encode() in received


@pytest.mark.parametrize("name", ["RG2_JLSL", "RG2_JPLL", "RG2_RLE", "RG3_JPLY", "test2"])
def test_real_films_arrive_in_the_encoding_in_which_they_came(peer: Peer, name: str) -> None:
    (path,) = (shared_folder() / "data" / "dicom").glob(f"*{name}.dcm")
    part10 = path.read_bytes()
    dataset = pydicom.dcmread(path)
    peer.transport.send(parcel_of_bytes(part10, dataset))
    (received,) = peer.received().values()
    kept = pydicom.dcmread(io.BytesIO(received))
    assert kept.file_meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID
    assert kept.PixelData == dataset.PixelData


def test_uids_from_outside_name_nothing_in_the_folder(tmp_path: Path) -> None:
    dataset = film()
    part10 = film_bytes(dataset)
    dataset.SOPInstanceUID = dataset.StudyInstanceUID = generate_uid(prefix=None)
    instance = reference_to(dataset)
    hostile = type(instance)(
        sop_instance_uid="../../evil",
        study_instance_uid="/etc",
        series_instance_uid=instance.series_instance_uid,
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax_uid=instance.transfer_syntax_uid,
    )
    (tmp_path / "stick").mkdir()
    parcel = Parcel(instance=hostile, size_bytes=len(part10), open=lambda: io.BytesIO(part10))
    FolderTransport(tmp_path / "stick", clock=StoppedClock()).send(parcel)
    (written,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert written.relative_to(tmp_path / "stick").parts[-1].endswith(".dcm")


@pytest.mark.parametrize(("number", "of_folders", "fails"), [
    (errno.EINVAL, True, False), (errno.ENOTSUP, True, False), (errno.EIO, True, True), (errno.EINVAL, False, True),
])  # fmt: skip
def test_a_share_whose_folders_cannot_be_synced_takes_films_but_only_if_their_bytes_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, of_folders: bool, fails: bool
) -> None:
    """The system call is the file system's, not ours: no file system at hand refuses it."""
    sync = os.fsync

    def refusing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode) is of_folders:
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", refusing)
    transport = FolderTransport(tmp_path, clock=StoppedClock())
    with pytest.raises(PeerUnreachable) if fails else nullcontext():
        transport.send(parcel_of(film()))
    assert bool(list(tmp_path.glob("*/*.dcm"))) is (not fails or of_folders)
