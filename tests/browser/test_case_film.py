"""The film of a case and what stands beside it: which film the findings are of, rows and outlines, room, a phone."""

from dataclasses import replace

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import LAPTOP, PHONE, Window
from tests.browser.test_viewer import drawn, keep, ramp, show
from tests.factories import film, until
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.reading.findings import KINDS, Box, Finding, Priority, Reading

LEAST_HEIGHT = 620  # of a film on a laptop's 768
FOUR = ("pleural_effusion", "mass", "edema", "nodule")
DIM, BRIGHT = "0.3", "1"
SCROLLED = 40  # CSS pixels; a swipe is three times as far


def four_findings() -> Reading:
    """Four outlines, the strongest first, and a heart that is measured too large and not marked."""
    read = reading(Priority.URGENT)
    assert read.findings
    placed = tuple(
        Finding(
            kind=KINDS[name],
            probability=0.9 - number / 10,
            threshold=0.5,
            box=Box(60 + 100 * number, 80, 80, 90),
            side="left" if number == 0 else None,
        )
        for number, name in enumerate(FOUR)
    )
    heart = Finding(kind=KINDS["cardiomegaly"], probability=0.11, threshold=0.23)
    scores = {"abnormal": 0.9, "cardiothoracic_ratio": 0.54}
    findings = replace(read.findings, findings=(*placed, heart), scores=scores)
    decision = replace(read.decision, reasons=("pleural_effusion",))
    return replace(read, findings=findings, decision=decision)


def height(part: Locator) -> float:
    box = part.bounding_box()
    assert box
    return box["height"]


def row(page: Page, finding: str) -> Locator:
    return page.locator(f'#findings [data-chosen] tr[data-finding="{finding}"]')


def outline(page: Page, finding: str) -> Locator:
    return page.locator(f'.layers g[data-finding="{finding}"]')


def test_the_findings_are_those_of_the_film_that_is_shown(doctor: Page, sqlite_desk: TestDesk) -> None:
    first, second = ramp(), ramp()
    second.StudyInstanceUID = third_of = first.StudyInstanceUID
    keep(sqlite_desk, first, replace(reading(Priority.NORMAL, mass=0.1), view="PA"))
    keep(sqlite_desk, second, replace(reading(Priority.URGENT, edema=0.9), view="AP"))
    case_id = keep(sqlite_desk, ramp(study_instance_uid=third_of), unread("not_frontal"))
    show(doctor, case_id)
    entries, shown = doctor.locator(".strip button"), doctor.locator("#findings article:visible")
    expect(entries.nth(0)).to_contain_text("Phim 1 · PA")
    expect(entries.nth(1)).to_contain_text("Khẩn cấp")
    expect(entries.nth(2)).to_contain_text("Phim 3 · nghiêng")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("Phim 2 · AP Khẩn cấp")  # the most urgent first, whenever it came
    expect(shown).to_contain_text("Phù phổi")
    doctor.locator('.pane[data-pane="now"]').focus()
    doctor.keyboard.press("PageUp")
    expect(shown).to_contain_text("Khối")
    expect(doctor.locator(".pane .title").first).to_have_text("Phim 1 · PA")
    sqlite_desk.deliver()
    expect(doctor.locator("#deliveries")).to_contain_text("đã ở PACS")
    expect(shown).to_have_count(1)
    expect(shown).to_contain_text("Khối")  # renewed, and still of this film
    entries.nth(2).click()
    expect(shown).to_contain_text("AI chưa đọc phim này.")


