"""The pages as a browser without scripts would get them."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from pydicom.uid import generate_uid
from starlette.types import ASGIApp

from benchmarks import years
from tests.browser.answers import answer
from tests.factories import film
from tests.xray_triage.desk import MODEL, PACS, TestDesk, reading, unread
from tests.xray_triage.web.conftest import bearer
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.health import checks
from xray_triage.health.checks import Check, CheckState
from xray_triage.health.rebuilt import Rebuilding, Rebuilt, Why
from xray_triage.health.storage import database_check
from xray_triage.model.drift import ModelInUse
from xray_triage.model.limits import unjudged
from xray_triage.model.selection import SHIPPED_DEFAULT, SHIPPED_FOLDER
from xray_triage.orders.order import Registration
from xray_triage.reading.bundle import load_manifest
from xray_triage.reading.eligibility import Admission, refusal
from xray_triage.reading.findings import KINDS, Priority
from xray_triage.reading.naming import TOLD
from xray_triage.station import self_check
from xray_triage.web.pages.health_page import CHECKS

SCRIPT = "<img src=x onerror=alert(1)>"


def test_the_worklist_shows_the_most_urgent_first_in_vietnamese(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(Priority.NORMAL, pneumothorax=0.1), patient_name="Lê^Văn^Bình")
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")
    page = client.get("/").text

    assert page.index("Nguyễn Thị Hoa") < page.index("Lê Văn Bình")
    for words in ("Khẩn cấp", "tràn khí màng phổi <b>×1,9</b>", "Không có dấu hiệu nào vượt ngưỡng.", "55 tuổi"):
        assert words in page
    assert "không thay thế chẩn đoán" in page


def test_a_row_has_three_chips_the_urgent_ones_first_and_silence_has_no_tick(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    many = reading(Priority.URGENT, mass=0.9, nodule=0.8, edema=0.6, fibrosis=0.55)
    sqlite_desk.add(replace(many, decision=replace(many.decision, reasons=("edema",))))
    sqlite_desk.add(reading(Priority.NORMAL, mass=0.1))
    page = client.get("/").text
    chips = re.findall(r'<span class="chip( strong)?"[^>]*>([^<]+)', page)
    assert chips == [(" strong", "phù phổi "), ("", "khối "), ("", "nốt "), ("", "+1")]
    assert '<span class="badge clear">AI không thấy dấu hiệu</span>' in page
    assert "ình thường" not in page.replace("bất thường", "")


def test_an_answer_that_nobody_read_is_first_has_a_pill_and_a_banner_for_everybody_until_a_doctor_opens_it(
    client: httpx.Client, enter: Callable[..., httpx.Client], sqlite_desk: TestDesk
) -> None:
    cases = [sqlite_desk.add(reading(Priority.NORMAL), patient_name="Lê^Văn^Bình", patient_id=f"BN{n}") for n in "12"]
    sqlite_desk.add(reading(), patient_name="Nguyễn^Thị^Hoa")
    for case in cases:
        sqlite_desk.consultations.request(case.case_id, question="?", priority="routine", requested_by="bs")
        answer(sqlite_desk, case.case_id, "Không sao.")
    page, news = client.get("/").text, client.get("/fragments/news").text
    assert page.index("BN1") < page.index("Nguyễn Thị Hoa")
    assert "Có trả lời mới <b>2</b>" in page
    assert "Lê Văn Bình, nữ, 55 tuổi · BN2" in news
    assert "và 1 ca nữa" in news
    enter(Role.TECHNICIAN).get(f"/cases/{cases[0].case_id}")  # who may not judge reads nobody's answer away
    enter().get(f"/cases/{cases[1].case_id}")
    news = client.get("/fragments/news").text
    assert "BN1" in news
    assert "ca nữa" not in news
    client.post(f"/api/cases/{cases[0].case_id}/seen", json={}).raise_for_status()
    assert "answer-news" not in client.get("/fragments/news").text
    assert "Có trả lời mới" not in client.get("/").text


def test_every_row_says_who_has_seen_the_case_and_who_is_done(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(unread()).case_id
    assert "<b>chưa xem</b>" in client.get("/").text
    assert "Chưa xem <b>1</b>" in client.get("/?state=unseen").text
    client.post(f"/api/cases/{case_id}/seen", json={}).raise_for_status()
    seen = client.get("/").text
    assert "BS. Trần Thị Mai" in re.sub(r"(?s).*Bác sĩ xem", "", seen)
    assert 'data-done="/api/cases/' in seen
    assert "Không tìm thấy ca nào" in client.get("/?state=unseen").text
    client.post(f"/api/cases/{case_id}/done", json={}).raise_for_status()
    assert "xong</span><small>BS. Trần Thị Mai" in client.get("/").text
    case = client.get(f"/api/cases/{case_id}").json()
    assert (case["seen_by"], case["done_by"]) == ("BS. Trần Thị Mai", "BS. Trần Thị Mai")
    client.post(f"/api/cases/{case_id}/done", json={"done": False}).raise_for_status()
    assert client.get(f"/api/cases/{case_id}").json()["done_by"] is None
    noted = [entry.action for entry in sqlite_desk.audit.entries(subject=case_id)]
    assert {Action.CASE_SEEN, Action.CASE_DONE, Action.CASE_REOPENED} <= {*noted}
    technician = bearer(sqlite_desk, Role.TECHNICIAN)
    for deed in ("seen", "done"):
        assert client.post(f"/api/cases/{case_id}/{deed}", json={}, headers=technician).status_code == 403
        assert client.post(f"/api/cases/{'0' * 12}/{deed}", json={}).status_code == 404
    assert client.post(f"/api/cases/{case_id}/done", json={"done": "perhaps"}).status_code == 422


def test_the_list_says_what_the_model_does_not_judge_and_what_never_rings(
    sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]
) -> None:
    manifest = load_manifest(SHIPPED_FOLDER / SHIPPED_DEFAULT)
    model = ModelInUse(identity=MODEL, runtime="CPU", references={}, manifest=manifest)
    url = serve(sqlite_desk.app(model=model, urgent=("pneumothorax", "edema")))
    page = httpx.get(f"{url}/", headers=bearer(sqlite_desk), timeout=60).text
    names = [kind.vi for kind in unjudged(manifest)]
    assert "tràn khí màng phổi" in names
    assert f"AI không đánh giá: {', '.join(names)}." in page
    assert "Không bao giờ báo khẩn vì: tràn khí màng phổi." in page


def test_the_list_is_of_the_newest_cases_until_somebody_wants_them_all(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    years.fill(sqlite_desk.database, 230, now=sqlite_desk.clock.now(), waiting=0)
    first = client.get("/").text
    assert "Tất cả <b>200</b>" in first
    assert "Xem mọi ca" not in first
    (further,) = re.findall(r'href="(/\?before=\w+)">Xem thêm', first)
    last = client.get(further).text
    assert "Đây là 200 ca mới nhất" in last
    assert first.count("<tr id=") + last.count("<tr id=") == 200
    assert 'href="/?every=yes"' in last
    assert "Tất cả <b>230</b>" in client.get("/?every=yes").text
    found = len(sqlite_desk.casebook.cases(search="nguyen", limit=1000))
    assert f"Tất cả <b>{found}</b>" in client.get("/?q=nguyen").text  # the pills follow the search


def test_an_empty_station_says_what_will_happen(client: httpx.Client) -> None:
    assert "Phim chụp xong sẽ tự hiện ở đây" in client.get("/").text
    assert "Không tìm thấy ca nào" in client.get("/", params={"q": "ai đó"}).text


def test_the_worklist_can_be_searched_without_accents(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(), patient_name="Đặng^Thị^Bưởi")
    sqlite_desk.add(reading(), patient_name="Lê^Văn^Bình")
    page = client.get("/", params={"q": "dang thi", "priority": "urgent"}).text
    assert ("Đặng Thị Bưởi" in page, "Lê Văn Bình" in page) == (True, False)


def test_a_case_shows_every_finding_with_its_threshold_and_the_model(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(reading(Priority.URGENT, pneumothorax=0.93, mass=0.21)).case_id
    page = client.get(f"/cases/{case_id}").text

    for words in (
        "tràn khí màng phổi",
        "93%",
        "vượt ngưỡng 50%",
        "Khối",
        "21%",
        "dưới ngưỡng 50%",
        "phổi 1.2 (abababab)",
        "0,51",
    ):
        assert words in page, words
    assert page.count("chờ gửi") == 4


def test_a_case_says_what_its_model_cannot_find_and_why_it_counts_as_abnormal(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    quiet = reading(Priority.ABNORMAL, **{name: 0.1 for name in KINDS if name not in ("pneumothorax", "hernia")})
    alarmed = replace(quiet, decision=replace(quiet.decision, reasons=("abnormal",)))
    case_id = sqlite_desk.add(alarmed).case_id
    page = client.get(f"/cases/{case_id}").text
    assert "AI không đánh giá: tràn khí màng phổi, thoát vị hoành. Bác sĩ cần tự xem các dấu hiệu này." in page
    assert "Xác suất có bất thường: 90%, vượt ngưỡng" in page
    assert "AI nghi có bất thường, nhưng không rõ là dấu hiệu nào." in client.get("/").text
    whole = sqlite_desk.add(reading(Priority.NORMAL, **dict.fromkeys(KINDS, 0.1))).case_id
    assert "AI không đánh giá" not in client.get(f"/cases/{whole}").text
    assert "AI không đánh giá" not in client.get(f"/cases/{sqlite_desk.add(unread()).case_id}").text


def test_a_case_shows_the_hearts_size_in_words_and_what_limits_it(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    flagged = replace(reading(Priority.NORMAL, mass=0.1), flags=("cropped", "view_not_stated"))
    page = client.get(f"/cases/{sqlite_desk.add(flagged).case_id}").text
    assert "Chỉ số tim – lồng ngực 0,51 (trên 0,50: bóng tim to)" in page
    assert "Phim cắt mất một phần phổi." in page
    assert "Phim không ghi tư thế chụp" in page


def test_why_a_film_was_ordered_stands_beside_what_the_ai_says_and_in_the_question(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    typed = Registration(
        patient_name="Nguyễn Văn An", patient_birth_date=None, patient_sex=None, reason="Ho ra máu <b>3 ngày</b>"
    )
    order = sqlite_desk.orders.register(typed, form_key="1", registered_by="lan")
    case_id = sqlite_desk.add(reading(), AccessionNumber=order.accession_number).case_id
    page = client.get(f"/cases/{case_id}").text
    assert page.count("Lý do chụp: Ho ra máu &lt;b&gt;3 ngày&lt;/b&gt;") == 2
    assert "Lý do chụp" not in client.get(f"/cases/{sqlite_desk.add(reading()).case_id}").text


@pytest.mark.parametrize(
    ("youngest", "language", "said"),
    [
        (60, "vi", "Dưới 60 tuổi: AI chỉ đọc từ 60 tuổi."),
        (60.5, "vi", "Dưới 60,5 tuổi: AI chỉ đọc từ 60,5 tuổi."),
        (60, "en", "Under 60: AI reads from the age of 60 on."),
    ],
)
def test_a_child_is_told_from_which_age_on_this_station_reads(
    client: httpx.Client, sqlite_desk: TestDesk, youngest: float, language: str, said: str
) -> None:
    refused = refusal(film(rows=600, columns=600), Admission(minimum_age_years=youngest))
    assert refused is not None
    assert refused.reason.code == "child"
    case_id = sqlite_desk.add(replace(unread(), not_readable=refused)).case_id
    client.cookies.set("language", language)
    for path in ("/fragments/worklist", f"/cases/{case_id}", f"/cases/{case_id}/print"):
        assert said in client.get(path).text
    (image,) = client.get(f"/api/cases/{case_id}").json()["images"]
    assert image["reason_text"] == refused.reason.text  # in Vietnamese, as in report, picture and request


def test_a_film_that_was_not_read_gives_the_reason_and_never_says_normal(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    case_id = sqlite_desk.add(replace(unread("child"), flags=("refused_by_header",))).case_id
    for path in ("/fragments/worklist", f"/cases/{case_id}"):
        assert "Người bệnh dưới độ tuổi mà AI đọc." in client.get(path).text
    page = client.get(f"/cases/{case_id}").text
    assert "Chưa đọc không có nghĩa là bình thường" in page
    assert page.count("AI chưa xem hình ảnh.") == 1  # beside the reason, and not again among the notes
    assert "Ảnh kết quả đã gửi PACS" not in page


def test_the_picture_is_the_jpeg_of_the_secondary_capture(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    case_id = sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading()).case_id
    answer = client.get(f"/cases/{case_id}/picture/{dataset.SOPInstanceUID}")

    assert answer.headers["Content-Type"] == "image/jpeg"
    assert answer.content.startswith(b"\xff\xd8\xff")
    assert answer.content.rstrip(b"\0").endswith(b"\xff\xd9")


def test_a_picture_is_found_only_through_its_case(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    one, other = film(), film()
    case_id = sqlite_desk.record(sqlite_desk.receive(one), one, reading()).case_id
    sqlite_desk.record(sqlite_desk.receive(other), other, reading())
    for path in (f"{case_id}/picture/{other.SOPInstanceUID}", f"{case_id}/picture/..%2f..", "0/picture/0"):
        assert client.get(f"/cases/{path}").status_code == 404
    case = sqlite_desk.casebook.case(case_id)
    assert case is not None
    sqlite_desk.spool.delete(str(case.images[0].picture_key))
    assert client.get(f"/cases/{case_id}/picture/{one.SOPInstanceUID}").status_code == 404


def test_script_in_any_field_is_inert_text(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading(), patient_name=SCRIPT, patient_id=SCRIPT, AccessionNumber=SCRIPT[:16]).case_id
    client.post(f"/api/cases/{case_id}/consultation", json={"question": SCRIPT}).raise_for_status()
    client.post(
        f"/api/cases/{case_id}/verdict", json={"agrees": True, "note": "</textarea>" + SCRIPT}
    ).raise_for_status()
    claimed = sqlite_desk.outbox.claim(PACS, "light")
    assert claimed is not None
    sqlite_desk.outbox.refuse(claimed[0], status="0xA900", error=SCRIPT)

    for path in ("/", f"/?q={SCRIPT}", f"/cases/{case_id}", f"/fragments/cases/{case_id}/consultation"):
        page = client.get(path).text
        assert "<img src=x" not in page, path
        assert "&lt;img src=x onerror" in page, path


def test_a_fragment_is_sent_again_only_when_it_changed(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    tag = client.get("/fragments/worklist").headers["ETag"]
    assert client.get("/fragments/worklist", headers={"If-None-Match": tag}).status_code == 304
    sqlite_desk.add(reading())
    assert client.get("/fragments/worklist", headers={"If-None-Match": tag}).status_code == 200


def test_an_unknown_case_is_a_page_that_leads_back(client: httpx.Client) -> None:
    answer = client.get("/cases/000000000000")
    assert (answer.status_code, "Về danh sách ca" in answer.text) == (404, True)
    assert client.get("/fragments/cases/000000000000/findings").status_code == 404


@pytest.mark.parametrize("case_id", ["deadbeef0000", "x" * 5000])
def test_an_answer_is_seen_only_in_a_case_that_is_there(
    client: httpx.Client, sqlite_desk: TestDesk, case_id: str
) -> None:
    assert client.post(f"/api/cases/{case_id}/seen", json={}).status_code == 404
    assert sqlite_desk.audit.entries(subject=case_id) == []


@pytest.mark.parametrize("delivery_id", ["x", "-1", "9" * 30])
def test_what_is_no_delivery_is_not_sent_again(client: httpx.Client, sqlite_desk: TestDesk, delivery_id: str) -> None:
    sqlite_desk.add(reading())
    work = sqlite_desk.outbox.claim(PACS, "bulk")
    assert work is not None
    sqlite_desk.outbox.refuse(work[0], status="0xA900", error="0xA900")
    assert client.post("/health/retry", data={"delivery_id": delivery_id}).status_code == 400
    assert len(sqlite_desk.outbox.summary().refused) == 1
    assert client.post("/health/retry", data={"delivery_id": ""}).status_code == 303
    assert sqlite_desk.outbox.summary().refused == []


def test_an_address_that_leads_nowhere_is_a_page_that_leads_back(client: httpx.Client, stranger: httpx.Client) -> None:
    shown = stranger.get("/cased/1", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (shown.status_code, "Không có trang này" in shown.text, 'href="/"' in shown.text) == (404, True, True)
    assert client.get("/api/cased").json() == {"detail": "Not Found"}


def test_a_dead_link_and_refused_objects_stand_at_the_top(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(), study_instance_uid=generate_uid())
    first, second = sqlite_desk.outbox.claim(PACS, "light"), sqlite_desk.outbox.claim(PACS, "light")
    assert first is not None
    assert second is not None
    sqlite_desk.outbox.refuse(first[0], status="0xA900", error="0xA900")
    sqlite_desk.outbox.postpone(second[0], seconds=2, error="connection refused")
    page = client.get("/").text

    assert "Không liên lạc được pacs. 3 tệp đang chờ" in page
    assert "1 tệp bị PACS tuyến trên từ chối" in page
    assert "1 tệp bị từ chối" in page


def test_a_conflicting_film_is_shown_on_the_list_and_in_its_case(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film()
    case_id = sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading()).case_id
    sqlite_desk.receive(
        film(sop_instance_uid=dataset.SOPInstanceUID, study_instance_uid=dataset.StudyInstanceUID, seed=5)
    )
    for path in ("/", f"/cases/{case_id}"):
        assert "khác nội dung đã được giữ riêng" in client.get(path).text
    sqlite_desk.clock.advance(8 * 86_400)
    assert "Hãy báo kỹ thuật viên máy X-quang" not in client.get("/").text
    assert "khác nội dung đã được giữ riêng" in client.get(f"/cases/{case_id}").text


@pytest.mark.parametrize(("state", "status"), [(CheckState.WARNING, 200), (CheckState.BAD, 503)])
def test_trouble_is_a_banner_on_every_page_and_bad_trouble_is_not_ready(
    sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str], state: CheckState, status: int
) -> None:
    check = Check(name="model", state=state, said={"vi": "AI đang tắt.", "en": "AI is off."})
    case_id = sqlite_desk.add(unread()).case_id
    with httpx.Client(base_url=serve(sqlite_desk.app(lambda: check)), headers=bearer(sqlite_desk)) as client:
        for path in ("/", f"/cases/{case_id}"):
            assert "AI đang tắt." in client.get(path).text
        answer = client.get("/readyz")
        assert answer.status_code == status
        assert answer.json()["reasons"][0] == {
            "name": "model",
            "state": state.value,
            "vi": "AI đang tắt.",
            "en": "AI is off.",
        }
        assert client.get("/healthz").status_code == 200
        assert f'xray_triage_check{{name="model"}} {float(state is not CheckState.BAD)}' in client.get("/metrics").text


def test_the_metrics_count_without_naming_anybody(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    dataset = film(patient_name="Nguyễn^Thị^Hoa")
    arrival = sqlite_desk.receive(dataset)
    sqlite_desk.clock.advance(0.3)
    sqlite_desk.record(arrival, dataset, reading())
    metrics = client.get("/metrics").text

    for line in (
        'xray_triage_cases{priority="urgent"} 1.0',
        'xray_triage_deliveries{state="waiting"} 4.0',
        "xray_triage_unread 1.0",
        'xray_triage_result_seconds_bucket{le="0.2"} 0.0',
        'xray_triage_result_seconds_bucket{le="0.4"} 1.0',
        'xray_triage_findings_total{name="pneumothorax"} 1.0',
        'xray_triage_findings_total{name="cardiomegaly"} 0.0',
    ):
        assert line in metrics, line
    assert metrics.count("xray_triage_findings_total{") == len(TOLD)  # the same names for ever
    assert 'seconds_bucket{le="0.4"} 1.0' in client.get("/metrics").text  # counted once
    assert "Hoa" not in metrics
    assert dataset.StudyInstanceUID not in metrics


def test_the_next_case_is_the_one_that_says_something_new(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    def next_after(case_id: str = "") -> str:
        answer = client.get("/next", params={"after": case_id}, follow_redirects=False)
        return answer.headers["Location"].removeprefix("/cases/")

    assert next_after() == "/"
    kinds = (Priority.URGENT, Priority.NORMAL, Priority.URGENT)
    late, calm, urgent = (sqlite_desk.add(reading(each)).case_id for each in kinds)
    sqlite_desk.casebook.see(late, by="BS. Mai")
    sqlite_desk.consultations.request(late, question="?", priority="routine", requested_by="BS. Mai")
    assert (next_after(), next_after(urgent)) == (urgent, calm)
    sqlite_desk.casebook.see(urgent, by="BS. Mai")
    assert (next_after(), next_after(calm)) == (calm, "/")  # who waits in time needs nobody
    with sqlite_desk.database.write() as connection:
        connection.exec_driver_sql("UPDATE consultation SET overdue_at = '2025-06-01 09:00:00'")
    assert (next_after(), next_after(calm), next_after("\0'")) == (calm, late, calm)
    sqlite_desk.casebook.finish(late, by="BS. Mai")
    sqlite_desk.casebook.see(calm, by="BS. Mai")
    assert next_after() == "/"


def test_a_case_without_its_original_says_how_to_digitise(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(unread("not_an_original")).case_id
    assert 'href="/photographed"' in client.get(f"/cases/{case_id}").text
    assert "xray-triage import" in client.get("/photographed").text


def test_a_database_made_anew_is_told_until_somebody_acknowledges_it(
    serve: Callable[[ASGIApp], str], sqlite_desk: TestDesk, tmp_path: Path
) -> None:
    rebuilt = Rebuilt(tmp_path)
    url = serve(sqlite_desk.app(lambda: database_check(rebuilt.events(), None), rebuilt=rebuilt))
    with httpx.Client(base_url=url, timeout=60, headers=bearer(sqlite_desk)) as client:
        assert "/health/acknowledge" not in client.get("/health").text
        rebuilt.add(Rebuilding(at=sqlite_desk.clock.now(), why=Why.LOST, detail="station.db is gone", films=12))
        page = client.get("/health").text
        assert "lấy lại 12 phim" in page
        assert 'name="count" value="1"' in page
        for wrong in ("", "-1", "all", "99999"):
            assert client.post("/health/acknowledge", data={"count": wrong}).status_code == 400
        rebuilt.add(Rebuilding(at=sqlite_desk.clock.now(), why=Why.DAMAGED, detail="malformed"))
        assert client.post("/health/acknowledge", data={"count": "1"}).status_code == 303
    assert [event.why for event in rebuilt.events()] == [Why.DAMAGED]  # nobody has seen this one
    (line,) = (one for one in sqlite_desk.audit.entries() if one.action is Action.LOSS_ACKNOWLEDGED)
    assert (line.actor, line.detail.endswith("lost")) == ("doctor", True)


def test_a_case_says_that_its_film_is_gone(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    told = "1 phim của ca này không còn trên đĩa"
    assert told not in client.get(f"/cases/{case_id}").text
    case = sqlite_desk.casebook.case(case_id)
    assert case is not None
    (film_row,) = sqlite_desk.inbox.of_study(case.study_instance_uid)
    sqlite_desk.spool.delete(film_row.spooled.key)
    assert told in client.get(f"/cases/{case_id}").text


def test_health_is_as_grave_as_what_is_amiss_and_every_check_has_a_name(
    client: httpx.Client, sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]
) -> None:
    dataset = film()
    sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    assert 'class="banner good"' in client.get("/health").text
    dataset.PatientID = "other"
    sqlite_desk.receive(dataset)  # the same UID
    page = client.get("/health").text
    assert "Phim trùng mã, chưa đọc" in page
    assert "Có việc cần xem" not in page
    broken = Check(name="disk", state=CheckState.BAD, said={"vi": "Hết chỗ", "en": "full"})
    url = serve(sqlite_desk.app(lambda: broken))
    assert "Có việc cần xem" in httpx.get(f"{url}/health", headers=bearer(sqlite_desk), timeout=60).text
    sources = [Path(module.__file__ or "").read_text(encoding="utf-8") for module in (checks, self_check)]
    names = {name for text in sources for name in re.findall(r'[ _(](?:check|_bad)\(\s*f?"(\w+)[":]', text)}
    assert {"users", "backup", "destination"} <= names
    assert names <= CHECKS.keys()
