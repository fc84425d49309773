"""The threads that look after questions: what stops the one stops not the others."""

import socket

import pytest

from dicom_router.clock import SystemClock
from tests.factories import film_bytes, until
from tests.peers.orthanc import OrthancPeer
from tests.xray_triage.desk import PACS, TestDesk, reading
from tests.xray_triage.replies import pdf_answer, text_answer
from xray_triage.cases.consultation import ConsultationState
from xray_triage.config.station import Config
from xray_triage.station.answer_polling import AnswerWorkers


def ask(desk: TestDesk, **film: object) -> str:
    case_id = desk.add(reading(), **film).case_id
    desk.consultations.request(case_id, question="?", priority="urgent", requested_by="BS. Lan")
    return case_id


def state(desk: TestDesk, case_id: str) -> ConsultationState | None:
    case = desk.casebook.case(case_id)
    return case.consultation.state if case and case.consultation else None


def test_a_pacs_that_keeps_us_waiting_does_not_silence_what_is_overdue(sqlite_desk: TestDesk) -> None:
    overdue = ConsultationState.OVERDUE  # by the system's clock: the desk's stands still, long ago
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peer = {"name": PACS, "kind": "dimse", "host": "127.0.0.1", "port": silent.getsockname()[1], "ae_title": "X"}
        workers = AnswerWorkers(Config.model_validate({"destination": [peer]}), sqlite_desk, clock=SystemClock())
        ask(sqlite_desk)
        workers.start()
        connection, _ = silent.accept()  # and no answer
        second = ask(sqlite_desk)
        until(lambda: state(sqlite_desk, second) is overdue)
        connection.close()
        workers.stop()


@pytest.mark.parametrize("way", ["dicomweb", "dimse"])
def test_a_large_answer_over_a_slow_link_keeps_no_other_waiting(
    sqlite_desk: TestDesk, orthanc: OrthancPeer, way: str
) -> None:
    desk = sqlite_desk
    first, second = ask(desk, study_instance_uid="1.2.3"), ask(desk, study_instance_uid="1.2.4")
    orthanc.upload(film_bytes(pdf_answer(b"%PDF-1.7" + bytes(1 << 20), study="1.2.3")))
    orthanc.upload(film_bytes(text_answer("Không", study="1.2.4")))
    peer = {"name": PACS, "kind": way, "url": orthanc.dicomweb_url, "max_kbit_per_second": 4000}
    if way == "dimse":
        peer |= {"host": orthanc.host, "port": orthanc.dicom_port, "ae_title": orthanc.ae_title, "url": ""}
    workers = AnswerWorkers(Config.model_validate({"destination": [peer]}), sqlite_desk, clock=SystemClock())
    workers.start()
    until(lambda: state(desk, second) is ConsultationState.ANSWERED)
    assert state(desk, first) is not ConsultationState.ANSWERED
    until(lambda: state(desk, first) is ConsultationState.ANSWERED)
    workers.stop()
