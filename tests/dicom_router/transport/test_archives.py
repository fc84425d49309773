"""Archives before peers that behave badly: no C-GET, no DICOM JSON, endless answers, slow links, foreign objects."""

import contextlib
import gzip
import io
import json
import random
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE, evt
from pynetdicom.sop_class import (
    BasicTextSRStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
)

from dicom_router.clock import SystemClock
from dicom_router.errors import NotOffered, PeerRefused, PeerUnreachable
from dicom_router.transport.archive import MOST_INSTANCES, FoundInstance
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from dicom_router.transport.dimse_archive import DimseArchive
from dicom_router.upper_layer.connection import Timeouts
from tests.factories import film, film_bytes, until
from tests.peers.difficult import a_hanging_peer
from tests.peers.orthanc import OrthancPeer

pytestmark = pytest.mark.slow

REPORT = str(BasicTextSRStorage)
FOUND = FoundInstance(
    study_instance_uid="1.2.3", series_instance_uid="1.2.3.4", sop_instance_uid="1.2.3.4.5", sop_class_uid=REPORT
)
HASTY = Timeouts(connect_seconds=1, stall_seconds=0.5, answer_seconds=0.5)  # only where a silence is waited out
CALM = Timeouts(connect_seconds=60, stall_seconds=60, answer_seconds=60)


def dimse(port: int, *, kbit: float = 0, timeouts: Timeouts = CALM) -> DimseArchive:
    return DimseArchive(
        "127.0.0.1",
        port,
        "PEER",
        "STATION",
        sop_classes=(REPORT,),
        clock=SystemClock(),
        max_kbit_per_second=kbit,
        timeouts=timeouts,
    )


Handlers = list[tuple[evt.EventType, Callable[[evt.Event], Iterator[tuple[int, Dataset | None]]]]]


@contextlib.contextmanager
def a_dimse_peer(handlers: Handlers, *, can_get: bool = True) -> Iterator[int]:
    """A Query/Retrieve SCP that answers as the handlers say; its port."""
    entity = AE(ae_title="PEER")
    entity.maximum_pdu_size = 16_384
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    if can_get:
        entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
        entity.add_supported_context(BasicTextSRStorage, scu_role=True, scp_role=True)
    sockets: list[socket.socket] = []  # pynetdicom forgets to close those on which it was hung up
    opened = (evt.EVT_CONN_OPEN, lambda event: sockets.append(event.assoc.dul.socket.socket))
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=[*handlers, opened])
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        until(lambda: not entity.active_associations)
        for one in sockets:
            one.close()


