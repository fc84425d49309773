"""Fixtures of the page's tests: a real server on loopback over a desk, and a client on it."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from starlette.types import ASGIApp

from tests.triage.desk import TestDesk
from xray_triage.config import WebSection
from xray_triage.web.server import WebServer


@pytest.fixture
def serve() -> Iterator[Callable[[ASGIApp], str]]:
    """Serves an application until the end of the test; gives its URL."""
    servers: list[WebServer] = []

    def start(app: ASGIApp) -> str:
        servers.append(WebServer(WebSection(port=0), app))  # type: ignore[arg-type]
        servers[-1].start()
        return servers[-1].url

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def url(serve: Callable[[ASGIApp], str], sqlite_desk: TestDesk) -> str:
    """Where the desk's page is."""
    return serve(sqlite_desk.app())


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """A program's way to the desk."""
    with httpx.Client(base_url=url, timeout=20) as opened:
        yield opened
