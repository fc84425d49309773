"""DIMSE alone: statuses, contexts, compression on the way, and peers that misbehave."""

import contextlib
import io
import ssl
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless, RLELossless
from pynetdicom import AllStoragePresentationContexts

from dicom_router.clock import SystemClock
from dicom_router.dicom.instance import Parcel, reference_to
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.transport.dimse import NO_COMMON_SYNTAX, USUAL, DimseTransport
from dicom_router.upper_layer.connection import Timeouts
from dicom_router.upper_layer.negotiation import Context
from tests.factories import DX, film, film_bytes, until
from tests.peers import dcmtk
from tests.peers.dcmtk import StartStorescp
from tests.peers.difficult import StorePeer, a_bad_link, a_hanging_peer, a_store_peer
from tests.peers.orthanc import OrthancPeer

REPORT = "1.2.840.10008.5.1.4.1.1.88.33"
CT = "1.2.840.10008.5.1.4.1.1.2"
TransportTo = Callable[..., DimseTransport]
HASTY = Timeouts(connect_seconds=2.0, stall_seconds=0.5, answer_seconds=0.5)


def parcel_of(dataset: Dataset) -> Parcel:
    part10 = film_bytes(dataset)
    return Parcel(instance=reference_to(dataset), size_bytes=len(part10), open=lambda: io.BytesIO(part10))


@pytest.fixture
def transport_to() -> Iterator[TransportTo]:
    """Makes transports, and closes them when the test is over."""
    with contextlib.ExitStack() as stack:

        def make(port: int, **options: Any) -> DimseTransport:
            transport = DimseTransport("127.0.0.1", port, "PACS", "STATION", clock=SystemClock(), **options)
            stack.callback(transport.close)
            return transport

        yield make


def a_smooth_film(rows: int = 700, columns: int = 500) -> Dataset:
    y, x = np.mgrid[0:rows, 0:columns]
    pixels = 2000 + 1000 * np.sin(x / 90) * np.cos(y / 70) + np.random.default_rng(0).normal(0, 3, (rows, columns))
    return film(rows=rows, columns=columns, PixelData=pixels.astype("<u2").tobytes())


@pytest.fixture(scope="module")
def _one_store_peer() -> Iterator[StorePeer]:
    with a_store_peer(DX, REPORT) as peer:
        yield peer


@pytest.fixture
def store_peer(_one_store_peer: StorePeer) -> StorePeer:
    """Takes DX and reports, uncompressed. One for all tests: pynetdicom needs half a second to stop."""
    _one_store_peer.forget()
    return _one_store_peer


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xB006, 0xB007, 0x0111])
def test_success_warnings_and_duplicates_are_acknowledged(
    transport_to: TransportTo, store_peer: StorePeer, status: int
) -> None:
    store_peer.answers = [status]
    assert transport_to(store_peer.port).send(parcel_of(film())).status == f"0x{status:04X}"


@pytest.mark.parametrize("status", [0xA700, 0xA702, 0x0110, 0x0213])
def test_a_peer_out_of_resources_is_waited_for(transport_to: TransportTo, store_peer: StorePeer, status: int) -> None:
    store_peer.answers = [status, 0x0000]
    transport = transport_to(store_peer.port)
    with pytest.raises(PeerUnreachable, match=rf"0x{status:04X}.*because of the test") as error:
        transport.send(parcel_of(film()))
    assert (error.value.status, error.value.slowly) == (f"0x{status:04X}", False)
    assert transport.send(parcel_of(film())).status == "0x0000"
    assert store_peer.associations == 1, "an answer is no reason to call again"


@pytest.mark.parametrize("status", [0xA900, 0xA910, 0xC000, 0xC123, 0x0122, 0x0117, 0x0105, 0xFE00])
def test_a_refusal_for_good_carries_the_status(transport_to: TransportTo, store_peer: StorePeer, status: int) -> None:
    store_peer.answers = [status]
    with pytest.raises(PeerRefused, match="because of the test") as error:
        transport_to(store_peer.port).send(parcel_of(film()))
    assert error.value.status == f"0x{status:04X}"


def test_not_authorised_waits_slowly_and_says_what_to_ask_for(transport_to: TransportTo, store_peer: StorePeer) -> None:
    store_peer.answers = [0x0124]
    with pytest.raises(PeerUnreachable, match="ask its administrator") as error:
        transport_to(store_peer.port).send(parcel_of(film()))
    assert error.value.slowly


