"""Why the PACS could not be asked for an answer, as the case says it: what to do, in the reader's language."""

from collections.abc import Callable
from html import unescape

import httpx

from tests.xray_triage.desk import TestDesk, reading
from xray_triage.cases import tables
from xray_triage.consultations.obstacles import EN, VI, Obstacle


def test_the_case_says_what_to_do_and_keeps_the_engineers_words_for_engineers(
    enter: Callable[[], httpx.Client], sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS")
    browser = enter()
    for obstacle in Obstacle:
        noted = f"{obstacle}: ECONNREFUSED 0x0122"
        with sqlite_desk.database.write() as connection:
            connection.execute(tables.consultation.update().values(problem=noted))
        for language, words in (("vi", VI), ("en", EN)):
            browser.cookies.set("language", language, domain="127.0.0.1", path="/")
            page = unescape(browser.get(f"/cases/{case_id}").text)
            assert words[obstacle] in page
            assert "ECONNREFUSED" not in page
        assert browser.get(f"/api/cases/{case_id}").json()["consultation"]["problem"] == noted
