"""Fixtures of the page's tests: a real server on loopback over a desk, and a client on it."""

from collections.abc import Callable, Iterator

import httpx
import pytest
from starlette.types import ASGIApp

from tests.xray_triage.desk import TestDesk
from xray_triage.accounts.roles import Role
from xray_triage.config.sections import WebSection
from xray_triage.web.security.visitor import CSRF_HEADER, csrf_token_of
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
def client(url: str, sqlite_desk: TestDesk) -> Iterator[httpx.Client]:
    """A program's way to the desk, with a doctor's rights."""
    with httpx.Client(base_url=url, timeout=60, headers=bearer(sqlite_desk)) as opened:
        yield opened


@pytest.fixture
def stranger(url: str) -> Iterator[httpx.Client]:
    """A browser in which nobody has signed in."""
    with httpx.Client(base_url=url, timeout=60) as opened:
        yield opened


@pytest.fixture
def enter(url: str, sqlite_desk: TestDesk) -> Iterator[Callable[..., httpx.Client]]:
    """Gives a browser in which the user with a role has signed in: ``enter(Role.ADMIN)``, else the doctor."""
    browsers: list[httpx.Client] = []

    def open_one(role: Role = Role.DOCTOR) -> httpx.Client:
        session = sqlite_desk.session(role)
        headers = {CSRF_HEADER: csrf_token_of(session)}
        browsers.append(httpx.Client(base_url=url, timeout=60, headers=headers))
        browsers[-1].cookies.set("session", session, domain="127.0.0.1", path="/")
        return browsers[-1]

    yield open_one
    for browser in browsers:
        browser.close()


def bearer(desk: TestDesk, role: Role = Role.DOCTOR) -> dict[str, str]:
    """The header by which a program signs in."""
    return {"Authorization": f"Bearer {desk.token(role)}"}
