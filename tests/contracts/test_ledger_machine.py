"""The ledger against a model of itself: no sequence of events, clock jumps and restarts loses or doubles work."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    MultipleResults,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from dicom_router.errors import FenceLost
from dicom_router.store.database import Database
from dicom_router.store.ledger import Ledger, Work
from dicom_router.store.tables import work as table
from tests.factories import StoppedClock

LEASE = timedelta(seconds=60)
NODES = ("station/front", "station/reader")
JUMPS = st.sampled_from([1, 30, 59, 61, 299, 3601, -1, -90, 86400, -400 * 86400, 3650 * 86400])


@dataclass
class Expected:
    """What the model knows of one piece of work. ``holder`` is the claim that may settle it."""

    number: int
    rank: int
    size: int
    state: str = "waiting"
    due_at: datetime | None = None
    attempt: int = 0
    holder: Work | None = None
    node: str = ""
    times_done: int = 0

    def is_due(self, now: datetime) -> bool:
        far = {"working": 2 * LEASE, "waiting": timedelta(hours=2)}
        if self.state not in far:
            return False
        return self.due_at is None or self.due_at <= now or self.due_at > now + far[self.state]

    def give_back(self, due_at: datetime | None = None) -> None:
        self.state, self.due_at, self.holder = "waiting", due_at, None


class LedgerMachine(RuleBasedStateMachine):
    """Two nodes on one database and one clock."""

    database: Database
    claims: Bundle[tuple[str, Work]] = Bundle("claims")

    def __init__(self) -> None:
        super().__init__()
        self.clock = StoppedClock()
        self.ledgers = {
            node: Ledger(self.database, clock=self.clock, node=node, lease_seconds=LEASE.total_seconds())
            for node in NODES
        }
        self.expected: dict[str, Expected] = {}

    @initialize()
    def start_empty(self) -> None:
        with self.database.write() as connection:
            connection.execute(sa.delete(table))

    @rule(key=st.sampled_from("abcdef"), rank=st.sampled_from([0, 100]), size=st.integers(0, 2))
    def enqueue(self, key: str, rank: int, size: int) -> None:
        with self.database.write() as connection:
            added = self.ledgers[NODES[0]].enqueue(connection, kind="read", key=key, rank=rank, size=size)
        assert added == (key not in self.expected)
        if added:
            self.expected[key] = Expected(number=len(self.expected), rank=rank, size=size)

    @rule(target=claims, node=st.sampled_from(NODES))
    def claim(self, node: str) -> tuple[str, Work] | MultipleResults[tuple[str, Work]]:
        now = self.clock.now()
        work = self.ledgers[node].claim("read")
        due = {key: one for key, one in self.expected.items() if one.is_due(now)}
        if work is None:
            assert not due
            return multiple()
        assert work.key == min(due, key=lambda key: (due[key].rank, due[key].size, due[key].number))
        for one in due.values():
            one.give_back()
        one = due[work.key]
        one.attempt += 1
        one.state, one.due_at, one.holder, one.node = "working", now + LEASE, work, node
        assert (work.attempt, work.lease_until) == (one.attempt, one.due_at)
        return node, work

    def settle(self, claim: tuple[str, Work], how: str) -> Expected | None:
        """Settle as its worker would; None when the claim had been lost, which the ledger must have said."""
        node, work = claim
        ledger, one = self.ledgers[node], self.expected[work.key]
        try:
            if how == "renew":
                ledger.renew(work)
            elif how == "postpone":
                ledger.postpone(work, seconds=300, error="link down")
            else:
                with self.database.write() as connection:
                    ledger.finish(connection, work) if how == "finish" else ledger.refuse(connection, work, error="no")
        except FenceLost:
            assert one.holder is not work
            return None
        assert one.holder is work
        return one

    @rule(claim=claims)
    def renew(self, claim: tuple[str, Work]) -> None:
        if one := self.settle(claim, "renew"):
            one.due_at = self.clock.now() + LEASE

    @rule(claim=claims)
    def finish(self, claim: tuple[str, Work]) -> None:
        if one := self.settle(claim, "finish"):
            one.give_back()
            one.state = "done"
            one.times_done += 1

    @rule(claim=claims)
    def postpone(self, claim: tuple[str, Work]) -> None:
        if one := self.settle(claim, "postpone"):
            one.give_back(self.clock.now() + timedelta(seconds=300))

    @rule(claim=claims)
    def refuse(self, claim: tuple[str, Work]) -> None:
        if one := self.settle(claim, "refuse"):
            one.give_back()
            one.state = "refused"

    @rule(claim=claims)
    def retry(self, claim: tuple[str, Work]) -> None:
        node, work = claim
        one = self.expected[work.key]
        assert self.ledgers[node].retry(work.work_id) == (one.state == "refused")
        if one.state == "refused":
            one.give_back()
            one.attempt = 0

    @rule(key=st.sampled_from("abcdef"), rank=st.sampled_from([0, 50]))
    def promote(self, key: str, rank: int) -> None:
        with self.database.write() as connection:
            self.ledgers[NODES[0]].promote(connection, kinds=["read"], keys=[key], rank=rank)
        if key in self.expected and self.expected[key].state != "done":
            self.expected[key].rank = min(self.expected[key].rank, rank)

    @rule(seconds=JUMPS)
    def jump(self, seconds: int) -> None:
        self.clock.time += timedelta(seconds=seconds)

    @rule(node=st.sampled_from(NODES), forgive=st.booleans())
    def boot(self, node: str, forgive: bool) -> None:
        mine = [one for one in self.expected.values() if one.state == "working" and one.node == node]
        assert self.ledgers[node].free_leases(forgive=forgive) == len(mine)
        for one in mine:
            one.give_back()
            one.attempt -= forgive

    @invariant()
    def counts_agree(self) -> None:
        unfinished = sum(one.state in ("waiting", "working") for one in self.expected.values())
        assert self.ledgers[NODES[0]].unfinished("read") == unfinished
        assert all(one.times_done <= 1 for one in self.expected.values())

    def teardown(self) -> None:
        """Whatever happened: what is neither done nor refused can still be done, each once."""
        self.clock.time += timedelta(hours=3)
        left = {key for key, one in self.expected.items() if one.state in ("waiting", "working")}
        while (work := self.ledgers[NODES[0]].claim("read")) is not None:
            left.remove(work.key)
            with self.database.write() as connection:
                self.ledgers[NODES[0]].finish(connection, work)
        assert not left


@pytest.mark.slow
def test_no_sequence_of_events_loses_or_doubles_work(database: Database) -> None:
    machine = type("LedgerMachineOnIt", (LedgerMachine,), {"database": database})
    profile = settings(max_examples=30, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=profile)
