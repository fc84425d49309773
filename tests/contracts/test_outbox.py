"""The contract of the outbox, over SQLite and PostgreSQL."""

import pytest

from dicom_router.dicom.instance import Acknowledgement, InstanceRef, SpooledFile
from dicom_router.errors import FenceLost
from dicom_router.store.database import Database
from dicom_router.store.delivery import Delivery, DeliveryState
from dicom_router.store.ledger import Ledger, Work
from dicom_router.store.outbox import MOST_SHOWN, Outbox
from tests.factories import DX, ExplicitVRLittleEndian, StoppedClock


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def outbox(database: Database, clock: StoppedClock) -> Outbox:
    return Outbox(database, Ledger(database, clock=clock, node="station/front"), clock=clock)


def enqueue(
    outbox: Outbox,
    database: Database,
    uid: str,
    *,
    what: str = "sr",
    study: str = "1.2",
    size: int = 1000,
    urgent: bool = False,
    to: tuple[str, ...] = ("pacs",),
) -> bool:
    instance = InstanceRef(
        sop_instance_uid=uid,
        sop_class_uid=DX,
        study_instance_uid=study,
        series_instance_uid=f"{study}.1",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )
    spooled = SpooledFile(key="0" * 32, sha256=uid, size_bytes=size)
    with database.write() as connection:
        return outbox.enqueue(connection, instance=instance, spooled=spooled, what=what, urgent=urgent, destinations=to)


def claim(outbox: Outbox, destination: str = "pacs", lane: str = "light") -> tuple[Work, Delivery]:
    claimed = outbox.claim(destination, lane)
    assert claimed is not None
    return claimed


def acknowledge(outbox: Outbox, clock: StoppedClock, work: Work, delivery: Delivery) -> None:
    word = Acknowledgement(status="0x0000", peer="PACS@127.0.0.1:104", at=clock.now(), sent_bytes=900)
    outbox.acknowledge(work, delivery, word)


def test_an_instance_goes_to_each_destination_once(outbox: Outbox, database: Database) -> None:
    assert enqueue(outbox, database, "1.2.3", to=("pacs", "backup"))
    assert not enqueue(outbox, database, "1.2.3", to=("pacs", "backup"))
    assert enqueue(outbox, database, "1.2.3", to=("pacs", "hub"))
    assert [one.destination for one in outbox.of_study("1.2")] == ["pacs", "backup", "hub"]
    assert not enqueue(outbox, database, "1.2.4", to=())


def test_results_never_wait_behind_originals(outbox: Outbox, database: Database) -> None:
    enqueue(outbox, database, "1.2.3", what="original", size=18_000_000)
    for number, what in enumerate(["sr", "sc", "gsps", "request"]):
        enqueue(outbox, database, f"1.2.4.{number}", what=what)
    assert [claim(outbox, lane="light")[1].what for _ in range(4)] == ["sr", "sc", "gsps", "request"]
    assert outbox.claim("pacs", "light") is None
    assert claim(outbox, lane="bulk")[1].what == "original"


def test_the_most_urgent_goes_first_then_the_smallest(outbox: Outbox, database: Database) -> None:
    enqueue(outbox, database, "1.1", size=9)
    enqueue(outbox, database, "1.2", size=3)
    enqueue(outbox, database, "1.3", size=9, urgent=True)
    assert [claim(outbox)[1].instance.sop_instance_uid for _ in range(3)] == ["1.3", "1.2", "1.1"]


