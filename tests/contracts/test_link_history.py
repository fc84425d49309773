"""What the outbox keeps of its links and of what waited, over SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from dicom_router.store import tables
from dicom_router.store.database import Database
from dicom_router.store.epoch import epoch
from dicom_router.store.history import LinkChange, link_history, waits
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import DAMAGED, Outbox
from tests.contracts.test_outbox import acknowledge, claim, enqueue
from tests.factories import StoppedClock


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def outbox(database: Database, clock: StoppedClock) -> Outbox:
    return Outbox(database, Ledger(database, clock=clock, node="station/front"), clock=clock)


def changes(database: Database, since: datetime) -> list[LinkChange]:
    with database.read() as connection:
        return link_history(connection, since)


def history(database: Database, since: datetime) -> list[tuple[str, bool, str | None]]:
    return [(change.destination, change.reachable, change.error) for change in changes(database, since)]


def test_only_changes_of_a_link_are_kept(outbox: Outbox, database: Database, clock: StoppedClock) -> None:
    start = clock.now()
    enqueue(outbox, database, "1.2.3")
    for error in ("no route", "no route", "refused the connection"):
        work, delivery = claim(outbox)
        outbox.postpone(work, seconds=0, error=error)
        clock.advance(60)
    work, delivery = claim(outbox)
    acknowledge(outbox, clock, work, delivery)
    enqueue(outbox, database, "1.2.4")
    acknowledge(outbox, clock, *claim(outbox))

    assert history(database, start) == [("pacs", False, "no route"), ("pacs", True, None)]
    assert [change.at - start for change in changes(database, start)] == [timedelta(0), timedelta(minutes=3)]


def test_a_look_without_a_delivery_is_kept_too_and_written_only_when_it_is_news(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    start = clock.now()
    outbox.note_look("pacs", "certificate has expired")
    version = database.version()
    outbox.note_look("pacs", "certificate has expired")
    assert database.version() == version
    assert outbox.summary().destinations[0].last_error == "certificate has expired"
    assert not outbox.summary().destinations[0].reachable
    outbox.note_look("pacs", "no route")
    assert outbox.summary().destinations[0].last_error == "no route"
    outbox.note_look("pacs", None)
    assert (outbox.summary().destinations[0].reachable, outbox.summary().destinations[0].last_error) == (True, None)
    assert history(database, start) == [("pacs", False, "certificate has expired"), ("pacs", True, None)]


def test_a_history_begins_with_how_each_link_stood(outbox: Outbox, database: Database, clock: StoppedClock) -> None:
    enqueue(outbox, database, "1.2.3", to=("backup", "pacs"))
    for destination in ("backup", "pacs"):
        work, _ = claim(outbox, destination)
        outbox.postpone(work, seconds=0, error=f"{destination} is away")
        clock.advance(1)
    acknowledge(outbox, clock, *claim(outbox))
    clock.advance(86_400)
    since = clock.now()
    acknowledge(outbox, clock, *claim(outbox, "backup"))

    assert history(database, since) == [
        ("backup", False, "backup is away"),
        ("pacs", True, None),
        ("backup", True, None),
    ]


def test_a_refusal_is_an_answer_but_a_file_damaged_here_says_nothing_of_the_link(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    for uid in ("1.2.3", "1.2.4", "1.2.5"):
        enqueue(outbox, database, uid)
    work, _ = claim(outbox)
    outbox.refuse(work, status=DAMAGED, error="not what was kept")
    assert history(database, clock.now()) == []
    work, _ = claim(outbox)
    outbox.postpone(work, seconds=600, error="away")
    work, _ = claim(outbox)
    outbox.refuse(work, status="0xA900", error="does not match its class")

    assert history(database, clock.now()) == [("pacs", False, "away"), ("pacs", True, "does not match its class")]


def test_what_waited_long_is_told_with_when(outbox: Outbox, database: Database, clock: StoppedClock) -> None:
    start = clock.now()
    for uid, seconds in (("1.1", 5), ("1.2", 600), ("1.3", -600)):
        enqueue(outbox, database, uid)
        work, delivery = claim(outbox)
        clock.advance(seconds)
        acknowledge(outbox, clock, work, delivery)
    enqueue(outbox, database, "1.4")

    def told(since: datetime) -> set[tuple[float, float | None]]:
        with database.read() as connection:
            found = waits(connection, since, seconds=60)
        begun = start.timestamp()
        return {(round(a - begun, 2), None if b is None else round(b - begun, 2)) for a, b in found}

    assert told(start) == {(5, None), (5, 605)}
    assert told(start + timedelta(days=1)) == {(5, None)}


def test_an_older_database_learns_of_its_links_with_the_next_try(
    outbox: Outbox, database: Database, clock: StoppedClock
) -> None:
    with database.write() as connection:
        connection.execute(tables.destination.insert().values(name="pacs", last_error="away"))
    enqueue(outbox, database, "1.2.3")
    acknowledge(outbox, clock, *claim(outbox))

    assert history(database, clock.now()) == [("pacs", True, None)]


def test_times_are_seconds_in_both_databases(outbox: Outbox, database: Database, clock: StoppedClock) -> None:
    clock.time = datetime(2026, 11, 22, 3, 30, 0, 250_000, tzinfo=UTC)
    enqueue(outbox, database, "1.2.3")
    columns = tables.delivery.c
    with database.read() as connection:
        queued, never = connection.execute(sa.select(epoch(columns.queued_at), epoch(columns.acknowledged_at))).one()
    assert queued == pytest.approx(clock.now().timestamp(), abs=1e-3)
    assert never is None