def test_a_class_that_the_peer_does_not_accept_is_refused_without_being_sent(
    transport_to: TransportTo, store_peer: StorePeer
) -> None:
    transport = transport_to(store_peer.port)
    with pytest.raises(PeerRefused, match=f"does not accept this SOP class: {CT}") as error:
        transport.send(parcel_of(film(sop_class_uid=CT)))
    assert error.value.status == "0x0122"
    assert store_peer.received == []
    transport.send(parcel_of(film()))


@pytest.mark.slow
@pytest.mark.parametrize("syntax", [JPEGLosslessSV1, JPEGLSLossless, JPEG2000Lossless])
def test_a_pacs_that_takes_films_in_one_compression_only_gets_them_so(transport_to: TransportTo, syntax: str) -> None:
    dataset = film(rows=64, columns=48)
    with a_store_peer(DX, syntaxes=[syntax]) as peer:
        transport = transport_to(peer.port)
        for _ in range(2):
            assert transport.send(parcel_of(dataset)).status == "0x0000"
        assert peer.received_syntaxes == [syntax, syntax]


def test_a_pacs_that_takes_films_in_nothing_that_they_can_be_given_is_told_as_such(transport_to: TransportTo) -> None:
    with a_store_peer(DX, syntaxes=[RLELossless]) as peer:
        transport = transport_to(peer.port)
        for _ in range(2):
            with pytest.raises(PeerRefused, match="only in a transfer syntax that it cannot be given") as error:
                transport.send(parcel_of(film()))
            assert error.value.status == NO_COMMON_SYNTAX
        assert peer.received == []


def test_the_results_of_a_film_need_one_association(transport_to: TransportTo, store_peer: StorePeer) -> None:
    transport = transport_to(store_peer.port)
    transport.echo()
    for _ in range(3):
        transport.send(parcel_of(film(sop_class_uid=REPORT)))
    assert store_peer.associations == 1
    transport.close()
    until(lambda: not store_peer.entity.active_associations)


def test_a_new_class_costs_one_new_association_and_no_more(transport_to: TransportTo, store_peer: StorePeer) -> None:
    transport = transport_to(store_peer.port)
    for sop_class in (REPORT, DX, REPORT, DX):
        transport.send(parcel_of(film(sop_class_uid=sop_class)))
    assert store_peer.associations == 2


@pytest.mark.slow
def test_more_contexts_than_an_association_holds_are_proposed_in_turn(transport_to: TransportTo) -> None:
    classes = [str(context.abstract_syntax) for context in AllStoragePresentationContexts[:70]]
    with a_store_peer(*classes) as peer:
        transport = transport_to(peer.port)
        for sop_class in classes:
            transport.send(parcel_of(film(rows=8, columns=8, sop_class_uid=sop_class)))
        assert len(peer.received) == len(classes)


def test_a_peer_that_takes_only_implicit_little_endian_gets_that(transport_to: TransportTo) -> None:
    dataset = film()
    with a_store_peer(DX, syntaxes=["1.2.840.10008.1.2"]) as peer:
        transport_to(peer.port).send(parcel_of(dataset))
        assert peer.received == [dataset.SOPInstanceUID]


def test_a_compressed_film_is_decompressed_for_a_peer_that_takes_no_other(
    transport_to: TransportTo, start_storescp: StartStorescp
) -> None:
    dataset = film(rows=90, columns=70)
    original = dataset.pixel_array.copy()
    dataset.compress(RLELossless, generate_instance_uid=False)
    peer = start_storescp("+x=", "+B")
    transport_to(peer.port).send(parcel_of(dataset))
    (received,) = [pydicom.dcmread(path) for path in peer.received()]
    assert received.SOPInstanceUID == dataset.SOPInstanceUID
    assert not received.file_meta.TransferSyntaxUID.is_compressed
    assert (received.pixel_array == original).all()


def test_a_dataset_of_odd_length_is_made_even_for_dcmtk(
    transport_to: TransportTo, start_storescp: StartStorescp
) -> None:
    dataset = film(rows=3, columns=5, BitsAllocated=8, BitsStored=8, HighBit=7, PixelData=bytes(16))
    part10 = film_bytes(dataset)
    odd = part10[:-20] + part10[-20:-16].replace(b"\x10", b"\x0f") + part10[-16:-1]
    assert len(odd) % 2
    peer = start_storescp("+xa", "+B")
    transport_to(peer.port).send(
        Parcel(instance=reference_to(dataset), size_bytes=len(odd), open=lambda: io.BytesIO(odd))
    )
    (received,) = [pydicom.dcmread(path) for path in peer.received()]
    assert received.PixelData == bytes(16)


