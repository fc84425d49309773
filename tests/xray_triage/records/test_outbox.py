"""Which versions go to whom and in which order, on both databases."""

from collections.abc import Callable
from pathlib import Path

import pytest

from dicom_router.store.delivery import DeliveryState
from dicom_router.store.ledger import Ledger, Work
from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.config.records import Standing
from xray_triage.records.outbox import AFTER_OLDER_SECONDS, OVERTAKEN, PRELIMINARY, RecordDelivery, RecordOutbox
from xray_triage.records.result import Author, Words

MAI = Author(account="mai", name="BS. Trần Thị Mai")
NORMAL = Words(conclusion="Không thấy bất thường.")
HIS, FHIR = "his", "fhir"
PEERS: dict[str, tuple[Standing, ...]] = {HIS: ("final",), FHIR: ("final", "preliminary")}


@pytest.fixture
def outbox(desk: TestDesk) -> RecordOutbox:
    """That of a station whose HIS gets the doctors' results, and whose FHIR server all."""
    ledger = Ledger(desk.database, clock=desk.clock, node="test", spool_id=desk.spool.id)
    return RecordOutbox(desk.database, ledger, clock=desk.clock, peers=PEERS)


@pytest.fixture
def publish(desk: TestDesk, outbox: RecordOutbox) -> Callable[..., None]:
    """What the book of results does with a version, in a commit of its own."""

    def tell(version: int = 1, case: int = 1) -> None:
        with desk.database.write() as connection:
            outbox.enqueue(connection, case, version)

    return tell


def told(desk: TestDesk, outbox: RecordOutbox, case_id: str) -> None:
    with desk.database.write() as connection:
        outbox.enqueue_reading(connection, case_id)


def claimed(outbox: RecordOutbox, name: str = HIS) -> tuple[Work, RecordDelivery]:
    found = outbox.claim(name)
    assert found is not None
    return found


def test_a_result_goes_to_whom_it_concerns_in_the_commit_that_makes_it(tmp_path: Path) -> None:
    with desk_in(tmp_path, peers=PEERS) as desk:
        outbox, case_id = desk.records, desk.add(unread()).case_id
        told(desk, outbox, case_id)
        desk.break_inserts("work")
        with pytest.raises(Exception, match="broken"):
            desk.results.finish(case_id, MAI, NORMAL, before_author="")
        assert desk.results.versions(case_id) == []
        desk.mend_inserts()
        desk.results.finish(case_id, MAI, NORMAL, before_author="")
        queued = [(one.name, one.version) for one in outbox.of_case(case_id)]
        assert queued == [(FHIR, PRELIMINARY), (HIS, 1), (FHIR, 1)]
        assert [one.name for one in outbox.of_case(case_id, 1)] == [HIS, FHIR]


def test_a_newer_version_waits_for_the_older_one_and_for_no_other_case(
    desk: TestDesk, outbox: RecordOutbox, publish: Callable[..., None]
) -> None:
    desk.add(unread())
    desk.add(unread())
    publish(1)
    publish(2)
    publish(1, case=2)
    work, first = claimed(outbox)
    assert first.version == 1
    assert first.number.startswith(f"{first.case_id}.")
    assert len(first.number) <= 20, "MSH-10"
    outbox.postpone(work, seconds=300, error="HTTP 409")
    _, other = claimed(outbox)
    assert other.case_id != first.case_id
    assert outbox.claim(HIS) is None
    desk.clock.advance(301)
    work, again = claimed(outbox)
    assert again == claimed_as(first, again)
    outbox.acknowledge(work, "AA")
    assert claimed(outbox)[1].version == 2, "at once, now that the first is there"


def claimed_as(first: RecordDelivery, again: RecordDelivery) -> RecordDelivery:
    """The first, as it must look the second time."""
    changed = {"attempts": again.attempts, "last_error": again.last_error, "state": again.state}
    assert first.number == again.number
    return RecordDelivery(**{name: getattr(first, name) for name in first.__dataclass_fields__} | changed)


def test_what_is_signed_before_it_has_left_leaves_once_and_signed_after_it_has_left_a_second_time(
    desk: TestDesk, outbox: RecordOutbox, publish: Callable[..., None]
) -> None:
    case_id = desk.add(unread()).case_id
    publish(1)
    work, unsigned = claimed(outbox)
    outbox.postpone(work, seconds=300, error="connection refused")
    desk.clock.advance(1)
    publish(1)  # as its signature does
    work, signed = claimed(outbox)
    assert signed.record_id == unsigned.record_id
    assert signed.number != unsigned.number, "a HIS that heeds them takes it for another message"
    outbox.acknowledge(work, "AA")
    publish(1)
    assert claimed(outbox)[1].record_id > signed.record_id
    assert [one.status for one in outbox.of_case(case_id) if one.name == HIS] == ["AA", None]


