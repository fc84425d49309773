"""The result in a real Chromium: three clicks, a draft that is never lost, two doctors, versions, an answer."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.browser.answers import answer
from tests.browser.conftest import LAPTOP, PHONE, Window
from tests.browser.test_case_film import LEAST_HEIGHT, four_findings, height
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.accounts.roles import Role
from xray_triage.reading.findings import Priority
from xray_triage.records.beginning import NORMAL_CONCLUSION, REGIONS
from xray_triage.records.result import ResultState

WRITE, NORMAL, FINISH = "Viết kết quả", "Phim bình thường", "Hoàn tất"
STANDS = "#result > [data-version] > .conclusion"
NORMAL_LINES = "\n".join(f"{region.heading}: {region.normal}" for region in REGIONS)


def test_three_clicks_finish_the_result_of_a_normal_film(doctor: Page, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading(Priority.NORMAL, nodule=0.1)).case_id
    doctor.goto(f"/cases/{case_id}")
    doctor.evaluate("window.clicks = 0; addEventListener('click', () => window.clicks++, true)")
    doctor.get_by_role("button", name=WRITE).click()
    if doctor.viewport_size == LAPTOP:
        assert height(doctor.locator('.pane[data-pane="now"]')) >= LEAST_HEIGHT
        assert doctor.evaluate("document.documentElement.scrollHeight") == LAPTOP["height"]
    assert doctor.evaluate("document.documentElement.scrollWidth <= innerWidth")
    doctor.get_by_role("button", name=NORMAL).click()
    doctor.get_by_role("button", name=FINISH).click()

    expect(doctor.locator("#result .state")).to_have_text("có kết quả")
    assert doctor.evaluate("window.clicks") == 3
    expect(doctor.locator("#result .conclusion")).to_have_text(NORMAL_CONCLUSION)
    expect(doctor.locator("#result")).to_contain_text("chưa có số GPHN/CCHN")
    expect(doctor.locator("#result")).to_be_focused()
    expect(doctor.locator("#result-form")).to_be_hidden()
    (made,) = sqlite_desk.results.versions(case_id)
    assert (made.state, made.author.name, made.words.description) == (
        ResultState.FINAL,
        "BS. Trần Thị Mai",
        NORMAL_LINES,
    )
    assert made.before_author.startswith("AI (phổi 1.2")
    doctor.goto("/")
    expect(doctor.locator(f"#row-{case_id} .looked")).to_contain_text("có kết quả")


def test_two_doctors_lose_nothing_and_the_second_is_told(
    enter: Window, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    case_id = sqlite_desk.add(four_findings()).case_id
    first, second = enter(viewport=LAPTOP), enter(Role.ADMIN, viewport=PHONE)
    for page in (first, second):
        page.goto(f"/cases/{case_id}")
    first.get_by_role("button", name=WRITE).click()
    expect(first.locator("#result-form")).to_be_focused()
    for key in "xnbck":  # the first letters of who writes are no command that leaves the case
        first.keyboard.press(key)
    first.get_by_role("button", name="Chỗ còn lại bình thường").click()
    description = first.get_by_label("Mô tả")
    lines = description.input_value().split("\n")
    assert lines[0] == f"Thành ngực: {REGIONS[0].normal}"
    assert [line for line in lines if line.endswith(": …")]  # where the AI marked something, the doctor speaks
    expect(first.get_by_label("Kết luận")).to_have_value("")
    description.fill("Nhu mô: nốt mờ đáy phổi phải.")
    first.get_by_label("Kết luận").fill("Theo dõi viêm phổi.")
    expect(first.get_by_text("Đã lưu nháp")).to_be_visible()
    first.reload()  # nothing was sent but the draft
    first.get_by_role("button", name="Viết tiếp kết quả").click()
    expect(description).to_have_value("Nhu mô: nốt mờ đáy phổi phải.")

    expect(second.locator("#result")).to_contain_text("BS. Trần Thị Mai đang viết kết quả, chưa hoàn tất")
    second.get_by_role("button", name="Lấy bản nháp này").click()
    expect(second.get_by_label("Kết luận")).to_have_value("Theo dõi viêm phổi.")
    second.get_by_label("Kết luận").fill("Lao phổi?")
    first.get_by_role("button", name=FINISH).click()
    expect(first.locator(STANDS)).to_have_text("Theo dõi viêm phổi.")

    second.get_by_role("button", name=FINISH).click()
    expect(second.get_by_role("alert").filter(has_text="Ca này đã có kết quả")).to_be_visible()
    expect(second.get_by_label("Kết luận")).to_have_value("Lao phổi?")
    second.get_by_label("Lý do sửa").fill("Xem lại phim")
    second.get_by_role("button", name=FINISH).click()
    for page in (first, second):
        expect(page.locator(STANDS)).to_have_text("Lao phổi?")
        expect(page.locator("#result .state")).to_have_text("kết quả đã sửa")
    first.get_by_text("Các bản trước (1)").click()
    expect(first.locator("#older-results")).to_contain_text("Theo dõi viêm phổi.")

    first.get_by_role("button", name="Hủy kết quả").first.click()
    dialog = first.get_by_role("dialog", name="Hủy kết quả")
    dialog.get_by_role("button", name="Hủy kết quả").click()
    expect(dialog.get_by_role("alert")).to_have_text("Hãy viết lý do.")
    dialog.get_by_label("Lý do hủy").fill("Nhầm người bệnh")
    expect(dialog.get_by_label("Lý do hủy")).not_to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Lý do hủy").press("Enter")
    expect(first.locator("#result")).to_contain_text("Kết quả này đã hủy: Nhầm người bệnh")
    assert [one.state.value for one in sqlite_desk.results.versions(case_id)] == ["final", "amended", "cancelled"]
    first.get_by_role("button", name=WRITE).click()
    expect(first.get_by_label("Kết luận")).to_have_value("")  # not the words that were cancelled
    complaints.clear()  # the browser's own line about the 409


def test_an_answer_is_taken_over_by_keyboard_and_the_form_is_accessible(
    enter: Window, sqlite_desk: TestDesk, axe: Callable[[Page], None]
) -> None:
    doctor = enter(viewport=PHONE)
    case_id = sqlite_desk.add(unread()).case_id
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="Bs. An")
    said = (
        "Mô tả\n  Mờ góc sườn hoành trái.\nKết luận\n  Tràn dịch màng phổi trái.\nĐề nghị\n  Siêu âm.\n  \n  Tái khám."
    )
    answer(sqlite_desk, case_id, said)
    doctor.goto(f"/cases/{case_id}")
    doctor.get_by_role("button", name="Lấy ý kiến này vào kết quả").press("Enter")
    expect(doctor.locator("#result-form")).to_be_focused()
    conclusion = "Tràn dịch màng phổi trái.\nTheo ý kiến chuyên khoa của BS. Lê Thu."
    expect(doctor.get_by_label("Kết luận")).to_have_value(conclusion)
    expect(doctor.get_by_label("Mô tả")).to_have_value("Mờ góc sườn hoành trái.")
    expect(doctor.get_by_label("Đề nghị")).to_have_value("Siêu âm.\n\nTái khám.")
    axe(doctor)
    doctor.set_viewport_size(LAPTOP)  # type: ignore[arg-type]
    doctor.get_by_role("button", name=FINISH).press("Enter")
    expect(doctor.locator("#result")).to_contain_text("Có lấy ý kiến chuyên khoa.")
    axe(doctor)
    (made,) = sqlite_desk.results.versions(case_id)
    assert (made.words.conclusion, made.words.adopts) == (conclusion, "1.2.9.0")
