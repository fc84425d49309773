"""From the worklist to a sent question without a mouse, and what a keyboard and a screen reader need on the way."""

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LAPTOP, PHONE, Window
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.accounts.roles import Role
from xray_triage.reading.findings import KINDS, Priority

SMALLEST_TARGET = 24  # CSS pixels, WCAG 2.2 2.5.8
SMALL = f"""all => all.filter(one => {{
  const box = (one.closest('label') || one).getBoundingClientRect();
  return box.width && (box.width < {SMALLEST_TARGET} || box.height < {SMALLEST_TARGET});
}}).map(one => one.outerHTML.slice(0, 120))"""
# A row's link is drawn over the whole row, words in a sentence are let off (2.5.8), the first link shows on focus only.
TARGETS = "a:not(.who a, .skip, p a), button, summary, input:not([type=hidden]), select, textarea"


def tab_to(page: Page, wanted: Locator, *, most: int = 40) -> None:
    """Press Tab until ``wanted`` has the focus, as somebody without a mouse would; and it must be seen there."""
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("one => one === document.activeElement"):
            assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none"
            return
    pytest.fail(f"{wanted} is not reached by {most} times Tab")


def test_a_question_goes_from_the_worklist_to_the_specialist_by_keyboard_alone(
    enter: Window, sqlite_desk: TestDesk
) -> None:
    sqlite_desk.add(reading(Priority.NORMAL, mass=0.1), patient_name="Lê^Văn^Bình")
    case_id = sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa").case_id
    page = enter(viewport=LAPTOP)
    page.goto("/")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Nguyễn Thị Hoa", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nguyễn Thị Hoa")
    tab_to(page, page.get_by_role("button", name="Hội chẩn"))
    page.keyboard.press("Enter")
    expect(page.get_by_label("Câu hỏi")).to_be_focused()
    page.keyboard.press("Control+End")
    page.keyboard.type("\nXin trả lời sớm.")
    tab_to(page, page.get_by_role("button", name="Gửi yêu cầu"))
    page.keyboard.press("Enter")
    expect(page.locator("#consultation")).to_contain_text("Xin trả lời sớm.")
    expect(page.locator("#consultation")).to_be_focused()  # for the button that had the focus is gone
    tab_to(page, page.get_by_role("button", name="Đồng ý với AI"))
    page.keyboard.press("Space")
    expect(page.locator("#verdict b")).to_have_text("Đồng ý với AI")
    case = sqlite_desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None
    assert case.verdict is not None


def test_an_empty_question_is_told_at_its_field_and_a_failure_in_the_doctors_language(
    doctor: Page, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    doctor.goto(f"/cases/{sqlite_desk.add(reading()).case_id}")
    doctor.get_by_role("button", name="Hội chẩn").click()
    question, send = doctor.get_by_label("Câu hỏi"), doctor.get_by_role("button", name="Gửi yêu cầu")
    question.fill("  \n ")
    send.click()
    expect(doctor.get_by_role("alert").filter(has_text="Hãy viết câu hỏi")).to_be_visible()
    expect(question).to_be_focused()
    expect(question).to_have_accessible_description("Hãy viết câu hỏi trước khi gửi.")
    question.fill("Có tràn khí không?")
    doctor.route("**/consultation", lambda route: route.abort())
    send.click()
    expect(doctor.get_by_role("alert").filter(has_text="Câu hỏi vẫn còn đây")).to_be_visible()
    expect(question).to_have_value("Có tràn khí không?")
    complaints.clear()


@pytest.mark.parametrize("role", Role)
def test_the_whole_menu_is_seen_on_a_phone(enter: Window, role: Role) -> None:
    page = enter(role, viewport=PHONE)
    page.goto("/")
    for link in page.get_by_role("navigation", name="Các trang").get_by_role("link").all():
        expect(link).to_be_in_viewport(ratio=1)


def test_no_target_is_too_small_for_a_thumb(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.add(unread())
    page = enter(Role.ADMIN, viewport=PHONE)
    for path in ("/", f"/cases/{case_id}", "/health", "/figures"):
        page.goto(path)
        assert page.locator(TARGETS).evaluate_all(SMALL) == [], path


def test_the_longest_english_word_fits_a_narrow_phone(enter: Window, sqlite_desk: TestDesk, url: str) -> None:
    case_id = sqlite_desk.add(reading(Priority.URGENT, **dict.fromkeys(KINDS, 0.9))).case_id
    page = enter(viewport={"width": 320, "height": 700})
    page.context.add_cookies([{"name": "language", "value": "en", "url": url}])
    page.goto(f"/cases/{case_id}")
    expect(page.locator("#findings")).to_contain_text("Tuberculosis (suspected)")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


@pytest.mark.parametrize("size", [(1366, 768), (1024, 600)])
def test_the_longest_head_leaves_its_buttons_in_one_row_and_the_film_half_the_screen(
    enter: Window, sqlite_desk: TestDesk, size: tuple[int, int]
) -> None:
    name = "Công^Tằng Tôn Nữ Thị Phương Thảo " + "Hương " * 5
    every = dict.fromkeys(list(KINDS)[:14], 0.9)
    case_id = sqlite_desk.add(
        reading(Priority.URGENT, **every),
        patient_name=name.strip()[:64],
        AccessionNumber="TA20250601-00012",
        AcquisitionDateTime="20240601080000+0700",
    ).case_id
    page = enter(viewport={"width": size[0], "height": size[1]})
    page.goto(f"/cases/{case_id}")
    printing = page.get_by_role("link", name="In", exact=True).bounding_box()
    badge, film = page.locator(".head .badge").bounding_box(), page.locator(".case .film").bounding_box()
    assert printing and badge and film  # noqa: PT018
    assert abs((printing["y"] + printing["height"] / 2) - (badge["y"] + badge["height"] / 2)) < 4
    expect(page.get_by_role("button", name="Hội chẩn")).to_be_in_viewport(ratio=1)
    assert film["height"] > size[1] / 2
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


def test_words_of_the_machine_are_marked_as_english(doctor: Page, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading())
    work = sqlite_desk.outbox.claim("pacs", "light")
    assert work is not None
    sqlite_desk.outbox.refuse(work[0], status="0xA900", error="Dataset does not match")
    doctor.goto("/health")
    expect(doctor.locator("[lang=en]", has_text="Dataset does not match")).to_be_visible()
