"""Fixtures of the tests in a real Chromium: a server on loopback over a desk, and a doctor's window on it.

A window fails its test on any error in the console, any error of the page, and any request that leaves loopback.
"""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Error, Page, expect, sync_playwright

from tests.xray_triage.conftest import sqlite_desk
from tests.xray_triage.desk import TestDesk
from tests.xray_triage.web.conftest import serve, url
from xray_triage.accounts.roles import Role

__all__ = ["serve", "sqlite_desk", "url"]  # the same fixtures as of the page's other tests

LAPTOP, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
FLAGS = [
    "--no-sandbox",
    "--enable-unsafe-swiftshader",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
]
AXE = Path(__file__).parents[2] / "xray_triage/web/viewer/node_modules/axe-core/axe.min.js"
RUN_AXE = "axe.run(document, {resultTypes: ['violations']}).then(found => found.violations)"

PATIENCE_SECONDS = 30  # of what waits for something on a page: the machine may be busy

Window = Callable[..., Page]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else Playwright's own; until the last of these tests is done."""
    expect.set_options(timeout=PATIENCE_SECONDS * 1000)
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        except Error as error:
            pytest.skip(f"no Chromium: apt-get install chromium ({error.message.splitlines()[0]})")
        yield opened
        opened.close()


@pytest.fixture
def complaints() -> Iterator[list[str]]:
    """What the windows of this test complained of; a test that expects something takes it out."""
    heard: list[str] = []
    yield heard
    assert heard == []


@pytest.fixture
def open_window(browser: Browser, url: str, complaints: list[str]) -> Iterator[Window]:
    """Opens a window in which nobody has signed in: ``open_window(viewport=PHONE, locale="en-GB")``."""
    contexts: list[BrowserContext] = []

    def open_one(**options: object) -> Page:
        settings = {"base_url": url, "viewport": LAPTOP, "locale": "vi-VN", "timezone_id": "Asia/Ho_Chi_Minh"}
        contexts.append(browser.new_context(**{**settings, **options}))  # type: ignore[arg-type]
        page = contexts[-1].new_page()
        _listen(page, complaints)
        return page

    yield open_one
    for context in contexts:
        context.close()


@pytest.fixture
def enter(open_window: Window, sqlite_desk: TestDesk, url: str) -> Window:
    """Opens a window of somebody who has signed in: ``enter(Role.ADMIN, viewport=PHONE)``, else a doctor's."""

    def open_one(role: Role = Role.DOCTOR, **options: object) -> Page:
        page = open_window(**options)
        page.context.add_cookies([{"name": "session", "value": sqlite_desk.session(role), "url": url}])
        return page

    return open_one


@pytest.fixture(params=[LAPTOP, PHONE], ids=["laptop", "phone"])
def doctor(request: pytest.FixtureRequest, enter: Window) -> Page:
    """A doctor's window, once on a small laptop and once on a phone."""
    return enter(viewport=request.param)


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """Asserts that axe-core finds nothing serious or critical on a page (WCAG 2.2 A and AA, best practices)."""
    if not AXE.is_file():
        pytest.skip(f"no axe-core: npm ci in {AXE.parents[2]}")
    source = AXE.read_text(encoding="utf-8")

    def check(page: Page) -> None:
        page.evaluate(source)  # by the debugger, which the page's Content-Security-Policy does not bind
        found = [one for one in page.evaluate(RUN_AXE) if one["impact"] in ("serious", "critical")]
        told = [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]
        assert not told, json.dumps(told, indent=1, ensure_ascii=False)

    return check


def _listen(page: Page, complaints: list[str]) -> None:
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda sent: None if _is_loopback(sent.url) else complaints.append(f"leaves: {sent.url}"))


def _is_loopback(address: str) -> bool:
    parts = urlsplit(address)
    return parts.scheme in ("data", "blob") or parts.hostname in ("127.0.0.1", "localhost", "::1")
