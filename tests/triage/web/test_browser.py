"""The page in a real Chromium: it renews itself, stays inert, asks for a consultation, and fits a phone."""

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.triage.desk import TestDesk, reading, unread
from xray_triage.config import WebSection
from xray_triage.reading.findings import Priority
from xray_triage.web.server import WebServer

pytestmark = pytest.mark.browser
SCRIPT = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """The system's Chromium, else Playwright's own."""
    with sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium: apt-get install chromium ({error.message.splitlines()[0]})")
        yield opened
        opened.close()


@pytest.fixture
def page(browser: Browser, url: str) -> Iterator[Page]:
    """A small laptop's window. Whatever the page complains of fails the test."""
    complaints: list[str] = []
    opened = browser.new_page(base_url=url, viewport={"width": 1366, "height": 768})
    opened.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    yield opened
    opened.close()
    assert complaints == []


def test_a_new_case_appears_by_itself_above_the_less_urgent(page: Page, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(Priority.NORMAL, pneumothorax=0.1), patient_name="Lê^Văn^Bình")
    page.goto("/")
    expect(page.locator(".worklist tbody tr")).to_have_count(1)
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")

    expect(page.locator(".worklist tbody tr")).to_have_count(2)
    expect(page.locator(".worklist tbody tr").first).to_contain_text("Nguyễn Thị Hoa")
    expect(page).to_have_title("(1) Danh sách phim · Trạm y tế Thạnh An")
    page.get_by_role("link", name="Nguyễn Thị Hoa").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nguyễn Thị Hoa")
    assert page.locator(".film img").evaluate("image => image.complete && image.naturalWidth > 100")


def test_the_doctor_asks_with_one_button_and_sees_it_sent(page: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    page.goto(f"/cases/{case_id}")
    page.get_by_label("Câu hỏi gửi bác sĩ chuyên khoa").fill("Có cần chuyển viện không?")
    page.get_by_role("button", name="Gửi yêu cầu").click()

    expect(page.locator("#ask blockquote")).to_have_text("Có cần chuyển viện không?")
    expect(page.get_by_role("button", name="Gửi yêu cầu")).to_have_count(0)
    sqlite_desk.deliver()
    expect(page.locator("#ask .state")).to_have_text("đã gửi tới tuyến trên")
    case = sqlite_desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None
    assert case.consultation.priority == "urgent"


def test_what_the_doctor_types_outlives_a_renewal_of_the_page(page: Page, sqlite_desk: TestDesk) -> None:
    page.goto(f"/cases/{sqlite_desk.add(reading()).case_id}")
    page.get_by_label("Ghi chú").fill("nếp da")
    sqlite_desk.deliver()
    expect(page.locator(".deliveries")).to_contain_text("đã gửi")
    expect(page.get_by_label("Ghi chú")).to_have_value("nếp da")
    page.get_by_label("Không đồng ý").check()
    page.get_by_role("button", name="Lưu").click()

    expect(page.get_by_text("Đã lưu lúc")).to_be_visible()
    expect(page.get_by_label("Ghi chú")).to_have_value("nếp da")
    expect(page.get_by_label("Không đồng ý")).to_be_checked()


def test_script_in_a_patients_name_does_nothing(page: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(unread(), patient_name=SCRIPT, patient_id=SCRIPT).case_id
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for path in ("/", f"/cases/{case_id}"):
        page.goto(path)
        expect(page.get_by_text(SCRIPT).first).to_be_visible()
        assert page.locator("img[src=x]").count() == 0
    assert dialogs == []


def test_the_page_says_when_it_has_lost_the_program(browser: Browser, sqlite_desk: TestDesk) -> None:
    server = WebServer(WebSection(port=0), sqlite_desk.app())
    server.start()
    page = browser.new_page()
    page.goto(server.url)
    expect(page.locator("#lost")).to_be_hidden()
    server.stop()
    expect(page.locator("#lost")).to_be_visible(timeout=15_000)
    page.close()


@pytest.mark.parametrize("width", [390, 768, 1366])
def test_nothing_is_cut_off_at_the_side(page: Page, sqlite_desk: TestDesk, width: int) -> None:
    name = "Công^Tằng Tôn Nữ Thị Phương Thảo" + "A" * 24
    case_id = sqlite_desk.add(reading(Priority.URGENT, tuberculosis=0.9, mass=0.8), patient_name=name).case_id
    page.set_viewport_size({"width": width, "height": 800})
    for path in ("/", f"/cases/{case_id}"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
