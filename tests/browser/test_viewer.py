"""The film in the case page, in a real Chromium: what is drawn, what the tools do to it, what is said if it cannot."""

import dataclasses
import io
import itertools
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect
from pydicom.dataset import Dataset

from tests.browser.conftest import PHONE, Window
from tests.factories import film, until
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.reading.findings import KINDS, Box, Finding, Reading

ROWS, COLUMNS = 600, 500
RAMP = np.tile(np.linspace(0, 4095, COLUMNS).astype("<u2"), (ROWS, 1))
UNKNOWN = {"ImagerPixelSpacing": None}


# Fetches a film's frame and puts it on a canvas; the milliseconds that took.
DRAW_BARE = """async address => {
    const from = performance.now();
    const answer = await fetch(address, {headers: {Accept: 'multipart/related; type="application/octet-stream"'}});
    const grays = new Uint16Array(await answer.arrayBuffer(), 0, 9000000), picture = new ImageData(3000, 3000);
    for (let i = 0; i < grays.length; i++) picture.data.fill(grays[i] >> 4, 4 * i, 4 * i + 3);
    const canvas = Object.assign(document.createElement('canvas'), {width: 3000, height: 3000});
    canvas.getContext('2d').putImageData(picture, 0, 0);
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - from;
}"""


def address_of(dataset: Dataset) -> str:
    """Where the first frame of a film is."""
    study, series, instance = dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.SOPInstanceUID
    return f"/dicom-web/studies/{study}/series/{series}/instances/{instance}/frames/1"


def ramp(pixels: NDArray[Any] = RAMP, **attributes: object) -> Dataset:
    """A film that grows brighter from left to right."""
    return film(rows=ROWS, columns=COLUMNS, PixelData=pixels.tobytes(), **attributes)  # type: ignore[arg-type]


def keep(desk: TestDesk, dataset: Dataset, read: Reading | None = None) -> str:
    """A film comes in, with heat in its lower half when it was read; gives its case's id."""
    if read and read.findings:
        heat = np.repeat(np.float32([0, 1]), 64)[:, None] * np.ones((1, 128), np.float32)
        read = dataclasses.replace(read, findings=dataclasses.replace(read.findings, heat_map=heat))
    return desk.record(desk.receive(dataset), dataset, read or unread()).case_id


def show(page: Page, case_id: str) -> None:
    page.goto(f"/cases/{case_id}")
    page.locator("html[data-film-drawn]").wait_for(state="attached")


def look(page: Page, pane: str = "now") -> NDArray[np.int_]:
    """What is seen in a pane, RGB."""
    png = page.locator(f'.pane[data-pane="{pane}"] .surface').screenshot()
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def drawn(page: Page, pane: str = "now") -> NDArray[np.int_]:
    """The gray values along the middle of the film, without the black at its sides and its very edge."""
    line = look(page, pane)[:, 3:-3, 1]  # not the ring of the focus
    middle = line[len(line) // 2]
    lit = np.flatnonzero(middle > 4)
    return middle[lit[0] + 2 : lit[-1] - 1]


def scale_of(page: Page) -> float:
    """CSS pixels to a pixel of a film that fills its pane."""
    box = page.locator('.pane[data-pane="now"]').bounding_box()
    assert box
    return min(box["width"] / COLUMNS, box["height"] / ROWS)


def press(page: Page, action: str) -> None:
    page.locator(f'.viewer button[data-action="{action}"]').click()


def drag(page: Page, by: tuple[float, float], start: tuple[float, float] = (0.5, 0.4)) -> None:
    """Drag over the film; ``start`` in shares of the pane, ``by`` in CSS pixels."""
    box = page.locator('.pane[data-pane="now"]').bounding_box()
    assert box
    x, y = box["x"] + box["width"] * start[0], box["y"] + box["height"] * start[1]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + by[0] / 2, y + by[1] / 2)
    page.mouse.move(x + by[0], y + by[1])
    page.mouse.up()