def test_a_row_shows_its_outline_and_an_outline_its_row(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    show(page, keep(sqlite_desk, ramp(), four_findings()))
    expect(row(page, "pleural_effusion")).to_contain_text("Tràn dịch màng phổi trái")
    expect(page.locator(".head")).to_contain_text("Khẩn cấp vì: tràn dịch màng phổi trái 90%")
    expect(page.locator("#findings")).to_contain_text("Bóng tim to · AI 11% · đo 0,54 Đo trên 0,50 nhưng")
    for finding in FOUR[:3]:
        expect(outline(page, finding)).to_have_attribute("visibility", "visible")
    expect(outline(page, "nodule")).to_have_attribute("visibility", "hidden")  # the strongest three are enough

    row(page, "nodule").hover()
    expect(outline(page, "nodule")).to_have_attribute("visibility", "visible")
    expect(outline(page, "mass")).to_have_attribute("opacity", DIM)
    page.mouse.move(5, 5)
    expect(outline(page, "nodule")).to_have_attribute("visibility", "hidden")
    expect(outline(page, "mass")).to_have_attribute("opacity", BRIGHT)

    mark = row(page, "nodule").get_by_role("button")
    mark.focus()
    expect(outline(page, "nodule")).to_have_attribute("opacity", BRIGHT)
    page.keyboard.press("Enter")
    expect(mark).to_have_attribute("aria-pressed", "true")
    row(page, "mass").get_by_role("button").click()
    page.mouse.move(5, 5)
    expect(outline(page, "mass")).to_have_attribute("visibility", "hidden")
    expect(outline(page, "nodule")).to_have_attribute("visibility", "visible")

    box = outline(page, "edema").locator("rect").last.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(row(page, "edema")).to_have_attribute("data-lit", "")
    expect(outline(page, "nodule")).to_have_attribute("opacity", DIM)
    colours = {name: outline(page, name).locator("rect").last.get_attribute("stroke") for name in FOUR}
    assert len(set(colours.values())) == len(FOUR)
    for name, colour in colours.items():
        expect(row(page, name).locator(".mark rect")).to_have_attribute("stroke", str(colour))


def test_a_film_has_the_height_of_a_laptop_and_a_key_for_all_of_it(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter(viewport=LAPTOP)
    show(page, keep(sqlite_desk, ramp(), four_findings()))
    pane = page.locator('.pane[data-pane="now"]')
    assert height(pane) >= LEAST_HEIGHT
    before = pane.bounding_box()
    sqlite_desk.clock.advance(60)
    sqlite_desk.add(reading(), patient_name="Lê^Khẩn")  # news, which moves nothing
    expect(page.get_by_role("link", name="Lê Khẩn")).to_be_visible()
    assert pane.bounding_box() == before

    automatic = drawn(page)
    for key, dark, bright in (("2", 0, 40), ("3", -40, 0)):  # lungs: brighter; bones: darker
        page.keyboard.press(key)
        change = drawn(page).mean() - automatic.mean()
        assert change > bright or change < dark, key
    page.keyboard.press("1")
    assert abs(drawn(page).mean() - automatic.mean()) < 1
    page.keyboard.press("t")
    expect(page.locator(".viewer")).to_have_class("viewer full")
    size = page.viewport_size
    assert size is not None
    assert height(pane) == size["height"]
    expect(page.locator(".whose")).to_be_visible()  # whose film it is
    page.keyboard.press("Escape")
    expect(page.locator(".viewer")).to_have_class("viewer")


def test_a_finger_scrolls_the_page_over_a_film_unless_a_tool_is_chosen(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter(viewport=PHONE, has_touch=True)
    show(page, keep(sqlite_desk, ramp(), four_findings()))
    pane, grays = page.locator('.pane[data-pane="now"]'), page.locator(".pane .grays").first
    expect(pane).to_be_in_viewport(ratio=0.9)
    said, fingers = grays.inner_text(), page.context.new_cdp_session(page)

    def swipe() -> None:
        box = pane.bounding_box()
        assert box
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] * 0.7
        for kind, by in (("touchStart", 0), *(("touchMove", 15 * step) for step in range(1, 9)), ("touchEnd", 0)):
            points = [] if kind == "touchEnd" else [{"x": x, "y": y - by}]
            fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    tool = page.locator('button[data-action="window"]')
    tool.click()
    swipe()
    expect(grays).not_to_have_text(said)
    assert page.evaluate("scrollY") == 0
    tool.click()  # put away again
    said = grays.inner_text()
    swipe()
    until(lambda: page.evaluate("scrollY") > SCROLLED)
    assert grays.inner_text() == said


@pytest.mark.parametrize("size", [(1366, 768), (1024, 768), (390, 844)])
def test_much_and_nothing_have_room(enter: Window, sqlite_desk: TestDesk, size: tuple[int, int]) -> None:
    study = film().StudyInstanceUID
    name = ("Công^Tằng Tôn Nữ Thị " + "Hương " * 9)[:60].strip()
    for _ in range(12):
        case_id = keep(sqlite_desk, ramp(study_instance_uid=study, patient_name=name), unread())
    sqlite_desk.put([reading()] * 2)  # films of which nothing has come but their reading
    empty = sqlite_desk.casebook.cases(limit=1)[0].case_id
    page = enter(viewport={"width": size[0], "height": size[1]})
    show(page, case_id)
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert height(page.locator('.pane[data-pane="now"]')) > min(size[1] / 2, 300)
    expect(page.locator(".strip button")).to_have_count(12)
    page.goto(f"/cases/{empty}")
    expect(page.locator("#findings")).to_be_visible()
