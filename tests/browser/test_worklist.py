"""The worklist in a real Chromium: it lives, rings, finds, and stays usable whatever happens."""

import time
from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import LAPTOP, PHONE, Window
from tests.factories import until
from tests.xray_triage.desk import PACS, TestDesk, reading, unread
from xray_triage.accounts.roles import Role
from xray_triage.cases import rows, tables
from xray_triage.config.sections import WebSection
from xray_triage.reading.findings import Priority
from xray_triage.reading.patient import Patient
from xray_triage.web.server import WebServer

SCRIPT = "<img src=x onerror=alert(1)>"
ROWS = ".worklist tbody tr"
COVERED = """tools => tools.filter(tool => {
  const { x, y, width, height } = tool.getBoundingClientRect();
  return width && !tool.contains(document.elementFromPoint(x + width / 2, y + height / 2));
}).map(tool => tool.textContent)"""


def burst(desk: TestDesk, count: int) -> None:
    """So many cases, each in a commit of its own, without their films."""
    of_one = rows.image_columns(reading(Priority.NORMAL, mass=0.1))
    now = desk.clock.now()
    times = {"received_at": now, "read_at": now}
    urgency = rows.urgency(Priority.NORMAL)
    for number in range(count):
        patient = Patient(id=f"{number}", name=f"BN {number:03}", sex="F", birth_date="", age_years=50)
        case = {"case_id": f"{number:012}", "study_instance_uid": f"1.2.{number}", "priority": "normal"}
        image = {"sop_instance_uid": f"1.2.{number}.1", "arrival_id": number, "picture_key": None}
        with desk.database.write() as connection:
            inserted = connection.execute(
                tables.case.insert().values(
                    **case, **times, urgency=urgency, **rows.patient_columns(patient, f"A{number}")
                )
            )
            (sequence,) = inserted.inserted_primary_key or ()
            connection.execute(tables.image.insert().values(**of_one, **image, **times, case_sequence=sequence))


