"""Pictures of every page for the README: runs the demonstration (synthetic films only), signs in, and looks around.

``python tools/screenshots.py [FOLDER]``; docs/pages when left out. Wants Chromium and Playwright (the test extra).
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

LAPTOP, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking", "--lang=vi"]
PAGE = re.compile(r"page: (\S+) \(user (\S+), password (\S+)\)")
ALARM = ".badge.urgent, .badge.abnormal"
SETTLE_MILLISECONDS = 800  # after the last thing waited for, so that nothing is half drawn


def main(folder: Path) -> None:
    """Make all pictures anew."""
    folder.mkdir(parents=True, exist_ok=True)
    demo = subprocess.Popen([sys.executable, "-m", "xray_triage.cli", "demo"], stdout=subprocess.PIPE, text=True)
    try:
        url, user, password = _wait_for_page(demo)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
            laptop = _sign_in(browser, url, user, password, LAPTOP, folder / "login.png")
            _look_around(laptop, folder)
            _look_around_on_a_phone(_sign_in(browser, url, user, password, PHONE), folder)
            browser.close()
    finally:
        demo.terminate()
        demo.wait(60)


def _wait_for_page(demo: "subprocess.Popen[str]") -> tuple[str, str, str]:
    assert demo.stdout is not None
    told = ""
    for line in demo.stdout:
        told += line.rstrip("\n") + " "  # a narrow terminal breaks the line
        found = PAGE.search(told)
        if found:
            return found[1], found[2], found[3]
    raise SystemExit(f"the demonstration did not start: {told}")


def _sign_in(
    browser: Browser, url: str, user: str, password: str, viewport: dict[str, int], picture: Path | None = None
) -> Page:
    page = browser.new_page(base_url=url, viewport=viewport, locale="vi-VN")  # type: ignore[arg-type]
    page.goto("/login")
    if picture:
        _shoot(page, picture)
    page.locator("input[name=name]").fill(user)
    page.locator("input[type=password]").fill(password)
    page.locator("main button").click()
    expect(page.locator(".worklist")).to_be_visible()
    return page


def _look_around(page: Page, folder: Path) -> None:
    _shoot(page, folder / "worklist.png")
    page.goto("/?state=unread")  # before anybody sees the answer
    _open_case(page, ".badge")
    page.locator("#consultation").scroll_into_view_if_needed()
    _shoot(page, folder / "answer.png")
    case = page.url
    page.goto(f"{case}/print")
    page.locator(".sheet").screenshot(path=folder / "print.png")
    page.goto("/")
    _open_case(page, ALARM, "heat")
    _shoot(page, folder / "case.png")
    page.goto("/")
    _open_case(page, ".badge.normal")
    page.get_by_role("button", name="Hội chẩn").click()
    _shoot(page, folder / "consult.png")
    page.goto("/")
    _open_case(page, ".badge.not_read")
    _shoot(page, folder / "not-read.png")
    for name in ("health", "figures", "orders", "users", "audit"):
        page.goto(f"/{name}")
        _shoot(page, folder / f"{name}.png")


def _look_around_on_a_phone(page: Page, folder: Path) -> None:
    _shoot(page, folder / "phone-worklist.png")
    _open_case(page, ALARM)
    _shoot(page, folder / "phone-case.png")


def _open_case(page: Page, badge: str, layer: str = "") -> None:
    page.locator(".worklist tbody tr", has=page.locator(badge)).first.locator(".who a").click()
    page.locator("#viewer canvas").first.wait_for()
    page.wait_for_timeout(2 * SETTLE_MILLISECONDS)
    if layer:
        page.locator(f"[data-action={layer}]").click()


def _shoot(page: Page, path: Path) -> None:
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.screenshot(path=path)
    print(path)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "docs/pages")