def test_a_compressed_film_whose_last_fragment_is_odd_goes_even_and_as_it_is(
    transport_to: TransportTo, start_storescp: StartStorescp, orthanc: OrthancPeer
) -> None:
    dataset = a_smooth_film()
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    part10 = film_bytes(dataset)
    end = part10[-8:]
    assert end == b"\xfe\xff\xdd\xe0" + bytes(4)
    stream = next(pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1))
    odd_stream = stream + b"\0"
    begin = len(part10) - 8 - len(stream) - 4
    odd = part10[:begin] + len(odd_stream).to_bytes(4, "little") + odd_stream + end
    peer = start_storescp("+xa", "-pm")
    parcel = Parcel(instance=reference_to(dataset), size_bytes=len(odd), open=lambda: io.BytesIO(odd))
    assert transport_to(peer.port).send(parcel).status == "0x0000"
    assert transport_to(orthanc.dicom_port).send(parcel).status == "0x0000"
    (path,) = peer.received()
    assert pydicom.dcmread(path).file_meta.TransferSyntaxUID == JPEGLSLossless


@pytest.mark.slow
def test_a_damaged_codestream_that_the_peer_would_need_decompressed_is_refused(
    transport_to: TransportTo, store_peer: StorePeer
) -> None:
    dataset = film()
    dataset.compress(JPEGLSLossless, generate_instance_uid=False)
    dataset.PixelData = pydicom.encaps.encapsulate([b"\xff\xd8\xff noise"])
    with pytest.raises(PeerRefused, match="cannot be given"):
        transport_to(store_peer.port).send(parcel_of(dataset))


@pytest.mark.parametrize(("wish", "syntax"), [("jpeg-ls", JPEGLSLossless), ("jpeg2000", JPEG2000Lossless)])
def test_a_film_goes_compressed_and_comes_out_the_same(
    transport_to: TransportTo, orthanc: OrthancPeer, wish: str, syntax: str
) -> None:
    dataset = a_smooth_film()
    parcel = parcel_of(dataset)
    acknowledgement = transport_to(orthanc.dicom_port, compression=wish).send(parcel)
    received = pydicom.dcmread(io.BytesIO(orthanc.download_by_uid(dataset.SOPInstanceUID)))
    assert received.file_meta.TransferSyntaxUID == syntax
    assert (received.pixel_array == dataset.pixel_array).all()
    assert acknowledgement.sent_bytes < 0.6 * parcel.size_bytes


def test_a_peer_without_the_codec_gets_the_film_as_it_is(transport_to: TransportTo) -> None:
    with a_store_peer(DX) as peer:
        acknowledgement = transport_to(peer.port, compression="jpeg-ls").send(parcel_of(a_smooth_film()))
        assert peer.received_syntaxes == ["1.2.840.10008.1.2.1"]
        assert acknowledgement.sent_bytes > 700_000


def test_a_film_that_cannot_be_compressed_goes_as_it_is(transport_to: TransportTo, orthanc: OrthancPeer) -> None:
    dataset = a_smooth_film()
    words = np.frombuffer(dataset.PixelData, "<u2") | 0x8000  # an overlay in the unused bits
    dataset.PixelData = words.tobytes()
    transport_to(orthanc.dicom_port, compression="jpeg-ls").send(parcel_of(dataset))
    received = pydicom.dcmread(io.BytesIO(orthanc.download_by_uid(dataset.SOPInstanceUID)))
    assert received.file_meta.TransferSyntaxUID == dataset.file_meta.TransferSyntaxUID
    assert received.PixelData == dataset.PixelData


def test_auto_stops_compressing_once_the_link_has_proved_fast(transport_to: TransportTo, orthanc: OrthancPeer) -> None:
    transport = transport_to(orthanc.dicom_port, compression="auto")
    syntaxes = []
    for _ in range(2):
        dataset = a_smooth_film(rows=2000, columns=1600)
        transport.send(parcel_of(dataset))
        received = pydicom.dcmread(io.BytesIO(orthanc.download_by_uid(dataset.SOPInstanceUID)))
        syntaxes.append(received.file_meta.TransferSyntaxUID)
    assert syntaxes == [JPEGLSLossless, "1.2.840.10008.1.2.1"]


def test_a_peer_that_accepts_and_hangs_is_given_up_in_time(transport_to: TransportTo) -> None:
    with a_hanging_peer() as peer, pytest.raises(PeerUnreachable, match=r"no answer within 0\.5 s"):
        transport_to(peer.port, timeouts=HASTY).send(parcel_of(film()))


