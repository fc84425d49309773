"""The two threads that look after questions: what stops the one stops not the other."""

import socket

from dicom_router.clock import SystemClock
from tests.factories import until
from tests.triage.desk import PACS, TestDesk, reading
from xray_triage.cases.case import ConsultationState
from xray_triage.cases.heat import HeatMaps
from xray_triage.config import Config
from xray_triage.inquiry import Inquiry
from xray_triage.rooms import Rooms


def test_a_pacs_that_keeps_us_waiting_does_not_silence_what_is_overdue(sqlite_desk: TestDesk) -> None:
    desk = sqlite_desk
    rooms = Rooms(
        database=desk.database,
        ledger=desk.ledger,
        spool=desk.spool,
        inbox=desk.inbox,
        outbox=desk.outbox,
        casebook=desk.casebook,
        consultations=desk.consultations,
        heat_maps=HeatMaps(desk.database),
        accounts=desk.accounts,
        orders=desk.orders,
    )

    def ask() -> str:
        case_id = desk.add(reading()).case_id
        desk.consultations.request(case_id, question="?", priority="urgent", requested_by="BS. Lan")
        return case_id

    def is_overdue(case_id: str) -> bool:
        case = desk.casebook.case(case_id)
        return case is not None and case.consultation is not None and case.consultation.state is overdue

    overdue = ConsultationState.OVERDUE  # by the system's clock: the desk's stands still, long ago
    with socket.create_server(("127.0.0.1", 0)) as silent:
        peer = {"name": PACS, "kind": "dimse", "host": "127.0.0.1", "port": silent.getsockname()[1], "ae_title": "X"}
        inquiry = Inquiry(Config.model_validate({"destination": [peer]}), rooms, clock=SystemClock())
        ask()
        inquiry.start()
        connection, _ = silent.accept()  # and no answer
        second = ask()
        until(lambda: is_overdue(second))
        connection.close()
        inquiry.stop()