def test_what_is_signed_on_its_way_never_arrives_unsigned_after_signed(
    desk: TestDesk, outbox: RecordOutbox, publish: Callable[..., None]
) -> None:
    case_id = desk.add(unread()).case_id
    publish(1)
    work, _ = claimed(outbox)
    publish(1)
    assert outbox.claim(HIS) is None, "the first is still on its way"
    outbox.postpone(work, seconds=300, error="no acknowledgement in time")
    desk.clock.advance(AFTER_OLDER_SECONDS)
    work, signed = claimed(outbox)
    outbox.acknowledge(work, "AA")
    assert outbox.claim(HIS) is None
    assert [one.status for one in outbox.of_case(case_id) if one.name == HIS] == [OVERTAKEN, "AA"]
    assert signed.version == 1


def test_a_refused_version_is_not_sent_unsigned_after_it_was_signed(
    desk: TestDesk, outbox: RecordOutbox, publish: Callable[..., None]
) -> None:
    desk.add(unread())
    publish(1)
    work, unsigned = claimed(outbox)
    outbox.refuse(work, status="AE", error="AE: no such patient")
    publish(1)
    assert outbox.retry(unsigned.record_id)
    work, _ = claimed(outbox)
    outbox.acknowledge(work, "AA")
    assert outbox.claim(HIS) is None
    assert outbox.refused() == []


def test_a_refused_version_stops_nobody_and_never_follows_a_newer_one(
    outbox: RecordOutbox, desk: TestDesk, publish: Callable[..., None]
) -> None:
    case_id = desk.add(unread()).case_id
    publish(1)
    publish(2)
    work, first = claimed(outbox)
    outbox.refuse(work, status="AE", error="AE: no such patient")
    assert [(one.record_id, one.status, one.last_error) for one in outbox.refused()] == [
        (first.record_id, "AE", "AE: no such patient")
    ]
    work, second = claimed(outbox)
    assert second.version == 2
    outbox.acknowledge(work, "AA")
    sent_at = desk.clock.now()
    desk.clock.advance(60)
    assert outbox.retry(first.record_id)
    assert not outbox.retry(first.record_id)
    assert outbox.claim(HIS) is None, "the HIS has the newer one"
    assert outbox.summary()[1].last_sent_at == sent_at
    (one, two) = (each for each in outbox.of_case(case_id) if each.name == HIS)
    assert (one.status, one.state) == (OVERTAKEN, DeliveryState.LEFT_OUT), "nobody is told that it was taken"
    assert (two.state, two.status) == (DeliveryState.ACKNOWLEDGED, "AA")


def test_what_the_ai_says_is_told_once_however_many_films_wait_and_never_after_a_doctor(
    desk: TestDesk, outbox: RecordOutbox
) -> None:
    case_id = desk.add(unread()).case_id
    for _ in range(3):
        told(desk, outbox, case_id)
    assert [one.version for one in outbox.of_case(case_id)] == [PRELIMINARY]
    work, _ = claimed(outbox, FHIR)
    told(desk, outbox, case_id)  # while the first is on its way
    outbox.acknowledge(work, "HTTP 200")
    assert len(outbox.of_case(case_id)) == 2
    desk.results.finish(case_id, MAI, NORMAL, before_author="")
    told(desk, outbox, case_id)
    assert len(outbox.of_case(case_id)) == 2
    with desk.database.write() as connection:
        outbox.enqueue(connection, 1, 1)
    while found := outbox.claim(FHIR):
        outbox.acknowledge(found[0], "HTTP 200")
    assert [one.status for one in outbox.of_case(case_id) if one.name == FHIR] == ["HTTP 200"] * 3


def test_the_summary_counts_by_peer(desk: TestDesk, outbox: RecordOutbox, publish: Callable[..., None]) -> None:
    desk.add(reading())
    desk.add(unread())
    assert [(one.name, one.waiting) for one in outbox.summary()] == [(FHIR, 0), (HIS, 0)]
    publish(1)
    publish(1, case=2)
    first_at = desk.clock.now()
    desk.clock.advance(60)
    publish(2)
    work, _ = claimed(outbox)
    outbox.refuse(work, status="AR", error="AR")
    work, _ = claimed(outbox)
    outbox.postpone(work, seconds=0, error="no acknowledgement in time")
    work, _ = claimed(outbox, FHIR)
    outbox.acknowledge(work, "HTTP 200")
    fhir, his = outbox.summary()
    assert (his.waiting, his.sending, his.refused, his.last_error) == (2, 0, 1, "no acknowledgement in time")
    assert (his.oldest_waiting_at, his.last_sent_at) == (first_at, None)
    assert (fhir.waiting, fhir.refused, fhir.last_sent_at) == (2, 0, desk.clock.now())
    assert outbox.retry_all_refused() == 1
    assert outbox.summary()[1].refused == 0
