"""Sending files as a modality: each file has its fate, whatever the file and the peer."""

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from dicom_router.transport.sending import Address, parse_address, send_files
from tests.factories import CR, DX, film, film_file, free_port, shared_folder
from tests.peers.dcmtk import RunningStorescp
from tests.peers.difficult import StorePeer, a_store_peer


@pytest.fixture(scope="module")
def _one_store_peer() -> Iterator[StorePeer]:
    with a_store_peer(DX) as peer:
        yield peer


@pytest.fixture
def store_peer(_one_store_peer: StorePeer) -> StorePeer:
    _one_store_peer.forget()
    return _one_store_peer


def address(port: int) -> Address:
    return Address(ae_title="PACS", host="127.0.0.1", port=port)


@pytest.mark.parametrize(
    ("text", "host"), [("XRAY@10.0.0.7:11112", "10.0.0.7"), ("XRAY@pacs.local:11112", "pacs.local")]
)
def test_an_address_is_written_aet_at_host_port(text: str, host: str) -> None:
    assert parse_address(text) == Address(ae_title="XRAY", host=host, port=11112)


def test_an_ipv6_address_stands_in_brackets() -> None:
    assert parse_address("XRAY@[::1]:104").host == "::1"


@pytest.mark.parametrize(
    "text", ["", "XRAY", "XRAY@host", "host:104", "@host:104", "X@h:0", "X@h:70000", "X@h:a", "A" * 17 + "@h:104"]
)
def test_another_text_is_said_to_be_no_address(text: str) -> None:
    with pytest.raises(ValueError, match="AET@HOST:PORT"):
        parse_address(text)


def test_each_file_has_its_fate_in_order(store_peer: StorePeer, tmp_path: Path) -> None:
    refused = film()
    store_peer.answer_to[refused.SOPInstanceUID] = 0xA900
    later = film()
    store_peer.answer_to[later.SOPInstanceUID] = 0xA700
    noise = tmp_path / "noise.dcm"
    noise.write_bytes(b"no DICOM")
    paths = [
        film_file(tmp_path / "1.dcm", film()),
        noise,
        tmp_path / "gone.dcm",
        film_file(tmp_path / "2.dcm", refused),
        film_file(tmp_path / "3.dcm", later),
        film_file(tmp_path / "4.dcm", film(sop_class_uid=CR)),
        film_file(tmp_path / "5.dcm", film()),
    ]
    sent = list(send_files(paths, address(store_peer.port)))
    assert [each.path for each in sent] == paths
    assert [each.status for each in sent] == [
        "0x0000",
        "unreadable",
        "unreadable",
        "0xA900",
        "0xA700",
        "0x0122",
        "0x0000",
    ]
    assert [each.ok for each in sent] == [True, False, False, False, False, False, True]
    assert all(each.comment for each in sent if not each.ok)


def test_a_silent_peer_is_not_called_for_every_file(tmp_path: Path) -> None:
    paths = [film_file(tmp_path / f"{number}.dcm", film()) for number in range(3)]
    sent = list(send_files(paths, address(free_port())))
    assert [each.status for each in sent] == ["unreachable"] * 3
    assert "connection refused" in sent[0].comment


def test_a_film_is_never_compressed_on_the_way(tmp_path: Path, store_peer: StorePeer) -> None:
    path = film_file(tmp_path / "large.dcm", film(rows=900, columns=900))
    (sent,) = send_files([path], address(store_peer.port))
    assert sent.ok
    assert JPEGLSLossless not in store_peer.received_syntaxes


@pytest.mark.filterwarnings("ignore:Invalid value for VR UI")  # real machines write such UIDs
def test_every_real_film_is_taken_by_dcmtk(a_storescp: RunningStorescp) -> None:
    paths = sorted((shared_folder() / "data" / "dicom").glob("*.dcm"))
    sent = list(send_files(paths, address(a_storescp.port)))
    assert [each.comment for each in sent if not each.ok] == []
    received = {pydicom.dcmread(path).SOPInstanceUID for path in a_storescp.received()}
    assert received == {pydicom.dcmread(path).SOPInstanceUID for path in paths}
