"""The contract of the ledger, over SQLite and PostgreSQL."""

import threading
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from dicom_router.errors import FenceLost
from dicom_router.store.database import Database
from dicom_router.store.ledger import Ledger, Work
from tests.factories import StoppedClock

LEASE_SECONDS = 60


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def ledger(database: Database, clock: StoppedClock) -> Ledger:
    return Ledger(database, clock=clock, node="station/reader", lease_seconds=LEASE_SECONDS)


def enqueue(ledger: Ledger, database: Database, *keys: str, rank: int = 100, size: int = 0) -> list[bool]:
    with database.write() as connection:
        return [ledger.enqueue(connection, kind="read", key=key, rank=rank, size=size) for key in keys]


def claim(ledger: Ledger) -> Work:
    work = ledger.claim("read")
    assert work is not None
    return work


def finish(ledger: Ledger, database: Database, work: Work) -> None:
    with database.write() as connection:
        ledger.finish(connection, work)


def refuse(ledger: Ledger, database: Database, work: Work) -> None:
    with database.write() as connection:
        ledger.refuse(connection, work, error="no")


def test_a_lease_is_as_long_as_ever_after_a_wait_for_the_turn_to_write(
    ledger: Ledger, database: Database, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    enqueue(ledger, database, "film")
    write = database.write

    def busy_till_then() -> AbstractContextManager[sa.Connection]:
        clock.advance(40)
        return write()

    monkeypatch.setattr(database, "write", busy_till_then)
    assert claim(ledger).lease_until == clock.now() + timedelta(seconds=LEASE_SECONDS)


def test_done_or_refused_work_is_done_again_with_its_attempts_forgotten(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "done", "refused")
    finish(ledger, database, claim(ledger))
    refuse(ledger, database, claim(ledger))
    assert not ledger.is_queued(kind="read", keys=["done", "refused"])
    with database.write() as connection:
        assert all(ledger.repeat(connection, kind="read", key=key, rank=200) for key in ("refused", "done"))
    assert ledger.is_queued(kind="read", keys=["done"])
    enqueue(ledger, database, "new")
    assert [(work.key, work.attempt) for work in (claim(ledger) for _ in range(3))] == [
        ("new", 1),
        ("done", 1),
        ("refused", 1),
    ]


def test_work_that_waits_or_is_being_done_is_not_begun_again(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "a", "b")
    claim(ledger)
    with database.write() as connection:
        assert not any(ledger.repeat(connection, kind="read", key=key, rank=0) for key in ("a", "b", "unknown"))
        assert not ledger.repeat(connection, kind="deliver/pacs/light", key="a", rank=0)
    assert ledger.is_queued(kind="read", keys=["a"])
    assert not ledger.is_queued(kind="read", keys=[])


def test_work_of_another_spool_waits_for_who_has_it(database: Database, clock: StoppedClock) -> None:
    here, there = (Ledger(database, clock=clock, node=f"{name}/reader", spool_id=name) for name in ("a" * 32, "b" * 32))
    enqueue(here, database, "mine")
    assert there.claim("read") is None
    assert (here.elsewhere(), there.elsewhere(), there.unfinished("read")) == (0, 1, 1)
    work = claim(here)
    assert there.elsewhere() == 1
    clock.advance(3 * LEASE_SECONDS)
    assert there.claim("read") is None
    assert there.free_leases(forgive=False) == 0
    finish(here, database, work)
    assert there.elsewhere() == 0


def test_another_node_of_the_spool_takes_over_after_the_lease(database: Database, clock: StoppedClock) -> None:
    dead, alive = (Ledger(database, clock=clock, node=name, spool_id="a" * 32) for name in ("dead", "alive"))
    enqueue(dead, database, "a")
    lost = claim(dead)
    assert alive.claim("read") is None
    clock.advance(LEASE_SECONDS + 1)
    finish(alive, database, claim(alive))
    with pytest.raises(FenceLost):
        finish(dead, database, lost)


def finish_and_fail(ledger: Ledger, database: Database, work: Work) -> None:
    with database.write() as connection:
        ledger.finish(connection, work)
        raise ZeroDivisionError


def test_the_same_work_is_enqueued_once(ledger: Ledger, database: Database) -> None:
    assert enqueue(ledger, database, "a", "a") == [True, False]
    finish(ledger, database, claim(ledger))
    assert enqueue(ledger, database, "a") == [False]
    assert ledger.claim("read") is None


def test_lower_ranks_come_first_then_smaller_sizes_then_older_ones(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "routine, older", "routine, younger", size=5)
    enqueue(ledger, database, "routine, small", size=1)
    enqueue(ledger, database, "urgent", rank=0, size=9)
    assert [claim(ledger).key for _ in range(4)] == ["urgent", "routine, small", "routine, older", "routine, younger"]


def test_work_of_another_kind_is_not_claimed(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "a")
    assert ledger.claim("deliver/pacs/light") is None


def test_every_claim_counts_the_attempt_and_raises_the_fence(
    ledger: Ledger, database: Database, clock: StoppedClock
) -> None:
    enqueue(ledger, database, "a")
    first = claim(ledger)
    assert (first.attempt, first.fence, first.lease_until) == (1, 1, clock.now() + timedelta(seconds=LEASE_SECONDS))
    ledger.postpone(first, seconds=0, error="link down")
    second = claim(ledger)
    assert (second.attempt, second.fence) == (2, 2)


def test_leased_work_is_taken_over_when_the_lease_runs_out_and_its_old_worker_can_settle_nothing(
    ledger: Ledger, database: Database, clock: StoppedClock
) -> None:
    enqueue(ledger, database, "a")
    late = claim(ledger)
    clock.advance(LEASE_SECONDS - 1)
    assert ledger.claim("read") is None
    clock.advance(1)
    successor = claim(ledger)
    with pytest.raises(FenceLost):
        finish(ledger, database, late)
    with pytest.raises(FenceLost):
        refuse(ledger, database, late)
    with pytest.raises(FenceLost):
        ledger.postpone(late, seconds=1, error="late")
    with pytest.raises(FenceLost):
        ledger.renew(late)
    finish(ledger, database, successor)


def test_work_finished_twice_is_refused_the_second_time(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "a")
    work = claim(ledger)
    finish(ledger, database, work)
    with pytest.raises(FenceLost):
        finish(ledger, database, work)


def test_a_renewed_lease_holds(ledger: Ledger, database: Database, clock: StoppedClock) -> None:
    enqueue(ledger, database, "a")
    work = claim(ledger)
    for _ in range(5):
        clock.advance(LEASE_SECONDS - 1)
        ledger.renew(work)
        assert ledger.claim("read") is None
    finish(ledger, database, work)


def test_a_result_that_cannot_be_written_leaves_the_work_unfinished(
    ledger: Ledger, database: Database, clock: StoppedClock
) -> None:
    enqueue(ledger, database, "a")
    work = claim(ledger)
    with pytest.raises(ZeroDivisionError):
        finish_and_fail(ledger, database, work)
    assert ledger.unfinished("read") == 1
    clock.advance(LEASE_SECONDS)
    assert claim(ledger).key == "a"


def test_postponed_work_comes_back_when_it_is_due_and_not_before(
    ledger: Ledger, database: Database, clock: StoppedClock
) -> None:
    enqueue(ledger, database, "a")
    ledger.postpone(claim(ledger), seconds=300, error="link down")
    clock.advance(299)
    assert ledger.claim("read") is None
    clock.advance(1)
    assert claim(ledger).attempt == 2


def test_a_postponement_that_is_not_the_works_fault_gives_the_attempt_back(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "a")
    ledger.postpone(claim(ledger), seconds=0, error="disk full", forgive=True)
    again = claim(ledger)
    assert (again.attempt, again.fence) == (1, 2)


def test_nothing_is_postponed_for_more_than_an_hour(ledger: Ledger, database: Database, clock: StoppedClock) -> None:
    enqueue(ledger, database, "a")
    ledger.postpone(claim(ledger), seconds=1e9, error="link down")
    clock.advance(3600)
    assert claim(ledger).key == "a"


def test_an_error_text_with_nul_and_broken_characters_is_kept(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "a")
    ledger.postpone(claim(ledger), seconds=0, error="bad\0text \udcff 😀 Nguyễn")
    with database.read() as connection:
        assert connection.scalar(sa.text("SELECT error FROM work")) == "bad\ufffdtext \ufffd 😀 Nguyễn"


def test_refused_work_waits_for_a_person_and_then_starts_afresh(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "a")
    work = claim(ledger)
    assert not ledger.retry(work.work_id)
    refuse(ledger, database, work)
    assert ledger.claim("read") is None
    assert ledger.unfinished("read") == 0
    assert ledger.retry(work.work_id)
    again = claim(ledger)
    assert (again.attempt, again.fence) == (1, 2)


def test_promotion_makes_work_more_urgent_and_never_less(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "older")
    enqueue(ledger, database, "promoted")
    enqueue(ledger, database, "urgent", rank=0)
    with database.write() as connection:
        ledger.promote(connection, kinds=["read"], keys=["promoted", "urgent"], rank=50)
    assert [claim(ledger).key for _ in range(3)] == ["urgent", "promoted", "older"]


def test_promotion_reaches_work_that_is_being_done_or_refused(
    ledger: Ledger, database: Database, clock: StoppedClock
) -> None:
    enqueue(ledger, database, "leased", "refused", "other")
    leased, refused = claim(ledger), claim(ledger)
    refuse(ledger, database, refused)
    with database.write() as connection:
        ledger.promote(connection, kinds=["read"], keys=["leased", "refused"], rank=0)
    ledger.retry(refused.work_id)
    ledger.postpone(leased, seconds=0, error="")
    assert [claim(ledger).key for _ in range(3)] == ["leased", "refused", "other"]


def test_at_start_a_node_takes_back_its_own_leases_and_no_others(
    ledger: Ledger, database: Database, clock: StoppedClock
) -> None:
    neighbour = Ledger(database, clock=clock, node="hub/reader")
    enqueue(ledger, database, "mine", "theirs")
    mine, theirs = claim(ledger), claim(neighbour)
    assert ledger.free_leases(forgive=False) == 1
    with pytest.raises(FenceLost):
        finish(ledger, database, mine)
    again = claim(ledger)
    assert (again.key, again.attempt) == ("mine", 2)
    finish(neighbour, database, theirs)


def test_a_forgiven_start_gives_the_attempt_back(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, "a")
    claim(ledger)
    assert ledger.free_leases(forgive=True) == 1
    again = claim(ledger)
    assert (again.attempt, again.fence) == (1, 2)
    assert Ledger(database, clock=StoppedClock(), node="station/front").free_leases(forgive=True) == 0


@pytest.mark.parametrize(
    "jump",
    [timedelta(days=-400), timedelta(days=3650), datetime(1970, 1, 1, tzinfo=UTC) - StoppedClock().now()],
    ids=["back 400 days", "forward 10 years", "1970"],
)
def test_work_goes_on_in_order_when_the_clock_jumps(
    ledger: Ledger, database: Database, clock: StoppedClock, jump: timedelta
) -> None:
    enqueue(ledger, database, "leased", "postponed", "done")
    leased = claim(ledger)
    ledger.postpone(claim(ledger), seconds=300, error="link down")
    finish(ledger, database, claim(ledger))
    clock.time += jump
    enqueue(ledger, database, "new")
    assert [claim(ledger).key for _ in range(3)] == ["leased", "postponed", "new"]
    assert ledger.claim("read") is None
    with pytest.raises(FenceLost):
        finish(ledger, database, leased)


def test_a_node_whose_clock_is_half_a_minute_behind_robs_nobody(
    ledger: Ledger, database: Database, clock: StoppedClock
) -> None:
    behind = StoppedClock(time=clock.now() - timedelta(seconds=30))
    enqueue(ledger, database, "a")
    work = claim(ledger)
    assert Ledger(database, clock=behind, node="hub/reader").claim("read") is None
    finish(ledger, database, work)


def test_many_threads_do_each_work_once(ledger: Ledger, database: Database) -> None:
    enqueue(ledger, database, *(str(number) for number in range(120)))
    done: list[str] = []

    def work_on() -> None:
        while (work := ledger.claim("read")) is not None:
            finish(ledger, database, work)
            done.append(work.key)

    threads = [threading.Thread(target=work_on) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done, key=int) == [str(number) for number in range(120)]


def test_expired_work_is_taken_over_by_one_of_many_threads(
    ledger: Ledger, database: Database, clock: StoppedClock
) -> None:
    keys = [str(number) for number in range(40)]
    enqueue(ledger, database, *keys)
    for _ in keys:
        claim(ledger)
    clock.advance(LEASE_SECONDS)
    taken: list[str] = []

    def take_over() -> None:
        while (work := ledger.claim("read")) is not None:
            taken.append(work.key)

    threads = [threading.Thread(target=take_over) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken, key=int) == keys