def test_a_peer_that_is_no_dicom_is_said_to_be_none(transport_to: TransportTo) -> None:
    with a_hanging_peer(b"SSH-2.0-OpenSSH_9.2\r\n" * 50) as peer, pytest.raises(PeerUnreachable, match="DICOM"):
        transport_to(peer.port).echo()


@pytest.mark.parametrize(
    "words",
    [
        b"\x02\0\0\0\0\x02\0\x01",
        b"\x02\0\0\0\0\x48" + bytes(68) + b"\x50\0\0\x40",
        b"\x02\0\xff\xff\xff\xff",
        b"\x03\0\0\0\0\x04\0\x01\x01\x07",
        b"\x03\0\0\0\0\x01\0",
        b"\x04\0\0\0\0\x04\0\0\0\0",
        b"\x05\0\0\0\0\x04\0\0\0\0",
        b"\x07\0\0\0\0\x04\0\0\0\0",
        b"\x99" * 100,
        bytes(100),
    ],
)
def test_whatever_a_peer_says_to_our_call_it_is_unreachable_in_one_line(
    transport_to: TransportTo, words: bytes
) -> None:
    with a_hanging_peer(words) as peer, pytest.raises(PeerUnreachable, match=r"^PACS at 127\.0\.0\.1:\d+.*$"):
        transport_to(peer.port, timeouts=HASTY).echo()


ACCEPTED = b"\x02\0\0\0\0\x4c\0\x01" + bytes(66) + b"\x21\0\0\x04\x01\0\0\0"  # the first context, nothing else


@pytest.mark.parametrize(
    "answer",
    [
        b"\x04\0\0\0\0\x02\0\0",
        b"\x04\0\0\0\0\x06\0\0\0\x02\x01\x03",
        b"\x04\0\0\0\0\x0a\0\0\0\x06\x01\x03\0\0\0\0",
        b"\x04\0\0\0\0\x06\0\0\0\xff\x01\x03",
        b"\x06\0\0\0\0\x04\0\0\0\0",
        b"\x07\0\0\0\0\x04\0\0\x02\x01",
    ],
)
def test_whatever_a_peer_says_to_a_request_it_is_unreachable_in_one_line(
    transport_to: TransportTo, answer: bytes
) -> None:
    peer_says = a_hanging_peer(ACCEPTED + answer)
    with peer_says as peer, pytest.raises(PeerUnreachable, match=r"^PACS at 127\.0\.0\.1:\d+.*$"):
        transport_to(peer.port, timeouts=HASTY).echo()


def test_a_peer_that_stops_reading_is_given_up_in_time(transport_to: TransportTo) -> None:
    accepts_dx = bytearray(ACCEPTED)
    dx = film(rows=3000, columns=3000)
    with a_hanging_peer(reads=False) as peer:
        transport = transport_to(peer.port, timeouts=HASTY, compression="none")
        contexts = [*USUAL, Context(sop_class_uid=DX, transfer_syntax_uid=dx.file_meta.TransferSyntaxUID)]
        accepts_dx[-4] = 2 * contexts.index(contexts[-1]) + 1
        peer.words = bytes(accepts_dx)
        with pytest.raises(PeerUnreachable, match=r"nothing moved for 0\.5 s|no answer within 0\.5 s"):
            transport.send(parcel_of(dx))


def test_a_link_cut_in_mid_film_leaves_nothing_at_the_peer(transport_to: TransportTo, orthanc: OrthancPeer) -> None:
    with a_bad_link(orthanc.dicom_port) as link:
        link.cut_after_up = 100_000
        with pytest.raises(PeerUnreachable, match=r"connection|closed"):
            transport_to(link.port).send(parcel_of(film(rows=2000, columns=2000)))
        assert orthanc.instances() == []


def test_an_answer_lost_on_the_way_is_sent_again_and_is_there_once(
    transport_to: TransportTo, orthanc: OrthancPeer
) -> None:
    parcel = parcel_of(film(rows=500, columns=500))
    with a_bad_link(orthanc.dicom_port) as link:
        link.swallow_after_up = parcel.size_bytes
        transport = transport_to(link.port, compression="none")
        with pytest.raises(PeerUnreachable):
            transport.send(parcel)
        until(lambda: len(orthanc.instances()) == 1)
        link.swallow_after_up = None
        transport.send(parcel)
        assert orthanc.sop_instance_uids() == [parcel.instance.sop_instance_uid]


