"""Why the PACS could not be asked, and what is missing in an answer, as the case says it in the reader's language."""

from collections.abc import Callable
from html import unescape

import httpx

from tests.browser.answers import answer
from tests.xray_triage.desk import TestDesk, reading
from xray_triage.cases import tables
from xray_triage.cases.consultation import ANSWER_NOTES, AnswerNote
from xray_triage.consultations.obstacles import OBSTACLES, Obstacle
from xray_triage.language import LANGUAGES, Language


def test_the_case_says_what_to_do_and_keeps_the_engineers_words_for_engineers(
    enter: Callable[[], httpx.Client], sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS")
    browser = enter()
    for obstacle in Obstacle:
        noted = {"obstacle": obstacle.value, "obstacle_detail": "ECONNREFUSED 0x0122"}
        with sqlite_desk.database.write() as connection:
            connection.execute(tables.consultation.update().values(noted))
        for code in LANGUAGES:
            browser.cookies.set("language", code, domain="127.0.0.1", path="/")
            page = unescape(browser.get(f"/cases/{case_id}").text)
            assert Language(code).translate(OBSTACLES[obstacle]) in page
            assert "ECONNREFUSED" not in page
        asked = browser.get(f"/api/cases/{case_id}").json()["consultation"]
        assert (asked["obstacle"], asked["problem"]) == (obstacle, f"{obstacle}: ECONNREFUSED 0x0122")


def test_what_is_missing_in_an_answer_stands_beside_the_specialists_words(
    enter: Callable[[], httpx.Client], sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS")
    browser = enter()
    for note in AnswerNote:
        answer(sqlite_desk, case_id, "Không tràn khí", note=note.value)
        told = browser.get(f"/api/cases/{case_id}").json()["consultation"]["answer"]
        assert (told["text"], told["note"], told["note_text"]) == ("Không tràn khí", note, ANSWER_NOTES[note])
        for code in LANGUAGES:
            browser.cookies.set("language", code, domain="127.0.0.1", path="/")
            for page in (f"/cases/{case_id}", f"/cases/{case_id}/print"):
                assert Language(code).translate(ANSWER_NOTES[note]) in unescape(browser.get(page).text)


def test_a_code_of_another_version_is_shown_as_it_is(enter: Callable[[], httpx.Client], sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS")
    with sqlite_desk.database.write() as connection:
        connection.execute(tables.consultation.update().values(obstacle="100%_new"))
    assert "100%_new" in enter().get(f"/cases/{case_id}").text
    answer(sqlite_desk, case_id, "", note="50%_newer")
    assert "50%_newer" in enter().get(f"/cases/{case_id}").text
