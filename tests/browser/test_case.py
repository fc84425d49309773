"""The page of a case in a real Chromium: film and findings at once, what they mean, the doctor's word."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LAPTOP, PHONE, Window
from tests.factories import film
from tests.xray_triage.desk import MODEL, TestDesk, reading, unread
from xray_triage.accounts.roles import Role
from xray_triage.model.drift import ModelInUse, OperatingPoint
from xray_triage.reading.findings import Priority

SCRIPT = "<img src=x onerror=alert(1)>"
MANY = dict.fromkeys(("nodule", "mass", "edema", "hernia", "fibrosis", "emphysema", "pneumonia", "atelectasis"), 0.2)


def test_film_and_findings_stand_in_the_first_screen(doctor: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading(Priority.URGENT, pneumothorax=0.93, **MANY)).case_id
    doctor.goto(f"/cases/{case_id}")
    size = doctor.viewport_size
    assert size is not None
    expect(doctor.locator("#viewer")).to_be_in_viewport(ratio=0.7)
    assert doctor.locator("#viewer").bounding_box()["y"] < size["height"] / 3  # type: ignore[index]
    expect(doctor.get_by_role("button", name="Hội chẩn")).to_be_in_viewport(ratio=1)
    if size == LAPTOP:
        expect(doctor.locator("#findings tbody tr").last).to_be_in_viewport(ratio=1)
        assert doctor.evaluate("document.documentElement.scrollHeight") == size["height"]


@pytest.fixture
def with_ai(serve: Callable[..., str], sqlite_desk: TestDesk) -> str:
    """Where a page is whose station has a model."""
    return serve(sqlite_desk.app(model=ModelInUse(identity=MODEL, runtime="cpu", references={})))


def test_a_film_that_was_not_read_is_given_to_the_reader_again(
    enter: Window, with_ai: str, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(unread("reader_died")).case_id
    sqlite_desk.finish_reading()
    page = enter(base_url=with_ai, viewport=PHONE)
    page.goto(f"/cases/{case_id}")
    button = page.get_by_role("button", name="Cho AI đọc lại phim")
    button.click()
    expect(page.get_by_text("Phim đang chờ AI đọc lại.")).to_be_visible()
    expect(button).to_have_count(0)
    assert sqlite_desk.inbox.unread() == 1


RENEW_FINDINGS = """() => new Promise((renewed) => {
  const part = document.getElementById("findings");
  part.etag = "";
  part.addEventListener("htmx:after:swap", renewed, { once: true });
  htmx.trigger(document.body, "changed");
})"""


def test_what_cannot_be_read_again_is_said_beside_the_button_and_stays_said(
    enter: Window, with_ai: str, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    case_id = sqlite_desk.add(unread("reader_died")).case_id
    sqlite_desk.finish_reading()
    page = enter(base_url=with_ai)
    page.goto(f"/cases/{case_id}")
    for key in list(sqlite_desk.spool.keys()):
        sqlite_desk.spool.delete(key)
    page.get_by_role("button", name="Cho AI đọc lại phim").click()
    told = page.get_by_role("alert").filter(has_text="không còn ở trạm")
    expect(told).to_be_visible()
    page.evaluate(RENEW_FINDINGS)
    expect(told).to_be_visible()
    complaints.clear()  # the browser's own lines about the 409, and about the film that the viewer cannot get


def test_the_ask_button_stays_at_hand_while_a_phone_scrolls(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    page = enter(viewport=PHONE)
    page.goto(f"/cases/{case_id}")
    page.locator("#deliveries").scroll_into_view_if_needed()
    expect(page.get_by_role("button", name="Hội chẩn")).to_be_in_viewport(ratio=1)


def test_every_finding_has_its_number_its_threshold_and_a_bar_that_a_screen_reader_reads(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading(Priority.URGENT, pneumothorax=0.93, mass=0.21)).case_id
    doctor.goto(f"/cases/{case_id}")
    above, below = doctor.locator("#findings tr.above"), doctor.locator("#findings tr.below")
    expect(above).to_contain_text("Tràn khí màng phổi")
    expect(above).to_contain_text("vượt ngưỡng 50%")
    expect(above.get_by_role("img", name="xác suất 93%, ngưỡng 50%")).to_be_visible()
    expect(below).to_contain_text("dưới ngưỡng 50%")
    expect(doctor.locator("#findings")).to_contain_text("Mô hình phổi 1.2 (abababab)")
    expect(doctor.get_by_role("heading", name="AI hỗ trợ sàng lọc")).to_be_visible()


def test_a_threshold_says_how_often_it_is_right_or_that_it_was_not_measured_here(
    enter: Window, serve: Callable[..., str], sqlite_desk: TestDesk
) -> None:
    points = {"pneumothorax": OperatingPoint(0.5, 0.83, 0.73), "mass": OperatingPoint(0.2, 0.9, 0.9)}
    model = ModelInUse(identity=MODEL, runtime="cpu", references={}, points=points)
    address = serve(sqlite_desk.app(model=model))
    case_id = sqlite_desk.add(reading(Priority.URGENT, pneumothorax=0.93, mass=0.3, nodule=0.1)).case_id
    page = enter(base_url=address)
    page.goto(f"/cases/{case_id}")
    page.get_by_text("Các ngưỡng này nghĩa là gì?").click()
    with page.expect_response("**/findings"):  # anew, and whole
        page.evaluate("document.getElementById('findings').etag = ''; changed()")
    expect(page.get_by_text("Ở ngưỡng này: phát hiện 83% ca có bệnh, báo nhầm 27% ca không có bệnh.")).to_be_visible()
    expect(page.get_by_text("Ngưỡng riêng của trạm, chưa được đo; mô hình được đo ở ngưỡng 20%.")).to_be_visible()
    expect(page.get_by_text("Chưa được đo.", exact=True)).to_be_visible()
    sqlite_desk.deliver()
    expect(page.get_by_text("đã ở PACS").first).to_be_attached()
    expect(page.get_by_text("Chưa được đo.", exact=True)).to_be_visible()  # what was opened stays open


def test_a_film_that_was_not_read_gives_the_reason_where_findings_would_stand(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    doctor.goto(f"/cases/{sqlite_desk.add(unread('child')).case_id}")
    expect(doctor.locator("#findings")).to_contain_text("Người bệnh dưới độ tuổi mà AI đọc.")
    expect(doctor.locator("#findings")).to_contain_text("Chưa đọc không có nghĩa là bình thường")
    expect(doctor.locator("#findings table")).to_have_count(0)


def test_the_doctors_word_is_kept_with_their_name_and_the_last_one_counts(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    first, second = enter(viewport=LAPTOP), enter(Role.ADMIN, viewport=PHONE)
    for page in (first, second):
        page.goto(f"/cases/{case_id}")
    note = first.get_by_label("Nhận xét về kết quả AI")
    note.fill("nếp da")
    sqlite_desk.deliver()
    expect(first.locator("#deliveries")).to_contain_text("đã ở PACS")
    expect(note).to_have_value("nếp da")  # outlives a renewal
    first.get_by_role("button", name="Không đồng ý").click()
    for page in (first, second):
        expect(page.locator("#verdict")).to_contain_text("BS. Trần Thị Mai")
        expect(page.locator("#verdict blockquote")).to_have_text("nếp da")
    second.get_by_role("button", name="Đồng ý với AI").click()
    expect(first.locator("#verdict b")).to_have_text("Đồng ý với AI")
    expect(first.get_by_role("button", name="Đồng ý với AI")).to_have_attribute("aria-pressed", "true")
    said = [entry for entry in sqlite_desk.accounts.audit.entries(subject=case_id) if entry.action == "verdict_given"]
    assert [(entry.actor, entry.detail) for entry in reversed(said)] == [("doctor", "disagrees"), ("admin", "agrees")]


def test_a_technician_sees_the_case_and_can_neither_ask_nor_judge(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    page = enter(Role.TECHNICIAN)
    page.goto(f"/cases/{case_id}")
    expect(page.locator("#findings")).to_contain_text("Tràn khí màng phổi")
    expect(page.get_by_role("button", name="Hội chẩn")).to_have_count(0)
    expect(page.get_by_role("button", name="Đồng ý với AI")).to_have_count(0)
    expect(page.get_by_text("Bác sĩ chưa nhận xét.")).to_be_visible()


def test_a_further_film_of_the_study_is_told_and_not_forced_upon_the_reader(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    one = film()
    case_id = sqlite_desk.record(sqlite_desk.receive(one), one, reading(Priority.NORMAL, mass=0.1)).case_id
    doctor.goto(f"/cases/{case_id}")
    other = film(study_instance_uid=one.StudyInstanceUID, seed=2)
    sqlite_desk.record(sqlite_desk.receive(other), other, reading())
    doctor.get_by_role("link", name="Xem phim mới").click()
    expect(doctor.locator("#findings article")).to_have_count(2)
    expect(doctor.locator(".head")).to_contain_text("Khẩn cấp")


def test_script_in_any_field_of_a_case_is_inert_text(doctor: Page, sqlite_desk: TestDesk) -> None:
    flagged = replace(reading(), flags=(SCRIPT,))
    case_id = sqlite_desk.add(flagged, patient_name=SCRIPT, patient_id=SCRIPT, AccessionNumber=SCRIPT[:16]).case_id
    sqlite_desk.consultations.request(case_id, question=SCRIPT, priority="urgent", requested_by=SCRIPT)
    sqlite_desk.casebook.give_verdict(case_id, agrees=True, note="</textarea>" + SCRIPT, given_by=SCRIPT)
    dialogs: list[str] = []
    doctor.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for path in (f"/cases/{case_id}", f"/cases/{case_id}/print"):
        doctor.goto(path)
        expect(doctor.get_by_text(SCRIPT).first).to_be_visible()
        assert doctor.locator("img[src=x]").count() == 0
    assert dialogs == []


def test_an_unknown_case_leads_back(doctor: Page, complaints: list[str]) -> None:
    doctor.goto("/cases/000000000000")
    doctor.get_by_role("link", name="Về danh sách ca").click()
    expect(doctor).to_have_title("Danh sách ca · Trạm y tế Thạnh An")
    assert all("404" in said for said in complaints)
    complaints.clear()


def test_the_page_speaks_english_too(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    page = enter()
    page.goto(f"/cases/{case_id}")
    page.get_by_role("button", name="English").click()
    page.goto(f"/cases/{case_id}")
    expect(page.get_by_role("heading", name="AI, an aid for screening")).to_be_visible()
    expect(page.locator("#findings")).to_contain_text("Pneumothorax")
    page.get_by_role("button", name="Consult").click()
    expect(page.get_by_label("Question")).to_have_value(
        "Chest film, female, 55 years.\nThe AI sees: pneumothorax 93%.\nPlease give your diagnosis and what to do."
    )


@pytest.mark.parametrize("state", ["urgent", "unread", "asked"])
def test_the_case_is_accessible(doctor: Page, sqlite_desk: TestDesk, axe: Callable[[Page], None], state: str) -> None:
    case_id = sqlite_desk.add(
        unread() if state == "unread" else reading(Priority.URGENT, pneumothorax=0.93, **MANY)
    ).case_id
    if state == "asked":
        sqlite_desk.consultations.request(
            case_id, question="Có cần chuyển viện không?", priority="urgent", requested_by="Bs. An"
        )
        sqlite_desk.casebook.give_verdict(case_id, agrees=True, note="", given_by="Bs. An")
    doctor.goto(f"/cases/{case_id}")
    axe(doctor)


def test_the_case_is_accessible_in_english_at_every_size(
    enter: Window, sqlite_desk: TestDesk, axe: Callable[[Page], None], url: str
) -> None:
    case_id = sqlite_desk.add(reading(Priority.URGENT, pneumothorax=0.93, **MANY)).case_id
    sqlite_desk.casebook.give_verdict(case_id, agrees=False, note="skin fold", given_by="Bs. An")
    page = enter()
    page.context.add_cookies([{"name": "language", "value": "en", "url": url}])
    page.goto(f"/cases/{case_id}")
    page.locator("html[data-film-drawn]").wait_for(state="attached")
    for size in (LAPTOP, PHONE, {"width": 1920, "height": 1080}):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        axe(page)