def test_an_association_that_the_peer_dropped_while_idle_is_opened_anew(
    transport_to: TransportTo, orthanc: OrthancPeer
) -> None:
    with a_bad_link(orthanc.dicom_port) as link:
        transport = transport_to(link.port)
        transport.send(parcel_of(film()))
        link.reachable = False
        link.reachable = True
        transport.send(parcel_of(film()))
        assert len(orthanc.instances()) == 2


@pytest.mark.parametrize(
    ("require", "advice"),
    [("require_calling_aet", "does not know our AE title STATION"), ("require_called_aet", "is not called PACS")],
)
def test_a_rejected_association_says_whose_ae_title_is_wrong(
    transport_to: TransportTo, store_peer: StorePeer, require: str, advice: str
) -> None:
    setattr(store_peer.entity, require, ["SOMEBODY"] if require == "require_calling_aet" else True)
    with pytest.raises(PeerUnreachable, match=advice) as error:
        transport_to(store_peer.port).echo()
    assert error.value.slowly


def test_dcmtk_storescp_that_refuses_and_aborts_is_only_unreachable(
    transport_to: TransportTo, start_storescp: StartStorescp
) -> None:
    refusing, aborting = start_storescp("--refuse"), start_storescp("--abort-during")
    with pytest.raises(PeerUnreachable, match="rejected the association"):
        transport_to(refusing.port).send(parcel_of(film()))
    with pytest.raises(PeerUnreachable, match=r"aborted|closed|connection"):
        transport_to(aborting.port).send(parcel_of(film(rows=900, columns=900)))


def a_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A key and a certificate for 127.0.0.1 that signs itself."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.crt"
    subject = ["-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = dcmtk.run(
        "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, *subject
    )
    assert made.returncode == 0, made.stderr
    return key, certificate


def test_films_go_over_tls_to_the_right_peer_only(
    transport_to: TransportTo, start_storescp: StartStorescp, tmp_path: Path
) -> None:
    key, certificate = a_certificate(tmp_path, "pacs")
    _, another = a_certificate(tmp_path, "another")
    peer = start_storescp("+tls", str(key), str(certificate), "--ignore-peer-cert", "+xa")
    transport = transport_to(peer.port, tls=ssl.create_default_context(cafile=str(certificate)))
    for _ in range(2):
        transport.send(parcel_of(film()))
    assert len(peer.received()) == 2
    transport.close()  # storescp serves one at a time
    with pytest.raises(PeerUnreachable, match=r"TLS failed .*certificate verify failed"):
        transport_to(peer.port, tls=ssl.create_default_context(cafile=str(another))).send(parcel_of(film()))


def test_plain_tcp_on_the_other_side_of_tls_is_unreachable(transport_to: TransportTo, store_peer: StorePeer) -> None:
    with pytest.raises(PeerUnreachable, match=r"TLS failed .*check the certificates"):
        transport_to(store_peer.port, tls=ssl.create_default_context()).echo()


def test_a_film_keeps_to_the_rate_that_the_site_allows(transport_to: TransportTo, orthanc: OrthancPeer) -> None:
    parcel = parcel_of(film(rows=300, columns=300))
    begun = time.monotonic()
    transport_to(orthanc.dicom_port, max_kbit_per_second=4000, compression="none").send(parcel)
    assert time.monotonic() - begun >= 0.8 * parcel.size_bytes * 8 / 4_000_000


def test_small_objects_over_an_open_association_do_not_stall(transport_to: TransportTo, orthanc: OrthancPeer) -> None:
    transport = transport_to(orthanc.dicom_port)
    transport.echo()
    seconds = []
    for _ in range(60):
        begun = time.monotonic()
        transport.echo()
        seconds.append(time.monotonic() - begun)
    quickest, _, _ = statistics.quantiles(seconds, n=4)
    assert quickest < 0.03, "each echo waits for a delayed acknowledgement of 40 ms"


def test_a_film_is_read_piece_by_piece_never_whole(
    transport_to: TransportTo, orthanc: OrthancPeer, tmp_path: Path
) -> None:
    longest = 0

    class Counting(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal longest
            piece = super().read(size)
            longest = max(longest, len(piece))
            return piece

    dataset = film(rows=1000, columns=1000)
    part10 = film_bytes(dataset)
    parcel = Parcel(instance=reference_to(dataset), size_bytes=len(part10), open=lambda: Counting(part10))
    transport_to(orthanc.dicom_port, compression="none").send(parcel)
    assert 0 < longest <= 1 << 17
