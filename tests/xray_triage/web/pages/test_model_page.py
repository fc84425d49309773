"""The page of the model: the site's machines, who may set their cut-offs, and what a case of theirs says."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from starlette.types import ASGIApp

from tests.xray_triage.bundles import make_bundle
from tests.xray_triage.desk import MODEL, TestDesk, reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.accounts.audit import Action
from xray_triage.accounts.roles import Role
from xray_triage.model.drift import ModelInUse
from xray_triage.model.site import FILMS_TO_LEARN, Card
from xray_triage.model.worth import FEW, lines
from xray_triage.reading.acquisition import Machine
from xray_triage.reading.bundle import AtStation, load_manifest
from xray_triage.reading.findings import Acquaintance, MachineState, Priority

CARD = Card(model_sha256=MODEL.sha256, cut_offs={"mass": 0.5, "abnormal": 0.5}, shares={"mass": 0.1, "abnormal": 0.4})
IN_USE = ModelInUse(identity=MODEL, runtime="CPU", references={}, card=CARD)
GE = Machine(manufacturer="GE", model="Definium", station="<b>1</b>")
NEW = Acquaintance(state=MachineState.LEARNING, films=57, needed=200)


@pytest.fixture
def a_page(sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]) -> Iterator[httpx.Client]:
    """A program's way to the desk, with an administrator's rights."""
    with opened(sqlite_desk, serve) as page:
        yield page


def opened(
    desk: TestDesk, serve: Callable[[ASGIApp], str], role: Role = Role.ADMIN, model: ModelInUse | None = IN_USE
) -> httpx.Client:
    return httpx.Client(base_url=serve(desk.app(model=model)), timeout=60, headers=bearer(desk, role))


def put(desk: TestDesk, films: int) -> None:
    said = np.random.default_rng(0).uniform(0.4, 0.95, films).tolist()
    one = reading(Priority.NORMAL)
    assert one.findings is not None
    films_read = [
        replace(one, findings=replace(one.findings, findings=reading(mass=p).findings.findings, scores={"abnormal": p}))  # type: ignore[union-attr]
        for p in said
    ]
    desk.put(films_read, GE)


@pytest.mark.parametrize(
    ("positives", "said"),
    [(4, "pulmonary edema (finds 1 of 4 films with it)."), (20, "pulmonary edema (finds 25% of 20 films with it).")],
)
def test_of_a_few_films_with_a_finding_it_says_how_many(tmp_path: Path, positives: int, said: str) -> None:
    manifest = load_manifest(make_bundle(tmp_path, logits={"edema": 1.0}))
    (edema,) = manifest.labels
    here = AtStation(films=279, positives=positives, auc=None, sensitivity=0.25, precision=None)
    labels = (edema.model_copy(update={"at_station": here}),)
    assert lines(manifest.model_copy(update={"labels": labels}))[0] == f"Told by name: {said}"


def test_of_a_few_films_no_share_is_told(sqlite_desk: TestDesk, a_page: httpx.Client) -> None:
    def share() -> str:
        found = re.search(r"Phim bị đánh dấu</dt><dd><b>([^<]+)", a_page.get("/model").text)
        assert found
        return found[1]

    put(sqlite_desk, FEW - 1)
    assert share() == "–"
    put(sqlite_desk, 1)
    assert share().endswith("%")


def test_a_machine_is_shown_and_set_by_one_press_and_set_back_by_another(
    sqlite_desk: TestDesk, a_page: httpx.Client
) -> None:
    put(sqlite_desk, FILMS_TO_LEARN)
    text = a_page.get("/model").text
    assert "GE, Definium, &lt;b&gt;1&lt;/b&gt;" in text
    assert "Chấp nhận ngưỡng đề xuất" in text
    (standing,) = sqlite_desk.site().standings(CARD)
    form = {"machine": str(standing.known.machine_id)}
    assert a_page.post("/model/accept", data=form).status_code == 303
    assert "đã đặt ngưỡng" in a_page.get("/model").text
    assert a_page.post("/model/reset", data=form).status_code == 303
    assert "chờ chấp nhận ngưỡng" in a_page.get("/model").text
    noted = [(entry.action, entry.actor) for entry in sqlite_desk.audit.entries(subject=str(GE))]
    assert noted == [(Action.CUT_OFFS_RESET, "admin"), (Action.CUT_OFFS_SET, "admin")]


@pytest.mark.parametrize("number", ["1", "99", "", "-1", "²", "9" * 40], ids=str)
def test_what_cannot_be_set_is_said_and_changes_nothing(
    sqlite_desk: TestDesk, a_page: httpx.Client, number: str
) -> None:
    put(sqlite_desk, FILMS_TO_LEARN - 1)
    answer = a_page.post("/model/accept", data={"machine": number})
    assert answer.status_code == 409
    assert "Không đặt được" in answer.text
    assert sqlite_desk.site().standings(CARD)[0].setting is None


def test_a_doctor_may_look_and_not_press(sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]) -> None:
    put(sqlite_desk, FILMS_TO_LEARN)
    with opened(sqlite_desk, serve, Role.DOCTOR) as page:
        assert "Chấp nhận" not in page.get("/model").text
        assert page.post("/model/accept", data={"machine": "1"}).status_code == 403


def test_without_a_model_the_page_says_so(sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str]) -> None:
    with opened(sqlite_desk, serve, model=None) as page:
        assert "AI đang tắt" in page.get("/model").text
        assert page.post("/model/accept", data={"machine": "1"}).status_code == 409


def test_the_page_says_what_the_model_lacks(
    sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "bundle", labels=[{"name": "mass", "threshold": 0.5}], logits={"mass": 1.0})
    with opened(sqlite_desk, serve, model=replace(IN_USE, manifest=load_manifest(bundle))) as page:
        text = page.get("/model").text
        assert "Chưa được chứng minh trên phim có nhãn" in text
        assert "Không có bộ lọc đầu vào" in text
    with opened(sqlite_desk, serve) as page:
        assert "chứng minh" not in page.get("/model").text


def test_a_model_that_cannot_learn_a_machine_says_so_in_the_place_of_a_count(
    sqlite_desk: TestDesk, a_page: httpx.Client
) -> None:
    calm = replace(reading(Priority.NORMAL, mass=0.1), machine=replace(NEW, films=NEW.needed + 1))
    text = a_page.get(f"/cases/{sqlite_desk.add(calm).case_id}").text
    assert "Mô hình này chưa được chứng minh trên phim có nhãn" in text
    assert "201/200" not in text


def test_a_case_without_a_mark_is_not_called_normal_while_its_machine_is_learned(
    sqlite_desk: TestDesk, a_page: httpx.Client
) -> None:
    calm = replace(reading(Priority.NORMAL, mass=0.1), machine=NEW)
    case_id = sqlite_desk.add(calm).case_id
    for path in ("/", f"/cases/{case_id}", f"/cases/{case_id}/print"):
        text = a_page.get(path).text
        assert "AI chưa kết luận" in text, path
        assert 'class="badge normal"' not in text, path
        assert "AI đang làm quen với máy X-quang này (57/200)" in text, path
    (image,) = a_page.get(f"/api/cases/{case_id}").json()["images"]
    assert (image["priority"], image["calibrated"]) == ("normal", False)


def test_a_case_of_a_known_machine_is_cleared_and_one_of_a_strange_machine_is_not(
    sqlite_desk: TestDesk, a_page: httpx.Client
) -> None:
    known = replace(NEW, state=MachineState.SET)
    calm = reading(Priority.NORMAL, mass=0.1)
    cleared = sqlite_desk.add(replace(calm, machine=known)).case_id
    strange = sqlite_desk.add(replace(calm, machine=replace(known, strange=True))).case_id
    assert "làm quen" not in a_page.get(f"/cases/{cleared}").text
    assert 'class="badge normal"' in a_page.get(f"/cases/{cleared}").text
    assert "khác phim mô hình biết; đừng dựa vào kết quả âm tính" in a_page.get(f"/cases/{strange}").text
    assert 'class="badge normal"' not in a_page.get(f"/cases/{strange}").text
    assert a_page.get(f"/api/cases/{strange}").json()["images"][0]["calibrated"]


def test_the_api_and_the_metrics_tell_every_machine(sqlite_desk: TestDesk, a_page: httpx.Client) -> None:
    put(sqlite_desk, 60)
    (machine,) = a_page.get("/api/model").json()["machines"]
    assert machine.keys() >= {"manufacturer", "model", "station", "films", "psi", "state", "flagged_share"}
    assert (machine["manufacturer"], machine["films"], machine["state"]) == ("GE", 60, "learning")
    assert (
        'xray_triage_machine_films{machine="GE, Definium, <b>1</b>",state="learning"} 60.0'
        in a_page.get("/metrics").text
    )


def test_the_page_says_what_the_model_is_worth_and_what_an_old_bundle_does_not_say(
    sqlite_desk: TestDesk, serve: Callable[[ASGIApp], str], tmp_path: Path
) -> None:
    worth = {
        "healthy": 69, "abnormal": 219, "films": 50, "share": 0.15, "flagged": 29.24, "falsely": 22.9, "missed": 1.16,
        "urgent": 2.5, "rang": 50, "rang_healthy": 3, "refused": 0.003, "laterals": 3, "laterals_read": 0,
        "steadiness": {"limit": 0.1, "looks": 13, "passed": 0, "worst": 0.38, "worst_look": "blurred"},
    }  # fmt: skip
    measured, old = (
        load_manifest(make_bundle(tmp_path / name, logits={"edema": 1.0, "mass": 1.0, "abnormal": 1.0}, **changes))
        for name, changes in (("new", {"worth": worth}), ("old", {}))
    )
    with opened(sqlite_desk, serve, model=replace(IN_USE, manifest=measured)) as page:
        text = page.get("/model").text
    assert "Mỗi ngày 50 phim PA của người lớn, 7,5 phim có bất thường: AI đánh dấu 29,2 phim và bỏ sót 1,2 phim" in text
    assert "Báo khẩn 2,5 phim mỗi ngày; khi đo, 3 trong 50 phim báo khẩn không có bất thường." in text
    assert "0 trong 13 kiểu đã thử" in text
    assert "chưa được đo xem có ích" not in text
    with opened(sqlite_desk, serve, model=replace(IN_USE, manifest=old)) as page:
        text = page.get("/model").text
    assert "chưa được đo xem có ích" in text
    assert "chỉ gọi tên: tràn dịch màng phổi, bóng tim to, phù phổi" in text
    assert "Mỗi ngày" not in text
