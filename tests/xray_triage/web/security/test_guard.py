"""What may be said to the page, and how its answers are secured: FAULTS 27."""

import asyncio
import socket
from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp, Message

from tests.xray_triage.desk import TestDesk, reading
from xray_triage.config.sections import WebSection
from xray_triage.web.security.guard import MAX_BODY_BYTES, Guard
from xray_triage.web.server import WebServer

JSON = {"Content-Type": "application/json"}


def test_a_name_that_is_not_this_computers_gets_nothing(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading())
    foreign = ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "192.168.1.9")
    broken = (
        "",
        "[",
        "[::1",
        "[localhost]x",
        "evil@localhost",
        "localhost/x",
        "localhost?",
        "localhost:x",
        "localhost evil",
    )
    for host in foreign + broken:
        answer = client.get("/api/cases", headers={"Host": host})
        assert (answer.status_code, "pneumothorax" in answer.text) == (421, False), host


def test_this_computer_is_served_under_its_names(client: httpx.Client) -> None:
    for host in ("localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "[::1]"):
        assert client.get("/healthz", headers={"Host": host}).status_code == 200, host


def test_every_route_answers_head_as_it_answers_get(url: str, client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case = sqlite_desk.add(reading())
    study = sqlite_desk.casebook.case(case.case_id).study_instance_uid  # type: ignore[union-attr]
    web = f"/dicom-web/studies/{study}"
    for path in (
        "/healthz", "/readyz", "/metrics", "/login", "/", "/health", "/orders", "/figures", "/figures.csv",
        "/api/cases", "/api/queue", f"/api/cases/{case.case_id}", f"/cases/{case.case_id}", "/static/page.js", web,
        f"{web}/metadata", "/dicom-web/studies", "/nowhere", "/api/cases/nobody", "/events",
    ):  # fmt: skip
        head = client.head(path)
        with client.stream("GET", path) as got:  # a stream without an end is not read
            assert (head.status_code, head.content) == (got.status_code, b""), path
            assert head.headers["content-type"].split(";")[0] == got.headers["content-type"].split(";")[0], path
    assert httpx.head(f"{url}/api/cases").status_code == 401
    assert client.post("/healthz", json={}).status_code == 405


def test_another_sites_page_cannot_act(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    url = f"/api/cases/{sqlite_desk.add(reading()).case_id}/verdict"
    host = client.base_url.netloc.decode()
    foreign = (
        "https://evil.example",
        "null",
        "http://127.0.0.1:9",
        "http://[",
        "",
        f"ftp://{host}",
        f"http://x@{host}",
    )
    for origin in foreign:
        assert client.post(url, json={"agrees": True}, headers={"Origin": origin}).status_code == 403, origin
    for origin in (f"http://{host}", f"https://{host}"):  # a proxy on this computer may speak TLS
        assert client.post(url, json={"agrees": True}, headers={"Origin": origin}).status_code == 200, origin
    assert client.post(url, json={"agrees": True}).status_code == 200  # a program sends no origin


def test_with_tls_no_page_in_the_clear_may_act() -> None:
    """Such a page may be anybody's on the way."""
    said = []

    async def app(*_: object) -> None:
        said.append(200)

    async def answer(message: Message) -> None:
        said.append(message.get("status", 0))

    async def body() -> Message:
        return {"type": "http.request"}

    for origin in (b"http://localhost", b"https://localhost"):
        headers = [(b"host", b"localhost"), (b"origin", origin), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "scheme": "https", "path": "/login", "headers": headers}
        asyncio.run(Guard(app)(scope, body, answer))
    assert said == [403, 0, 200]


def test_a_station_answers_to_the_names_it_was_given(serve: Callable[[ASGIApp], str], sqlite_desk: TestDesk) -> None:
    url = serve(sqlite_desk.app(host_names=("xquang.tram.local", "192.168.1.9")))
    with httpx.Client(base_url=url) as client:
        for host, status in (("XQuang.tram.local:8080", 200), ("192.168.1.9", 200), ("tram.local", 421)):
            assert client.get("/healthz", headers={"Host": host}).status_code == status


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data; boundary=x"])
def test_what_no_page_of_ours_sends_is_refused(client: httpx.Client, sqlite_desk: TestDesk, kind: str) -> None:
    url = f"/api/cases/{sqlite_desk.add(reading()).case_id}/verdict"
    assert client.post(url, content=b'{"agrees": true}', headers={"Content-Type": kind}).status_code == 415


def test_a_large_body_is_refused_before_it_is_kept(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    url = f"/api/cases/{sqlite_desk.add(reading()).case_id}/verdict"
    assert client.post(url, content=b" " * (MAX_BODY_BYTES + 1), headers=JSON).status_code == 413


def test_every_answer_carries_the_security_headers(client: httpx.Client) -> None:
    for path in ("/", "/api/cases", "/nothing", "/static/page.js", "/healthz", "/login", "/users"):
        headers = client.get(path).headers
        assert "script-src 'self';" in headers["Content-Security-Policy"], path
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
    assert client.get("/").headers["Cache-Control"] == "no-store"


def test_only_the_page_with_the_viewer_may_compile_webassembly(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    policy = client.get(f"/cases/{sqlite_desk.add(reading()).case_id}").headers["Content-Security-Policy"]
    assert "script-src 'self' 'wasm-unsafe-eval';" in policy
    assert "worker-src 'self' blob:;" in policy
    assert "'unsafe-" not in policy


@pytest.fixture
def port(url: str) -> int:
    """Where the desk's server listens."""
    return int(url.rpartition(":")[2])


def spoken(port: int, *pieces: bytes) -> bytes:
    """What the server says to ``pieces`` until it closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for piece in pieces:
            try:
                connection.sendall(piece)
            except OSError:
                break  # the server has closed already, which is what we ask for
        heard = b""
        try:
            while piece := connection.recv(65536):
                heard += piece
        except OSError:
            pass
        return heard


def head(port: int, *lines: str) -> bytes:
    return "\r\n".join(("POST /api/cases/0/verdict HTTP/1.1", f"Host: 127.0.0.1:{port}", *lines, "", "")).encode()


def test_a_body_that_never_comes_is_not_waited_for(serve: Callable[[ASGIApp], str], sqlite_desk: TestDesk) -> None:
    app = sqlite_desk.app()
    app.add_middleware(Guard, body_seconds=0.2)
    port = int(serve(app).rpartition(":")[2])
    heard = spoken(port, head(port, "Content-Type: application/json", "Content-Length: 1000"), b"{")
    assert heard.startswith(b"HTTP/1.1 408 ")


@pytest.mark.slow
def test_a_head_that_never_comes_is_not_waited_for(sqlite_desk: TestDesk) -> None:
    server = WebServer(WebSection(port=0), sqlite_desk.app(), head_seconds=1.0)
    server.start()
    port = int(server.url.rpartition(":")[2])
    try:
        assert spoken(port) == b""
        assert spoken(port, b"GET /healthz HTTP/1.1\r\nHost: 127.") == b""
        with httpx.Client(base_url=server.url) as client:  # the others are served meanwhile and after
            assert [client.get("/healthz").status_code for _ in range(3)] == [200] * 3
    finally:
        server.stop()


def test_noise_is_answered_and_writes_no_log(port: int, caplog: pytest.LogCaptureFixture) -> None:
    for noise in (b"\x16\x03\x01\x02\x00\r\n\r\n", b"GET /\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n"):
        assert spoken(port, noise).startswith(b"HTTP/1.1 400 ")
    assert b" 200 " in spoken(
        port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade, close\r\nUpgrade: x\r\n\r\n"
    )
    assert caplog.records == []


def test_an_upload_of_gigabytes_is_cut_off(port: int) -> None:
    opening = head(port, "Content-Type: application/json", "Content-Length: 5000000000")
    assert spoken(port, opening, b" " * (MAX_BODY_BYTES + 1)).startswith(b"HTTP/1.1 413 ")


def test_an_endless_chunked_body_is_cut_off(port: int) -> None:
    chunk = b"4000\r\n" + b" " * 0x4000 + b"\r\n"
    opening = head(port, "Content-Type: application/json", "Transfer-Encoding: chunked")
    assert spoken(port, opening, *[chunk] * 5).startswith(b"HTTP/1.1 413 ")
