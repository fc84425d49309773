"""The health page in a real Chromium, for somebody who is no engineer."""

import re
from collections.abc import Callable
from threading import Event

from playwright.sync_api import Page, expect

from tests.browser.conftest import LAPTOP, Window
from tests.factories import film
from tests.xray_triage.desk import PACS, TestDesk, reading
from xray_triage.accounts.roles import Role
from xray_triage.health.checks import Check, CheckState

AI_OFF = Check(
    name="model",
    state=CheckState.BAD,
    said={"vi": "AI đang tắt: hãy cài lại mô hình.", "en": "AI is off."},
    detail="sha256",
)
DISK = Check(name="disk", state=CheckState.WARNING, said={"vi": "Ổ đĩa sắp đầy.", "en": "The disk is nearly full."})
FINE = Check(name="clock", state=CheckState.OK, said={"vi": "Đồng hồ: 01/06/2025.", "en": "The clock says 01/06/2025."})


def refuse_one(desk: TestDesk) -> None:
    desk.add(reading(), patient_name="Lê^Văn^Bình")
    work = desk.outbox.claim(PACS, "light")
    assert work is not None
    desk.outbox.refuse(work[0], status="0xA900", error="Dataset does not match")


def test_a_station_that_is_well_says_so(doctor: Page, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading())
    sqlite_desk.deliver()
    doctor.goto("/health")
    expect(doctor.get_by_text("Trạm hoạt động tốt.")).to_be_visible()
    expect(doctor.locator("#sending")).to_contain_text("pacs trả lời")
    expect(doctor.get_by_text("xray-triage 0.")).to_be_visible()


def test_troubles_are_said_in_words_and_stand_on_every_page(
    enter: Window, sqlite_desk: TestDesk, serve: Callable[..., str]
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    page = enter(base_url=serve(sqlite_desk.app(lambda: AI_OFF, lambda: DISK, lambda: FINE)))
    page.goto("/")
    expect(page.get_by_text("AI đang tắt: hãy cài lại mô hình.")).to_be_visible()
    expect(page.get_by_text("Ổ đĩa sắp đầy.")).to_be_visible()
    page.goto(f"/cases/{case_id}")  # where the film needs the room: the worst, and how many more
    page.get_by_role("link", name="AI đang tắt: hãy cài lại mô hình. (+1)").click()
    expect(page.get_by_text("Có việc cần xem")).to_be_visible()
    expect(page.locator(".checks").first.get_by_role("listitem")).to_have_count(3)


def test_a_film_that_was_kept_apart_is_named_and_the_station_is_not_called_well(
    doctor: Page, sqlite_desk: TestDesk
) -> None:
    original = film(patient_name="Lê^Văn^Bình")
    case_id = sqlite_desk.record(sqlite_desk.receive(original), original, reading()).case_id
    uids = {
        "sop_instance_uid": original.SOPInstanceUID,
        "study_instance_uid": original.StudyInstanceUID,
        "series_instance_uid": original.SeriesInstanceUID,
    }
    assert sqlite_desk.receive(film(seed=9, **uids)).quarantined
    sqlite_desk.deliver()
    doctor.goto("/")
    doctor.locator(".banner", has_text="trùng mã (UID)").get_by_role("link", name="Xem").click()
    expect(doctor.get_by_text("có việc nên xem")).to_be_visible()
    expect(doctor.get_by_text("Trạm hoạt động tốt.")).to_have_count(0)
    doctor.locator("#apart").get_by_role("link", name="Lê Văn Bình", exact=True).click()
    expect(doctor).to_have_url(re.compile(f"/cases/{case_id}$"))


def test_what_was_refused_is_named_and_sent_again_by_a_technician(enter: Window, sqlite_desk: TestDesk) -> None:
    refuse_one(sqlite_desk)
    page = enter(Role.TECHNICIAN, viewport=LAPTOP)
    page.goto("/")
    page.get_by_role("link", name="Xem và gửi lại").click()
    expect(page.locator("#refused")).to_contain_text("Lê Văn Bình")
    expect(page.locator("#refused")).to_contain_text("0xA900 Dataset does not match")
    page.get_by_role("button", name="Gửi lại", exact=True).click()
    expect(page.get_by_text("Không có tệp nào bị từ chối.")).to_be_visible()
    assert sqlite_desk.outbox.summary().refused == []
    assert len(sqlite_desk.deliver()) == 4


def test_a_pacs_that_is_away_is_no_alarm_and_says_what_to_do(doctor: Page, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading())
    work = sqlite_desk.outbox.claim(PACS, "light")
    assert work is not None
    sqlite_desk.outbox.postpone(work[0], seconds=60, error="connection refused")
    doctor.goto("/health")
    expect(doctor.get_by_text("Chưa liên lạc được PACS.")).to_be_visible()
    expect(doctor.locator("#sending")).to_contain_text("hãy xem dây mạng và modem")
    sqlite_desk.clock.advance(61)
    sqlite_desk.deliver()
    expect(doctor.get_by_text("Trạm hoạt động tốt.")).to_be_visible()


def test_a_whole_inspection_runs_when_asked_and_shows_that_it_does(
    enter: Window, sqlite_desk: TestDesk, serve: Callable[..., str]
) -> None:
    asked, done = Event(), Event()

    def inspect() -> list[Check]:
        asked.set()
        done.wait(60)
        return [FINE, AI_OFF]

    page = enter(base_url=serve(sqlite_desk.app(self_check=inspect)), viewport=LAPTOP)
    page.goto("/health")
    page.get_by_role("button", name="Kiểm tra ngay").click()
    expect(page.get_by_text("Đang kiểm tra…")).to_be_visible()
    expect(page.get_by_role("button", name="Kiểm tra ngay")).to_have_count(0)
    assert asked.is_set()
    done.set()
    expect(page.locator("#inspection")).to_contain_text("AI đang tắt: hãy cài lại mô hình.")
    expect(page.locator("#inspection")).to_contain_text("Kết quả lúc")
    expect(page.get_by_role("button", name="Kiểm tra ngay")).to_be_visible()


def test_the_health_page_is_accessible(doctor: Page, sqlite_desk: TestDesk, axe: Callable[[Page], None]) -> None:
    refuse_one(sqlite_desk)
    doctor.goto("/health")
    axe(doctor)
