"""The contract of proofs that what was acknowledged is there, over SQLite and PostgreSQL."""

import pytest

from dicom_router.dicom.status import Status
from dicom_router.errors import FenceLost
from dicom_router.store.commitments import MISSING, Proof
from dicom_router.store.database import Database
from dicom_router.store.delivery import DeliveryState
from tests.dicom_router.acknowledged import FILM, REPORT, STUDY, Desk


@pytest.fixture
def desk(database: Database) -> Desk:
    return Desk(database)


def test_what_is_acknowledged_is_to_be_proved_study_by_study(desk: Desk) -> None:
    desk.enqueue("1.9", study="1.8")  # not acknowledged yet: nothing to ask
    assert desk.book.claim("pacs") is None
    desk.acknowledge_all("pacs")
    desk.deliver(FILM, REPORT)
    assert {desk.claim().key, desk.claim().key} == {STUDY, "1.8"}
    assert desk.book.claim("pacs") is None
    assert [each.instance.sop_instance_uid for each in desk.unproved()] == [FILM, REPORT]


def test_another_destination_is_asked_for_itself(desk: Desk) -> None:
    desk.deliver(FILM, to=("pacs", "backup"))
    desk.claim("pacs")
    desk.book.commit(desk.unproved("pacs")[0], Proof.REPORT)
    assert desk.are_committed(FILM)
    assert not desk.are_committed(FILM, at=("pacs", "backup"))
    desk.claim("backup")
    desk.book.commit(desk.unproved("backup")[0], Proof.FILE)
    assert desk.are_committed(FILM, at=("pacs", "backup"))
    assert not desk.are_committed(FILM, REPORT)  # never sent


def test_what_is_acknowledged_later_opens_its_study_again(desk: Desk) -> None:
    desk.deliver(FILM)
    work = desk.claim()
    desk.book.commit(desk.unproved()[0], Proof.SEARCH)
    desk.book.finish(work)
    assert desk.book.claim("pacs") is None
    desk.deliver(REPORT)
    assert desk.claim().key == STUDY
    assert [each.instance.sop_instance_uid for each in desk.unproved()] == [REPORT]


def test_a_commitment_says_when_and_is_kept(desk: Desk) -> None:
    desk.deliver(FILM)
    desk.clock.advance(60)
    desk.book.commit(desk.unproved()[0], Proof.REPORT)
    assert desk.delivery().committed_at == desk.clock.now()
    assert desk.delivery().state is DeliveryState.ACKNOWLEDGED


def test_a_report_counts_in_another_life_of_the_station(desk: Desk) -> None:
    desk.deliver(FILM, REPORT)
    work = desk.claim()
    desk.book.begin("2.25.1", desk.unproved())
    desk.book.postpone(work, seconds=3600, error=None, forgive=True)
    assert desk.book.claim("pacs") is None
    reborn = Desk(desk.database)
    assert reborn.book.report("2.25.1", ("pacs",), {FILM: 0, REPORT: Status.NO_SUCH_INSTANCE, "9.9": 0})
    assert reborn.claim().key == STUDY  # at once
    assert desk.answers() == [0, Status.NO_SUCH_INSTANCE]


def test_a_report_twice_or_of_an_earlier_asking_changes_nothing_for_the_worse(desk: Desk) -> None:
    desk.deliver(FILM)
    for number in (1, 2):
        desk.book.begin(f"2.25.{number}", desk.unproved())
    assert desk.book.report("2.25.1", ("pacs",), {FILM: 0})
    assert desk.book.report("2.25.1", ("pacs",), {FILM: 0})
    assert desk.answers() == [0, None]


@pytest.mark.parametrize(
    ("transaction", "names", "uid"),
    [("2.25.9", ("pacs",), FILM), ("2.25.1", ("backup",), FILM), ("2.25.1", (), FILM), ("2.25.1", ("pacs",), REPORT)],
    ids=["another transaction", "another destination", "nobody", "never asked about"],
)
def test_a_report_of_what_was_never_asked_says_nothing(
    desk: Desk, transaction: str, names: tuple[str, ...], uid: str
) -> None:
    desk.deliver(FILM, to=("pacs", "backup"))
    desk.book.begin("2.25.1", desk.unproved())
    desk.deliver(REPORT)
    known = desk.book.report(transaction, names, {uid: 0})
    assert known == (uid == REPORT)
    assert desk.answers() == [None]


def test_what_the_peer_was_not_asked_after_all_is_forgotten(desk: Desk) -> None:
    desk.deliver(FILM)
    desk.book.begin("2.25.1", desk.unproved())
    desk.book.cancel("2.25.1")
    assert desk.answers() == []
    assert not desk.book.report("2.25.1", ("pacs",), {FILM: 0})


def test_what_is_missing_is_sent_again_once_and_then_shown_to_a_person(desk: Desk) -> None:
    desk.deliver(FILM)
    desk.book.begin("2.25.1", desk.unproved())
    assert desk.book.miss(desk.unproved()[0], error="not there")
    assert desk.delivery().state is DeliveryState.WAITING
    assert desk.answers() == []
    desk.acknowledge_all("pacs")
    assert not desk.book.miss(desk.unproved()[0], error="not there")
    assert desk.delivery().state is DeliveryState.REFUSED
    (shown,) = desk.outbox.summary().refused
    assert (shown.status, shown.last_error, shown.refused_at) == (MISSING, "not there", desk.clock.now())
    assert not desk.are_committed(FILM)


def test_a_person_may_have_what_is_missing_sent_again(desk: Desk) -> None:
    desk.deliver(FILM)
    assert not desk.book.miss(desk.unproved()[0], error="of another class there", for_good=True)
    assert desk.outbox.retry(desk.delivery().delivery_id)
    desk.acknowledge_all("pacs")
    assert desk.claim().key == STUDY
    desk.book.commit(desk.unproved()[0], Proof.REPORT)
    assert desk.are_committed(FILM)


def test_who_comes_second_sends_nothing_twice(desk: Desk) -> None:
    desk.deliver(FILM)
    (seen,) = desk.unproved()
    assert desk.book.miss(seen, error="not there")
    desk.book.miss(seen, error="not there")
    desk.book.commit(seen, Proof.REPORT)
    assert desk.delivery().state is DeliveryState.WAITING
    assert not desk.are_committed(FILM)


def test_a_lost_lease_finishes_nothing(desk: Desk) -> None:
    desk.deliver(FILM)
    work = desk.claim()
    desk.clock.advance(61)
    desk.claim()
    with pytest.raises(FenceLost):
        desk.book.finish(work)


def test_what_is_missing_and_what_is_long_unproved_is_told_by_destination(desk: Desk) -> None:
    desk.deliver(FILM, REPORT, to=("pacs", "backup"))
    desk.book.miss(desk.unproved()[0], error="not there", for_good=True)
    work = desk.claim()
    desk.book.postpone(work, seconds=3600, error="no C-FIND", forgive=True)
    names = ("backup", "pacs")
    assert [(one.missing, one.overdue) for one in desk.book.standings(names)] == [(0, 0), (1, 0)]
    desk.clock.advance(4 * 86400)
    backup, pacs = desk.book.standings(names)
    assert (backup.missing, backup.overdue, backup.obstacle) == (0, 2, None)
    assert (pacs.missing, pacs.overdue, pacs.obstacle) == (1, 1, "no C-FIND")