def test_a_new_case_appears_by_itself_within_a_second_above_the_less_urgent(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    sqlite_desk.add(reading(Priority.NORMAL, pneumothorax=0.1), patient_name="Lê^Văn^Bình")
    with doctor.expect_response("**/events"):  # then the page is listening
        doctor.goto("/")
    expect(doctor.locator(ROWS)).to_have_count(1)

    def seconds_until_it_is_there() -> float:
        there = doctor.locator(ROWS).count()
        sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")
        read_at = time.monotonic()
        doctor.locator(f"{ROWS}:nth-child({there + 1})").wait_for()
        return time.monotonic() - read_at

    assert any(seconds_until_it_is_there() < 1 for _ in range(5))  # the machine may be busy, but not all the time
    expect(doctor.locator(ROWS).first).to_contain_text("Nguyễn Thị Hoa")


def test_an_urgent_case_rings_says_so_and_flashes_in_the_title_until_somebody_is_there(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    seen = sqlite_desk.add(reading(), patient_name="Lê^Văn^Bình").case_id
    sqlite_desk.casebook.see(seen, by="BS. Mai")  # on another browser
    doctor.goto("/")
    expect(doctor.get_by_role("button", name="Bấm để bật chuông")).to_be_visible()
    expect(doctor.locator("#urgent-news")).to_have_count(0)
    assert doctor.evaluate("document.documentElement.dataset.rang") is None
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")

    expect(doctor.get_by_text("Ca khẩn cấp mới: Nguyễn Thị Hoa")).to_be_visible()
    expect(doctor).to_have_title("● KHẨN CẤP · Danh sách ca · Trạm y tế Thạnh An")
    assert doctor.evaluate("document.documentElement.dataset.rang") == "urgent"
    doctor.locator("#main").click(position={"x": 2, "y": 2})
    expect(doctor.get_by_role("button", name="Bấm để bật chuông")).to_be_hidden()
    expect(doctor).to_have_title("Danh sách ca · Trạm y tế Thạnh An")
    doctor.get_by_role("button", name="Đóng").click()
    expect(doctor.locator("#urgent-news")).to_be_hidden()


def test_news_leaves_every_link_of_the_bar_to_be_used(enter: Window, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")
    page = enter(Role.ADMIN, viewport=PHONE)
    page.goto("/")
    for viewport in (PHONE, LAPTOP):  # nobody has touched the page yet
        page.set_viewport_size(viewport)
        expect(page.locator("#urgent-news")).to_have_class("banner bad")
        assert page.locator(".bar :is(nav a, .you a, .you button)").evaluate_all(COVERED) == []
    for viewport in (PHONE, LAPTOP):  # it was heard, and is folded
        page.set_viewport_size(viewport)
        page.goto("/health")
        expect(page.locator("#urgent-news")).to_have_class("banner bad folded")
        assert page.locator(".bar :is(nav a, .you a, .you button)").evaluate_all(COVERED) == []
    page.get_by_role("link", name="Ca khẩn cấp mới: Nguyễn Thị Hoa").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nguyễn Thị Hoa")


def test_what_is_muted_stays_silent_and_is_muted_still_after_a_reload(doctor: Page, sqlite_desk: TestDesk) -> None:
    doctor.goto("/")
    doctor.get_by_role("button", name="Tắt chuông").click()
    doctor.reload()
    expect(doctor.get_by_role("button", name="Tắt chuông")).to_have_attribute("aria-pressed", "true")
    expect(doctor.get_by_text("Chưa có phim nào.")).to_be_visible()
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")
    expect(doctor.get_by_text("Ca khẩn cấp mới")).to_be_visible()
    assert doctor.evaluate("document.documentElement.dataset.rang") is None


def test_a_search_without_accents_by_number_and_by_day_stays_while_the_list_renews_itself(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    sqlite_desk.add(reading(), patient_name="Đặng^Thị^Bưởi", patient_id="BN77")
    sqlite_desk.add(reading(), patient_name="Lê^Văn^Bình", patient_id="BN88")
    doctor.goto("/")
    search = doctor.get_by_role("searchbox", name="Tìm người bệnh")
    for typed, name in (("dang thi", "Đặng Thị Bưởi"), ("bn88", "Lê Văn Bình")):
        search.fill(typed)
        search.press("Enter")
        expect(doctor.locator(ROWS)).to_have_count(1)
        expect(doctor.locator(ROWS)).to_contain_text(name)
    search.fill("nguyen van")  # not sent yet
    sqlite_desk.add(reading(), patient_name="Võ^Thị^Sáu", patient_id="BN88-2")
    expect(doctor.locator(ROWS)).to_have_count(2)
    expect(search).to_have_value("nguyen van")
    expect(search).to_be_focused()
    doctor.goto("/?q=03/02/2001")
    expect(doctor.get_by_text("Không tìm thấy ca nào.")).to_be_visible()
    doctor.get_by_role("link", name="Xóa lọc").click()
    expect(doctor.locator(ROWS)).to_have_count(3)


def test_the_list_is_narrowed_by_priority_and_by_state(doctor: Page, sqlite_desk: TestDesk) -> None:
    asked = sqlite_desk.add(reading(Priority.ABNORMAL, mass=0.8), patient_name="Lê^Văn^Bình").case_id
    sqlite_desk.deliver()
    sqlite_desk.add(reading(), patient_name="Đặng^Thị^Bưởi")
    sqlite_desk.consultations.request(asked, question="?", priority="routine", requested_by="Bs. An")
    doctor.goto("/")
    doctor.get_by_role("link", name="khẩn cấp 1").first.click()
    expect(doctor.locator(ROWS)).to_have_count(1)
    expect(doctor.locator(ROWS)).to_contain_text("Đặng Thị Bưởi")
    doctor.get_by_role("link", name="Tất cả").click()
    expect(doctor.locator(ROWS)).to_have_count(2)
    doctor.wait_for_load_state()  # whole, with its scripts
    doctor.get_by_label("Tình trạng").select_option(label="Đang chờ trả lời")
    expect(doctor.locator(ROWS)).to_have_count(1)
    expect(doctor.locator(ROWS)).to_contain_text("Lê Văn Bình")
    doctor.wait_for_load_state()
    doctor.get_by_label("Tình trạng").select_option(label="Đang chờ gửi")
    expect(doctor.locator(ROWS)).to_have_count(2)
    doctor.wait_for_load_state()
    work = sqlite_desk.outbox.claim(PACS, "bulk")
    assert work is not None
    sqlite_desk.outbox.refuse(work[0], status="0xA900", error="0xA900")
    doctor.get_by_label("Tình trạng").select_option(label="Bị từ chối")
    expect(doctor.locator(ROWS)).to_have_count(1)


def test_the_keyboard_alone_finds_and_opens_a_case(enter: Window, sqlite_desk: TestDesk) -> None:
    for name in ("Lê^Văn^Bình", "Nguyễn^Thị^Hoa"):
        sqlite_desk.add(reading(), patient_name=name)
    page = enter(viewport=LAPTOP)
    page.goto("/")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Nguyễn Thị Hoa", exact=True)).to_be_focused()
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("j")
    expect(page.get_by_role("link", name="Lê Văn Bình", exact=True)).to_be_focused()
    sqlite_desk.add(reading(), patient_name="Võ^Thị^Sáu")
    expect(page.locator(ROWS)).to_have_count(3)
    expect(
        page.get_by_role("link", name="Lê Văn Bình", exact=True)
    ).to_be_focused()  # a renewal takes nobody's place away
    page.keyboard.press("/")
    page.keyboard.type("binh")
    page.keyboard.press("Enter")
    expect(page.locator(ROWS)).to_have_count(1)
    page.wait_for_load_state()  # until its scripts have run, keys go nowhere
    page.keyboard.press("Tab")  # out of the field, where j is a letter
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Lê Văn Bình")


def test_a_click_anywhere_in_a_row_opens_the_case(doctor: Page, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(), patient_name="Lê^Văn^Bình")
    doctor.goto("/")
    doctor.locator(f"{ROWS} .sent").click(force=True)  # the link lies over the row
    expect(doctor.get_by_role("heading", level=1)).to_have_text("Lê Văn Bình")


def test_twelve_cases_stand_on_the_first_screen_and_one_is_done_by_a_key(enter: Window, sqlite_desk: TestDesk) -> None:
    burst(sqlite_desk, 20)
    strong = reading(Priority.URGENT, pleural_effusion=0.9, pneumothorax=0.8, mass=0.7, edema=0.6)
    first = sqlite_desk.add(strong, patient_name="Công^Tằng Tôn Nữ Thị Phương Thảo").case_id
    sqlite_desk.casebook.see(first, by="BS. Trần Thị Mai")
    page = enter(viewport=LAPTOP)
    page.goto("/")
    expect(page.locator(ROWS)).to_have_count(21)
    bottoms = page.locator(ROWS).evaluate_all("rows => rows.map(row => row.getBoundingClientRect().bottom)")
    assert sum(bottom <= LAPTOP["height"] for bottom in bottoms) >= 12
    page.keyboard.press("j")
    expect(page.locator(".worklist").get_by_role("link", name="Phương Thảo")).to_be_focused()
    page.keyboard.press("x")
    expect(page.locator(f"#row-{first} .looked .state")).to_have_text("xong")
    phone = enter(viewport=PHONE)
    phone.goto("/")
    box = phone.locator(ROWS).first.bounding_box()
    assert box is not None
    assert box["y"] + box["height"] < PHONE["height"]


def test_page_after_page_of_a_long_list(enter: Window, sqlite_desk: TestDesk) -> None:
    burst(sqlite_desk, 102)
    page = enter(viewport=LAPTOP)
    page.goto("/")
    expect(page.locator(ROWS)).to_have_count(100)
    page.get_by_role("link", name="Xem thêm").click()
    expect(page.locator(ROWS)).to_have_count(2)
    expect(page.locator(ROWS).last).to_contain_text("BN 000")
    page.get_by_role("link", name="Về đầu danh sách").click()
    expect(page.locator(ROWS)).to_have_count(100)


def test_the_page_says_when_it_has_lost_the_program_and_comes_back_without_reload(
    enter: Window, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    first = WebServer(WebSection(port=0), sqlite_desk.app())
    first.start()
    address = first.url
    page = enter(base_url=address)
    page.context.add_cookies([{"name": "session", "value": sqlite_desk.session(), "url": address}])
    page.goto("/")
    page.get_by_role("searchbox").fill("chưa gửi")
    first.stop()
    expect(page.locator("#lost")).to_be_visible()
    sqlite_desk.add(reading(), patient_name="Lê^Văn^Bình")
    again = WebServer(WebSection(port=int(address.rpartition(":")[2])), sqlite_desk.app())
    again.start()
    try:
        expect(page.locator("#lost")).to_be_hidden()
        expect(page.locator(ROWS)).to_contain_text("Lê Văn Bình")
        expect(page.get_by_role("searchbox")).to_have_value("chưa gửi")
        page.context.close()
    finally:
        again.stop()
    assert all("ERR_" in said or "Failed to fetch" in said for said in complaints), complaints
    complaints.clear()


def test_a_page_whose_stream_is_refused_asks_every_few_seconds(
    doctor: Page, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    doctor.route("**/events", lambda route: route.fulfill(status=503, body=""))
    doctor.goto("/")
    sqlite_desk.add(reading(), patient_name="Lê^Văn^Bình")
    expect(doctor.locator(ROWS)).to_have_count(1)
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")
    expect(doctor.locator(ROWS)).to_have_count(2)
    complaints.clear()


def test_a_session_that_ended_leads_to_the_login_page(
    doctor: Page, sqlite_desk: TestDesk, complaints: list[str]
) -> None:
    doctor.goto("/")
    doctor.context.clear_cookies()
    sqlite_desk.add(reading())
    doctor.wait_for_url("**/login**")
    assert all("401" in said for said in complaints), complaints
    complaints.clear()


def test_three_hundred_cases_at_once_leave_the_page_alive_and_small(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter(viewport=LAPTOP)
    page.goto("/")
    page.get_by_role("searchbox").fill("nguyen")
    memory = page.context.new_cdp_session(page)

    def used_megabytes() -> float:
        memory.send("HeapProfiler.collectGarbage")
        return float(memory.send("Runtime.getHeapUsage")["usedSize"]) / 1e6

    before = used_megabytes()
    burst(sqlite_desk, 300)
    expect(page.locator(ROWS).first).to_contain_text("BN 299")
    expect(page.locator(ROWS)).to_have_count(100)
    expect(page.get_by_role("searchbox")).to_have_value("nguyen")
    until(lambda: used_megabytes() - before < 10)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="BN 298").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("BN 298")


def test_script_in_every_field_is_inert_text(doctor: Page, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(unread(), patient_name=SCRIPT, patient_id=SCRIPT, AccessionNumber=SCRIPT[:16])
    sqlite_desk.add(reading(), patient_name=SCRIPT)
    work = sqlite_desk.outbox.claim(PACS, "light")
    assert work is not None
    sqlite_desk.outbox.refuse(work[0], status="0xA900", error=SCRIPT)
    dialogs: list[str] = []
    doctor.on("dialog", lambda dialog: dialogs.append(dialog.message))
    for path in ("/", f"/?q={SCRIPT}", "/health"):
        doctor.goto(path)
        expect(doctor.get_by_text(SCRIPT).first).to_be_visible()
        assert doctor.locator("img[src=x]").count() == 0
    assert dialogs == []


@pytest.mark.parametrize("width", [320, 390, 768, 1366])
def test_nothing_is_cut_off_at_the_side(enter: Window, sqlite_desk: TestDesk, width: int) -> None:
    name = "Công^Tằng Tôn Nữ Thị Phương Thảo" + "A" * 24
    case_id = sqlite_desk.add(reading(Priority.URGENT, tuberculosis=0.9, mass=0.8), patient_name=name).case_id
    page = enter(viewport={"width": width, "height": 800})
    for path in ("/", f"/cases/{case_id}", "/health", f"/cases/{case_id}/print"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_worklist_is_accessible(doctor: Page, sqlite_desk: TestDesk, axe: Callable[[Page], None]) -> None:
    for one in (reading(), reading(Priority.NORMAL, mass=0.1), reading(Priority.ABNORMAL, mass=0.8), unread()):
        sqlite_desk.add(one)
    doctor.goto("/")
    axe(doctor)
    sqlite_desk.add(reading())
    expect(doctor.get_by_text("Ca khẩn cấp mới")).to_be_visible()
    axe(doctor)
