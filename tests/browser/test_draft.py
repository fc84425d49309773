"""What a doctor is writing while their session ends, and that writing keeps it from ending."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window
from tests.xray_triage.desk import PASSWORD, TestDesk, reading
from xray_triage.web.api import events

QUESTION = "Có tràn khí không? Xin trả lời sớm."
KEPT = "Object.keys(sessionStorage).filter(key => key.startsWith('draft:')).length"


def sign_in(page: Page) -> None:
    page.get_by_label("Tên đăng nhập").fill("doctor")
    page.get_by_label("Mật khẩu").fill(PASSWORD)
    page.get_by_role("button", name="Đăng nhập").click()


def test_writing_counts_as_being_there(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    page = enter()
    page.goto(f"/cases/{case_id}")
    page.get_by_role("button", name="Hội chẩn").click()
    sqlite_desk.clock.advance(20 * 60)
    with page.expect_response("**/present"):
        page.get_by_label("Câu hỏi").press_sequentially("?")
    sqlite_desk.clock.advance(20 * 60)  # forty minutes without another page
    page.get_by_role("button", name="Gửi yêu cầu").click()
    expect(page.locator("#consultation")).to_contain_text("?")


def test_a_question_outlives_the_session_and_goes_when_it_was_sent(
    enter: Window, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    page = enter()
    page.goto(f"/cases/{case_id}")
    page.get_by_role("button", name="Hội chẩn").click()
    page.get_by_label("Câu hỏi").fill(QUESTION)
    sqlite_desk.clock.advance(31 * 60)
    page.get_by_role("button", name="Gửi yêu cầu").click()
    expect(page.get_by_text("Phiên làm việc đã hết hạn, câu hỏi vẫn được giữ.")).to_be_visible()
    sign_in(page)
    expect(page.get_by_label("Câu hỏi")).to_have_value(QUESTION)  # in the dialog, which is open again
    page.get_by_role("button", name="Gửi yêu cầu").click()
    expect(page.locator("#consultation")).to_contain_text(QUESTION)
    assert page.evaluate(KEPT) == 0
    complaints.clear()  # the browser's own lines about the 401


def test_a_page_that_is_left_open_says_why_one_signs_in_and_a_draft_goes_with_its_writer(
    enter: Window, sqlite_desk: TestDesk, monkeypatch: pytest.MonkeyPatch, complaints: list[str]
) -> None:
    monkeypatch.setattr(events, "BEAT_SECONDS", 0.5)
    case_id = sqlite_desk.add(reading()).case_id
    page = enter()
    page.goto(f"/cases/{case_id}")
    note = page.get_by_label("Nhận xét về kết quả AI")
    note.fill("nếp da")
    sqlite_desk.clock.advance(31 * 60)
    expect(page.get_by_text("câu hỏi vẫn được giữ")).to_be_visible()
    sign_in(page)
    expect(note).to_have_value("nếp da")
    page.get_by_role("button", name="Đăng xuất").click()
    expect(page.get_by_role("heading", name="Đăng nhập")).to_be_visible()
    assert page.evaluate(KEPT) == 0
    complaints.clear()
