"""The page of figures in a real Chromium: it counts, changes its period, hands out files, and names nobody."""

import shutil
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import PACS, TestDesk, reading, unread
from xray_triage.reading.findings import Priority


@pytest.fixture(scope="module")
def a_month(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, datetime]:
    """Forty days with some films each, an outage, verdicts and questions: the folder of a desk, and their end."""
    folder = tmp_path_factory.mktemp("month")
    with desk_in(folder) as desk:
        start = desk.clock.now()
        for day in range(40):
            desk.clock.time = start + timedelta(days=day)
            work_a_day(desk, day)
        return folder, desk.clock.now()


def work_a_day(desk: TestDesk, day: int) -> None:
    made = [reading(list(Priority)[number % 4]) if number % 4 != 2 else unread() for number in range(day % 5 + 1)]
    exposed = f"{desk.clock.now() - timedelta(seconds=9):%Y%m%d%H%M%S}+0000"
    cases = [desk.add(one, AcquisitionDateTime=exposed).case_id for one in made]
    desk.casebook.give_verdict(cases[0], agrees=day % 4 > 0, note="")
    if day % 3 == 0:
        desk.consultations.request(cases[0], question="?", priority="routine", requested_by="bs")
    if day == 37:
        work, _ = desk.outbox.claim(PACS, "light") or pytest.fail("nothing to send")
        desk.outbox.postpone(work, seconds=0, error="no route")
        return
    desk.clock.advance(2)
    desk.deliver()


@pytest.fixture
def a_month_of_work(a_month: tuple[Path, datetime], tmp_path: Path, request: pytest.FixtureRequest) -> TestDesk:
    """The desk of this test as it is after ``a_month``."""
    folder, end = a_month
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)  # before it is opened
    desk: TestDesk = request.getfixturevalue("sqlite_desk")
    desk.clock.time = end
    return desk


@pytest.mark.usefixtures("a_month_of_work")
def test_a_doctor_reads_the_figures_and_changes_the_period(doctor: Page, axe: Callable[[Page], None]) -> None:
    doctor.goto("/figures")
    expect(doctor.locator("figure.plot")).to_have_count(11)
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
