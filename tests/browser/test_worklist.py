"""The worklist in a real Chromium."""

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.triage.desk import TestDesk, reading, unread
from xray_triage.reading.findings import Priority


def test_a_new_case_appears_by_itself_above_the_less_urgent(doctor: Page, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(Priority.NORMAL, pneumothorax=0.1), patient_name="Lê^Văn^Bình")
    doctor.goto("/")
    expect(doctor.locator(".worklist tbody tr")).to_have_count(1)
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")

    expect(doctor.locator(".worklist tbody tr")).to_have_count(2)
    expect(doctor.locator(".worklist tbody tr").first).to_contain_text("Nguyễn Thị Hoa")


def test_the_worklist_is_accessible(doctor: Page, sqlite_desk: TestDesk, axe: Callable[[Page], None]) -> None:
    for one in (reading(), reading(Priority.NORMAL, mass=0.1), unread()):
        sqlite_desk.add(one)
    doctor.goto("/")
    axe(doctor)
