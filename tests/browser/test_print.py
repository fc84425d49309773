"""The sheet of a case as Chromium prints it: A4, and nothing of what was written is missing."""

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
from xray_triage.orders.order import Registration
from xray_triage.reading.findings import KINDS, Box, Priority, Reading


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


def test_nothing_is_cut_of_the_longest_case_the_film_shrinks_and_pages_follow(
    enter: Window, sqlite_desk: TestDesk
) -> None:
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{long_case(sqlite_desk)}/print")
    sheet = page.locator(".sheet")
    for told in ("Công Tằng Tôn Nữ Thị Phương Thảo " + "A" * 24, "Câu hỏi dài. " * 149, "Chữ " * 1999, "W" * 5000):
        expect(sheet).to_contain_text(told.strip())
    cut = "every => every.filter(e => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1).length"
    assert page.locator(".sheet :is(dd, p, li, td)").evaluate_all(cut) == 0
    assert page.locator(".film").evaluate("film => film.offsetHeight < 112 * 96 / 25.4")
    assert pages_of(page) > 5


def test_a_question_that_fits_beside_a_smaller_film_makes_no_second_page(enter: Window, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="Khó thở. " * 30, priority="urgent", requested_by="Bs. An")
    answer(sqlite_desk, case_id, "Chuyển viện, chụp CT, xét nghiệm lao. " * 30)
    answer(sqlite_desk, case_id, "", kind="pdf", title="scan")
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{case_id}/print")
    for words in ("xét nghiệm lao. Chuyển viện", "scan", "Khó thở."):
        expect(page.locator(".sheet")).to_contain_text(words)
    assert pages_of(page) == 1


def marked_at(*boxes: Box) -> Reading:
    """A film of 400 x 500 with a finding in each box."""
    read = reading(**dict.fromkeys(list(KINDS)[: len(boxes)], 0.9))
    assert read.findings is not None
    findings = tuple(replace(one, box=box) for one, box in zip(read.findings.findings, boxes, strict=True))
    return replace(read, rows=500, columns=400, findings=replace(read.findings, findings=findings))


def test_names_stay_on_the_film_and_none_lies_over_another(enter: Window, sqlite_desk: TestDesk) -> None:
    boxes = Box(340, 20, 50, 40), Box(345, 22, 50, 40), Box(330, 25, 60, 40), Box(20, 5, 50, 40)
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{sqlite_desk.add(marked_at(*boxes)).case_id}/print")
    film = page.locator(".film svg").bounding_box()
    names = [name.bounding_box() for name in page.locator(".film svg text").all()]
    assert film is not None
    assert len(names) == len(boxes)
    for place, one in enumerate(names):
        assert one is not None
        assert film["x"] <= one["x"]
        assert one["x"] + one["width"] <= film["x"] + film["width"] + 1
        for other in names[:place]:
            assert other is not None
            beside = one["x"] >= other["x"] + other["width"] or other["x"] >= one["x"] + one["width"]
            assert beside or abs(one["y"] - other["y"]) >= one["height"] - 1


def test_the_film_of_the_highest_priority_is_printed_with_who_sent_the_patient_and_why(
    enter: Window, sqlite_desk: TestDesk
) -> None:
    typed = Registration(
        patient_name="Lê Văn Bình",
        patient_birth_date=None,
        patient_sex=None,
        patient_id="BN7",
        referring_physician="BS. Phan Tuấn",
        reason="Khó thở hai ngày",
    )
    order = sqlite_desk.orders.register(typed, form_key="1", registered_by="ktv")
    study = {"patient_id": "BN7", "AccessionNumber": order.accession_number, "StudyInstanceUID": "1.2.3"}
    sqlite_desk.add(unread("not_frontal"), **study)
    case_id = sqlite_desk.add(reading(Priority.URGENT, edema=0.7), **study, SOPInstanceUID="1.2.3.9").case_id
    page = enter(viewport=LAPTOP)
    page.goto(f"/cases/{case_id}/print")
    sheet = page.locator(".sheet")
    for told in ("Phù phổi", "phiếu này in phim 2", "BS. Phan Tuấn", "Khó thở hai ngày"):
        expect(sheet).to_contain_text(told, ignore_case=True)
    assert "1.2.3.9" in str(page.locator(".film img, .film image").first.evaluate("i => i.src || i.href.baseVal"))
    other = sqlite_desk.add(reading(), ReferringPhysicianName="Võ^Thị^Sáu", StudyInstanceUID="1.2.4").case_id
    page.goto(f"/cases/{other}/print")
    expect(sheet).to_contain_text("Võ Thị Sáu")  # as another hospital's worklist has it


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
