"""STOW-RS alone: HTTP statuses, store responses, and servers that misbehave. The normal case is in the contract."""

import io
import json
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.uid import JPEGLSLossless

from dicom_router.dicom.instance import Parcel, reference_to
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.store.delivery import DeliveryState
from dicom_router.transport.dicomweb import DicomwebTransport
from dicom_router.transport.forwarder import Forwarder
from dicom_router.transport.http import retry_after
from dicom_router.upper_layer.connection import Timeouts
from tests.dicom_router.transport.test_forwarder import Post
from tests.factories import StoppedClock, film, film_bytes
from tests.peers.difficult import a_hanging_peer
from tests.peers.orthanc import OrthancPeer

pytestmark = pytest.mark.slow

HASTY = Timeouts(connect_seconds=2.0, stall_seconds=0.5, answer_seconds=0.5)  # only where a silence is waited out
STORED_IT = b"it is stored"
CALM = Timeouts(connect_seconds=60.0, stall_seconds=60.0, answer_seconds=60.0)


@dataclass
class WebPeer:
    """An HTTP server that gives the next of ``answers`` (status, headers, body) to a store, and what it holds to a
    search. The body STORED_IT names the instance that came, as a DICOMweb server does."""

    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    holds: list[str] = field(default_factory=list)
    searches: list[str] = field(default_factory=list)
    search_status: int = 200
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    hangs_up: bool = False
    port: int = 0