def test_a_destination_named_with_a_slash_has_its_own_lanes(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    enqueue(outbox, database, "1.1", to=("tỉnh/pacs",))
    assert outbox.claim("tỉnh", "light") is None
    work, _ = claim(outbox, "tỉnh/pacs")
    outbox.postpone(work, seconds=1, error="down")
    assert [one.name for one in outbox.summary().destinations] == ["tỉnh/pacs"]


def test_an_acknowledged_delivery_says_when_and_how(outbox: Outbox, database: Database, clock: StoppedClock) -> None:
    enqueue(outbox, database, "1.1")
    work, delivery = claim(outbox)
    assert (delivery.state, delivery.attempts) == (DeliveryState.SENDING, 1)
    clock.advance(5)
    acknowledge(outbox, clock, work, delivery)
    (done,) = outbox.of_study("1.2")
    assert (done.state, done.status, done.acknowledged_at) == (DeliveryState.ACKNOWLEDGED, "0x0000", clock.now())
    assert outbox.claim("pacs", "light") is None
    with pytest.raises(FenceLost):
        acknowledge(outbox, clock, work, delivery)


def test_an_acknowledgement_after_the_lease_was_lost_changes_nothing(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    enqueue(outbox, database, "1.1")
    work, delivery = claim(outbox)
    clock.advance(60)
    claim(outbox)
    with pytest.raises(FenceLost):
        acknowledge(outbox, clock, work, delivery)
    with pytest.raises(FenceLost):
        outbox.refuse(work, status="0xA900", error="late")
    (one,) = outbox.of_study("1.2")
    assert (one.state, one.acknowledged_at, one.refused_at) == (DeliveryState.SENDING, None, None)
    assert outbox.summary().destinations == []


def test_a_long_sending_keeps_its_lease(outbox: Outbox, database: Database, clock: StoppedClock) -> None:
    enqueue(outbox, database, "1.1")
    work, delivery = claim(outbox)
    for _ in range(3):
        clock.advance(59)
        outbox.renew(work)
        assert outbox.claim("pacs", "light") is None
    acknowledge(outbox, clock, work, delivery)


def test_a_postponed_delivery_waits_and_tells_its_error_until_it_is_sent(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    enqueue(outbox, database, "1.1")
    outbox.postpone(claim(outbox)[0], seconds=10, error="connection refused")
    assert outbox.claim("pacs", "light") is None
    (waiting,) = outbox.of_study("1.2")
    assert (waiting.state, waiting.attempts, waiting.last_error) == (DeliveryState.WAITING, 1, "connection refused")
    assert outbox.summary().destinations[0].last_error == "connection refused"
    clock.advance(10)
    acknowledge(outbox, clock, *claim(outbox))
    (sent,) = outbox.of_study("1.2")
    assert (sent.attempts, sent.last_error) == (2, None)
    (destination,) = outbox.summary().destinations
    assert (destination.last_error, destination.last_success_at) == (None, clock.now())


def test_a_refused_delivery_is_shown_and_the_others_flow(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    enqueue(outbox, database, "1.1", size=1)
    enqueue(outbox, database, "1.2", size=2)
    outbox.refuse(claim(outbox)[0], status="0xA900", error="does not match SOP class")
    acknowledge(outbox, clock, *claim(outbox))
    (refused,) = outbox.summary().refused
    assert (refused.state, refused.status) == (DeliveryState.REFUSED, "0xA900")
    assert (refused.last_error, refused.refused_at) == ("does not match SOP class", clock.now())


def test_a_person_can_have_refused_deliveries_tried_again(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    for uid in ("1.1", "1.2", "1.3"):
        enqueue(outbox, database, uid)
        outbox.refuse(claim(outbox)[0], status="0xC000", error="no")
    first = outbox.summary().refused[0]
    assert outbox.retry(first.delivery_id)
    assert not outbox.retry(first.delivery_id)
    assert not outbox.retry(999)
    assert outbox.retry_all_refused() == 2
    assert outbox.summary().refused == []
    assert [claim(outbox)[1].attempts for _ in range(3)] == [1, 1, 1]


@pytest.mark.slow
def test_of_very_many_refused_deliveries_the_newest_are_shown_and_all_are_counted(
    outbox: Outbox, database: Database
) -> None:
    for number in range(MOST_SHOWN + 2):
        enqueue(outbox, database, f"1.{number}")
        outbox.refuse(claim(outbox)[0], status="0x0122", error="no outlines here")
    found = outbox.summary()
    assert (found.refused_count, len(found.refused)) == (MOST_SHOWN + 2, MOST_SHOWN)
    assert found.refused[0].instance.sop_instance_uid == "1.2"
    assert found.refused[-1].instance.sop_instance_uid == f"1.{MOST_SHOWN + 1}"
    assert outbox.retry_all_refused() == MOST_SHOWN + 2


def test_a_destination_that_refuses_is_reachable(outbox: Outbox, database: Database) -> None:
    enqueue(outbox, database, "1.1")
    outbox.postpone(claim(outbox)[0], seconds=0, error="no route")
    assert [one.reachable for one in outbox.summary().destinations] == [False]
    outbox.refuse(claim(outbox)[0], status="0xC000", error="no")
    assert [one.reachable for one in outbox.summary().destinations] == [True]


def test_an_urgent_study_overtakes_all_others_and_is_never_slowed(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    enqueue(outbox, database, "1.1", what="original", study="1", size=1)
    enqueue(outbox, database, "2.1", what="original", study="2", size=9, to=("pacs", "backup"))
    enqueue(outbox, database, "2.2", what="sr", study="2", size=9)
    enqueue(outbox, database, "1.2", what="sr", study="1", size=1)
    acknowledge(outbox, clock, *claim(outbox, "backup", "bulk"))
    with database.write() as connection:
        outbox.promote_study(connection, "2")
        outbox.promote_study(connection, "no such study")
    assert claim(outbox, lane="bulk")[1].instance.sop_instance_uid == "2.1"
    assert claim(outbox, lane="light")[1].instance.sop_instance_uid == "2.2"


def test_the_summary_counts_what_is_not_yet_there(outbox: Outbox, database: Database, clock: StoppedClock) -> None:
    empty = outbox.summary()
    assert (empty.waiting, empty.sending, empty.refused, empty.oldest_waiting_at) == (0, 0, [], None)
    enqueue(outbox, database, "1.1", urgent=True)
    acknowledge(outbox, clock, *claim(outbox))
    clock.advance(60)
    oldest_at = clock.now()
    enqueue(outbox, database, "1.2")
    clock.advance(60)
    enqueue(outbox, database, "1.3", urgent=True)
    enqueue(outbox, database, "1.4")
    claim(outbox)
    summary = outbox.summary()
    assert (summary.waiting, summary.sending, summary.oldest_waiting_at) == (2, 1, oldest_at)


def test_deliveries_of_many_studies_come_together(outbox: Outbox, database: Database) -> None:
    enqueue(outbox, database, "1.1", study="1")
    enqueue(outbox, database, "2.1", study="2")
    enqueue(outbox, database, "2.2", study="2")
    by_study = outbox.of_studies(["2", "3"])
    assert {study: len(deliveries) for study, deliveries in by_study.items()} == {"2": 2, "3": 0}
    assert outbox.of_studies([]) == {}
