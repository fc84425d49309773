"""The sheet of a case as Chromium prints it: one page of A4, always."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from playwright.sync_api import Page, expect
from pydicom.uid import generate_uid

from tests.browser.answers import answer
from tests.browser.conftest import LAPTOP, Window
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.accounts.audit import Action
from xray_triage.reading.findings import KINDS, Box, Priority


def pages_of(page: Page) -> int:
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    return len(re.findall(rb"/Type\s*/Page\b(?!s)", printed))


def long_case(desk: TestDesk) -> str:
    """Every field as long as it may be."""
    every = dict.fromkeys(KINDS, 0.9)
    name = "Công^Tằng Tôn Nữ Thị Phương Thảo " + "A" * 24
    study = generate_uid()
    case_id = desk.add(reading(Priority.URGENT, **every), patient_name=name, study_instance_uid=study).case_id
    for other in range(4):
        desk.add(reading(), patient_name=f"{other} {name}"[:64], patient_id=f"{other}" * 64, study_instance_uid=study)
    desk.consultations.request(case_id, question="Câu hỏi dài. " * 150, priority="urgent", requested_by="Bs. An" * 12)
    for text in ("Dòng.\n" * 400, "Chữ " * 2000, "W" * 5000):
        answer(desk, case_id, text, author="BS. " + "Lê " * 20)
    desk.casebook.give_verdict(case_id, agrees=False, note="Ghi chú. " * 200, given_by="Bs. An")
    return case_id


def test_a_case_is_one_page_with_all_that_belongs_on_it(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading(Priority.URGENT, pneumothorax=0.93, mass=0.1), patient_name="Lê^Văn^Bình").case_id
    sqlite_desk.consultations.request(case_id, question="Có cần chuyển viện?", priority="urgent", requested_by="Bs. An")
    answer(sqlite_desk, case_id, "Chuyển viện ngay.")
    sqlite_desk.casebook.give_verdict(case_id, agrees=True, note="khó thở", given_by="Bs. An")
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{case_id}/print")
    sheet = page.locator(".sheet")
    for told in ("Lê Văn Bình", "P0001", "93%", "Có cần chuyển viện?", "Chuyển viện ngay.", "khó thở", "A0001"):
        expect(sheet).to_contain_text(told)
    expect(page.get_by_role("figure", name="Mã QR của số phiếu").locator("svg")).to_be_visible()
    assert page.locator(".film img").evaluate("image => image.decode().then(() => image.naturalWidth > 30)")
    assert pages_of(page) == 1
    noted = [entry.action for entry in sqlite_desk.accounts.audit.entries(subject=case_id)]
    assert Action.CASE_PRINTED in noted


def test_the_longest_case_is_still_one_page_and_says_that_there_is_more(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{long_case(sqlite_desk)}/print")
    assert pages_of(page) == 1
    assert page.locator(".sheet .text").first.evaluate("text => text.scrollHeight > text.clientHeight")
    expect(page.locator(".sheet")).to_contain_text("còn 1 trả lời nữa trên trang của trạm")
    expect(page.locator(".sheet")).to_contain_text("Dấu … nghĩa là còn nữa")
    page.emulate_media(media="print")
    sheet, footer = page.locator(".sheet").bounding_box(), page.locator(".sheet footer").bounding_box()
    assert sheet is not None
    assert footer is not None
    assert footer["y"] + footer["height"] <= sheet["y"] + sheet["height"] + 1  # nothing of it is hidden


def test_words_of_a_specialist_are_printed_before_a_file_that_has_none(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="Xin ý kiến.", priority="urgent", requested_by="Bs. An")
    answer(sqlite_desk, case_id, "Tràn khí, chuyển viện.")
    answer(sqlite_desk, case_id, "", kind="pdf", title="scan")
    answer(sqlite_desk, case_id, "Chụp lại sau 2 tuần.")
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{case_id}/print")
    for words in ("Tràn khí, chuyển viện.", "Chụp lại sau 2 tuần.", "còn 1 trả lời nữa"):
        expect(page.locator(".sheet")).to_contain_text(words)


def test_of_many_answers_the_first_opinion_and_the_last_word_are_printed(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="Xin ý kiến.", priority="urgent", requested_by="Bs. An")
    for text in ("Tràn khí, chuyển viện.", "Xin thêm phim nghiêng.", "Đã xem phim nghiêng: như trên.", ""):
        answer(sqlite_desk, case_id, text, title="scan")
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{case_id}/print")
    expect(page.locator(".sheet .text.three")).to_have_text(
        ["Xin ý kiến.", "Tràn khí, chuyển viện.", "Đã xem phim nghiêng: như trên."]
    )
    expect(page.locator(".sheet")).to_contain_text("còn 2 trả lời nữa")


def test_the_name_of_a_finding_at_the_films_edge_stays_on_the_film(enter: Window, sqlite_desk: TestDesk) -> None:
    read = reading(pleural_effusion=0.9)
    assert read.findings is not None
    findings = tuple(replace(one, box=Box(340, 20, 50, 40)) for one in read.findings.findings)
    read = replace(read, rows=500, columns=400, findings=replace(read.findings, findings=findings))
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{sqlite_desk.add(read).case_id}/print")
    film, name = page.locator(".film svg").bounding_box(), page.locator(".film svg text").bounding_box()
    assert film is not None
    assert name is not None
    assert film["x"] <= name["x"]
    assert name["x"] + name["width"] <= film["x"] + film["width"] + 1


@pytest.mark.parametrize("accession", [None, "", "Số-phiếu-1234567"])
def test_a_case_without_reading_or_number_is_printed_too(
    enter: Window, sqlite_desk: TestDesk, accession: str | None
) -> None:
    case_id = sqlite_desk.add(unread("child"), AccessionNumber=accession or "").case_id
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{case_id}/print")
    expect(page.locator(".sheet")).to_contain_text("AI chưa đọc phim này.")
    assert page.locator(".qr svg").count() == bool(accession)
    assert pages_of(page) == 1


def test_the_sheet_is_accessible(doctor: Page, sqlite_desk: TestDesk, axe: Callable[[Page], None]) -> None:
    doctor.goto(f"/cases/{long_case(sqlite_desk)}/print")
    axe(doctor)
