"""Results on their way to the HIS, as case, health page, API and /metrics tell of them."""

from collections.abc import Callable

import httpx
import pytest
from starlette.types import ASGIApp

from dicom_router.store.delivery import DeliveryState
from tests.peers.orthanc import free_port
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.health.checks import CheckState
from xray_triage.health.records import record_peer_check, records_check
from xray_triage.records.folder_transport import FolderRecords
from xray_triage.records.hl7_transport import Hl7Transport
from xray_triage.records.outbox import PeerSummary, RecordOutbox
from xray_triage.records.result import Author, Words

MAI = Author(account="mai", name="BS. Trần Thị Mai", licence="000123/HCM-CCHN")
SCRIPT = "AE: <script>alert(1)</script>"


def test_a_result_that_the_his_refuses_is_shown_and_sent_again(
    serve: Callable[[ASGIApp], str], sqlite_desk: TestDesk
) -> None:
    desk = sqlite_desk
    records = RecordOutbox(desk.database, desk.ledger, clock=desk.clock, peers={"his": ("final",)})
    url = serve(desk.app(lambda: records_check(records.summary())))
    case_id = desk.add(reading()).case_id
    with httpx.Client(base_url=url, timeout=60, headers=bearer(desk)) as client:
        assert "Kết quả gửi HIS" not in client.get(f"/cases/{case_id}").text
        with desk.database.write() as connection:
            records.enqueue(connection, 1, 1)
        claimed = records.claim("his")
        assert claimed is not None
        records.refuse(claimed[0], status="AE", error=SCRIPT)
        for page in (client.get("/health").text, client.get(f"/cases/{case_id}").text):
            assert "kết quả của bác sĩ, bản 1" in page
            assert "AE: &lt;script&gt;" in page
        assert "his từ chối 1 kết quả" in client.get("/").text
        assert client.get("/api/queue").json()["records"][0]["refused"] == 1
        assert 'xray_triage_records{record="his",state="refused"} 1.0' in client.get("/metrics").text
        answer = client.post("/health/records", data={"record_id": str(claimed[1].record_id), "case_id": case_id})
        assert (answer.status_code, answer.headers["location"]) == (303, f"/cases/{case_id}#delivered")
        assert [one.state for one in records.of_case(case_id)] == [DeliveryState.WAITING]
        assert client.post("/health/records", data={"record_id": "1 or 2"}).status_code == 400
        assert client.post("/health/records", data={"record_id": ""}).headers["location"] == "/health#records"


def test_a_case_is_offered_as_fhir(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id

    def report() -> dict[str, str]:
        answer = client.get(f"/api/cases/{case_id}/fhir")
        assert answer.headers["content-type"] == "application/fhir+json"
        resources = [entry["resource"] for entry in answer.json()["entry"]]
        return next(one for one in resources if one["resourceType"] == "DiagnosticReport")

    assert report()["status"] == "preliminary"
    sqlite_desk.results.finish(case_id, MAI, Words(conclusion="Bình thường."), before_author="")
    assert (report()["status"], report()["conclusion"]) == ("final", "Bình thường.")
    sqlite_desk.results.cancel(case_id, MAI, reason="Nhầm người", before_author="")
    assert (report()["status"], report()["conclusion"]) == ("cancelled", "KẾT QUẢ ĐÃ HỦY: Nhầm người")
    assert client.get("/api/cases/000000000000/fhir").status_code == 404


def summary(**values: int) -> PeerSummary:
    counted = {"waiting": 0, "sending": 0, "refused": 0, "stuck": 0} | values
    return PeerSummary(name="his", oldest_waiting_at=None, last_sent_at=None, last_error="no word", **counted)


@pytest.mark.parametrize(
    ("peer", "state", "words"),
    [
        (summary(), CheckState.OK, "Không kết quả nào"),
        (summary(refused=2, stuck=1), CheckState.WARNING, "his từ chối 2 kết quả"),
        (summary(stuck=1), CheckState.WARNING, "không nhận được 1 kết quả"),
    ],
)
def test_a_person_is_told_what_to_do(peer: PeerSummary, state: CheckState, words: str) -> None:
    told = records_check([peer])
    assert told.state is state
    assert words in told.said["vi"]


def test_a_peer_is_asked_and_empty_codes_are_said(
    sqlite_desk: TestDesk, tmp_path_factory: pytest.TempPathFactory
) -> None:
    away = record_peer_check("his", Hl7Transport("127.0.0.1", free_port(), clock=sqlite_desk.clock))
    assert (away.name, away.state) == ("record:his", CheckState.WARNING)
    assert "Không liên lạc được his" in away.said["vi"]
    folder = FolderRecords(tmp_path_factory.mktemp("his"))
    assert record_peer_check("files", folder).said["en"] == "files answers."
    assert "MA_CHI_SO" in record_peer_check("files", folder, empty=["MA_CHI_SO"]).said["vi"]
