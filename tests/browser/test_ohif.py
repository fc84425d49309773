"""Somebody else's viewer, OHIF, over the station's own DICOMweb: the list, the film, the picture, the report."""

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from tests.browser.conftest import Window
from tests.factories import until
from tests.peers.ohif import DIST, OhifPeer
from tests.xray_triage import films
from tests.xray_triage.desk import TestDesk, reading, unread
from tests.xray_triage.web.conftest import bearer

pytestmark = pytest.mark.skipif(not DIST.is_dir(), reason="no OHIF: tools/fetch-ohif .venv")
SECONDS = 120.0  # many megabytes of script are compiled, and the machine may be busy
SHADES = 30  # of gray, their standard deviation: less while nothing is drawn


@pytest.fixture
def ohif(url: str, sqlite_desk: TestDesk) -> Iterator[OhifPeer]:
    """OHIF on the same origin as the station's /dicom-web, which a proxy opens with a doctor's token."""
    with OhifPeer(f"{url}/dicom-web", bearer(sqlite_desk)) as peer:
        yield peer


def shades(page: Page) -> float:
    """How much the grays of the large viewport differ: near 0 while nothing is drawn."""
    png = page.locator("[data-viewportid] canvas").first.screenshot()
    return float(np.asarray(Image.open(io.BytesIO(png)).convert("L")).std())


def test_ohif_lists_the_study_draws_film_and_picture_and_opens_the_report(
    open_window: Window, ohif: OhifPeer, sqlite_desk: TestDesk
) -> None:
    dataset = films.film(PatientName="Nguyễn^Thị^Bưởi", StudyDescription="X-quang ngực thẳng")
    sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    page = open_window(base_url=ohif.url)
    page.set_default_timeout(1000 * SECONDS)
    page.goto("/")
    row = page.locator("tbody tr", has_text="Nguyễn, Thị Bưởi")
    expect(row).to_contain_text("X-quang ngực thẳng", timeout=1000 * SECONDS)
    expect(row).to_contain_text("DX\\SR\\OT\\PR")

    page.goto(f"/viewer?StudyInstanceUIDs={dataset.StudyInstanceUID}")
    page.get_by_text("Skip all").click()  # a tour for those who are new, which darkens the film
    until(lambda: shades(page) > SHADES)
    pictures = page.locator('[data-cy="study-browser-thumbnail"] img')
    expect(pictures).to_have_count(2, timeout=1000 * SECONDS)  # the film and our picture of it

    page.get_by_text("AI: hình ảnh").dblclick()
    expect(page.get_by_text("AI: hình ảnh")).to_have_count(
        2, timeout=1000 * SECONDS
    )  # in the list, and over what is shown
    until(lambda: shades(page) > SHADES)

    page.get_by_text("AI: báo cáo").dblclick()
    asked = page.get_by_text("Do you want to continue tracking measurements")  # it has read them
    expect(asked).to_be_visible(timeout=1000 * SECONDS)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)


def test_whoever_opens_a_film_that_was_not_read_sees_first_what_is_asked_and_its_report_opens(
    open_window: Window, ohif: OhifPeer, sqlite_desk: TestDesk
) -> None:
    dataset = films.film(PatientName="Nguyễn^Thị^Bưởi")
    case = sqlite_desk.record(sqlite_desk.receive(dataset), dataset, unread("not_frontal"))
    sqlite_desk.consultations.request(
        case.case_id, question="Có tràn khí không?", priority="urgent", requested_by="BS. Lan"
    )
    page = open_window(base_url=ohif.url)
    page.set_default_timeout(1000 * SECONDS)
    page.goto(f"/viewer?StudyInstanceUIDs={dataset.StudyInstanceUID}")
    page.get_by_text("Skip all").click()
    until(lambda: shades(page) > SHADES)
    shown = page.get_by_text("YÊU CẦU HỘI CHẨN", exact=True)
    expect(shown).to_have_count(2, timeout=1000 * SECONDS)  # in the list, and over what is shown
    pictures = page.locator('[data-cy="study-browser-thumbnail"] img')
    expect(pictures).to_have_count(3, timeout=1000 * SECONDS)  # the request, the film, why it was not read

    page.get_by_text("AI: báo cáo").dblclick()
    expect(shown).to_have_count(1, timeout=1000 * SECONDS)  # the film that the report is about stands there now
    expect(page.get_by_text("PA", exact=True)).to_have_count(2, timeout=1000 * SECONDS)
    expect(page.get_by_text("Something went wrong")).to_have_count(0)
