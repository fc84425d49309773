"""Asking a specialist and getting the answer, in a real Chromium."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from playwright.sync_api import Page, expect

from tests.browser.answers import answer
from tests.browser.conftest import LAPTOP, PHONE, Window
from tests.factories import film
from tests.xray_triage.desk import PACS, TestDesk, reading, unread
from xray_triage.accounts.roles import Role
from xray_triage.cases.consultation import AUTOMATIC

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
ASK, SEND = "Hội chẩn", "Gửi yêu cầu"


def ask(desk: TestDesk, case_id: str) -> None:
    desk.consultations.request(case_id, question="Có cần chuyển viện không?", priority="urgent", requested_by="Bs. An")


def test_three_clicks_from_the_worklist_send_a_question(doctor: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa").case_id
    count = "sessionStorage.clicks = 1 + Number(sessionStorage.clicks || 0)"
    doctor.add_init_script(f"addEventListener('click', () => {count}, true)")
    doctor.goto("/")
    doctor.get_by_role("link", name="Nguyễn Thị Hoa", exact=True).click()
    doctor.wait_for_url("**/cases/*")  # whole, with its scripts
    doctor.get_by_role("button", name=ASK).click()
    expect(doctor.get_by_label("Câu hỏi")).to_have_value(
        "Phim ngực, nữ, 55 tuổi.\nAI thấy: tràn khí màng phổi 93%.\nXin cho ý kiến chẩn đoán và hướng xử trí."
    )
    doctor.get_by_role("button", name=SEND).click()

    expect(doctor.locator("#consultation .state")).to_have_text("đã yêu cầu, chờ gửi")
    assert doctor.evaluate("Number(sessionStorage.clicks)") == 3
    expect(doctor.locator("#consultation blockquote")).to_contain_text("AI thấy: tràn khí màng phổi 93%.")
    expect(doctor.locator("#ask")).to_be_hidden()
    case = sqlite_desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None
    assert (case.consultation.priority, case.consultation.requested_by) == ("urgent", "BS. Trần Thị Mai")


def test_phrases_are_added_and_all_works_by_keyboard(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(unread("no_model")).case_id
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{case_id}")
    page.get_by_role("button", name=ASK).press("Enter")
    expect(page.get_by_label("Câu hỏi")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Câu hỏi")).to_have_value(
        "Phim ngực, nữ, 55 tuổi.\nChưa có mô hình AI dùng được; AI đang tắt.\n"
        "Xin bác sĩ đọc giúp phim này.\nCó cần chuyển viện không?"
    )
    page.keyboard.press("Escape")
    expect(page.locator("#ask")).to_be_hidden()
    page.get_by_role("button", name=ASK).press("Enter")
    page.get_by_label("Thường").check()
    page.get_by_role("button", name=SEND).press("Enter")
    expect(page.locator("#consultation")).to_contain_text("Thường · BS. Trần Thị Mai")


def test_a_pacs_that_is_away_is_said_and_the_question_is_kept_and_sent_later(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.deliver()
    doctor.goto(f"/cases/{case_id}")
    doctor.get_by_role("button", name=ASK).click()
    doctor.get_by_role("button", name=SEND).click()
    expect(doctor.locator("#consultation")).to_contain_text("Đang chờ gửi tới PACS (pacs)")
    work = sqlite_desk.outbox.claim(PACS, "light")
    assert work is not None
    sqlite_desk.outbox.postpone(work[0], seconds=1, error="connection refused")
    expect(doctor.locator("#consultation")).to_contain_text("yêu cầu được giữ và tự gửi khi có mạng")
    expect(doctor.get_by_role("link", name="Trạm: 1 việc cần xem")).to_be_visible()
    expect(doctor.locator("#deliveries")).to_contain_text("Chưa gửi được; trạm tự thử lại. (lần 1)")
    expect(doctor.get_by_text("connection refused")).to_have_count(0)  # that is for the page of the station's health
    sqlite_desk.clock.advance(2)
    sqlite_desk.deliver()
    expect(doctor.locator("#consultation .state")).to_have_text("đã ở PACS, chờ trả lời")
    expect(doctor.locator("#consultation")).to_contain_text("Tới PACS (pacs) lúc")


def test_an_answer_stands_above_what_the_ai_says(doctor: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    ask(sqlite_desk, case_id)
    doctor.goto(f"/cases/{case_id}")
    above = "document.querySelector('#consultation').offsetTop < document.querySelector('#findings').offsetTop"
    expect(doctor.locator("#consultation blockquote")).to_be_attached()
    assert not doctor.evaluate(above)
    answer(sqlite_desk, case_id, "Chuyển viện.")
    expect(doctor.locator("#consultation .answer").first).to_be_attached()
    assert doctor.evaluate(above)


def test_the_second_doctor_sees_the_firsts_question_at_once_and_cannot_send_another(
    enter: Window, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    first, second = enter(viewport=LAPTOP), enter(Role.ADMIN, viewport=PHONE)
    for page in (first, second):
        page.goto(f"/cases/{case_id}")
        page.get_by_role("button", name=ASK).click()
    second.get_by_label("Câu hỏi").fill("câu của người thứ hai")
    first.get_by_role("button", name=SEND).click()
    expect(second.get_by_text("Bác sĩ khác vừa gửi yêu cầu cho ca này")).to_be_visible()
    expect(second.get_by_role("button", name=SEND)).to_be_disabled()
    expect(second.get_by_label("Câu hỏi")).to_have_value("câu của người thứ hai")
    second.get_by_role("button", name="Hủy").click()
    expect(second.locator("#consultation")).to_contain_text("BS. Trần Thị Mai")
    expect(second.get_by_role("button", name=ASK)).to_have_count(0)


def test_two_questions_at_the_same_moment_are_one_and_the_later_is_told(doctor: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    doctor.goto(f"/cases/{case_id}")
    doctor.get_by_role("button", name=ASK).click()
    doctor.evaluate("stream.close()")  # this page has not heard of it
    ask(sqlite_desk, case_id)
    doctor.get_by_role("button", name=SEND).click()
    expect(doctor.get_by_text("Bác sĩ khác vừa gửi yêu cầu cho ca này")).to_be_visible()
    expect(doctor.locator("#consultation blockquote")).to_have_text("Có cần chuyển viện không?")


def test_a_question_that_was_sent_is_made_urgent_added_to_and_withdrawn(doctor: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="Nốt?", priority="routine", requested_by="Bs. An")
    doctor.goto(f"/cases/{case_id}")
    doctor.get_by_role("button", name="Chuyển khẩn cấp").click()
    expect(doctor.locator("#consultation .steps")).to_contain_text("Chuyển khẩn cấp lúc")
    expect(doctor.locator("#raise")).to_have_count(0)
    sheet = doctor.locator("#change")
    doctor.locator("#change-button").click()
    sheet.get_by_role("button", name="Gửi bổ sung").click()
    expect(sheet.get_by_role("alert")).to_have_text("Hãy viết phần bổ sung trước khi gửi.")
    sheet.locator("textarea").fill("Ho ra máu.")
    sheet.get_by_role("button", name="Gửi bổ sung").click()
    expect(doctor.locator("#consultation blockquote")).to_contain_text("Bổ sung của BS. Trần Thị Mai: Ho ra máu.")
    expect(sheet).to_be_hidden()
    doctor.locator("#change-button").click()
    expect(sheet.locator("textarea")).to_have_value("")
    sheet.get_by_role("button", name="Rút câu hỏi").click()  # without a reason
    expect(doctor.locator("#consultation .state")).to_have_text("đã rút câu hỏi")
    expect(doctor.get_by_role("button", name=ASK)).to_be_visible()


def test_an_automatic_question_says_so_and_gives_way_to_a_doctors(doctor: Page, sqlite_desk: TestDesk) -> None:
    dataset = film()
    arrival = sqlite_desk.receive(dataset)
    case_id = sqlite_desk.record(arrival, dataset, reading()).case_id
    request = sqlite_desk.preparer.prepare(
        dataset,
        [arrival.instance],
        question="Xin đọc giúp.",
        priority="urgent",
        requested_by=AUTOMATIC,
        identity=sqlite_desk.casebook.foresee(dataset.StudyInstanceUID, []),
    )
    with sqlite_desk.database.write() as connection:  # as the reader does
        sqlite_desk.consultations.request_within(connection, case_id, request)
    doctor.goto(f"/cases/{case_id}")
    expect(doctor.locator("#consultation")).to_contain_text("tự động, theo quy định của trạm")
    doctor.get_by_role("button", name=ASK).click()
    doctor.get_by_role("button", name=SEND).click()
    expect(doctor.locator("#consultation .round").first).to_contain_text("BS. Trần Thị Mai")


def test_an_answer_comes_by_itself_rings_and_is_unread_until_somebody_opens_the_case(
    enter: Window, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa").case_id
    ask(sqlite_desk, case_id)
    sqlite_desk.deliver()
    worklist = enter(viewport=LAPTOP)
    worklist.goto("/")
    expect(worklist.locator(".asked .state")).to_have_text("đã ở PACS, chờ trả lời")
    answer(sqlite_desk, case_id, "Tràn khí màng phổi phải.\nChuyển viện ngay.")

    expect(worklist.get_by_text("Có trả lời hội chẩn: Nguyễn Thị Hoa")).to_be_visible()
    assert worklist.evaluate("document.documentElement.dataset.rang") == "answer"
    expect(worklist.locator(".asked .state")).to_have_text("có trả lời mới")
    worklist.get_by_label("Tình trạng").select_option(label="Có trả lời chưa xem")
    expect(worklist.locator(".worklist tbody tr")).to_have_count(1)
    other = enter(Role.TECHNICIAN, viewport=PHONE)
    other.goto(f"/cases/{case_id}")
    expect(other.locator("blockquote.answer")).to_contain_text("Chuyển viện ngay.")
    expect(worklist.locator(".worklist tbody tr")).to_have_count(1)  # a technician's look is no doctor's
    worklist.locator(".worklist .who a").click()
    expect(worklist.locator("blockquote.answer")).to_have_text("Tràn khí màng phổi phải.\nChuyển viện ngay.")
    expect(worklist.locator("#consultation")).to_contain_text("BS. Lê Thu · đã ký duyệt")
    worklist.goto("/")
    expect(worklist.locator(".asked .state")).to_have_text("đã có trả lời")


def test_an_answer_on_an_open_case_is_read_when_somebody_moves(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    ask(sqlite_desk, case_id)
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{case_id}")
    page.locator("#deliveries").scroll_into_view_if_needed()
    answer(sqlite_desk, case_id, "Chuyển viện ngay.\n" * 30)
    expect(page.locator("blockquote.answer")).to_contain_text("Chuyển viện ngay.")
    expect(page.locator("#consultation-title")).to_be_in_viewport()  # what is out of sight is not read
    assert page.evaluate("document.documentElement.scrollHeight") == LAPTOP["height"]
    expect(page.locator("#consultation .state")).to_have_text("có trả lời mới")
    page.mouse.move(200, 300)
    page.mouse.move(220, 320)
    expect(page.locator("#consultation .state")).to_have_text("đã có trả lời")


def test_answers_and_addenda_stand_in_order_with_what_they_state_and_when_they_were_found(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    ask(sqlite_desk, case_id)
    hour_off = sqlite_desk.clock.now() - timedelta(hours=1)
    answer(sqlite_desk, case_id, "Ý kiến đầu.", verified=False, complete=False, written_at=hour_off)
    sqlite_desk.clock.advance(600)
    answer(sqlite_desk, case_id, "", kind="pdf", title="Biên bản", author="", written_at=None, spool_key="x")
    answer(sqlite_desk, case_id, "Thêm một ý.", is_addendum=True)
    answer(sqlite_desk, case_id, "nodule 0.97", standing="machine")
    answer(sqlite_desk, case_id, "Bản nháp.", standing="preliminary", written_at=hour_off - timedelta(hours=1))
    film = sqlite_desk.casebook.case(case_id).images[0].sop_instance_uid  # type: ignore[union-attr]
    answer(sqlite_desk, case_id, "", kind="rejection", standing="mark", title="Bị loại", objects=f'["{film}", "1.2"]')
    for _ in range(2):
        answer(sqlite_desk, case_id, "", kind="sc", standing="mark")
    doctor.goto(f"/cases/{case_id}")
    folded = doctor.locator("#consultation details")  # what a later answer took the place of
    expect(folded.nth(0)).to_contain_text("Ý kiến sơ bộ")
    expect(folded.nth(1)).to_contain_text("Ý kiến đầu.")
    expect(folded.nth(1)).to_contain_text("chưa ký duyệt · chưa hoàn tất")
    expect(folded.nth(1)).to_contain_text(f"Ghi lúc {hour_off.astimezone():%H:%M}")
    told = doctor.locator("#consultation .answer[id]")
    expect(told.nth(0)).to_contain_text("Ý kiến của bác sĩ chuyên khoa · Biên bản")
    expect(told.nth(0)).to_contain_text("không ghi tên")
    expect(told.nth(0).get_by_role("link", name="Mở tệp PDF")).to_be_visible()
    expect(told.nth(1)).to_contain_text("Bổ sung")
    beside = doctor.locator("#consultation .aside:not(details .aside)")
    expect(beside.nth(0)).to_contain_text("Báo cáo của một phần mềm")
    expect(beside.nth(1)).to_contain_text(
        "Nơi đọc báo loại bỏ đối tượng, chưa phải trả lời · Bị loại · Phim 1, 1 đối tượng khác"
    )
    expect(beside.nth(2)).to_contain_text("ảnh chụp lại (Secondary Capture), hãy xem trên PACS (2)")
    doctor.get_by_role("button", name=ASK).click()  # what was answered may be asked again
    doctor.get_by_role("button", name=SEND).click()
    expect(doctor.locator("#consultation .round")).to_have_count(2)


def test_an_overdue_question_says_since_when_and_stands_first(doctor: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading(), patient_name="Lê^Văn^Bình").case_id
    ask(sqlite_desk, case_id)
    sqlite_desk.deliver()
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")
    with sqlite_desk.database.write() as connection:
        connection.exec_driver_sql("UPDATE consultation SET overdue_at = '2025-06-01 09:00:00', announced = 2")
    doctor.goto("/")
    first = doctor.locator(".worklist tbody tr").first
    expect(first).to_contain_text("Lê Văn Bình")
    expect(first.locator(".asked .state")).to_have_text("quá hạn trả lời")
    first.get_by_role("link").click()
    expect(doctor.locator("#consultation")).to_contain_text("Quá hạn trả lời từ")
    expect(doctor.locator("#consultation")).to_contain_text("đã nhắc lại 2 lần")


def test_script_in_an_answer_is_inert_text(doctor: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    ask(sqlite_desk, case_id)
    answer(sqlite_desk, case_id, SCRIPT, author=SCRIPT, title=SCRIPT)
    dialogs: list[str] = []
    doctor.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for path in (f"/cases/{case_id}", f"/cases/{case_id}/print", "/"):
        doctor.goto(path)
    doctor.goto(f"/cases/{case_id}")
    expect(doctor.locator("blockquote.answer")).to_have_text(SCRIPT)
    assert doctor.locator("img[src=x]").count() == 0
    assert dialogs == []


@pytest.mark.parametrize("state", ["dialog", "answered"])
def test_the_consultation_is_accessible(
    doctor: Page, sqlite_desk: TestDesk, axe: Callable[[Page], None], state: str
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    if state == "answered":
        ask(sqlite_desk, case_id)
        answer(sqlite_desk, case_id, "Chuyển viện ngay.", spool_key="x")
    doctor.goto(f"/cases/{case_id}")
    if state == "dialog":
        doctor.get_by_role("button", name=ASK).click()
    axe(doctor)
