"""Signing in, the own password, users and the audit trail in a real browser."""

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LAPTOP, PHONE, Window
from tests.xray_triage.desk import PASSWORD, TestDesk, reading
from xray_triage.accounts.roles import Role
from xray_triage.web.api import events

NEW = "một mật khẩu mới"
Check = Callable[[Page], None]


@pytest.fixture(params=[LAPTOP, PHONE], ids=["laptop", "phone"])
def viewport(request: pytest.FixtureRequest) -> dict[str, int]:
    """A small laptop's, then a phone's."""
    return dict(request.param)


def is_as_wide_as_the_window(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_new_doctor_signs_in_by_keyboard_and_chooses_a_password(
    open_window: Window, sqlite_desk: TestDesk, axe: Check, viewport: dict[str, int], complaints: list[str]
) -> None:
    password = sqlite_desk.accounts.users.add("bs.hoa", role=Role.DOCTOR, full_name="BS. Phạm Thị Hoa")
    page = open_window(viewport=viewport)
    page.goto("/orders?q=1")
    expect(page).to_have_title("Đăng nhập · Trạm y tế Thạnh An")
    axe(page)
    expect(page.get_by_label("Tên đăng nhập")).to_be_focused()
    page.keyboard.type("bs.hoa")
    page.keyboard.press("Tab")
    page.keyboard.type("nhầm mật khẩu")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").filter(visible=True)).to_have_text("Tên đăng nhập hoặc mật khẩu không đúng.")
    expect(page.get_by_label("Mật khẩu")).to_be_focused()  # which a page gets a moment after it is seen
    complaints.clear()  # the browser's own line about the 403
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Đổi mật khẩu")
    axe(page)
    assert is_as_wide_as_the_window(page)
    page.get_by_label("Mật khẩu hiện tại").fill(password)
    page.get_by_label("Mật khẩu mới", exact=True).fill(NEW)
    page.get_by_label("Nhập lại mật khẩu mới").fill(NEW)
    page.get_by_role("button", name="Lưu mật khẩu").click()
    expect(page.get_by_role("link", name="BS. Phạm Thị Hoa")).to_be_visible()
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page).to_have_title("Sign in · Trạm y tế Thạnh An")


def test_what_a_field_lacks_is_said_in_the_language_of_the_page(open_window: Window) -> None:
    page = open_window()
    page.goto("/login")

    def told(button: str) -> str:
        page.get_by_role("button", name=button, exact=True).click()
        return str(page.locator("#name").evaluate("field => field.validationMessage"))

    assert told("Đăng nhập") == "Hãy điền ô này."
    page.get_by_role("button", name="English").click()
    assert told("Sign in") == "Please fill in this field."
    page.locator("#name").fill("x")
    assert page.locator("#name").evaluate("field => field.checkValidity()")


def test_who_has_signed_in_comes_to_the_page_that_was_asked_for(open_window: Window) -> None:
    page = open_window()
    page.goto("/orders")
    page.get_by_label("Tên đăng nhập").fill("doctor")
    page.get_by_label("Mật khẩu").fill(PASSWORD)
    page.get_by_role("button", name="Đăng nhập").click()
    expect(page).to_have_url(re.compile("//[^/]+/orders$"))  # and not /login?next=/orders


def test_a_page_left_open_shows_no_patient_any_more_when_its_session_ends(
    enter: Window, sqlite_desk: TestDesk, monkeypatch: pytest.MonkeyPatch, complaints: list[str]
) -> None:
    monkeypatch.setattr(events, "BEAT_SECONDS", 0.5)
    sqlite_desk.add(reading(), patient_name="Nguyễn^Bưởi")
    page = enter()
    page.goto("/")
    expect(page.locator(".worklist .who")).to_contain_text("Bưởi")
    sqlite_desk.clock.advance(30 * 60)  # nothing is committed, nobody asks
    expect(page).to_have_title("Đăng nhập · Trạm y tế Thạnh An")
    complaints.clear()  # the browser's own lines about the 401


def test_an_admin_adds_a_user_and_reads_the_trail(
    enter: Window, axe: Check, viewport: dict[str, int], sqlite_desk: TestDesk
) -> None:
    page = enter(Role.ADMIN, viewport=viewport)
    page.goto("/users")
    page.get_by_label("Tên đăng nhập").fill("bs.hoa")
    page.get_by_label("Họ tên").fill("BS. Phạm Thị Hoa <script>")
    page.get_by_role("button", name="Thêm", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="bs.hoa")).to_contain_text("Mật khẩu dùng một lần")
    password = page.locator("code.secret").inner_text()
    assert sqlite_desk.accounts.users.check("bs.hoa", password) is not None
    page.locator("summary").first.click()
    axe(page)
    assert is_as_wide_as_the_window(page)
    page.get_by_role("link", name="Nhật ký").click()
    expect(page.locator(".trail tbody tr").first).to_contain_text("thêm người dùng")
    expect(page.locator(".trail tbody tr").first).to_contain_text("bác sĩ")
    axe(page)
    assert is_as_wide_as_the_window(page)


def test_without_scripts_people_sign_in_and_add_users_all_the_same(open_window: Window) -> None:
    page = open_window(java_script_enabled=False)
    page.goto("/users")
    page.get_by_label("Tên đăng nhập").fill("admin")
    page.get_by_label("Mật khẩu").fill(PASSWORD)
    page.get_by_role("button", name="Đăng nhập").click()
    page.get_by_label("Tên đăng nhập").fill("ktv.moi")
    page.get_by_role("button", name="Thêm", exact=True).click()
    expect(page.locator("code.secret")).to_be_visible()
