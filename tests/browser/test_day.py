"""A doctor's day without a mouse, and what a page must bear: many films, long words, no sound, another tab."""

import pytest
from playwright.sync_api import Page, expect

from tests.browser.answers import answer
from tests.browser.conftest import Window
from tests.browser.test_worklist import ROWS, burst
from tests.factories import film
from tests.xray_triage.desk import TestDesk, reading, said_by, unread
from xray_triage.cases import tables
from xray_triage.cases.casebook import sequence_of
from xray_triage.cases.recording import record_reading
from xray_triage.reading.findings import Priority
from xray_triage.web.api import events

PAINTED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
OLD, ANSWERED, OVERDUE = 49, 3, 2


class Keyboard:
    """Somebody's hands: keys that are counted, each pressed when there is a page to press it on."""

    def __init__(self, page: Page) -> None:
        self.page, self.presses = page, 0

    def press(self, key: str) -> None:
        self.page.evaluate(PAINTED)
        self.page.keyboard.press(key)
        self.presses += 1

    def go(self, key: str) -> None:
        """Press a key that opens another page."""
        before = self.page.url
        self.press(key)
        self.page.wait_for_url(lambda url: url != before and "/next" not in url, wait_until="load")


def seed(desk: TestDesk) -> list[str]:
    """60 cases, 49 of them done; the names of the others, in the order in which they want to be seen."""
    burst(desk, OLD)
    for number in range(OLD):
        desk.casebook.finish(f"{number:012}", by="BS. Mai")
    waiting = {f"Trễ {number}": desk.add(reading(), patient_name=f"Trễ {number}").case_id for number in range(OVERDUE)}
    told = {f"Đáp {number}": desk.add(reading(), patient_name=f"Đáp {number}").case_id for number in range(ANSWERED)}
    for case_id in (*waiting.values(), *told.values()):
        desk.casebook.see(case_id, by="BS. Mai")
        desk.consultations.request(case_id, question="Có tràn khí không?", priority="routine", requested_by="BS. Mai")
    for case_id in told.values():
        answer(desk, case_id, "Không thấy tràn khí.")
    asked = tables.consultation
    with desk.database.write() as connection:
        for case_id in waiting.values():
            mine = asked.c.case_sequence == sequence_of(connection, case_id)
            connection.execute(asked.update().where(mine).values(overdue_at=desk.clock.now()))
    desk.add(unread(), patient_name="Chưa Đọc")
    for number in range(3):
        desk.add(reading(Priority.NORMAL, mass=0.1), patient_name=f"Thường {number}")
    desk.add(reading(Priority.ABNORMAL, mass=0.7), patient_name="Bất Thường")
    desk.add(reading(Priority.URGENT), patient_name="Khẩn Cấp")
    new = ["Khẩn Cấp", "Bất Thường", "Chưa Đọc", "Thường 2", "Thường 1", "Thường 0"]
    return ["Đáp 2", "Đáp 1", "Đáp 0", *new, "Trễ 1", "Trễ 0"]


def test_a_day_of_sixty_cases_is_seen_and_done_without_a_mouse(enter: Window, sqlite_desk: TestDesk) -> None:
    names = seed(sqlite_desk)
    page = enter()
    hands = Keyboard(page)
    page.goto("/", wait_until="load")
    expect(page.locator(ROWS)).to_have_count(60)
    hands.go("n")
    for name in names:
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        if name.startswith("Đáp"):
            expect(page.locator("#consultation")).to_contain_text("Không thấy tràn khí.")
        if name == "Khẩn Cấp":
            hands.press("c")
            expect(page.get_by_label("Câu hỏi")).to_be_focused()
            hands.press("Control+Enter")  # the question that the page proposes
            expect(page.locator("#consultation")).to_be_focused()
        if name == "Bất Thường":
            hands.go("b")  # a look at the list, and back by j and Enter
            hands.press("j")
            page.get_by_role("link", name="Bất Thường", exact=True).focus()
            hands.go("Enter")
        hands.go("x")
    expect(page.locator(ROWS)).to_have_count(60)
    expect(page.locator("#unseen b")).to_have_text("0")
    cases = sqlite_desk.casebook.cases(limit=100)
    assert [case.patient.name for case in cases if case.done is None or case.seen is None] == []
    assert sqlite_desk.casebook.news().answered == 0
    assert hands.presses <= len(names) + 6
    hands.press("n")  # nothing is left: the list stays
    expect(page.locator(ROWS)).to_have_count(60)


