"""A doctor's result over the API: drafts, versions, its paper; what is refused, in whose language; who may."""

from collections.abc import Callable

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.browser.answers import answer
from tests.xray_triage.desk import FULL_NAMES, TestDesk, reading, unread
from tests.xray_triage.web.conftest import bearer
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.reading.findings import KINDS, Priority

MAI = FULL_NAMES[Role.DOCTOR]
WORDS = {"description": "Nhu mô: không thấy tổn thương.", "conclusion": "Không thấy bất thường."}


@pytest.fixture
def case_id(sqlite_desk: TestDesk) -> str:
    return sqlite_desk.add(reading()).case_id


@pytest.fixture
def path(case_id: str) -> str:
    return f"/api/cases/{case_id}"


def test_a_draft_becomes_a_result_that_is_amended_and_cancelled(
    client: httpx.Client, sqlite_desk: TestDesk, case_id: str, path: str
) -> None:
    assert client.get(path).json()["result"] is None
    sqlite_desk.accounts.users.change_licence("doctor", "000123/HCM-CCHN")
    draft = client.post(f"{path}/result", json=WORDS | {"adopts_answer": False})
    assert (draft.status_code, draft.json()["state"], draft.json()["version"]) == (200, "draft", 0)
    assert client.get(path).json()["result"] == draft.json()
    assert client.get(f"{path}/result.pdf").status_code == 404

    final = client.post(f"{path}/result/finish", json={}).json()
    assert client.get(path).json()["result"] == final
    assert {key: final[key] for key in ("state", "version", "author", "licence", "signed", "records", "reason")} == {
        "state": "final",
        "version": 1,
        "author": MAI,
        "licence": "000123/HCM-CCHN",
        "signed": False,
        "records": [],
        "reason": "",
    }
    assert {key: final[key] for key in WORDS} == WORDS
    paper = client.get(f"{path}/result.pdf")
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")

    changed = WORDS | {"conclusion": "Theo dõi viêm phổi.", "advice": "Chụp lại.", "reason": "xem lại", "over": 1}
    amended = client.post(f"{path}/result/amend", json=changed).json()
    assert (amended["state"], amended["version"], amended["conclusion"]) == ("amended", 2, "Theo dõi viêm phổi.")
    is_same = client.get(f"{path}/result.pdf", params={"version": 1}).content == paper.content
    assert is_same
    cancelled = client.post(f"{path}/result/cancel", json={"reason": "nhầm người"}).json()
    assert (cancelled["state"], cancelled["version"], cancelled["reason"]) == ("cancelled", 3, "nhầm người")
    (listed,) = client.get("/api/cases").json()
    assert listed["result"] == cancelled
    noted = [(each.action, each.detail) for each in reversed(sqlite_desk.audit.entries(subject=case_id))]
    assert [each for each in noted if str(each[0]).startswith("result")] == [
        (Action.RESULT_FINISHED, ""),
        (Action.RESULT_OPENED, ""),
        (Action.RESULT_AMENDED, "xem lại"),
        (Action.RESULT_OPENED, "1"),
        (Action.RESULT_CANCELLED, "nhầm người"),
    ]


def test_what_cannot_be_written_is_said_in_the_visitors_language(
    client: httpx.Client, enter: Callable[..., httpx.Client], path: str
) -> None:
    english = enter()
    english.cookies.set("language", "en", domain="127.0.0.1", path="/")

    def said(address: str, body: object, status: int) -> tuple[str, str]:
        answers = [each.post(f"{path}/result{address}", json=body) for each in (client, english)]
        assert [each.status_code for each in answers] == [status] * 2
        return answers[0].json()["detail"], answers[1].json()["detail"]

    no_words = said("/finish", {}, 422)
    assert no_words == ("Hãy viết kết luận trước khi hoàn tất.", "Please write a conclusion before finishing.")
    assert "…" in said("/finish", WORDS | {"description": "Tim: …"}, 422)[0]
    assert "8.000" in said("", {"description": "x" * 8001}, 422)[0]
    assert "chuyên khoa" in said("", WORDS | {"adopts_answer": True}, 422)[0]
    assert "chưa có kết quả" in said("/amend", WORDS | {"reason": "x"}, 409)[0]
    assert "chưa có kết quả" in said("/cancel", {"reason": "x"}, 409)[0]
    assert client.post(f"{path}/result/finish", json=WORDS).status_code == 200
    assert "read the newest version" in said("/finish", WORDS, 409)[1]
    assert "read the newest version" in said("/amend", WORDS | {"reason": "x", "over": 7}, 409)[1]
    assert said("/amend", WORDS | {"reason": " "}, 422)[0] == said("/cancel", {}, 422)[0] == "Hãy viết lý do."
    for wrong in ({"conclusion": 1}, {"adopts_answer": "1" * 65}, {"reson": "x"}, []):
        assert client.post(f"{path}/result", json=wrong).status_code == 422
    for unknown, body in {"": WORDS, "/finish": WORDS, "/amend": {"reason": "x"}, "/cancel": {"reason": "x"}}.items():
        assert client.post(f"/api/cases/nowhere/result{unknown}", json=body).status_code == 404
    assert client.get("/api/cases/nowhere/result.pdf").status_code == 404
    assert client.get(f"{path}/result.pdf", params={"version": 0}).status_code == 422


