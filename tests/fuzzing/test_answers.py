"""What a DICOMweb server says, by chance, to a store, a search and a fetch: we take it, or say what is wrong."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dicom_router.dicom.instance import Parcel, reference_to
from dicom_router.errors import DamagedFile, PeerRefused, PeerUnreachable
from dicom_router.transport.archive import FoundInstance
from dicom_router.transport.dicomweb import DicomwebTransport
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from dicom_router.transport.store_response import names, verdict
from dicom_router.upper_layer.connection import Timeouts
from tests.factories import DX, StoppedClock, film, film_bytes
from tests.fuzzing import changed, edits, fuzz

FILM = film(rows=8, columns=8)
PART10, UID = film_bytes(FILM), str(FILM.SOPInstanceUID)
WANTED = FoundInstance(
    study_instance_uid=str(FILM.StudyInstanceUID), series_instance_uid="1.2", sop_instance_uid=UID, sop_class_uid=DX
)
HASTY = Timeouts(connect_seconds=5.0, stall_seconds=5.0, answer_seconds=5.0)
RELATED = b"--xyz\r\nContent-Type: application/dicom\r\n\r\n" + PART10 + b"\r\n--xyz--\r\n"
ENTRY = {
    "00080018": {"vr": "UI", "Value": [UID]},
    "00080016": {"vr": "UI", "Value": [DX]},
    "0020000E": {"vr": "UI", "Value": ["1.2"]},
}
STORED = json.dumps({"00081199": {"vr": "SQ", "Value": [{"00081155": {"vr": "UI", "Value": [UID]}}]}}).encode()
XML = (
    '<n:NativeDicomModel xmlns:n="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
    '<n:DicomAttribute tag="00081199" vr="SQ"><n:Item number="1"><n:DicomAttribute tag="00081155" vr="UI">'
    f'<n:Value number="1">{UID}</n:Value></n:DicomAttribute></n:Item></n:DicomAttribute></n:NativeDicomModel>'
).encode()

GOOD = [RELATED, PART10, STORED, XML, json.dumps([ENTRY]).encode(), b"[]", b"[[", b"{}"]
TAGS = ["00080018", "00081199", "00081198", "0008119A", "00081155", "00081197", "Value", "vr"]

headers = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
types = st.one_of(
    st.sampled_from(
        [
            'multipart/related; type="application/dicom"; boundary=xyz',
            "Multipart/Related;BOUNDARY=xyz",
            'multipart/related; boundary=""',
            "multipart/related",
            "application/dicom",
            "application/dicom+json",
            "",
        ]
    ),
    headers,
)
bodies = st.one_of(
    st.binary(max_size=200),
    st.builds(changed, st.sampled_from(GOOD), edits()),
    st.recursive(st.one_of(st.none(), st.integers(), st.text(max_size=5)), lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(TAGS), inner),
    )).map(lambda said: json.dumps(said).encode()),
)  # fmt: skip


class Server:
    """Answers everything with one thing."""

    def __init__(self) -> None:
        self.status, self.headers, self.body = 200, dict[str, str](), b""
        server = self

        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.send_response(server.status)
                for name, value in server.headers.items():
                    self.send_header(name, value)
                has_body = server.status not in {204, 304}
                self.send_header("Content-Length", str(len(server.body) if has_body else 0))
                self.end_headers()
                self.wfile.write(server.body if has_body else b"")

            do_GET = do_POST  # noqa: N815 - the names that http.server looks for

            def log_message(self, *_: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/dicom-web"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    opened = Server()
    yield opened
    opened.stop()


@fuzz(40)
@given(
    status=st.sampled_from([200, 201, 202, 204, 206, 302, 400, 403, 404, 409, 415, 429, 500, 503]),
    content_type=types,
    retry_after=headers,
    body=bodies,
)
def test_any_answer_of_a_server_is_understood_or_told(
    server: Server, status: int, content_type: str, retry_after: str, body: bytes
) -> None:
    server.status, server.body = status, body
    server.headers = {"Content-Type": content_type, "Retry-After": retry_after}
    archive = DicomwebArchive(server.url, clock=StoppedClock(), timeouts=HASTY)
    transport = DicomwebTransport(server.url, clock=StoppedClock(), timeouts=HASTY)
    parcel = Parcel(instance=reference_to(FILM), size_bytes=len(PART10), open=lambda: io.BytesIO(PART10))
    got = bytearray()
    for ask in (
        transport.echo,
        lambda: transport.send(parcel),
        archive.probe,
        lambda: archive.instances(WANTED.study_instance_uid),
        lambda: archive.fetch(WANTED, got.extend),
    ):
        with suppress(PeerUnreachable, PeerRefused, DamagedFile):
            ask()
    archive.close()
    transport.close()


@fuzz(150)
@given(body=bodies)
def test_no_answer_to_a_store_counts_that_does_not_name_the_instance(body: bytes) -> None:
    if verdict(body, UID).stored or names(body, UID):
        assert UID.encode() in body.replace(b"\\u002e", b".").replace(b"\\u0031", b"1")