def test_an_answer_that_comes_under_the_hands_is_read_by_the_next_key(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS. Mai")
    page = enter()
    page.goto(f"/cases/{case_id}")
    answer(sqlite_desk, case_id, "Không thấy tràn khí.")
    expect(page.locator("#consultation [data-seen]")).to_be_attached()
    assert sqlite_desk.casebook.news().answered == 1
    with page.expect_response("**/seen"):
        page.keyboard.press("Shift")
    assert sqlite_desk.casebook.news().answered == 0


def test_forty_films_a_long_name_and_a_long_answer_fit_a_small_monitor_without_sound(
    enter: Window, sqlite_desk: TestDesk
) -> None:
    name = "Công^Tằng Tôn Nữ Thị Phương Thảo " + "Hương " * 5
    for number in range(40):
        dataset = film(study_instance_uid="1.2.40", patient_name=name.strip(), series_instance_uid=f"1.2.40.{number}")
        arrival, said = sqlite_desk.receive(dataset), reading(Priority.ABNORMAL, mass=0.7)
        with sqlite_desk.database.write() as connection:
            case_id = record_reading(
                connection, arrival=arrival, stated=said_by(dataset, arrival, said), reading=said, picture_key=None,
                read_at=sqlite_desk.clock.now(),
            ).case_id  # fmt: skip
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS. Mai")
    answer(sqlite_desk, case_id, "Phổi phải có đám mờ. " * 400 + "Hết.")
    page = enter(viewport={"width": 1024, "height": 768})
    page.add_init_script("delete window.AudioContext")
    page.goto("/")
    expect(page.get_by_role("button", name="Trình duyệt này không phát được chuông")).to_be_disabled()
    expect(page.locator(ROWS)).to_have_count(1)  # and the page lives
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")
    expect(page.locator(ROWS)).to_have_count(2)
    page.goto(f"/cases/{case_id}")
    expect(page.locator('.strip button[data-of="now"]')).to_have_count(40)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1024
    expect(page.locator("#urgent-news.folded")).to_be_visible()
    menu = page.get_by_role("link", name="Danh sách ca", exact=True).bounding_box()
    news = page.locator("#urgent-news").bounding_box()
    assert menu and news  # noqa: PT018
    assert news["x"] + news["width"] <= menu["x"]
    assert page.locator(".case .film").evaluate("film => film.getBoundingClientRect().height") > 768 / 2
    page.locator(".strip button").last.click()
    expect(page.locator("#consultation")).to_contain_text("Hết.")
    page.get_by_text("Hết.").scroll_into_view_if_needed()
    expect(page.get_by_role("button", name="Đồng ý với AI")).to_be_in_viewport(ratio=1)


def test_a_session_that_ended_in_another_tab_ends_here_with_a_word(
    enter: Window, sqlite_desk: TestDesk, monkeypatch: pytest.MonkeyPatch, complaints: list[str]
) -> None:
    monkeypatch.setattr(events, "BEAT_SECONDS", 0.5)
    case_id = sqlite_desk.add(reading()).case_id
    page = enter()
    page.goto(f"/cases/{case_id}")
    page.get_by_label("Nhận xét về kết quả AI").fill("nếp da")
    other = page.context.new_page()
    other.goto("/")
    other.get_by_role("button", name="Đăng xuất").click()
    expect(other.get_by_role("heading", name="Đăng nhập")).to_be_visible()
    page.bring_to_front()
    expect(page.get_by_role("heading", name="Đăng nhập")).to_be_visible()
    assert sqlite_desk.casebook.case(case_id).verdict is None  # type: ignore[union-attr]
    complaints.clear()  # the browser's own lines about the 401
