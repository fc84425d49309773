"""One lane to one peer: a case that cannot be told stops nobody, a silent peer costs nothing, a poisoned one little."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from dicom_router.clock import SystemClock
from dicom_router.store.delivery import DeliveryState
from tests.peers.his import His
from tests.peers.orthanc import free_port
from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.records.hl7_transport import Hl7Transport
from xray_triage.records.outbox import RecordOutbox
from xray_triage.records.record import Record
from xray_triage.records.result import Author, Words
from xray_triage.records.sender import NOT_MADE, RecordSender

MAI = Author(account="mai", name="BS. Trần Thị Mai")


@pytest.fixture
def sqlite_desk(tmp_path: Path) -> Iterator[TestDesk]:
    """One whose doctors' results go to the HIS."""
    with desk_in(tmp_path, peers={"his": ("final",)}) as opened:
        yield opened


@pytest.fixture
def outbox(sqlite_desk: TestDesk) -> RecordOutbox:
    return sqlite_desk.records


def a_sender(desk: TestDesk, outbox: RecordOutbox, his: His, gather: Callable[[str, int], Record]) -> RecordSender:
    transport = Hl7Transport("127.0.0.1", his.port, clock=SystemClock(), answer_seconds=0.2)
    return RecordSender(outbox=outbox, gather=gather, transport=transport, name="his", clock=desk.clock)


def written(desk: TestDesk, count: int) -> list[str]:
    """So many cases, each with a doctor's result."""
    cases = [desk.add(reading()).case_id for _ in range(count)]
    for case_id in cases:
        desk.results.finish(case_id, MAI, Words(conclusion="Bình thường."), before_author="")
    return cases


def test_a_case_that_cannot_be_told_is_set_aside_and_the_others_go_on(
    sqlite_desk: TestDesk, outbox: RecordOutbox
) -> None:
    broken, whole = written(sqlite_desk, 2)

    def gather(case_id: str, version: int) -> Record:
        if case_id == broken:
            raise ValueError("some name")
        return sqlite_desk.gatherer.gather(case_id, version)

    with His() as his:
        sender = a_sender(sqlite_desk, outbox, his, gather)
        while sender.run_once():
            pass
        sender._transport.close()
    (one,) = outbox.of_case(broken)
    assert (one.state, one.status) == (DeliveryState.REFUSED, NOT_MADE)
    assert "some name" not in (one.last_error or "")
    assert [each.state for each in outbox.of_case(whole)] == [DeliveryState.ACKNOWLEDGED]


def test_a_message_over_which_the_his_hangs_up_waits_alone(sqlite_desk: TestDesk, outbox: RecordOutbox) -> None:
    poison, *others = written(sqlite_desk, 4)
    desk = sqlite_desk
    with His(answers=lambda control_id, _: None if control_id.startswith(poison) else "AA") as his:
        sender = a_sender(desk, outbox, his, desk.gatherer.gather)
        for _ in range(20):
            sender.run_once()
            desk.clock.advance(5)
        sender._transport.close()
    assert len(his.messages) == len(others)
    (one,) = outbox.of_case(poison)
    assert one.state is DeliveryState.WAITING
    assert one.attempts >= 1


def test_a_his_that_is_away_counts_no_attempt_and_gets_all_when_it_is_back(
    sqlite_desk: TestDesk, outbox: RecordOutbox
) -> None:
    cases, his = written(sqlite_desk, 3), His(port=free_port())
    desk = sqlite_desk
    sender = a_sender(desk, outbox, his, desk.gatherer.gather)
    for _ in range(50):
        sender.run_once()
        desk.clock.advance(60)
    (peer,) = outbox.summary()
    assert (peer.waiting, peer.stuck) == (3, 0)
    assert peer.last_error is not None
    assert [outbox.of_case(case_id)[0].attempts for case_id in cases] == [0, 0, 0]
    with his:
        while sender.run_once():
            pass
        sender._transport.close()
    assert len(his.messages) == sum(his.times.values()) == 3


def test_a_record_says_what_the_case_says_now(sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(unread("not_a_chest"), patient_id="-").case_id
    record = sqlite_desk.gatherer.newest(case_id)
    assert (record.result, record.patient.id, record.is_chest, record.service) == (None, "", False, "")
    (film,) = record.films
    assert film.reason is not None
    assert (film.reason.code, film.findings, film.model) == ("not_a_chest", (), None)
    read_case = sqlite_desk.add(reading(pneumonia=0.9, pleural_effusion=0.8)).case_id
    sqlite_desk.results.finish(read_case, MAI, Words(conclusion="Viêm phổi."), before_author="")
    told = sqlite_desk.gatherer.newest(read_case)
    assert told.result is not None
    assert {one.kind.name for one in told.films[0].findings} == {"pneumonia", "pleural_effusion"}
    assert sqlite_desk.gatherer.gather(read_case, 0).result is None