def test_the_tools_change_the_picture_and_reset_brings_it_back(doctor: Page, sqlite_desk: TestDesk) -> None:
    show(doctor, keep(sqlite_desk, ramp()))
    first = look(doctor)

    press(doctor, "invert")
    expect(doctor.locator('button[data-action="invert"]')).to_have_attribute("aria-pressed", "true")
    inverted = drawn(doctor)
    assert inverted[0] > 240
    press(doctor, "invert")

    drag(doctor, (0, 60))
    assert drawn(doctor).mean() < first[:, :, 1][len(first) // 2].mean() + 200
    assert np.abs(look(doctor) - first).max() > 10

    press(doctor, "zoom")
    drag(doctor, (0, -80))
    press(doctor, "pan")
    drag(doctor, (40, 0))
    press(doctor, "reset")
    assert np.abs(look(doctor) - first).mean() < 0.5


def test_the_wheel_zooms_where_the_pointer_is(enter: Window, sqlite_desk: TestDesk) -> None:
    spot = RAMP * 0
    spot[295:305, 245:255] = 4095  # in the middle
    page = enter()
    show(page, keep(sqlite_desk, ramp(pixels=spot)))

    def spots() -> NDArray[np.int_]:
        return np.argwhere(look(page)[60:-60, 3:-3, 1] > 128)  # not the words in the corners, nor the edge

    before = spots()
    box = page.locator('.pane[data-pane="now"]').bounding_box()
    assert box
    page.mouse.move(box["x"] + 3 + before[:, 1].mean(), box["y"] + 60 + before[:, 0].mean())
    page.mouse.wheel(0, -200)
    after = spots()
    assert len(after) > len(before) * 1.5
    assert np.abs(after.mean(0) - before.mean(0)).max() < 2


def test_two_fingers_zoom_and_two_taps_fit(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter(viewport=PHONE, has_touch=True)
    show(page, keep(sqlite_desk, ramp()))
    zoomed = page.locator('.pane[data-pane="now"] .grays')
    before = zoomed.inner_text()
    box = page.locator('.pane[data-pane="now"]').bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    fingers = page.context.new_cdp_session(page)
    for kind, apart in (("touchStart", 30), ("touchMove", 60), ("touchMove", 90)):
        points = [{"x": x - apart, "y": y, "id": 1}, {"x": x + apart, "y": y, "id": 2}]
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    fingers.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    expect(zoomed).not_to_have_text(before)
    percent = [int(re.findall(r"(\d+) %", text)[0]) for text in (before, zoomed.inner_text())]
    assert percent[1] > percent[0] * 2

    for kind in ("touchStart", "touchEnd", "touchStart", "touchEnd"):  # two taps: the whole film again
        points = [{"x": x, "y": y, "id": 1}] if kind == "touchStart" else []
        fingers.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(zoomed).to_have_text(before)


def test_a_length_is_true_and_says_where_it_holds(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    said: tuple[tuple[dict[str, Any], float, str], ...] = (
        ({"PixelSpacing": [0.2, 0.2], **UNKNOWN}, 0.2, "mm"),
        ({"ImagerPixelSpacing": [0.15, 0.15]}, 0.15, "mm tại đầu thu"),
        ({"PixelSpacing": [0.15, 0.15], "ImagerPixelSpacing": [0.15, 0.15]}, 0.15, "mm tại đầu thu"),  # not calibrated
        (UNKNOWN, 1, "px (phim không ghi kích thước)"),
    )
    for spacing, millimetres, words in said:
        show(page, keep(sqlite_desk, ramp(**spacing)))
        press(page, "length")
        drag(page, (-90, 120))
        number, unit = (page.locator(".label.length").text_content() or "").split(" ", 1)
        length = float(number.replace(".", "").replace(",", "."))
        assert length == pytest.approx(150 / scale_of(page) * millimetres, rel=0.01)
        assert unit == words
        page.keyboard.press("Delete")
        expect(page.locator(".label.length")).to_have_count(0)


def test_heat_and_outlines_lie_on_the_film_and_move_with_it(doctor: Page, sqlite_desk: TestDesk) -> None:
    show(doctor, keep(sqlite_desk, ramp(), reading()))
    outline = doctor.locator(".layers .box")
    expect(doctor.locator(".label.finding")).to_contain_text("tràn khí màng phổi")
    plain = look(doctor)
    toggle = """() => new Promise(done => {
        const from = performance.now();
        document.querySelector('button[data-action=heat]').click();
        requestAnimationFrame(() => requestAnimationFrame(() => done(performance.now() - from)));
    })"""
    assert min(doctor.evaluate(toggle) for _ in range(5)) < 100  # milliseconds; and after the fifth it is shown
    changed = np.abs(look(doctor) - plain).max(2)
    half = len(changed) // 2
    assert changed[half + 8 :].mean() > 20 * max(changed[: half - 8].mean(), 0.05)

    before = outline.bounding_box()
    assert before
    assert before["width"] == pytest.approx(30 * scale_of(doctor), abs=4)  # the stroke is part of it
    press(doctor, "pan")
    drag(doctor, (25, 35))
    after = outline.bounding_box()
    assert after
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((25, 35), abs=1.5)

    press(doctor, "outlines")
    expect(doctor.locator(".label.finding")).not_to_be_visible()


def test_no_name_of_an_outline_covers_another(doctor: Page, sqlite_desk: TestDesk) -> None:
    read = reading()
    assert read.findings
    boxes = {
        "mass": Box(250, 260, 90, 80),
        "pneumonia": Box(250, 264, 200, 76),
        "infiltration": Box(210, 200, 260, 130),
        "nodule": Box(252, 262, 40, 40),
        "pleural_effusion": Box(0, 520, 500, 80),
    }
    findings = tuple(Finding(kind=KINDS[name], probability=0.9, threshold=0.5, box=box) for name, box in boxes.items())
    read = dataclasses.replace(read, findings=dataclasses.replace(read.findings, findings=findings))
    show(doctor, keep(sqlite_desk, ramp(), read))
    doctor.keyboard.press("+")
    for row in doctor.locator("#findings button.mark").all()[3:]:  # the others are outlined from the beginning
        row.click()
    pane = doctor.locator(".pane").first.bounding_box()
    labels = [label.bounding_box() for label in doctor.locator(".label.finding").all()]
    assert len(labels) == len(boxes)
    for one, other in itertools.combinations(labels, 2):
        assert one
        assert other
        across = min(one["x"] + one["width"], other["x"] + other["width"]) - max(one["x"], other["x"])
        down = min(one["y"] + one["height"], other["y"] + other["height"]) - max(one["y"], other["y"])
        assert across <= 0 or down <= 0
    assert pane
    assert all(one and one["x"] >= pane["x"] for one in labels)


def test_the_earlier_film_stands_beside_and_follows_when_asked(doctor: Page, sqlite_desk: TestDesk) -> None:
    keep(sqlite_desk, ramp(pixels=RAMP[:, ::-1]))
    sqlite_desk.clock.advance(60)
    show(doctor, keep(sqlite_desk, ramp()))
    doctor.keyboard.press("s")

    other = doctor.locator('.pane[data-pane="earlier"]')
    expect(other.locator(".grays")).to_contain_text("%")
    expect(other).not_to_have_class(re.compile("empty"))
    now, earlier = drawn(doctor), drawn(doctor, "earlier")
    assert now[-1] - now[0] > 180
    assert earlier[0] - earlier[-1] > 180

    other.focus()
    press(doctor, "invert")
    assert min(drawn(doctor, "earlier")[-1], drawn(doctor)[-1]) > 240
    press(doctor, "invert")
    doctor.locator('.pane[data-pane="now"]').focus()

    press(doctor, "follow")
    sizes = [doctor.locator(f'.pane[data-pane="{pane}"] .grays') for pane in ("now", "earlier")]
    before = sizes[0].inner_text()
    doctor.keyboard.press("+")
    expect(sizes[0]).not_to_have_text(before)
    expect(sizes[1]).to_contain_text(sizes[0].inner_text().split("·")[1])
    doctor.keyboard.press("s")
    expect(other).to_be_hidden()


def test_a_film_is_chosen_in_the_strip(doctor: Page, sqlite_desk: TestDesk) -> None:
    first = ramp()
    keep(sqlite_desk, first)
    show(doctor, keep(sqlite_desk, ramp(pixels=RAMP[:, ::-1], study_instance_uid=first.StudyInstanceUID)))
    assert drawn(doctor)[-1] > 240
    entry = doctor.locator(".strip button").nth(1)
    entry.click()

    expect(entry).to_have_attribute("aria-pressed", "true")
    expect(doctor.locator('.pane[data-pane="now"]')).not_to_have_class(re.compile("empty"))
    assert drawn(doctor)[0] > 240


def test_keys_act_on_the_film_and_nowhere_else(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    show(page, keep(sqlite_desk, ramp(), reading()))
    expect(page.locator('.pane[data-pane="now"]')).to_be_focused()
    for key, action in (("l", "length"), ("i", "invert"), ("h", "heat"), ("w", "window")):
        page.keyboard.press(key)
        expect(page.locator(f'button[data-action="{action}"]')).to_have_attribute("aria-pressed", "true")

    page.keyboard.press("?")
    expect(page.locator(".hints dl")).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator(".hints dl")).to_be_hidden()

    page.locator("#ask textarea").evaluate("one => { one.closest('dialog')?.showModal(); one.focus(); }")
    page.keyboard.type("ii")
    expect(page.locator('button[data-action="invert"]')).to_have_attribute("aria-pressed", "true")


def test_without_a_gpu_the_film_is_drawn_all_the_same(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    page.add_init_script(
        """const get = HTMLCanvasElement.prototype.getContext;
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
            return /webgl/.test(kind) ? null : get.call(this, kind, ...more);
        };"""
    )
    show(page, keep(sqlite_desk, ramp(), reading()))
    assert drawn(page)[-1] > 240
    before = page.locator(".layers .box").bounding_box()
    page.keyboard.press("i")
    assert drawn(page)[0] > 240
    press(page, "pan")
    drag(page, (20, 30))
    after = page.locator(".layers .box").bounding_box()
    assert before
    assert after
    assert (after["x"] - before["x"], after["y"] - before["y"]) == pytest.approx((20, 30), abs=2)


def test_a_graphics_card_that_gives_up_takes_no_film_away(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    page.add_init_script(
        """const get = HTMLCanvasElement.prototype.getContext;
        window.contexts = new Set();
        HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
            const context = get.call(this, kind, ...more);
            if (context && /webgl/.test(kind)) window.contexts.add(context);
            return context;
        };"""
    )
    show(page, keep(sqlite_desk, ramp(), reading()))
    before = page.locator(".layers .box").bounding_box()
    page.evaluate("contexts.forEach(each => each.getExtension('WEBGL_lose_context')?.loseContext())")
    page.locator(".pane .surface canvas").wait_for()
    until(lambda: page.locator(".pane.empty").count() == 0 and drawn(page)[-1] > 240)
    page.keyboard.press("i")
    until(lambda: drawn(page)[0] > 240)
    assert page.locator(".layers .box").bounding_box() == pytest.approx(before, abs=1)


def test_the_page_renews_its_parts_after_the_film_was_drawn(enter: Window, sqlite_desk: TestDesk) -> None:
    page = enter()
    case_id = keep(sqlite_desk, ramp(), reading())
    with page.expect_response(f"**/fragments/cases/{case_id}/findings"):
        show(page, case_id)
    drawn_at = float(page.locator("html").get_attribute("data-film-drawn") or "inf")
    first = page.evaluate(
        """() => Math.min(...performance.getEntriesByType('resource')
            .filter(entry => entry.name.includes('/fragments/cases/')).map(entry => entry.startTime))"""
    )
    assert first >= min(drawn_at, 3000) - 1  # a film that takes longer holds nothing up


def test_a_film_of_18_mb_is_there_soon_and_gone_when_left(enter: Window, sqlite_desk: TestDesk) -> None:
    pixels = np.random.default_rng(1).integers(0, 4096, (3000, 3000), dtype="<u2")
    large = film(rows=3000, columns=3000, PixelData=pixels.tobytes())
    case_id = keep(sqlite_desk, large)
    page = enter()
    devtools = page.context.new_cdp_session(page)

    def is_gone() -> bool:
        devtools.send("HeapProfiler.collectGarbage")
        heap = devtools.send("Runtime.getHeapUsage")
        return bool(heap["backingStorageSize"] < 30e6 and heap["usedSize"] < 60e6)

    times, bare = [], []
    for _ in range(4):
        show(page, case_id)
        times.append(float(page.locator("html").get_attribute("data-film-drawn") or "inf"))
        page.goto("/")
        until(is_gone)
        bare.append(page.evaluate(DRAW_BARE, address_of(large)))
    # On a busy machine what is soon is told by what the same bytes take without any viewer, in the same seconds.
    assert min(times) <= max(1500, 6 * min(bare)), (times, bare)


def test_the_viewer_is_accessible(doctor: Page, sqlite_desk: TestDesk, axe: Callable[[Page], None]) -> None:
    show(doctor, keep(sqlite_desk, ramp(), reading()))
    axe(doctor)
