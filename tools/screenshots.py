"""Pictures of every page for the README, out of the scenery's two stations (synthetic films only).

``python -m tools.screenshots [FOLDER]``; docs/pages when left out. Wants Chromium, poppler-utils
and Playwright (the test extra).
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tools.scenery import PASSWORD, Morning, a_month

LAPTOP, PHONE = {"width": 1366, "height": 768}, {"width": 390, "height": 844}
FLAGS = ["--no-sandbox", "--enable-unsafe-swiftshader", "--disable-background-networking", "--lang=vi"]
SETTLE_MILLISECONDS = 800  # after the last thing waited for, so that nothing is half drawn
PEOPLE = (
    ("Hồ Thị Mỹ Linh", "23/09/1975", "Nữ", "Ho có đờm ba tuần"),
    ("Phan Văn Tài", "30/01/1988", "Nam", "Đau ngực"),
)


@dataclass(frozen=True, slots=True)
class Album:
    """Where the pictures go."""

    folder: Path

    def keep(self, page: Page, name: str) -> None:
        page.wait_for_timeout(SETTLE_MILLISECONDS)
        page.screenshot(path=self.folder / f"{name}.png")
        print(name)


def main(folder: Path) -> None:
    """Make all pictures anew."""
    folder.mkdir(parents=True, exist_ok=True)
    album = Album(folder)
    with TemporaryDirectory(prefix="xray-triage-pictures-") as name, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        morning = Morning(Path(name))
        try:
            _look_around(browser, morning, album)
        finally:
            morning.stop()
        month = a_month(Path(name))
        try:
            page = _sign_in(browser, month.web_port, LAPTOP)
            page.goto("/figures")
            album.keep(page, "figures")
        finally:
            month.stop()
        browser.close()


def _look_around(browser: Browser, morning: Morning, album: Album) -> None:
    overdue = morning.film("cardiomegaly", seed=3, patient=9, minutes=55)
    morning.film(seed=3, patient=5, minutes=44)
    answered = morning.film("edema", patient=6, minutes=31)
    urgent = morning.film("pleural_effusion", patient=4, minutes=12)
    limb = morning.film(limb=True, patient=7, minutes=7)
    morning.ask(overdue, "AI thấy bóng tim to.\nKhó thở khi nằm; có cần chuyển viện không?", minutes=48)
    morning.ask(
        answered, "AI thấy nốt, thâm nhiễm, viêm phổi.\nHo, sốt năm ngày.\nXin hướng xử trí tại trạm.", minutes=20
    )
    morning.answer(
        answered,
        "Đông đặc rải rác hai phổi, nghĩ đến viêm phổi.\nKháng sinh, chụp lại sau 5 ngày; khó thở thì chuyển viện.",
    )
    morning.wait_until_sent()

    laptop = _sign_in(browser, morning.station.web_port, LAPTOP, album)
    phone = _sign_in(browser, morning.station.web_port, PHONE)
    _look_at_cases(laptop, album, urgent=urgent, answered=answered, limb=limb)
    _write_a_result(laptop, album, answered)
    _open(phone, urgent)
    album.keep(phone, "phone-case")
    _register(laptop)
    album.keep(laptop, "orders")

    for page in (laptop, phone):
        page.goto("/")
    morning.pacs.stop()  # what comes now waits, and the page says so
    morning.film("pleural_effusion", patient=2)
    for page in (laptop, phone):
        expect(page.get_by_text("Ca khẩn cấp mới")).to_be_visible(timeout=30_000)
        expect(page.get_by_text("Không liên lạc được pacs")).to_be_visible(timeout=30_000)
    album.keep(laptop, "worklist")
    album.keep(phone, "phone-worklist")
    laptop.goto("/health")
    album.keep(laptop, "health")
    admin = _sign_in(browser, morning.station.web_port, LAPTOP, name="quantri")
    for name in ("users", "audit"):
        admin.goto(f"/{name}")
        album.keep(admin, name)


def _look_at_cases(page: Page, album: Album, *, urgent: str, answered: str, limb: str) -> None:
    _open(page, answered)
    album.keep(page, "answer")
    page.goto(f"/cases/{answered}/print")
    page.wait_for_timeout(SETTLE_MILLISECONDS)
    page.locator(".sheet").screenshot(path=album.folder / "print.png")
    _open(page, urgent)
    page.locator("[data-action=heat]").click()
    album.keep(page, "case")
    page.locator("[data-action=heat]").click()
    page.get_by_role("button", name="Hội chẩn").click()
    album.keep(page, "consult")
    _open(page, limb)
    album.keep(page, "not-read")


def _write_a_result(page: Page, album: Album, case_id: str) -> None:
    """The form, with the specialist's answer taken over, and the paper that comes of it."""
    _open(page, case_id)
    page.get_by_role("button", name="Lấy ý kiến này vào kết quả").click()
    page.get_by_role("button", name="Chỗ còn lại bình thường").click()
    description = page.get_by_label("Mô tả")
    description.fill(description.input_value().replace("…", "đám đông đặc rải rác."))
    album.keep(page, "result")
    page.get_by_role("button", name="Hoàn tất").click()
    page.locator("#result article").wait_for()
    pdf = page.request.get(f"/api/cases/{case_id}/result.pdf").body()
    drawn = ["pdftoppm", "-png", "-r", "80", "-singlefile", "-", str(album.folder / "paper")]
    subprocess.run(drawn, input=pdf, check=True)  # noqa: S603 -- words of our own
    print("paper")


def _register(page: Page) -> None:
    page.goto("/orders")
    for name, born, sex, reason in PEOPLE:
        page.get_by_label("Họ và tên").fill(name)
        page.get_by_label("Ngày sinh").fill(born)
        page.get_by_label(sex, exact=True).or_(page.get_by_label(sex.lower(), exact=True)).check()
        page.get_by_label("Lý do chụp").fill(reason)
        page.get_by_role("button", name="Đăng ký", exact=True).click()
        expect(page.locator(".orders")).to_contain_text(name)


def _open(page: Page, case_id: str) -> None:
    page.goto(f"/cases/{case_id}")
    page.locator("#viewer canvas").first.wait_for()
    page.wait_for_timeout(2 * SETTLE_MILLISECONDS)


def _sign_in(
    browser: Browser, port: int, viewport: dict[str, int], album: Album | None = None, name: str = "ha"
) -> Page:
    page = browser.new_page(base_url=f"http://127.0.0.1:{port}", viewport=viewport, locale="vi-VN")  # type: ignore[arg-type]
    page.goto("/login")
    if album:
        album.keep(page, "login")
    page.locator("input[name=name]").fill(name)
    page.locator("input[type=password]").fill(PASSWORD)
    page.locator("main button").click()
    expect(page.locator("#list, .empty").first).to_be_visible()
    return page


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent / "docs/pages")
