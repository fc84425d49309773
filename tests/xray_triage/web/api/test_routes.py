"""The JSON API as CONTRACT and OpenAPI say it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import httpx
from pydicom.uid import generate_uid
from starlette.types import ASGIApp

from dicom_router.errors import PeerUnreachable
from tests.factories import film
from tests.xray_triage.desk import MODEL, PACS, STATION, TestDesk, open_desk, reading, unread
from tests.xray_triage.web.conftest import bearer
from xray_triage import __version__
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.model.drift import ModelInUse
from xray_triage.reading.bundle import Reference
from xray_triage.reading.findings import Priority

FAR = "9999-12-31T23:59:59-14:00"


def test_a_case_has_the_shape_that_programs_rely_on(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film(patient_name="Nguyễn^Văn^An")
    case_id = sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading()).case_id
    case = client.get(f"/api/cases/{case_id}").json()

    assert set(case) >= {
        *("case_id", "study_instance_uid", "accession_number", "patient", "received_at", "read_at", "priority"),
        *("images", "model", "deliveries", "consultation"),
    }
    assert case["patient"] == {"id": "P0001", "name": "Nguyễn Văn An", "sex": "F", "birth_date": "1970-01-31"}
    assert case["priority"] == "urgent"
    assert case["consultation"] is None
    assert datetime.fromisoformat(case["received_at"]).utcoffset() == timedelta(0)
    (image,) = case["images"]
    assert (image["sop_instance_uid"], image["status"], image["reason"]) == (dataset.SOPInstanceUID, "read", None)
    assert image["findings"][0] == {
        "code": "36118008",
        "scheme": "SCT",
        "name": "pneumothorax",
        "probability": 0.93,
        "threshold": 0.5,
        "positive": True,
        "box": [10, 20, 30, 40],
        "shown": True,
        "group": None,
        "measured": None,
        "side": None,
    }
    assert image["scores"] == {"abnormal": 0.9, "cardiothoracic_ratio": 0.51}
    assert case["model"] == {"name": "phổi", "version": "1.2", "sha256": "ab" * 32}
    assert sorted(d["what"] for d in case["deliveries"]) == ["gsps", "original", "sc", "sr"]
    assert {(d["destination"], d["state"], d["attempts"], d["last_error"]) for d in case["deliveries"]} == {
        (PACS, "waiting", 0, None)
    }
    assert {d["committed_at"] for d in case["deliveries"]} == {None}


def test_the_list_is_the_worklist_and_can_be_narrowed(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    normal = sqlite_desk.add(reading(Priority.NORMAL, pneumothorax=0.1)).case_id
    sqlite_desk.clock.advance(60)
    not_read = sqlite_desk.add(unread("child")).case_id
    urgent = sqlite_desk.add(reading()).case_id

    def ids(**query: str | int) -> list[str]:
        return [case["case_id"] for case in client.get("/api/cases", params=query).json()]

    assert ids() == [urgent, not_read, normal]
    assert ids(priority="not_read") == [not_read]
    assert ids(limit=1) == [urgent]
    assert ids(since=sqlite_desk.clock.now().isoformat()) == [urgent, not_read]
    assert client.get("/api/cases", params={"priority": "not_read"}).json()[0]["images"][0]["reason"] == "child"


def test_a_list_asked_for_again_tells_what_has_changed_since(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    case_id = sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading(Priority.NORMAL)).case_id

    def seen() -> tuple[object, ...]:
        (case,) = client.get("/api/cases").json()
        return case["priority"], len(case["images"]), case["deliveries"][0]["state"], case["verdict"] is None

    assert [seen(), seen()] == [("normal", 1, "waiting", True)] * 2
    sqlite_desk.add(reading(), study_instance_uid=dataset.StudyInstanceUID)
    assert seen() == ("urgent", 2, "waiting", True)
    sqlite_desk.deliver()
    assert seen() == ("urgent", 2, "acknowledged", True)
    sqlite_desk.casebook.give_verdict(case_id, agrees=True, note="")
    assert seen() == ("urgent", 2, "acknowledged", False)


def test_what_the_list_cannot_be_asked_is_said(client: httpx.Client) -> None:
    for query in (
        {"priority": "dire"},
        {"since": "yesterday"},
        {"since": "2025-06-01T00:00:00"},
        {"limit": 0},
        {"since": FAR},
    ):
        assert client.get("/api/cases", params=query).status_code == 422
    assert client.get("/api/cases/000000000000").status_code == 404
    assert client.get("/api/cases/%00%ff'--").status_code == 404


def test_a_consultation_is_asked_for_once(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    url = f"/api/cases/{case_id}/consultation"
    asked = [
        client.post(url, json={"question": f"  Có cần chuyển viện không? {n}", "priority": "urgent"}) for n in "12"
    ]

    assert [answer.status_code for answer in asked] == [200, 200]
    assert asked[0].json() == asked[1].json()
    consultation = client.get(f"/api/cases/{case_id}").json()["consultation"]
    assert consultation["question"] == "Có cần chuyển viện không? 1"
    assert (consultation["state"], consultation["answered_at"], consultation["answer"]) == ("requested", None, None)
    sqlite_desk.deliver()
    assert client.get(f"/api/cases/{case_id}").json()["consultation"]["state"] == "sent"


def test_a_question_that_makes_no_sense_is_refused(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    url = f"/api/cases/{case_id}/consultation"
    bodies: tuple[object, ...] = (
        *({}, [], {"question": "   "}, {"question": "?" * 2001}, {"question": 1}),
        *({"question": "a\x1b$B"}, {"question": "a\0"}, {"question": "a\ud800"}, {"question": "?", "\ud800": 1}),
        *({"question": "?", "priority": "now"}, {"question": "?", "requested_by": "somebody else"}),
    )
    for body in bodies:
        answer = client.post(url, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code == 422, body
    assert client.post("/api/cases/000000000000/consultation", json={"question": "?"}).status_code == 404
    assert client.post(url, content=b"{", headers={"Content-Type": "application/json"}).status_code == 422
    assert client.get(f"/api/cases/{case_id}").json()["consultation"] is None


def test_a_case_without_its_film_cannot_be_asked_about(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    arrival = sqlite_desk.receive(dataset)
    case_id = sqlite_desk.record(arrival, dataset, reading()).case_id
    sqlite_desk.spool.delete(arrival.spooled.key)

    answer = client.post(f"/api/cases/{case_id}/consultation", json={"question": "?"})
    assert answer.status_code == 409
    assert "từ đĩa của trạm" in answer.json()["detail"]


def test_a_full_disk_is_said_and_nothing_is_half_asked(
    sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    full = open_desk(sqlite_desk.database, tmp_path, reserve_bytes=1 << 60)
    with httpx.Client(base_url=serve(full.app()), headers=bearer(sqlite_desk)) as client:
        answer = client.post(f"/api/cases/{case_id}/consultation", json={"question": "?"})
        assert (answer.status_code, "free some disk" in answer.text) == (507, True)
        assert client.get(f"/api/cases/{case_id}").json()["consultation"] is None


def test_a_film_that_was_not_read_is_read_again_once_and_it_is_noted_who_asked(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(unread("reader_died")).case_id
    sqlite_desk.finish_reading()
    assert client.post(f"/api/cases/{case_id}/reread", json={}).json() == {"films": 1}
    again = client.post(f"/api/cases/{case_id}/reread", json={})
    assert (again.status_code, again.json()["detail"]) == (409, "Phim của ca này đang được đọc hoặc đang chờ đọc.")
    assert sqlite_desk.inbox.unread() == 1
    noted = [entry.actor for entry in sqlite_desk.audit.entries(subject=case_id) if entry.action is Action.REREAD]
    assert noted == ["doctor"]


def test_what_cannot_be_read_again_is_refused_in_the_visitors_words(
    client: httpx.Client, enter: Callable[..., httpx.Client], sqlite_desk: TestDesk
) -> None:
    dataset = film()
    arrival = sqlite_desk.receive(dataset)
    lost = sqlite_desk.record(arrival, dataset, unread()).case_id
    sqlite_desk.spool.delete(arrival.spooled.key)
    read = sqlite_desk.add(reading()).case_id
    sqlite_desk.finish_reading()
    browser = enter()
    browser.cookies.set("language", "en", domain="127.0.0.1", path="/")
    for case_id, said in ((lost, "not at this station any more"), (read, "Every film of this case was read")):
        answer = browser.post(f"/api/cases/{case_id}/reread", json={})
        assert answer.status_code == 409
        assert said in answer.json()["detail"]
    assert client.post("/api/cases/000000000000/reread", json={}).status_code == 404
    assert sqlite_desk.inbox.unread() == 0


def test_the_page_offers_to_read_again_only_what_might_come_out_otherwise(
    serve: Callable[[ASGIApp], str], sqlite_desk: TestDesk
) -> None:
    """A child, or what this very model did not take for a chest, would be refused again: the page says so instead."""
    seen, other = unread("not_a_chest"), replace(MODEL, sha256="f" * 64)
    mine, hopeful = replace(seen, model=MODEL), replace(seen, model=other)
    offered = [sqlite_desk.add(one).case_id for one in (unread(), unread("reader_died"), hopeful)]
    vain = [sqlite_desk.add(one).case_id for one in (unread("child"), mine)]
    read = sqlite_desk.add(reading()).case_id
    sqlite_desk.finish_reading()
    model = ModelInUse(identity=MODEL, runtime="CPU", references={})
    on, off = serve(sqlite_desk.app(model=model)), serve(sqlite_desk.app())

    def told(case_id: str, url: str = on, role: Role = Role.DOCTOR) -> tuple[bool, bool]:
        page = httpx.get(f"{url}/cases/{case_id}", headers=bearer(sqlite_desk, role)).text
        return f"/api/cases/{case_id}/reread" in page, "AI đọc lại cũng không khác" in page

    assert [told(case_id) for case_id in offered] == [(True, False)] * 3
    assert [told(case_id) for case_id in vain] == [(False, True)] * 2
    silent = [told(read), told(offered[0], off), told(offered[0], role=Role.TECHNICIAN)]
    assert silent == [(False, False)] * 3
    again = httpx.post(f"{on}/api/cases/{offered[0]}/reread", json={}, headers=bearer(sqlite_desk))
    page = httpx.get(f"{on}/cases/{offered[0]}", headers=bearer(sqlite_desk)).text
    assert (again.status_code, "Phim đang chờ AI đọc lại." in page, told(offered[0])) == (200, True, (False, False))


def test_a_verdict_is_kept(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    answer = client.post(f"/api/cases/{case_id}/verdict", json={"agrees": False, "note": "nếp da"})

    assert answer.status_code == 200
    assert client.get(f"/api/cases/{case_id}").json()["verdict"]["note"] == "nếp da"
    assert client.post(f"/api/cases/{case_id}/verdict", json={"agrees": "yes"}).status_code == 422
    assert client.post("/api/cases/000000000000/verdict", json={"agrees": True}).status_code == 404


def test_a_film_that_was_not_read_takes_a_conclusion_and_an_empty_one_is_refused(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(unread()).case_id
    for empty in ({}, {"agrees": None}, {"agrees": None, "note": " "}):
        assert client.post(f"/api/cases/{case_id}/verdict", json=empty).status_code == 422
    said = client.post(f"/api/cases/{case_id}/verdict", json={"agrees": None, "note": "tràn dịch"}).json()
    assert (said["agrees"], said["note"]) == (None, "tràn dịch")
    assert client.get(f"/api/cases/{case_id}").json()["verdict"]["agrees"] is None


def test_the_queue_tells_what_waits_and_what_was_refused(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    assert client.get("/api/queue").json() == {
        "unread": 0,
        "waiting": 0,
        "sending": 0,
        "refused": [],
        "oldest_waiting_seconds": None,
        "destinations": [],
        "left_out": [],
        "records": [],
    }
    sqlite_desk.add(reading(), study_instance_uid=generate_uid())
    sqlite_desk.clock.advance(90)
    claimed = sqlite_desk.outbox.claim(PACS, "light")
    assert claimed is not None
    work, delivery = claimed
    sqlite_desk.outbox.refuse(work, status="0xA900", error="0xA900: dataset does not match")

    queue = client.get("/api/queue").json()
    assert (queue["unread"], queue["waiting"], queue["sending"]) == (1, 3, 0)
    assert queue["oldest_waiting_seconds"] == 90
    assert queue["refused"] == [
        {
            "what": delivery.what,
            "sop_instance_uid": delivery.instance.sop_instance_uid,
            "destination": PACS,
            "status": "0xA900",
            "since": sqlite_desk.clock.now().isoformat(),
        }
    ]
    assert queue["destinations"][0]["reachable"] is True  # it refused one object, but it is there


def test_the_queue_tells_that_a_destination_does_not_answer(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading())
    claimed = sqlite_desk.outbox.claim(PACS, "light")
    assert claimed is not None
    sqlite_desk.outbox.postpone(claimed[0], seconds=2, error=str(PeerUnreachable("connection refused")))
    sqlite_desk.clock.advance(-400 * 86_400)

    queue = client.get("/api/queue").json()
    assert queue["destinations"] == [
        {"name": PACS, "reachable": False, "last_success_at": None, "last_error": "connection refused"}
    ]
    assert queue["oldest_waiting_seconds"] == 0  # the clock was set back


def test_the_model_is_told_with_its_drift_and_the_doctors_agreement(
    sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]
) -> None:
    edges = Reference(edges=tuple(edge / 10 for edge in range(1, 10)), shares=(0.1,) * 10)
    model = ModelInUse(identity=MODEL, runtime="CPUExecutionProvider, 2 threads, 14 ms", references={"edema": edges})
    case_id = sqlite_desk.add(reading()).case_id
    sqlite_desk.casebook.give_verdict(case_id, agrees=True, note="")
    with httpx.Client(base_url=serve(sqlite_desk.app(model=model)), headers=bearer(sqlite_desk)) as client:
        told, metrics = client.get("/api/model").json(), client.get("/metrics").text
    none = {"agree": 0, "disagree": 0, "share": None}
    given = {
        "total": {"agree": 1, "disagree": 0, "share": 1.0},
        "by_priority": {"urgent": {"agree": 1, "disagree": 0, "share": 1.0}, "abnormal": none, "normal": none},
    }
    assert told == {
        "model": {"name": "phổi", "version": "1.2", "sha256": "ab" * 32},
        "runtime": "CPUExecutionProvider, 2 threads, 14 ms",
        "drift": {"films": 1, "labels": {"edema": None}},
        "agreement": {"all": given, "recent": given},
        "machines": [],
    }
    assert "xray_triage_score_films 1.0" in metrics
    assert 'xray_triage_verdicts{agrees="true",priority="urgent"} 1.0' in metrics
    assert "xray_triage_verdict_agreement 1.0" in metrics
    assert "xray_triage_score_psi{" not in metrics  # not known is not 0


def test_the_drift_of_every_label_is_a_metric(sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]) -> None:
    edges = Reference(edges=tuple(edge / 10 for edge in range(1, 10)), shares=(0.1,) * 10)
    model = ModelInUse(identity=MODEL, runtime="", references={"pneumothorax": edges})
    sqlite_desk.put([reading()] * 200)
    with httpx.Client(base_url=serve(sqlite_desk.app(model=model)), headers=bearer(sqlite_desk)) as client:
        index = client.get("/api/model").json()["drift"]["labels"]["pneumothorax"]
        metrics = client.get("/metrics").text
    assert index > 1
    assert f'xray_triage_score_psi{{label="pneumothorax"}} {index}' in metrics


def test_without_a_model_the_doctors_agreement_is_told_all_the_same(client: httpx.Client) -> None:
    told = client.get("/api/model").json()
    assert (told["model"], told["runtime"], told["drift"]) == (None, None, None)
    assert told["agreement"]["recent"]["total"] == {"agree": 0, "disagree": 0, "share": None}
    assert "xray_triage_verdict_agreement" not in client.get("/metrics").text


def test_the_metrics_tell_which_station_this_is_and_what_to_call_about(
    sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]
) -> None:
    asked = sqlite_desk.add(reading()).case_id
    sqlite_desk.consultations.request(asked, question="?", priority="routine", requested_by="bs")
    sqlite_desk.deliver()
    metrics = httpx.get(f"{serve(sqlite_desk.app())}/metrics", timeout=60).text
    for line in (
        f'xray_triage_build_info{{model="",station="{STATION}",version="{__version__}"}} 1.0',
        f"xray_triage_last_film_timestamp {sqlite_desk.clock.now().timestamp() / 1e9}e+09",
        'xray_triage_destination_reachable{destination="pacs"} 1.0',
        'xray_triage_consultations{state="open"} 1.0',
        'xray_triage_consultations{state="overdue"} 0.0',
        "xray_triage_disk_free_bytes ",
    ):
        assert line in metrics, line


def test_the_api_describes_itself(client: httpx.Client) -> None:
    document = client.get("/api/openapi.json").json()

    assert {
        "/api/cases",
        "/api/cases/{case_id}",
        "/api/cases/{case_id}/consultation",
        "/api/queue",
        "/api/model",
    } <= set(document["paths"])
    assert "findings" in document["components"]["schemas"]["ImageJson"]["properties"]
    assert not [path for path in document["paths"] if path.startswith("/fragments")]
    assert client.get("/docs").status_code == 404  # its script would come from a CDN
