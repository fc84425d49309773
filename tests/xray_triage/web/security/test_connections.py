"""Nobody fills the page: real connections from several addresses of loopback."""

import select
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

from tests.factories import StoppedClock, until
from tests.xray_triage.desk import TestDesk
from xray_triage.config.sections import WebSection
from xray_triage.config.values import Tls
from xray_triage.web.security.connections import MOST_CONNECTIONS, TELL_SECONDS, LimitedSocket
from xray_triage.web.server import WebServer

Connect = Callable[[int, str], socket.socket]


@pytest.fixture
def connect() -> Iterator[Connect]:
    """Opens a connection to a port from an address of loopback, until the end of the test."""
    with ExitStack() as opened:

        def one(port: int, source: str) -> socket.socket:
            return opened.enter_context(closing(socket.create_connection(("127.0.0.1", port), 60, (source, 0))))

        yield one


def turned_away(connections: list[socket.socket]) -> int:
    """How many of those that have said nothing were closed by the other side."""
    ready = select.poll()
    for connection in connections:
        ready.register(connection, select.POLLIN)
    return len(ready.poll(0))


def is_served(url: str, source: str) -> bool:
    """Whether a browser at ``source`` gets the page now."""
    transport = httpx.HTTPTransport(local_address=source, verify=False)
    with httpx.Client(base_url=url, transport=transport, timeout=60) as browser:
        try:
            return browser.get("/healthz").status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def tls(request: pytest.FixtureRequest, tmp_path: Path) -> Tls | None:
    """A certificate of this computer, or none."""
    if not request.param:
        return None
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    order = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*order, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return Tls(cert=cert, key=key)


@pytest.mark.slow
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"], indirect=True)
def test_500_silent_connections_from_one_address_shut_nobody_else_out(
    sqlite_desk: TestDesk, connect: Connect, tls: Tls | None
) -> None:
    server = WebServer(WebSection(port=0, tls=tls), sqlite_desk.app(), head_seconds=600)
    with capture_logs() as log:
        server.start()
        try:
            port = int(server.url.rpartition(":")[2])
            silent = [connect(port, "127.0.0.2") for _ in range(500)]
            until(lambda: turned_away(silent) == 500 - MOST_CONNECTIONS // 2)
            assert is_served(server.url, "127.0.0.1")
            assert not is_served(server.url, "127.0.0.2")
            for connection in silent:
                connection.close()
            until(lambda: is_served(server.url, "127.0.0.2"))
        finally:
            server.stop()
    told = [line for line in log if line["event"] == "page connections refused"]
    assert [line["address"] for line in told] == ["127.0.0.2"]


def test_each_address_gets_half_of_what_the_others_leave_and_a_new_one_always_something(connect: Connect) -> None:
    clock = StoppedClock()
    with (
        closing(LimitedSocket(socket.create_server(("127.0.0.1", 0)), clock=clock, most=16)) as door,
        ExitStack() as guests,
    ):
        port = door.getsockname()[1]

        def comes_in(source: str) -> bool:
            connect(port, source)
            try:
                guests.enter_context(closing(door.accept()[0]))
            except ConnectionAbortedError:
                return False
            return True

        with capture_logs() as log:
            held = [sum(comes_in(f"127.0.0.{number}") for _ in range(16)) for number in range(2, 8)]
            assert held == [8, 4, 2, 1, 1, 0]
            clock.advance(TELL_SECONDS)
            assert not comes_in("127.0.0.9")
            guests.close()
            guests.close()
            assert [comes_in("127.0.0.2") for _ in range(9)] == [True] * 8 + [False]
        assert [(line["address"], line["refused"]) for line in log] == [("127.0.0.2", 1), ("127.0.0.9", 80)]
