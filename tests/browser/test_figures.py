"""The page of figures in a real Chromium: it counts, changes its period, hands out files, and names nobody."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.triage.desk import PACS, TestDesk, reading, unread
from xray_triage.reading.findings import Priority


@pytest.fixture
def a_month_of_work(sqlite_desk: TestDesk) -> TestDesk:
    """Forty days with some films each, an outage, verdicts and questions; the clock stands at the end."""
    start = sqlite_desk.clock.now()
    for day in range(40):
        sqlite_desk.clock.time = start + timedelta(days=day)
        made = [reading(list(Priority)[number % 4]) if number % 4 != 2 else unread() for number in range(day % 5 + 1)]
        exposed = f"{sqlite_desk.clock.now() - timedelta(seconds=9):%Y%m%d%H%M%S}+0000"
        cases = [sqlite_desk.add(one, AcquisitionDateTime=exposed).case_id for one in made]
        sqlite_desk.casebook.give_verdict(cases[0], agrees=day % 4 > 0, note="")
        if day % 3 == 0:
            sqlite_desk.consultations.request(cases[0], question="?", priority="routine", requested_by="bs")
        if day == 37:
            work, _ = sqlite_desk.outbox.claim(PACS, "light") or pytest.fail("nothing to send")
            sqlite_desk.outbox.postpone(work, seconds=0, error="no route")
            continue
        sqlite_desk.clock.advance(2)
        sqlite_desk.deliver()
    return sqlite_desk


@pytest.mark.usefixtures("a_month_of_work")
def test_a_doctor_reads_the_figures_and_changes_the_period(doctor: Page, axe: Callable[[Page], None]) -> None:
    doctor.goto("/figures")
    expect(doctor.locator("figure.plot")).to_have_count(10)
    expect(doctor.get_by_role("img", name="Số ca theo mức ưu tiên")).to_be_visible()
    doctor.locator("#cases summary").click()
    expect(doctor.locator("#cases tbody tr")).to_have_count(30)
    axe(doctor)
    narrow = doctor.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert narrow, "the page is wider than its window"

    doctor.get_by_role("link", name="Theo tháng").click()
    expect(doctor.locator("#cases tbody tr")).to_have_count(12)
    doctor.get_by_role("link", name="Trước").click()
    expect(doctor.get_by_text("Chưa có phim nào trong khoảng này.")).to_be_visible()
    axe(doctor)


@pytest.mark.usefixtures("a_month_of_work")
def test_a_file_is_handed_out_with_its_period_in_its_name(doctor: Page, tmp_path: Path) -> None:
    doctor.goto("/figures?by=month&count=6")
    with doctor.expect_download() as found:
        doctor.get_by_role("link", name="Tải từng ca (CSV)").click()
    found.value.save_as(tmp_path / "cases.csv")
    assert found.value.suggested_filename == "months-2025-02-01-2025-07-01-cases.csv"
    text = (tmp_path / "cases.csv").read_text("utf-8-sig")
    assert "pneumothorax" in text
    assert "Nguyễn" not in text


def test_an_empty_station_is_told_what_will_come(doctor: Page, axe: Callable[[Page], None]) -> None:
    doctor.goto("/figures")
    expect(doctor.get_by_text("số liệu sẽ tự được đếm và hiện ở đây")).to_be_visible()
    axe(doctor)
