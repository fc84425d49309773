"""A question over the API and on the page: changed, withdrawn, and told in the visitor's language."""

import re

import httpx
import pytest

from tests.browser.answers import answer
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role

ASKED = {"question": "Có cần chuyển viện không?", "priority": "routine"}


def asked(client: httpx.Client, desk: TestDesk) -> str:
    """Where the question of a case is changed."""
    case_id = desk.add(reading()).case_id
    client.post(f"/api/cases/{case_id}/consultation", json=ASKED).raise_for_status()
    desk.deliver()
    desk.clock.advance(60)
    return f"/api/cases/{case_id}/consultation/change"


def text_of(page: str) -> str:
    """What stands in a page, without its tags."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_a_question_is_added_to_made_urgent_and_withdrawn(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    url = asked(client, sqlite_desk)
    case = url.removesuffix("/consultation/change")
    first = client.post(url, json={"text": " Vừa khó thở. ", "urgent": True}).json()
    assert (first["state"], first["priority"]) == ("requested", "urgent")
    assert first["question"].endswith("\n\nBổ sung của BS. Trần Thị Mai: Vừa khó thở.")
    assert client.post(url, json={"withdraw": True, "text": "Đã chuyển viện."}).json()["state"] == "withdrawn"
    found = client.get(case).json()["consultation"]
    assert [(change["kind"], change["reason"]) for change in found["changes"]] == [
        ("added", ""),
        ("raised", ""),
        ("withdrawn", "Đã chuyển viện."),
    ]
    assert {change["by"] for change in found["changes"]} == {"BS. Trần Thị Mai"}
    noted = {entry.action: entry.detail for entry in sqlite_desk.audit.entries(subject=case.rpartition("/")[2])}
    assert noted[Action.CONSULTATION_CHANGED] == "urgent · Vừa khó thở."
    assert noted[Action.CONSULTATION_WITHDRAWN] == "Đã chuyển viện."
    assert client.post(case + "/consultation", json=ASKED).json()["state"] == "requested"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"text": "  "},
        {"urgent": "perhaps"},
        {"urgent": True, "withdraw": True},
        {"text": "x" * 2001},
        {"text": "\x00"},
        {"question": "?"},
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_nothing_is_sent(
    client: httpx.Client, sqlite_desk: TestDesk, body: dict[str, object]
) -> None:
    url = asked(client, sqlite_desk)
    assert client.post(url, json=body).status_code == 422
    assert sqlite_desk.deliver() == []


def test_only_who_may_ask_may_change_and_only_what_is_there(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    url = asked(client, sqlite_desk)
    technician = bearer(sqlite_desk, Role.TECHNICIAN)
    assert client.post(url, json={"urgent": True}, headers=technician).status_code == 403
    nowhere = "/api/cases/000000000000/consultation/change"
    assert client.post(nowhere, json={"urgent": True}).status_code == 404


@pytest.mark.parametrize(("language", "said"), [("vi", "không còn chờ trả lời"), ("en", "waits for no answer")])
def test_what_cannot_be_changed_any_more_is_said_in_the_visitors_language(
    client: httpx.Client, sqlite_desk: TestDesk, language: str, said: str
) -> None:
    url = asked(client, sqlite_desk)
    client.post(url, json={"withdraw": True}).raise_for_status()
    client.cookies.set("language", language)
    refused = client.post(url, json={"urgent": True})
    assert (refused.status_code, said in refused.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("language", "lines"),
    [
        ("vi", ("đã rút câu hỏi", "Chuyển khẩn cấp lúc", "Rút câu hỏi lúc", "BS. Trần Thị Mai: Đã chuyển viện.")),
        ("en", ("withdrawn", "Made urgent at", "Withdrawn at", "BS. Trần Thị Mai: Đã chuyển viện.")),
    ],
)
def test_case_list_and_paper_say_what_became_of_a_question(
    client: httpx.Client, sqlite_desk: TestDesk, language: str, lines: tuple[str, ...]
) -> None:
    url = asked(client, sqlite_desk)
    case_id = url.split("/")[3]
    client.cookies.set("language", language)
    open_page = client.get(f"/fragments/cases/{case_id}/consultation").text
    assert 'name="urgent"' in open_page
    assert 'data-dialog="change"' in open_page
    client.post(url, json={"urgent": True}).raise_for_status()
    assert 'name="urgent"' not in client.get(f"/fragments/cases/{case_id}/consultation").text
    client.post(url, json={"withdraw": True, "text": "Đã chuyển viện."}).raise_for_status()
    page = client.get(f"/cases/{case_id}").text
    assert [line for line in lines if line not in text_of(page)] == []
    assert 'data-dialog="change"' not in page
    assert 'id="ask-button"' in page
    assert lines[0] in text_of(client.get("/").text)
    assert lines[2] in text_of(client.get(f"/cases/{case_id}/print").text)


def test_who_may_not_ask_gets_no_button_to_change(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = asked(client, sqlite_desk).split("/")[3]
    page = client.get(f"/cases/{case_id}", headers=bearer(sqlite_desk, Role.TECHNICIAN)).text
    assert "/consultation/change" not in page


@pytest.mark.parametrize("first", ["unsigned", "preliminary"])
def test_an_answer_that_a_weightier_one_follows_is_folded_and_not_printed(
    client: httpx.Client, sqlite_desk: TestDesk, first: str
) -> None:
    case_id = asked(client, sqlite_desk).split("/")[3]
    complete = first == "unsigned"
    standing = "final" if complete else "preliminary"
    answer(sqlite_desk, case_id, "Chưa rõ.", complete=complete, standing=standing, verified=False)
    sqlite_desk.clock.advance(60)
    before = client.get(f"/cases/{case_id}").text
    assert "<summary>" not in before.split('id="consultation"')[1].split('id="deliveries"')[0]
    answer(sqlite_desk, case_id, "Tràn khí phải.", verified=True)
    page = client.get(f"/cases/{case_id}").text
    folded = page.split("<summary>")[1].split("</details>")[0]
    assert ("đã có bản ký duyệt sau" if complete else "đã có trả lời sau") in folded
    assert "Chưa rõ." in folded
    assert "Tràn khí phải." not in folded
    paper = client.get(f"/cases/{case_id}/print").text
    assert ("Tràn khí phải." in paper, "Chưa rõ." in paper) == (True, False)
