"""What is kept of machines that were refused, over SQLite and PostgreSQL."""

import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from dicom_router.store.database import Database
from dicom_router.store.refusals import (
    AGAIN,
    KEPT_FOR,
    MOST,
    MOST_OF_ONE_HOST,
    Machine,
    Reason,
    Refusals,
    number_of,
)
from dicom_router.store.tables import refusal
from tests.factories import StoppedClock

ROOM = Machine("CR1", "10.0.0.5")


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def refusals(database: Database, clock: StoppedClock) -> Iterator[Refusals]:
    refusals = Refusals(database, clock=clock, spool_id="a")
    yield refusals
    refusals.flush()


def rows(database: Database) -> int:
    with database.read() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(refusal)) or 0)


def told(refusals: Refusals) -> list[tuple[str, str, int]]:
    return [(each.caller, each.reason, each.count) for each in refusals.standing()]


def test_refusals_are_merged_and_known_after_a_restart(
    refusals: Refusals, database: Database, clock: StoppedClock
) -> None:
    begun = clock.now()
    for _ in range(5):
        refusals.note(ROOM, Reason.UNKNOWN_CALLER, detail="called STATION")
        clock.advance(60)
    refusals.note(ROOM, "0xC000", detail="the dataset is truncated", sop_instance_uid="1.2.3")
    refusals.flush()
    (truncated, unknown) = Refusals(database, clock=clock, spool_id="a").standing()
    assert (unknown.count, unknown.first_at, unknown.last_at) == (5, begun, clock.now() - (clock.now() - begun) / 5)
    assert (truncated.caller, truncated.detail, truncated.sop_instance_uid) == (
        "CR1 @ 10.0.0.5",
        "the dataset is truncated",
        "1.2.3",
    )
    assert Refusals(database, clock=clock, spool_id="b").standing() == [], "another station's"


@pytest.mark.slow
def test_a_flood_is_written_now_and_then(refusals: Refusals, database: Database, clock: StoppedClock) -> None:
    """Nothing at each packet: a thread of its own writes, a second later and then twice a minute."""
    refusals.note(ROOM, Reason.TOO_MANY)
    refusals.flush()
    for number in range(10_000):
        refusals.note(Machine(f"X{number}", "10.0.0.9"), Reason.UNKNOWN_CALLER, detail="x" * 5000)
    assert rows(database) == 1
    assert sum(isinstance(each, threading.Timer) for each in threading.enumerate()) == 1
    refusals.flush()
    assert rows(database) == 1 + MOST_OF_ONE_HOST + 1
    assert sum(each.count for each in refusals.standing()) == 10_001
    for number in range(2 * MOST):
        clock.advance(1)
        refusals.note(Machine("X", f"10.1.0.{number}"), Reason.UNKNOWN_CALLER)
    refusals.flush()
    assert rows(database) == MOST


def test_a_machine_that_is_let_in_was_mended(refusals: Refusals, database: Database) -> None:
    for reason in (Reason.UNKNOWN_CALLER, Reason.WRONG_CALLED_TITLE, Reason.TOO_MANY):
        for _ in range(AGAIN):
            refusals.note(ROOM, reason)
    refusals.note(Machine("", ROOM.host), Reason.NO_TLS)
    refusals.note(Machine("CR2", ROOM.host), Reason.UNKNOWN_CALLER)
    refusals.note(ROOM, Reason.NO_CONTEXT)
    refusals.flush()
    refusals.entered(ROOM)
    assert sorted(told(refusals)) == [("CR1 @ 10.0.0.5", "no_context", 1), ("CR2 @ 10.0.0.5", "unknown_caller", 1)]
    refusals.served(ROOM)
    refusals.flush()
    assert told(refusals) == [("CR2 @ 10.0.0.5", "unknown_caller", 1)]
    assert rows(database) == 1


def test_a_refusal_is_over_with_the_next_film_unless_it_comes_between_them_again_and_again(
    refusals: Refusals, clock: StoppedClock
) -> None:
    for _ in range(10):
        refusals.note(ROOM, "0xA900", sop_instance_uid="1.2.2")
    assert told(refusals) == [("CR1 @ 10.0.0.5", "0xA900", 10)]
    refusals.served(ROOM, "1.2.4")
    assert told(refusals) == []
    for count in range(1, AGAIN + 1):
        refusals.note(ROOM, "0xC000", sop_instance_uid="1.2.3")
        assert [each.count for each in refusals.standing()] == [count]
        refusals.served(ROOM, f"1.2.4.{count}")
        clock.advance(60)
    assert told(refusals) == [("CR1 @ 10.0.0.5", "0xC000", AGAIN)]
    refusals.served(ROOM, "1.2.3")
    assert told(refusals) == []


def test_a_query_that_is_answered_says_nothing_of_a_film_that_was_refused(refusals: Refusals) -> None:
    refusals.note(ROOM, "0xC000", sop_instance_uid="1.2.3")
    refusals.note(ROOM, Reason.QUERY, detail="no date")
    refusals.served(ROOM)
    assert told(refusals) == [("CR1 @ 10.0.0.5", "0xC000", 1)]
    refusals.note(ROOM, Reason.QUERY, detail="no date")
    refusals.served(ROOM, "1.2.9")
    assert told(refusals) == [("CR1 @ 10.0.0.5", "query", 2)]


def test_a_person_may_say_that_it_is_dealt_with_and_time_does_in_the_end(
    refusals: Refusals, clock: StoppedClock
) -> None:
    refusals.note(ROOM, "0x0117")
    refusals.note(ROOM, "0xA900")
    (first, second) = refusals.standing()
    refusals.dismiss("nobody")
    refusals.dismiss(number_of(first))
    assert refusals.standing() == [second]
    clock.advance(KEPT_FOR.total_seconds() + 1)
    assert refusals.standing() == []
    refusals.note(ROOM, second.reason)
    assert [each.count for each in refusals.standing()] == [1]


def test_strangers_are_told_unasked_only_when_they_come_again(refusals: Refusals) -> None:
    for count in range(1, AGAIN + 1):
        refusals.note(ROOM, Reason.UNKNOWN_CALLER)
        assert [each.is_told for each in refusals.standing()] == [count == AGAIN]
    refusals.note(ROOM, "0xC000")
    assert [each.is_told for each in refusals.standing()] == [True, True]


def test_a_title_that_would_steer_a_terminal_is_shown_as_text(refusals: Refusals) -> None:
    refusals.note(Machine("\x1b[2J\n", "10.0.0.5"), Reason.UNKNOWN_CALLER, detail="\x07\x00")
    assert [(each.caller, each.detail) for each in refusals.standing()] == [("?[2J? @ 10.0.0.5", "??")]


def test_while_the_database_is_away_refusals_are_kept_in_memory(
    refusals: Refusals, database: Database, clock: StoppedClock
) -> None:
    refusals.note(ROOM, Reason.UNKNOWN_CALLER)
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE refusal RENAME TO elsewhere"))
    refusals.flush()
    refusals.note(ROOM, Reason.UNKNOWN_CALLER)
    with database.write() as connection:
        connection.execute(sa.text("ALTER TABLE elsewhere RENAME TO refusal"))
    refusals.flush()
    assert told(Refusals(database, clock=clock, spool_id="a")) == [("CR1 @ 10.0.0.5", "unknown_caller", 2)]
