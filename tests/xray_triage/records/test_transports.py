"""What a peer answers, and what is made of it: taken, refused with its words, or again."""

import json
import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from dicom_router.clock import SystemClock
from dicom_router.errors import PeerRefused, PeerUnreachable, PeerUntrusted
from tests.peers.certificates import Authority
from tests.peers.his import His, parsed
from tests.peers.orthanc import free_port
from tests.rehearsal.link import Link
from tests.xray_triage.records.samples import AT, a_record
from xray_triage.config.values import Tls
from xray_triage.records.fhir_transport import FhirTransport
from xray_triage.records.folder_transport import FolderRecords
from xray_triage.records.hl7_transport import Hl7Transport
from xray_triage.records.transport import RecordTransport
from xray_triage.tls import client_tls

NUMBER = "a1b2c3d4e5f6.1"
OUTCOME = {
    "resourceType": "OperationOutcome",
    "issue": [{"severity": "error", "code": "invalid", "diagnostics": "Patient.birthDate: no such day"}],
}


def send(transport: RecordTransport, number: str = NUMBER) -> str:
    try:
        return transport.send(transport.compose(a_record(), number=number, at=AT), number)
    finally:
        transport.close()


def to_his(his: His, **options: object) -> Hl7Transport:
    return Hl7Transport("127.0.0.1", his.port, clock=SystemClock(), answer_seconds=0.3, **options)  # type: ignore[arg-type]


def test_a_his_that_acknowledges_has_the_message() -> None:
    with His() as his:
        assert send(to_his(his)) == "AA"
        assert parsed(his.messages[NUMBER]).msh.msh_10.to_er7() == NUMBER


@pytest.mark.parametrize(("answer", "words"), [("AE|PID-3: unknown", "AE: PID-3: unknown"), ("AR", "it does not say")])
def test_a_his_that_refuses_is_quoted(answer: str, words: str) -> None:
    with His(answers=lambda *_: answer) as his, pytest.raises(PeerRefused, match=words) as refused:
        send(to_his(his))
    assert refused.value.status == answer[:2]


@pytest.mark.parametrize("his", [His(mute=True), His(answers=lambda *_: None)], ids=["mute", "hangs up"])
def test_without_an_acknowledgement_it_is_sent_again(his: His) -> None:
    with his, pytest.raises(PeerUnreachable, match=r"acknowledgement"):
        send(to_his(his))
    his.answers, his.mute = lambda *_: "AA", False
    with his:
        assert send(to_his(his)) == "AA"
    assert his.times[NUMBER] == 2


def test_a_his_that_answers_something_else_is_waited_for() -> None:
    with His(answers=lambda *_: "??|x") as his, pytest.raises(PeerUnreachable, match=r"answered \?\? in MSA-1"):
        send(to_his(his))
    with pytest.raises(PeerUnreachable, match="check the link, host and port"):
        Hl7Transport("127.0.0.1", free_port(), clock=SystemClock()).echo()


def test_a_connection_is_kept_and_one_that_the_his_closed_is_opened_anew() -> None:
    with His() as his:
        transport = to_his(his)
        for number in ("x.1", "x.2"):
            assert transport.send(transport.compose(a_record(), number=number, at=AT), number) == "AA"
        assert his.connections == 1
        his._open[0].shutdown(2)
        assert send(transport, "x.3") == "AA"
        assert his.connections == 2


def test_an_acknowledgement_of_another_message_is_none_of_this_one_and_is_told() -> None:
    with His(answers=lambda *_: "AA") as his:
        transport = to_his(his)
        content = transport.compose(a_record(), number=NUMBER, at=AT)
        words = rf"no acknowledgement in time, only one of '{NUMBER}' \(MSA-2\), not of 'Another'"
        with pytest.raises(PeerUnreachable, match=words):
            transport.send(content, "Another")