@pytest.fixture
def web_peer() -> Iterator[WebPeer]:
    peer = WebPeer()

    class Answering(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.command == "GET" and "limit=1" not in self.path:
                peer.searches.append(self.path)
                entries = [{"00080018": {"vr": "UI", "Value": [uid]}} for uid in peer.holds if uid in self.path]
                status, headers, content = peer.search_status, {}, json.dumps(entries).encode()
            else:
                peer.requests.append((self.path, dict(self.headers), body))
                status, headers, content = peer.answers.pop(0)
                content = named(uid_in(body)) if content == STORED_IT else content
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)
            if peer.hangs_up:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True

        do_GET = do_POST  # noqa: N815 - the names that http.server looks for

        def log_message(self, *_: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    server.daemon_threads = True
    peer.port = server.server_address[1]
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield peer
    server.shutdown()
    server.server_close()


@pytest.fixture
def transport(web_peer: WebPeer) -> Iterator[DicomwebTransport]:
    transport = to(web_peer.port)
    yield transport
    transport.close()


def to(port: int, *, timeouts: Timeouts = CALM, **options: Any) -> DicomwebTransport:
    url = f"http://127.0.0.1:{port}/dicom-web/"
    return DicomwebTransport(url, timeouts=timeouts, **({"clock": StoppedClock()} | options))


def uid_in(body: bytes) -> str:
    return str(pydicom.dcmread(io.BytesIO(body[body.index(b"\r\n\r\n") + 4 :]), stop_before_pixels=True).SOPInstanceUID)


def named(uid: str) -> bytes:
    return json.dumps({"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [uid]}}]}}).encode()


def a_parcel() -> Parcel:
    return parcel_of(film_bytes(film()))


def parcel_of(part10: bytes) -> Parcel:
    dataset = pydicom.dcmread(io.BytesIO(part10))
    return Parcel(instance=reference_to(dataset), size_bytes=len(part10), open=lambda: io.BytesIO(part10))


def failed(reason: int) -> bytes:
    return json.dumps({"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [reason]}}]}}).encode()


def failed_in_xml(reason: int) -> bytes:
    return (
        '<NativeDicomModel><DicomAttribute tag="00081198" vr="SQ"><Item number="1">'
        '<DicomAttribute tag="00081197" vr="US" keyword="FailureReason">'
        f'<Value number="1">{reason}</Value></DicomAttribute></Item></DicomAttribute></NativeDicomModel>'
    ).encode()


def test_the_body_is_one_part_with_the_file_as_it_is(web_peer: WebPeer, transport: DicomwebTransport) -> None:
    web_peer.answers = [(200, {}, STORED_IT)]
    parcel = a_parcel()
    acknowledgement = transport.send(parcel)
    ((path, headers, body),) = web_peer.requests
    assert path == "/dicom-web/studies"
    boundary = headers["Content-Type"].split("boundary=")[1]
    assert headers["Content-Type"].startswith('multipart/related; type="application/dicom"')
    part = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    assert body == part + parcel.open().read() + f"\r\n--{boundary}--\r\n".encode()
    assert acknowledgement.sent_bytes == len(body)


@pytest.mark.parametrize(
    ("status", "slowly"),
    [
        *((status, False) for status in (408, 429, 500, 502, 503, 504)),
        *((status, True) for status in (301, 401, 403, 404, 405, 501)),
    ],
)
def test_what_may_heal_is_waited_for(
    web_peer: WebPeer, transport: DicomwebTransport, status: int, slowly: bool
) -> None:
    web_peer.answers = [(status, {"Location": "http://127.0.0.1:1/elsewhere"}, b"no\n  reason")]
    with pytest.raises(PeerUnreachable, match=f"HTTP {status}: no reason") as error:
        transport.send(a_parcel())
    assert error.value.slowly is slowly
    assert len(web_peer.requests) == 1


NOW = "Sun, 01 Jun 2025 08:15:00 GMT"


@pytest.mark.parametrize(
    ("said", "date", "seconds"),
    [
        ("20", NOW, 20),
        (" 120 ", "", 120),
        ("0", NOW, 0),
        ("Sun, 01 Jun 2025 08:16:30 GMT", NOW, 90),
        ("Sunday, 01-Jun-25 08:16:30 GMT", NOW, 90),
        ("Sun, 01 Jun 2025 08:14:00 GMT", NOW, 0),
        ("Sun, 01 Jun 2025 08:16:30 GMT", "", 0),
        ("Sun, 01 Jun 2025 08:16:30 -0000", NOW, 0),  # one with and one without a zone
        ("-5", NOW, 0),
        ("1.5", NOW, 0),
        ("\u0662\u0660", NOW, 0),
        ("soon", NOW, 0),
        ("9" * 400, NOW, 999_999_999),
        ("Sun, 32 Jun 99999 08:16:30 GMT", NOW, 0),
        ("", NOW, 0),
    ],
)
def test_when_to_come_again_is_understood(said: str, date: str, seconds: float) -> None:
    assert retry_after(said, date) == seconds


@pytest.mark.parametrize(("status", "said", "seconds"), [(429, "90", 90), (503, "90", 90), (503, "31536000", 600)])
def test_a_server_that_says_when_to_come_again_is_left_alone_until_then(
    web_peer: WebPeer, tmp_path: Path, status: int, said: str, seconds: float
) -> None:
    clock = StoppedClock()
    post = Post(tmp_path, clock)
    transport = to(web_peer.port, clock=clock)
    forwarder = Forwarder(
        outbox=post.outbox, spool=post.spool, transport=transport, destination="pacs", lane="bulk", clock=clock
    )
    post.queue()
    web_peer.answers = [(status, {"Retry-After": said}, b""), (200, {}, b"[]"), (200, {}, STORED_IT)]
    assert forwarder.run_once()
    clock.advance(seconds - 1)
    assert not forwarder.run_once()
    assert len(web_peer.requests) == 1, "it is not even asked for an echo"
    clock.advance(2)
    assert forwarder.run_once()
    assert post.states() == [DeliveryState.ACKNOWLEDGED]
    transport.close()
    post.close()


@pytest.mark.parametrize("status", [400, 409, 413, 415, 422])
def test_what_will_not_heal_is_refused(web_peer: WebPeer, transport: DicomwebTransport, status: int) -> None:
    web_peer.answers = [(status, {}, b"")]
    with pytest.raises(PeerRefused, match="answered HTTP") as error:
        transport.send(a_parcel())
    assert error.value.status == f"HTTP {status}"


@pytest.mark.parametrize("body", [failed(0xA900), failed_in_xml(0xA900)])
@pytest.mark.parametrize("status", [200, 202, 409])
def test_a_failed_instance_in_the_answer_is_refused_whatever_the_http_status(
    web_peer: WebPeer, transport: DicomwebTransport, status: int, body: bytes
) -> None:
    web_peer.answers = [(status, {}, body)]
    with pytest.raises(PeerRefused) as error:
        transport.send(a_parcel())
    assert error.value.status == "0xA900"


def test_a_server_out_of_resources_is_waited_for(web_peer: WebPeer, transport: DicomwebTransport) -> None:
    web_peer.answers = [(409, {}, failed(0xA700))]
    with pytest.raises(PeerUnreachable, match="out of resources"):
        transport.send(a_parcel())


PORTAL = b"<html><body>Your data plan has expired. Please top up.</body></html>"
NOISE = [
    b"", b"{}", PORTAL, b"[]", b"[7]", b'{"00081198": 7}', b'{"00081198": {"Value": []}}', b"\xff" * 3_000_000,
    b"[" * 100_000, b'{"error": "no room"}', b'{"00081190": {"vr": "UR", "Value": [""]}}', named("1.2.3"),
    b'<!DOCTYPE a [<!ENTITY b "c">]><NativeDicomModel>&b;</NativeDicomModel>', b"<a", b'<?xml encoding="nobodys"?><a/>',
]  # fmt: skip


@pytest.mark.parametrize("body", NOISE)
@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_success_that_does_not_name_the_instance_is_none_and_the_next_one_goes(
    web_peer: WebPeer, transport: DicomwebTransport, status: int, body: bytes
) -> None:
    web_peer.answers = [(status, {}, b"" if status == 204 else body), (200, {}, STORED_IT)]
    with pytest.raises(PeerUnreachable, match="DICOMweb root") as error:
        transport.send(a_parcel())
    assert error.value.slowly
    assert len(web_peer.searches) == 2  # it was asked for before anything was said
    assert transport.send(a_parcel()).status == "0x0000"


@pytest.mark.parametrize(
    ("status", "body"), [*((200, body) for body in NOISE), (204, b""), (409, b"instance already exists"), (409, PORTAL)]
)
def test_what_the_peer_has_is_acknowledged_however_it_says_so(
    web_peer: WebPeer, transport: DicomwebTransport, status: int, body: bytes
) -> None:
    parcel = a_parcel()
    web_peer.holds = [parcel.instance.sop_instance_uid]
    web_peer.answers = [(status, {}, body)]
    assert transport.send(parcel).status == "0x0000"


@pytest.mark.parametrize("reason", [0x0111, 0x0110, 45070, 0xA900, 0xC000])
def test_a_second_try_of_what_is_there_already_is_acknowledged(
    web_peer: WebPeer, transport: DicomwebTransport, reason: int
) -> None:
    parcel = a_parcel()
    web_peer.holds = [parcel.instance.sop_instance_uid]
    web_peer.answers = [(409, {}, failed(reason))]
    assert transport.send(parcel).status == "0x0000"


XML = (
    "<?xml version='1.0' encoding='utf-8'?>\n<d:NativeDicomModel xmlns:d='http://dicom.nema.org/PS3.19/models/NativeDICOM'>"
    "\n <d:DicomAttribute vr='SQ' tag='{tag}' keyword='X'>\n  <d:Item number='1'>"
    "\n   <d:DicomAttribute tag='{inner}' vr='UI'>\n    <d:Value number='1'>\n {value}\n </d:Value>"
    "</d:DicomAttribute></d:Item></d:DicomAttribute></d:NativeDicomModel>"
)


def test_xml_with_a_prefix_and_lines_is_read_like_json(web_peer: WebPeer, transport: DicomwebTransport) -> None:
    parcel = a_parcel()
    stored = XML.format(tag="00081199", inner="00081155", value=parcel.instance.sop_instance_uid)
    refused = XML.format(tag="00081198", inner="00081197", value=0xC000)
    web_peer.answers = [(200, {}, stored.encode()), (202, {}, refused.encode())]
    assert transport.send(parcel).status == "0x0000"
    with pytest.raises(PeerRefused) as error:
        transport.send(parcel)
    assert error.value.status == "0xC000"
    assert len(web_peer.searches) == 2  # only for what was said to have failed


@pytest.mark.parametrize(
    "body",
    [
        b'{"0008119A": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": [49152]}}]}}',
        b'{"00081198": {"vr": "SQ", "Value": [{}]}}',
        b'[{"00081198": {"vr": "SQ", "Value": [{"00081197": {"vr": "US", "Value": ["why"]}}]}}]',
    ],
    ids=["other failures", "no reason", "a reason that is none"],
)
def test_a_failure_is_a_failure_whatever_it_lacks(web_peer: WebPeer, transport: DicomwebTransport, body: bytes) -> None:
    web_peer.answers = [(202, {}, body)]
    with pytest.raises(PeerRefused):
        transport.send(a_parcel())


def test_a_peer_that_may_not_be_searched_is_asked_for_the_metadata(
    web_peer: WebPeer, transport: DicomwebTransport
) -> None:
    web_peer.search_status = 403
    web_peer.answers = [(200, {}, PORTAL)]
    parcel = a_parcel()
    with pytest.raises(PeerUnreachable, match="has not stored"):
        transport.send(parcel)
    search, metadata = web_peer.searches
    assert "SOPInstanceUID=" in search
    assert metadata.endswith(f"/instances/{parcel.instance.sop_instance_uid}/metadata")


def test_a_kept_connection_that_proves_dead_is_opened_anew(web_peer: WebPeer, transport: DicomwebTransport) -> None:
    web_peer.hangs_up = True
    web_peer.answers = [(200, {}, STORED_IT)] * 3
    for _ in range(3):
        transport.send(a_parcel())
    assert len(web_peer.requests) == 3


def test_the_password_goes_with_each_request(web_peer: WebPeer) -> None:
    web_peer.answers = [(200, {}, STORED_IT)]
    transport = to(web_peer.port, username="trạm", password="bí mật")
    transport.send(a_parcel())
    transport.close()
    assert web_peer.requests[0][1]["Authorization"] == "Basic dHLhuqFtOmLDrSBt4bqtdA=="


def test_echo_tells_a_wrong_url_from_a_server_that_is_there(web_peer: WebPeer, transport: DicomwebTransport) -> None:
    web_peer.answers = [(204, {}, b""), (200, {}, b"[]"), (404, {}, b""), (200, {}, PORTAL)]
    transport.echo()
    transport.echo()
    for _ in range(2):
        with pytest.raises(PeerUnreachable, match="check url"):
            transport.echo()


def test_a_server_that_hangs_or_speaks_no_http_is_unreachable() -> None:
    with a_hanging_peer() as hanging, pytest.raises(PeerUnreachable, match="no answer in time"):
        to(hanging.port, timeouts=HASTY).send(a_parcel())
    with a_hanging_peer(b"SSH-2.0-OpenSSH_9.2\r\n") as noise, pytest.raises(PeerUnreachable, match="check"):
        to(noise.port, timeouts=HASTY).send(a_parcel())


def test_plain_http_on_a_tls_port_is_unreachable(web_peer: WebPeer) -> None:
    transport = DicomwebTransport(f"https://127.0.0.1:{web_peer.port}/", clock=StoppedClock(), timeouts=CALM)
    with pytest.raises(PeerUnreachable, match="TLS failed"):
        transport.echo()


def a_smooth_film() -> Parcel:
    pixels = np.add.outer(np.arange(500), np.arange(400)).astype("<u2")
    return parcel_of(film_bytes(film(rows=500, columns=400, PixelData=pixels.tobytes())))


def test_a_film_may_go_compressed(orthanc: OrthancPeer) -> None:
    parcel = a_smooth_film()
    transport = DicomwebTransport(orthanc.dicomweb_url, clock=StoppedClock(), compression="jpeg-ls")
    transport.send(parcel)
    transport.close()
    received = pydicom.dcmread(io.BytesIO(orthanc.download_by_uid(parcel.instance.sop_instance_uid)))
    assert received.file_meta.TransferSyntaxUID == JPEGLSLossless


def test_a_server_that_refuses_the_compressed_film_gets_it_as_it_is(web_peer: WebPeer) -> None:
    web_peer.answers = [(415, {}, b""), (200, {}, STORED_IT)]
    parcel = a_smooth_film()
    transport = to(web_peer.port, compression="jpeg-ls")
    transport.send(parcel)
    transport.close()
    (_, _, compressed), (_, _, plain) = web_peer.requests
    assert len(compressed) < 100_000
    assert parcel.open().read() in plain