def test_the_specialists_answer_is_taken_over_by_its_number_or_as_the_one_that_counts(
    client: httpx.Client, sqlite_desk: TestDesk, case_id: str, path: str
) -> None:
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS. An")
    answer(sqlite_desk, case_id, "Tràn dịch màng phổi trái.")
    uid = client.get(path).json()["consultation"]["answer"]["sop_instance_uid"]
    for said in (True, uid):
        assert client.post(f"{path}/result", json=WORDS | {"adopts_answer": said}).json()["adopts_answer"] == uid
    assert client.post(f"{path}/result", json=WORDS).json()["adopts_answer"] is None


def test_two_doctors_lose_nothing_and_each_finishes_their_own_draft(
    client: httpx.Client, sqlite_desk: TestDesk, path: str
) -> None:
    other = bearer(sqlite_desk, Role.ADMIN)
    client.post(f"{path}/result", json=WORDS)
    sqlite_desk.clock.advance(1)
    client.post(f"{path}/result", json={"conclusion": "Viêm phổi."}, headers=other)
    assert client.get(path).json()["result"]["author"] == FULL_NAMES[Role.ADMIN]  # the newest draft
    assert client.post(f"{path}/result/finish", json={}).json()["conclusion"] == WORDS["conclusion"]
    assert client.post(f"{path}/result/finish", json={}, headers=other).status_code == 409
    amended = client.post(f"{path}/result/amend", json={"reason": "viêm phổi"}, headers=other)
    assert (amended.json()["conclusion"], amended.json()["description"]) == ("Viêm phổi.", "")
    assert (
        client.post(f"{path}/result/amend", json={"reason": "nữa"}, headers=other).status_code == 422
    )  # no draft left


def test_who_may_not_judge_reads_results_and_writes_none(
    stranger: httpx.Client, client: httpx.Client, sqlite_desk: TestDesk, path: str
) -> None:
    client.post(f"{path}/result/finish", json=WORDS)
    technician = bearer(sqlite_desk, Role.TECHNICIAN)
    assert stranger.get(f"{path}/result.pdf", headers=technician).status_code == 200
    for address in ("", "/finish", "/amend", "/cancel"):
        assert stranger.post(f"{path}/result{address}", json={}, headers=technician).status_code == 403


FINAL_WORDS = ("có kết quả<", "kết quả đã sửa", "Phiếu kết quả", '"final"', '"amended"')


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    found=st.dictionaries(st.sampled_from(sorted(KINDS)), st.floats(0, 1), min_size=1),
    priority=st.sampled_from(Priority),
    is_drafted=st.booleans(),
    agrees=st.sampled_from([None, True, False]),
)
def test_no_page_and_no_answer_of_the_api_calls_a_case_final_without_a_persons_version(
    client: httpx.Client,
    sqlite_desk: TestDesk,
    found: dict[str, float],
    priority: Priority,
    is_drafted: bool,
    agrees: bool | None,
) -> None:
    read = unread() if priority is Priority.NOT_READ else reading(priority, **found)
    case_id = sqlite_desk.add(read).case_id
    sqlite_desk.casebook.give_verdict(case_id, agrees=agrees, note="nốt")
    if is_drafted:
        client.post(f"/api/cases/{case_id}/result", json=WORDS)
    for address in (f"/api/cases/{case_id}", "/api/cases", f"/cases/{case_id}", f"/cases/{case_id}/print", "/"):
        text = client.get(address).text
        assert not [word for word in FINAL_WORDS if word in text], address
    assert (client.get(f"/api/cases/{case_id}").json()["result"] or {"state": "draft"})["state"] == "draft"
    assert client.get(f"/api/cases/{case_id}/result.pdf").status_code == 404


def test_what_a_person_has_finished_is_called_so_everywhere(client: httpx.Client, case_id: str, path: str) -> None:
    client.post(f"{path}/result/finish", json=WORDS)
    for address in (f"/cases/{case_id}", "/"):
        assert "có kết quả" in client.get(address).text
    sheet = client.get(f"/cases/{case_id}/print").text
    assert f"{path}/result.pdf" in sheet
    assert sheet.index(WORDS["conclusion"]) < sheet.index("AI hỗ trợ sàng lọc")
    assert "Bác sĩ ký" not in sheet  # that is on the paper of the result
    client.post(f"{path}/result/amend", json=WORDS | {"reason": "xem lại"})
    for address in (f"/cases/{case_id}", f"/cases/{case_id}/print"):
        assert "Sửa bản 1: xem lại" in client.get(address).text, address
