"""A full disk keeps nobody out who is in, and hides no film; what cannot be noted in the trail stands in the log."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from tests.databases import open_in
from tests.disks import fill, small_disk
from tests.factories import StoppedClock
from tests.xray_triage.accounts.conftest import PASSWORD, QUICK
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.audit import LOOKS, Action
from xray_triage.accounts.roles import Role

Full = tuple[Accounts, StoppedClock, str, str]


@pytest.fixture
def a_full_station(tmp_path: Path) -> Iterator[Full]:
    """Accounts, clock, a session and a token, which nobody has used yet, on a disk without a byte left."""
    clock = StoppedClock()
    with small_disk(tmp_path / "small", 4) as disk:
        database = open_in(disk / "station.db")
        accounts = Accounts.of(database, clock=clock, idle_minutes=30, hasher=QUICK)
        accounts.users.add("mai", role=Role.DOCTOR, password=PASSWORD)
        mai = accounts.users.find("mai")
        session, token = accounts.sessions.open(mai), accounts.tokens.make(mai, label="test")
        fill(disk)
        with pytest.raises(OperationalError):
            add_users_for_ever(accounts)
        yield accounts, clock, session, token
        database.close()


def add_users_for_ever(accounts: Accounts) -> None:
    number = 0
    while True:
        accounts.users.add(f"user{number}", role=Role.DOCTOR, password=PASSWORD)
        number += 1


def test_who_looks_stays_signed_in(a_full_station: Full) -> None:
    accounts, clock, session, token = a_full_station
    for _ in range(12 * 3 - 1):
        clock.advance(20 * 60)
        assert accounts.sessions.owner(session) is not None
        assert accounts.tokens.owner(token) is not None
    clock.advance(20 * 60)
    assert accounts.sessions.owner(session) is None  # a shift is over for everybody


def test_who_does_not_look_is_signed_out_all_the_same(a_full_station: Full) -> None:
    accounts, clock, session, _ = a_full_station
    clock.advance(20 * 60)
    assert accounts.sessions.owner(session) is not None
    clock.advance(31 * 60)
    assert accounts.sessions.owner(session) is None


def test_a_look_that_cannot_be_noted_is_told_to_the_log(
    a_full_station: Full,
) -> None:
    accounts, *_ = a_full_station
    with capture_logs() as told:
        for action in sorted(LOOKS):
            accounts.audit.note(action, actor="mai", subject="c1", detail="Nguyễn Văn A")
    missed = {line["action"] for line in told}
    noted = {entry.action for entry in accounts.audit.entries(actor="mai")}
    assert missed | noted == {action.value for action in LOOKS}
    assert missed
    assert "Nguyễn" not in str(told)


def test_what_changes_something_fails_where_it_cannot_be_noted(
    a_full_station: Full,
) -> None:
    accounts, *_ = a_full_station
    with pytest.raises(OperationalError):
        judge_for_ever(accounts)


def judge_for_ever(accounts: Accounts) -> None:
    while True:
        accounts.audit.note(Action.VERDICT_GIVEN, actor="mai", subject="c1", detail="x" * 4000)