def test_a_connection_that_ends_within_the_acknowledgement_is_none() -> None:
    with cut_off_at(40) as port:
        transport = Hl7Transport("127.0.0.1", port, clock=SystemClock(), answer_seconds=5)
        with pytest.raises(PeerUnreachable, match="ended the connection without an acknowledgement"):
            send(transport)


@pytest.mark.slow
def test_a_message_may_take_longer_to_leave_than_its_answer_may_take_to_come() -> None:
    with His() as his, Link(his.port, kbit_per_second=2400, receive_bytes=1 << 14).running() as link:
        transport = Hl7Transport("127.0.0.1", link.port, clock=SystemClock(), answer_seconds=0.4)
        content = transport.compose(a_record(pdf=bytes(240_000)), number=NUMBER, at=AT)
        begun = SystemClock().monotonic()
        assert transport.send(content, NUMBER) == "AA"
        assert SystemClock().monotonic() - begun > 0.8, "the link was too quick to show anything"
        transport.close()


def test_a_his_behind_tls_must_be_the_one_that_the_site_trusts(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    own = authority.sign("his")
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    served.load_cert_chain(own.cert, own.key)
    with His(tls=served) as his:
        assert send(to_his(his, tls=client_tls(Tls(ca=authority.ca)))) == "AA"
        for ask in (send, lambda transport: transport.echo()):
            with pytest.raises(PeerUntrusted, match="check the certificates"):
                ask(to_his(his, tls=client_tls(Tls(ca=other.ca))))


@contextmanager
def cut_off_at(count: int) -> Iterator[int]:
    """A HIS that hangs up after so many bytes of its acknowledgement AA; gives its port."""
    ack = f"\x0bMSH|^~\\&|HIS||XRAY-TRIAGE||20260101||ACK|A1|P|2.5\rMSA|AA|{NUMBER}\r\x1c\r".encode()

    def answer(server: socket.socket) -> None:
        wire, _ = server.accept()
        with wire:
            while b"\x1c\r" not in wire.recv(1 << 20):
                pass
            wire.sendall(ack[:count])

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        yield server.getsockname()[1]
        thread.join()


Reply = tuple[int, Mapping[str, str], object]


@contextmanager
def a_server(answer: Callable[[str], Reply]) -> Iterator[tuple[str, list[str]]]:
    """An HTTP server that answers by what stands in Authorization; gives its URL and these headers in their order."""
    seen: list[str] = []

    class Odd(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            seen.append(self.headers.get("Authorization", ""))
            status, headers, said = answer(seen[-1])
            body = said.encode() if isinstance(said, str) else json.dumps(said).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Odd)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/fhir", seen
    server.shutdown()
    server.server_close()


def answered(status: int, said: object, **headers: str) -> Exception | str:
    with a_server(lambda _: (status, {name.replace("_", "-"): value for name, value in headers.items()}, said)) as at:
        try:
            return send(FhirTransport(at[0]))
        except (PeerUnreachable, PeerRefused) as error:
            return error


def test_a_server_that_takes_the_transaction_has_it() -> None:
    entries = [{"response": {"status": "201 Created"}}, {"response": {"status": "200"}}]
    assert answered(200, {"resourceType": "Bundle", "entry": entries}) == "HTTP 200"
    assert answered(201, "") == "HTTP 201"


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_server_that_refuses_is_quoted(status: int) -> None:
    error = answered(status, OUTCOME)
    assert isinstance(error, PeerRefused)
    assert str(error).endswith(f"HTTP {status}: Patient.birthDate: no such day")
    assert error.status == f"HTTP {status}"


def test_one_that_took_a_part_of_the_transaction_alone_has_not_got_it() -> None:
    said = {"resourceType": "Bundle", "entry": [{"response": {"status": "422", "outcome": OUTCOME}}]}
    error = answered(200, said)
    assert isinstance(error, PeerRefused)
    assert "no such day" in str(error)


@pytest.mark.parametrize("status", [404, 405, 409, 412, 429, 500, 503])
def test_a_server_that_cannot_take_it_now_is_waited_for(status: int) -> None:
    error = answered(status, OUTCOME if status != 503 else "<html>", Retry_After="120")
    assert isinstance(error, PeerUnreachable)
    assert error.status == f"HTTP {status}"
    assert error.after_seconds == (120 if status not in (404, 405) else 0)
    assert error.slowly == (status in (404, 405))


def test_a_login_page_is_no_acknowledgement() -> None:
    error = answered(200, "<html>Đăng nhập</html>")
    assert isinstance(error, PeerUnreachable)
    assert "no login page" in str(error)


def test_an_outcome_that_names_a_fault_is_a_refusal_whatever_its_status() -> None:
    error = answered(200, OUTCOME)
    assert isinstance(error, PeerRefused)
    assert str(error).endswith("HTTP 200: Patient.birthDate: no such day")
    assert answered(200, {"resourceType": "OperationOutcome", "issue": [{"severity": "information"}]}) == "HTTP 200"


@pytest.mark.parametrize("said", [{"entry": [1, {"response": [2]}]}, {"entry": 3, "issue": 4}, {"type": [5]}])
def test_an_answer_of_odd_json_stops_no_lane(said: dict[str, object]) -> None:
    assert answered(200, {"resourceType": "Bundle"} | said) == "HTTP 200"
    failed = answered(422, {"resourceType": "OperationOutcome", "issue": [1, {"details": 2, "expression": 3}]} | said)
    assert isinstance(failed, PeerRefused)


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_a_bundle_that_was_put_away_undone_is_no_acknowledgement(kind: str) -> None:
    error = answered(201, {"resourceType": "Bundle", "type": kind, "entry": [{"resource": {}}]})
    assert isinstance(error, PeerUnreachable)
    assert "url must be the base" in str(error)


def test_the_token_is_read_anew_and_stands_in_no_error(tmp_path: Path) -> None:
    file = tmp_path / "token"
    taken: Reply = (200, {}, {"resourceType": "Bundle"})
    with a_server(lambda said: taken if said == "Bearer second" else (401, {}, OUTCOME)) as (url, seen):
        transport = FhirTransport(url, token_file=file)
        for written, words in {None: "cannot be read", b"\n": "no token in it", b"\xff\xfe": "not plain text"}.items():
            if written is not None:
                file.write_bytes(written)
            with pytest.raises(PeerUnreachable, match=words):
                send(transport)
        file.write_text("first-secret\n")
        with pytest.raises(PeerUnreachable, match="does not take the token; renew token_file") as error:
            send(transport)
        assert "secret" not in f"{error.value!r}"
        file.write_text("second\n")
        assert send(transport) == "HTTP 200"
        assert seen == ["Bearer first-secret", "Bearer second"]


def test_a_folder_gets_message_and_row_whole_and_under_the_same_names_again(tmp_path: Path) -> None:
    transport = FolderRecords(tmp_path)
    assert send(transport) == send(transport) == "written"
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{NUMBER}.hl7", f"{NUMBER}.xml"]
    parsed((tmp_path / f"{NUMBER}.hl7").read_bytes().decode())
    unread = transport.compose(a_record(result=None, pdf=b""), number="x.2", at=AT)
    assert len(unread) == 1, "no row without a doctor's result"


def test_a_folder_that_is_away_is_no_new_folder(tmp_path: Path) -> None:
    with pytest.raises(PeerUnreachable, match="mount the share"):
        send(FolderRecords(tmp_path / "share"))
    assert not (tmp_path / "share").exists()


def test_a_full_disk_leaves_no_half_file(a_small_disk: Path) -> None:
    (a_small_disk / "full").write_bytes(b"\0" * (os.statvfs(a_small_disk).f_bavail * 4096 - 8192))
    transport = FolderRecords(a_small_disk)
    content = transport.compose(a_record(pdf=b"\1" * 90_000), number=NUMBER, at=AT)
    with pytest.raises(PeerUnreachable, match="No space left"):
        transport.send(content, NUMBER)
    assert [path.suffix for path in a_small_disk.iterdir() if path.name != "full"] in ([], [".xml"])