def match(**values: str) -> Dataset:
    found = Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def test_a_peer_without_c_get_says_so_and_still_finds() -> None:
    def answer(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        level = event.identifier.QueryRetrieveLevel
        uids = {"SOPInstanceUID": "1.2.3.4.5"} if level == "IMAGE" else {}
        yield 0xFF00, match(SeriesInstanceUID="1.2.3.4", **uids)

    with a_dimse_peer([(evt.EVT_C_FIND, answer)], can_get=False) as port:
        archive = dimse(port)
        (found,) = archive.instances("1.2.3")
        assert (found.sop_instance_uid, found.sop_class_uid) == ("1.2.3.4.5", "")
        with pytest.raises(PeerRefused, match=r"no C-GET for us .*allow it there, or give this destination its url"):
            archive.fetch(found, lambda _: None)
        archive.close()


def test_a_probe_says_what_is_missing(orthanc: OrthancPeer) -> None:
    with closing(dimse(orthanc.dicom_port)) as archive:
        archive.probe()
    with closing(DicomwebArchive(orthanc.dicomweb_url, clock=SystemClock())) as archive:
        archive.probe()
    elsewhere = DicomwebArchive(f"{orthanc.url}/elsewhere", clock=SystemClock())
    with closing(elsewhere), pytest.raises(PeerUnreachable, match="DICOMweb root"):
        elsewhere.probe()
    without = a_dimse_peer([(evt.EVT_C_FIND, lambda _: iter(()))], can_get=False)
    with without as port, closing(dimse(port)) as archive, pytest.raises(NotOffered, match="no C-GET"):
        archive.probe()


def test_an_orthanc_that_does_not_allow_us_to_get_says_so(tmp_path: Path) -> None:
    settings = {"DicomAlwaysAllowGet": False, "DicomAlwaysAllowFind": False}
    with OrthancPeer.start(tmp_path, settings=settings) as own:
        archive = dimse(own.dicom_port)
        with pytest.raises((PeerRefused, PeerUnreachable)):
            archive.instances("1.2.3")
        archive.close()


@pytest.mark.slow
def test_matches_without_end_are_cancelled() -> None:
    is_cancelled = False

    def answer(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        nonlocal is_cancelled
        if event.identifier.QueryRetrieveLevel == "IMAGE":
            return
        for _ in range(3 * MOST_INSTANCES):
            if event.is_cancelled:
                is_cancelled = True
                yield 0xFE00, None
                return
            yield 0xFF00, match(SeriesInstanceUID="")

    with a_dimse_peer([(evt.EVT_C_FIND, answer)]) as port:
        archive = dimse(port)
        assert archive.instances("1.2.3") == []
        assert is_cancelled
        archive.close()


def test_a_peer_that_stops_at_a_limit_of_its_own_has_still_told_what_came_before_it() -> None:
    def answer(event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        level = event.identifier.QueryRetrieveLevel
        for number in range(3):
            uids = {"SOPInstanceUID": f"1.2.3.4.{number}"} if level == "IMAGE" else {}
            yield 0xFF00, match(SeriesInstanceUID="1.2.3.4", **uids)
        yield 0xFE00, None

    with a_dimse_peer([(evt.EVT_C_FIND, answer)]) as port, closing(dimse(port)) as archive:
        assert len(archive.instances("1.2.3")) == 3


@pytest.mark.parametrize(
    ("status", "error"), [(0xA700, PeerUnreachable), (0x0124, PeerUnreachable), (0xA900, PeerRefused)]
)
def test_what_a_peer_answers_instead_is_told(status: int, error: type[Exception]) -> None:
    def refuse(_: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        yield status, None

    with a_dimse_peer([(evt.EVT_C_FIND, refuse)]) as port:
        archive = dimse(port)
        with pytest.raises(error, match=f"0x{status:04X} to C-FIND"):
            archive.instances("1.2.3")
        archive.close()


def test_an_instance_that_was_not_asked_for_is_not_taken() -> None:
    def give(_: evt.Event) -> Iterator[object]:
        yield 1
        yield 0xFF00, film(sop_class_uid=REPORT, sop_instance_uid="9.9.9", transfer_syntax_uid="1.2.840.10008.1.2")

    with a_dimse_peer([(evt.EVT_C_GET, give)]) as port:
        archive = dimse(port)
        written: list[bytes] = []
        with pytest.raises(PeerRefused):
            archive.fetch(FOUND, lambda piece: written.append(bytes(piece)))
        assert written == []
        archive.close()


def a_report(uid: str, **more: object) -> Dataset:
    return film(sop_class_uid=REPORT, sop_instance_uid=uid, transfer_syntax_uid="1.2.840.10008.1.2", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("before", [[], ["9.9.9"]])
@pytest.mark.parametrize("after", [["1.2.3.4.5"], ["9.9.9", "1.2.3.4.5", "1.2.3.4.5"]])
def test_an_instance_that_comes_twice_or_among_others_is_written_once(before: list[str], after: list[str]) -> None:
    sent = [*before, FOUND.sop_instance_uid, *after]

    def give(_: evt.Event) -> Iterator[object]:
        yield len(sent)
        for number, uid in enumerate(sent):
            yield 0xFF00, a_report(uid, seed=number)

    with a_dimse_peer([(evt.EVT_C_GET, give)]) as port:
        archive = dimse(port)
        for _ in range(2):  # the second time over the same association
            target = io.BytesIO()
            archive.fetch(FOUND, target.write)
            target.seek(0)
            assert pydicom.dcmread(target).PixelData == a_report("1.2", seed=len(before)).PixelData
        archive.close()


@pytest.mark.parametrize("wanted", [[], [FOUND.sop_instance_uid]])
def test_a_peer_that_sends_megabytes_nobody_asked_for_is_hung_up_on(wanted: list[str]) -> None:
    def give(_: evt.Event) -> Iterator[object]:
        yield 6
        for uid in wanted:
            yield 0xFF00, a_report(uid)
        for _ in range(5):
            yield 0xFF00, a_report("9.9.9", rows=2000, columns=1000)

    with a_dimse_peer([(evt.EVT_C_GET, give)]) as port:
        archive = dimse(port)
        written: list[bytes] = []
        for _ in range(2):
            with contextlib.nullcontext() if wanted else pytest.raises(PeerRefused, match="did not send"):
                archive.fetch(FOUND, lambda piece: written.append(bytes(piece)))
        assert sum(map(len, written)) < 50_000
        archive.close()


def test_a_silent_peer_is_waited_for_and_no_longer() -> None:
    with a_hanging_peer() as silent:
        with pytest.raises(PeerUnreachable):
            dimse(silent.port, timeouts=HASTY).instances("1.2.3")
        with pytest.raises(PeerUnreachable):
            DicomwebArchive(f"http://127.0.0.1:{silent.port}/x", clock=SystemClock(), timeouts=HASTY).instances("1.2.3")


def test_noise_on_the_port_is_no_dicom() -> None:
    with a_hanging_peer(b"SSH-2.0-OpenSSH_9.2\r\n") as noisy:
        with pytest.raises(PeerUnreachable):
            dimse(noisy.port, timeouts=HASTY).instances("1.2.3")
        with pytest.raises(PeerUnreachable):
            DicomwebArchive(f"http://127.0.0.1:{noisy.port}/x", clock=SystemClock(), timeouts=HASTY).instances("1.2.3")


class WebPeer:
    """An HTTP server that answers every GET with ``answer``: status, content type and pieces of a body."""

    def __init__(self) -> None:
        self.answer: tuple[int, str, Callable[[], Iterator[bytes]]] = (200, "text/plain", lambda: iter(()))
        self.asked: list[str] = []
        self.status_of_studies = 0
        self.coding = ""
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"peer": self}))
        self._server.daemon_threads = True
        self.archive = DicomwebArchive(
            f"http://127.0.0.1:{self._server.server_port}/dicom-web",
            clock=SystemClock(),
            username="u",
            password="p",
            timeouts=CALM,
        )
        Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def says(self, body: bytes, *, status: int = 200, content_type: str = "application/dicom+json") -> None:
        self.answer = (status, content_type, lambda: iter((body,)))

    def stop(self) -> None:
        self.archive.close()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    peer: WebPeer

    def do_GET(self) -> None:
        self.peer.asked.append(f"{self.path} {self.headers.get('Authorization')}")
        status, content_type, pieces = self.peer.answer
        if "/studies?" in self.path and self.peer.status_of_studies:
            status = self.peer.status_of_studies
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Encoding", self.peer.coding)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.end_headers()
        with contextlib.suppress(OSError):
            for piece in pieces():
                self.wfile.write(piece)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        pass


@pytest.fixture
def a_web_peer() -> Iterator[WebPeer]:
    peer = WebPeer()
    yield peer
    peer.stop()


MULTIPART = 'multipart/related; type="application/dicom"; boundary="b"'
PART = b"\r\n--b\r\nContent-Type: application/dicom\r\n\r\n"


def fetched(peer: WebPeer) -> bytes:
    written: list[bytes] = []
    peer.archive.fetch(FOUND, lambda piece: written.append(bytes(piece)))
    return b"".join(written)


@pytest.mark.parametrize(
    "body", [b"<html>not here</html>", b"[[", b'{"a": 1}', b'[1, "x"]', b'[{"00080018": 5}]', b"[" * 100_000]
)
def test_an_answer_that_is_no_dicom_json_is_told(a_web_peer: WebPeer, body: bytes) -> None:
    a_web_peer.says(body)
    with pytest.raises(PeerUnreachable, match="DICOMweb root"):
        a_web_peer.archive.instances("1.2.3")


def test_names_that_are_no_uids_become_no_part_of_a_url(a_web_peer: WebPeer) -> None:
    entry = {tag: {"vr": "UI", "Value": ["../../admin?x="]} for tag in ("00080018", "0020000E", "00080016")}
    a_web_peer.says(json.dumps([entry, {}, {"00080018": {"vr": "UI"}}]).encode())
    assert a_web_peer.archive.instances("1.2.3") == []


@pytest.mark.parametrize("preamble", [b"", b"this is a preamble"])
@pytest.mark.parametrize("content", [b"", b"x", b"\r\n--", b"\r\n--c" * 50_000, bytes(300_000)])
def test_a_part_comes_whole_whatever_is_in_it(a_web_peer: WebPeer, preamble: bytes, content: bytes) -> None:
    a_web_peer.says(preamble + PART + content + b"\r\n--b--\r\n", content_type=MULTIPART)
    assert fetched(a_web_peer) == content


def test_a_first_boundary_without_a_line_before_it_and_a_single_part_are_understood(a_web_peer: WebPeer) -> None:
    a_web_peer.says(PART[2:] + b"abc\r\n--b\r\n\r\nanother\r\n--b--", content_type=MULTIPART)
    assert fetched(a_web_peer) == b"abc"
    a_web_peer.says(b"abc", content_type="application/dicom")
    assert fetched(a_web_peer) == b"abc"


@pytest.mark.parametrize("body", [b"", b"no boundary", PART + b"half of it", bytes(300_000)])
def test_a_multipart_answer_that_is_none_is_told(a_web_peer: WebPeer, body: bytes) -> None:
    a_web_peer.says(body, content_type=MULTIPART)
    with pytest.raises(PeerRefused, match="multipart answer"):  # of this one: the peer is well
        fetched(a_web_peer)


@pytest.mark.parametrize(
    "content_type",
    [
        'Multipart/Related; Type="application/dicom"; BOUNDARY="=_a c;d"',
        'multipart/related;type="application/dicom";boundary="=_a c;d"',
        'multipart/related ; boundary="=_a c;d" ; type=application/dicom; start="boundary=x"',
        r'multipart/related; start="<\"; boundary=x>"; boundary = "=_a\ c\;d"',
        'multipart/related; type="application/dicom; boundary=x"; transfer-syntax=*;\tboundary\t=\t"=_a c;d"',
    ],
)
def test_the_boundary_is_found_however_the_content_type_is_written(a_web_peer: WebPeer, content_type: str) -> None:
    part = b"--=_a c;d\r\nContent-Type: application/dicom\r\n\r\nabc\r\n--=_a c;d--\r\n"
    a_web_peer.says(part, content_type=content_type)
    assert fetched(a_web_peer) == b"abc"


@pytest.mark.parametrize(
    "content_type", ["", ";", "boundary=b", "multipart/related; boundary", 'x; boundary="b', "é;=;"]
)
def test_a_content_type_without_a_boundary_is_no_error(a_web_peer: WebPeer, content_type: str) -> None:
    a_web_peer.says(b"abc", content_type=content_type)
    assert fetched(a_web_peer) == b"abc"


def test_lines_may_end_in_a_line_feed_alone_and_delimiters_in_blanks(a_web_peer: WebPeer) -> None:
    a_web_peer.says(b"hello\n--b \t\nContent-Type: application/dicom\n\nabc\r\nd\n--b--\n", content_type=MULTIPART)
    assert fetched(a_web_peer) == b"abc\r\nd"


def bare(content: bytes) -> bytes:
    deflater = zlib.compressobj(wbits=-15)
    return deflater.compress(content) + deflater.flush()


@pytest.mark.parametrize(
    ("coding", "encode"),
    [("gzip", gzip.compress), ("X-GZIP", gzip.compress), ("deflate", zlib.compress), ("deflate", bare)],
)
def test_a_body_in_a_coding_that_nobody_asked_for_is_read(
    a_web_peer: WebPeer, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    content = random.Random(1).randbytes(200_000) + bytes(3_000_000)  # the second half in a thousandth of its size
    a_web_peer.coding = coding
    a_web_peer.says(encode(PART + content + b"\r\n--b--\r\n"), content_type=MULTIPART)
    assert fetched(a_web_peer) == content
    a_web_peer.says(encode(b"[" + b" " * 2_000_000 + b"]"))
    assert a_web_peer.archive.instances("1.2.3") == []
    for spoilt in (encode(PART)[:-12], b"not " + encode(PART), b""):
        a_web_peer.says(spoilt, content_type=MULTIPART)
        with pytest.raises((PeerUnreachable, PeerRefused)):
            fetched(a_web_peer)


def test_a_body_in_an_unknown_coding_is_told(a_web_peer: WebPeer) -> None:
    a_web_peer.coding = "br"
    a_web_peer.says(b"[]")
    with pytest.raises(PeerUnreachable, match="'br', which nobody asked for"):
        a_web_peer.archive.instances("1.2.3")


def test_a_bomb_is_left_when_the_writer_has_enough(a_web_peer: WebPeer) -> None:
    a_web_peer.coding = "gzip"
    a_web_peer.says(gzip.compress(PART + bytes(50_000_000)), content_type=MULTIPART)
    longest = 0

    def write(piece: bytes | memoryview) -> None:
        nonlocal longest
        longest = max(longest, len(piece))
        raise PeerRefused("enough")

    with pytest.raises(PeerRefused, match="enough"):
        a_web_peer.archive.fetch(FOUND, write)
    assert longest < 200_000


def test_an_answer_without_end_is_left_when_the_writer_has_enough(a_web_peer: WebPeer) -> None:
    class EnoughError(Exception):
        pass

    def endless() -> Iterator[bytes]:
        yield PART
        while True:
            yield bytes(65_536)

    taken = 0

    def write(piece: bytes | memoryview) -> None:
        nonlocal taken
        taken += len(piece)
        if taken > 1 << 20:
            raise EnoughError

    a_web_peer.answer = (200, MULTIPART, endless)
    with pytest.raises(EnoughError):
        a_web_peer.archive.fetch(FOUND, write)
    a_web_peer.says(b"[]")
    assert a_web_peer.archive.instances("1.2.3") == []


@pytest.mark.parametrize(
    ("status", "error"), [(401, PeerUnreachable), (302, PeerUnreachable), (503, PeerUnreachable), (404, PeerRefused)]
)
def test_an_instance_that_is_not_given_is_told_and_no_redirect_followed(
    a_web_peer: WebPeer, status: int, error: type[Exception]
) -> None:
    a_web_peer.says(b"", status=status)
    with pytest.raises(error):
        fetched(a_web_peer)
    assert a_web_peer.asked == ["/dicom-web/studies/1.2.3/series/1.2.3.4/instances/1.2.3.4.5 Basic dTpw"]


@pytest.mark.parametrize("most", [10, 30, 100, 5000])
def test_a_study_comes_whole_from_a_server_with_a_limit_of_its_own(a_web_peer: WebPeer, most: int) -> None:
    entries = [
        {"00080018": {"vr": "UI", "Value": [f"1.2.{n}"]}, "0020000E": {"vr": "UI", "Value": ["1.2"]}}
        for n in range(2000)
    ]

    def page() -> Iterator[bytes]:
        asked = parse_qs(urlsplit(a_web_peer.asked[-1].split()[0]).query)
        start, limit = int(asked["offset"][0]), min(most, int(asked["limit"][0]))
        yield json.dumps(entries[start : start + limit]).encode()

    a_web_peer.answer = (200, "application/dicom+json", page)
    assert len(a_web_peer.archive.instances("1.2.3")) == 2000


def test_a_server_that_does_not_know_the_study_has_nothing_of_it_however_it_says_so(a_web_peer: WebPeer) -> None:
    a_web_peer.says(b"", status=204)
    assert a_web_peer.archive.instances("1.2.3") == []
    a_web_peer.answer = (404, "text/html", lambda: iter((b"<html>no such study</html>",)))
    a_web_peer.status_of_studies = 200
    assert a_web_peer.archive.instances("1.2.3") == []
    a_web_peer.status_of_studies = 404
    with pytest.raises(PeerUnreachable, match="must be the DICOMweb root"):
        a_web_peer.archive.instances("1.2.3")


def test_a_study_comes_page_by_page_and_a_server_without_pages_is_asked_twice(a_web_peer: WebPeer) -> None:
    entries = [
        {"00080018": {"vr": "UI", "Value": [f"1.2.{n}"]}, "0020000E": {"vr": "UI", "Value": ["1.2"]}}
        for n in range(200)
    ]
    a_web_peer.says(json.dumps(entries).encode())
    assert len(a_web_peer.archive.instances("1.2.3")) == 200
    assert len(a_web_peer.asked) == 2


def test_studies_are_found_by_their_accession_number(orthanc: OrthancPeer) -> None:
    accession = generate_uid()[-16:]
    mine = film(AccessionNumber=accession, patient_name="Nguyễn^An", patient_id="P7")
    for each in (mine, film(AccessionNumber=accession[:-1])):
        orthanc.upload(film_bytes(each))
    with (
        closing(dimse(orthanc.dicom_port)) as by_dimse,
        closing(DicomwebArchive(orthanc.dicomweb_url, clock=SystemClock())) as by_web,
    ):
        for archive in (by_dimse, by_web):
            (found,) = archive.studies(accession)
            assert (found.study_instance_uid, found.patient_id) == (mine.StudyInstanceUID, "P7")
            assert found.patient_name == str(mine.PatientName)
            assert found.patient_birth_date == mine.PatientBirthDate
            assert archive.studies("nobody's") == []


def test_a_server_that_searches_for_nothing_finds_no_study_of_an_accession_number(a_web_peer: WebPeer) -> None:
    study = {"0020000D": {"vr": "UI", "Value": ["1.2.3"]}, "00080050": {"vr": "SH", "Value": ["A1"]}}
    a_web_peer.says(json.dumps([study, {}, study | {"00080050": {"vr": "SH"}}]).encode())
    assert a_web_peer.archive.studies("A2") == []
    (found,) = a_web_peer.archive.studies("A1")
    assert (found.study_instance_uid, found.patient_name) == ("1.2.3", "")


def test_a_slow_link_is_left_to_the_others(orthanc: OrthancPeer) -> None:
    dataset = film(sop_class_uid=REPORT, rows=250, columns=200, study_instance_uid=generate_uid())
    orthanc.upload(film_bytes(dataset))
    for archive in (
        dimse(orthanc.dicom_port, kbit=800),
        DicomwebArchive(orthanc.dicomweb_url, clock=SystemClock(), max_kbit_per_second=800),
    ):
        (found,) = archive.instances(dataset.StudyInstanceUID)
        begun = time.monotonic()
        archive.fetch(found, lambda _: None)
        assert time.monotonic() - begun > 0.8  # 100,000 bytes at 100,000 bytes a second
        archive.close()
