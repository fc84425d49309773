"""The contract of the inbox, over SQLite and PostgreSQL."""

import threading

import pytest
import sqlalchemy as sa

from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.store.database import Database
from dicom_router.store.inbox import Inbox, Outcome
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import Outbox
from tests.factories import DX, ExplicitVRLittleEndian, StoppedClock


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, clock=StoppedClock(), node="station/front")


@pytest.fixture
def outbox(database: Database, ledger: Ledger) -> Outbox:
    return Outbox(database, ledger, clock=StoppedClock())


@pytest.fixture
def inbox(database: Database, ledger: Ledger, outbox: Outbox) -> Inbox:
    return Inbox(database, ledger, outbox, clock=StoppedClock(), destinations=["pacs", "backup"])


def reference(sop_instance_uid: str = "1.2.3", study_instance_uid: str = "1.2") -> InstanceRef:
    return InstanceRef(
        sop_instance_uid=sop_instance_uid,
        sop_class_uid=DX,
        study_instance_uid=study_instance_uid,
        series_instance_uid="1.2.1",
        transfer_syntax_uid=ExplicitVRLittleEndian,
    )


def spooled(content: str = "film", key: str = "0" * 32) -> SpooledFile:
    return SpooledFile(key=key, sha256=content, size_bytes=18_000_000)


def record(inbox: Inbox, content: str = "film", uid: str = "1.2.3", key: str = "0" * 32) -> Outcome:
    return inbox.record(
        instance=reference(uid), spooled=spooled(content, key), calling_ae_title="XRAY", peer_host="127.0.0.1"
    )


def test_an_arrival_is_kept_whole_with_its_work_and_a_delivery_to_every_destination(
    inbox: Inbox, outbox: Outbox, ledger: Ledger
) -> None:
    assert record(inbox) is Outcome.NEW
    work = ledger.claim("read")
    assert work is not None
    arrival = inbox.get(int(work.key))
    assert (arrival.instance, arrival.spooled) == (reference(), spooled())
    assert (arrival.calling_ae_title, arrival.peer_host) == ("XRAY", "127.0.0.1")
    assert (arrival.received_at, arrival.quarantined) == (StoppedClock().now(), False)
    deliveries = outbox.of_study("1.2")
    assert [(one.what, one.destination, one.spooled) for one in deliveries] == [
        ("original", "pacs", spooled()),
        ("original", "backup", spooled()),
    ]


def test_the_same_bytes_again_are_recognised_whatever_their_wrapper(inbox: Inbox, outbox: Outbox) -> None:
    record(inbox)
    assert record(inbox, key="1" * 32) is Outcome.SAME
    assert len(inbox.of_study("1.2")) == 1
    assert len(outbox.of_study("1.2")) == 2
    assert inbox.unread() == 1


def test_the_same_film_ten_times_at_once_is_one_arrival_and_one_delivery(inbox: Inbox, outbox: Outbox) -> None:
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda key: outcomes.append(record(inbox, key=key)), args=[f"{number:032x}"])
        for number in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == [Outcome.NEW, *[Outcome.SAME] * 9]
    assert len(inbox.of_study("1.2")) == 1
    assert len(outbox.of_study("1.2")) == 2


def test_other_content_under_the_same_uid_is_quarantined_without_work_or_delivery(inbox: Inbox, outbox: Outbox) -> None:
    record(inbox)
    assert record(inbox, "another film", key="1" * 32) is Outcome.CONFLICT
    (quarantined,) = inbox.quarantined()
    assert (quarantined.spooled.key, quarantined.quarantined) == ("1" * 32, True)
    assert [one.quarantined for one in inbox.of_study("1.2")] == [False, True]
    assert inbox.unread() == 1
    assert len(outbox.of_study("1.2")) == 2


def test_the_same_conflict_again_is_kept_once(inbox: Inbox) -> None:
    record(inbox)
    record(inbox, "another film")
    assert record(inbox, "another film") is Outcome.SAME
    assert record(inbox, "a third film") is Outcome.CONFLICT
    assert record(inbox) is Outcome.SAME
    assert len(inbox.quarantined()) == 2


def test_ten_films_under_one_uid_at_once_are_all_kept_and_one_is_accepted(inbox: Inbox) -> None:
    outcomes: list[Outcome] = []
    threads = [
        threading.Thread(target=lambda content: outcomes.append(record(inbox, content)), args=[f"film {number}"])
        for number in range(10)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(outcomes) == [*[Outcome.CONFLICT] * 9, Outcome.NEW]
    assert len(inbox.quarantined()) == 9


def test_a_commit_that_fails_leaves_no_half_arrival(inbox: Inbox, outbox: Outbox, database: Database) -> None:
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE delivery RENAME TO mislaid"))
    with pytest.raises(sa.exc.DBAPIError):
        record(inbox)
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE mislaid RENAME TO delivery"))
    assert inbox.of_study("1.2") == []
    assert inbox.unread() == 0
    assert record(inbox) is Outcome.NEW


def test_an_arrival_that_never_was_is_a_lookup_error(inbox: Inbox) -> None:
    with pytest.raises(LookupError, match="no arrival 7"):
        inbox.get(7)


def test_films_are_read_in_the_order_of_their_arrival(inbox: Inbox, ledger: Ledger) -> None:
    for number in range(12):
        record(inbox, uid=f"1.2.3.{number}")
    works = [ledger.claim("read") for _ in range(12)]
    uids = [inbox.get(int(work.key)).instance.sop_instance_uid for work in works if work]
    assert uids == [f"1.2.3.{number}" for number in range(12)]
    assert inbox.unread() == 12


def test_a_name_with_nul_from_outside_is_kept(inbox: Inbox) -> None:
    inbox.record(instance=reference("1.2\0"), spooled=spooled(), calling_ae_title="A\0B", peer_host="\udc80")
    (arrival,) = inbox.of_study("1.2")
    assert arrival.calling_ae_title == "A\ufffdB"
