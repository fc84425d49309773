"""Guessing a password takes ever longer, also after a restart, from many addresses, or all at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from dicom_router.store.database import Database
from tests.factories import StoppedClock
from tests.xray_triage.accounts.conftest import PASSWORD
from xray_triage.accounts import throttle
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.audit import Action
from xray_triage.accounts.tables import sign_in_attempt
from xray_triage.accounts.throttle import LONGEST_SECONDS, Throttle, TooManyAttempts, wait_seconds
from xray_triage.accounts.users import AccountError

HERE, THERE = "192.168.1.20", "192.168.1.21"


def waits(accounts: Accounts, name: str = "Mai", address: str = HERE, mark: str = "") -> float:
    """Seconds that the next attempt has to wait; an attempt is made, and fails, when there are none."""
    try:
        assert accounts.sign_in(name, "a wrong guess", address=address, mark=mark) is None
    except TooManyAttempts as error:
        return error.seconds
    return 0.0


def test_five_mistakes_cost_nothing_and_the_next_ever_more(accounts: Accounts, clock: StoppedClock) -> None:
    assert [waits(accounts) for _ in range(5)] == [0.0] * 5
    delays = []
    for _ in range(10):
        delays.append(waits(accounts))
        clock.advance(delays[-1])
        assert waits(accounts) == 0.0
    assert delays == [1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_SECONDS]


def test_while_somebody_must_wait_even_the_right_password_is_not_looked_at(
    accounts: Accounts, clock: StoppedClock
) -> None:
    for _ in range(5):
        waits(accounts)
    with pytest.raises(TooManyAttempts):
        accounts.sign_in("Mai", PASSWORD, address=HERE)
    clock.advance(1)
    assert accounts.sign_in("Mai", PASSWORD, address=HERE) is not None
    assert waits(accounts) == 0.0  # the name starts anew


def test_asking_while_waiting_makes_the_wait_no_longer(accounts: Accounts, clock: StoppedClock) -> None:
    for _ in range(5):
        waits(accounts)
    assert [waits(accounts) for _ in range(20)] == [1.0] * 20


def test_one_address_cannot_try_many_names(accounts: Accounts) -> None:
    tried = [waits(accounts, name=f"user{number}") for number in range(25)]
    assert tried[:20] == [0.0] * 20
    assert tried[20] == 1.0
    assert waits(accounts, name="other", address=THERE) == 0.0


def test_many_addresses_cannot_try_one_name(accounts: Accounts) -> None:
    assert [waits(accounts, address=f"10.0.0.{number}") for number in range(6)] == [0.0] * 5 + [1.0]


def test_a_stranger_who_guesses_for_ever_keeps_nobody_out_of_a_known_browser(
    accounts: Accounts, clock: StoppedClock
) -> None:
    mark = accounts.users.mark_browser("Mai")
    for number in range(40):  # from the doctor's address, and others: the name waits, and the address
        clock.advance(waits(accounts, address=f"10.0.0.{number}"))
        waits(accounts)
    assert waits(accounts) == LONGEST_SECONDS
    assert accounts.sign_in("Mai", PASSWORD, address=HERE, mark=mark) is not None
    assert accounts.sign_in("mai", PASSWORD, address=HERE, mark=mark) is not None
    assert waits(accounts) == LONGEST_SECONDS  # the stranger's failures are not forgotten for it
    with pytest.raises(TooManyAttempts):
        accounts.sign_in("Mai", PASSWORD, address=HERE)


def test_a_stolen_mark_helps_guessing_no_more_than_a_name(accounts: Accounts, clock: StoppedClock) -> None:
    stolen, own = accounts.users.mark_browser("Mai"), accounts.users.mark_browser("Mai")
    assert [waits(accounts, mark=stolen, address=f"10.0.0.{n}") for n in range(6)] == [0.0] * 5 + [1.0]
    for wait in (1, 2, 4, 8, 16, 32, 64, 128, 256, LONGEST_SECONDS, LONGEST_SECONDS):
        assert waits(accounts, mark=stolen) == wait
        clock.advance(wait)
        assert waits(accounts, mark=stolen) == 0.0
    with pytest.raises(TooManyAttempts):
        accounts.sign_in("Mai", PASSWORD, address=THERE, mark=stolen)
    assert accounts.sign_in("Mai", PASSWORD, address=HERE, mark=own) is not None  # the doctor's next one
    assert [waits(accounts) for _ in range(6)] == [0.0] * 5 + [1.0]  # strangers are counted from the start


def test_a_mark_that_is_none_or_anothers_is_a_strangers(accounts: Accounts) -> None:
    marks = ["made.up", "x" * 4000, "\ud800\0", accounts.users.mark_browser("admin"), ""]
    assert [waits(accounts, mark=mark) for mark in marks] == [0.0] * 5
    assert waits(accounts) == 1.0


def test_with_the_password_every_known_browser_becomes_a_stranger(accounts: Accounts) -> None:
    mark = accounts.users.mark_browser("Mai")
    accounts.change_password("Mai", old=PASSWORD, new="một mật khẩu mới", address=HERE, mark=mark)
    assert [waits(accounts, mark=mark) for _ in range(5)] == [0.0] * 5
    assert waits(accounts) == 1.0


def test_only_a_wrong_old_password_counts_when_it_is_changed(accounts: Accounts) -> None:
    for new in ["ngắn", "1234567890", PASSWORD, "Mai"] * 5:
        with pytest.raises(AccountError):
            accounts.change_password("Mai", old=PASSWORD, new=new, address=HERE)
    assert waits(accounts) == 0.0
    for _ in range(4):
        with pytest.raises(AccountError, match="old password"):
            accounts.change_password("Mai", old="wrong", new="một mật khẩu mới", address=HERE)
    with pytest.raises(TooManyAttempts):
        accounts.change_password("Mai", old=PASSWORD, new="một mật khẩu mới", address=HERE)


def test_an_unknown_name_is_made_to_wait_like_a_known_one(accounts: Accounts) -> None:
    assert [waits(accounts, name="nobody") for _ in range(6)] == [waits(accounts, address=THERE) for _ in range(6)]


def test_signing_in_rightly_all_day_makes_nobody_wait(accounts: Accounts) -> None:
    for _ in range(50):
        assert accounts.sign_in("Mai", PASSWORD, address=HERE) is not None
    assert waits(accounts) == 0.0


def test_guesses_made_all_at_once_are_counted_before_they_are_looked_at(accounts: Accounts) -> None:
    with ThreadPoolExecutor(8) as pool:
        waited = list(pool.map(lambda _: waits(accounts), range(24)))
    assert sum(seconds == 0.0 for seconds in waited) == 5


def test_a_restart_forgets_nothing(accounts: Accounts, database: Database, clock: StoppedClock) -> None:
    for _ in range(5):
        waits(accounts)
    with pytest.raises(TooManyAttempts):
        Throttle(database, clock=clock).enter("mai", THERE)


@pytest.mark.parametrize("days", [-400, -0.02, 3650])
def test_a_clock_that_jumps_locks_nobody_out(accounts: Accounts, clock: StoppedClock, days: float) -> None:
    for _ in range(9):
        clock.advance(waits(accounts))
    clock.advance(days * 86_400)
    assert waits(accounts) == 0.0
    clock.advance(waits(accounts))
    assert waits(accounts) == 0.0


def test_an_admin_can_let_somebody_try_again_at_once(accounts: Accounts) -> None:
    for _ in range(6):
        waits(accounts)
    accounts.throttle.forgive("MAI")
    assert waits(accounts) == 0.0


def test_the_table_stays_small(
    accounts: Accounts, database: Database, clock: StoppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(throttle, "MOST_ROWS", 30)
    for number in range(60):
        waits(accounts, name=f"user{number}", address=f"10.0.{number}.1")
        clock.advance(1)

    def rows() -> int:
        with database.read() as connection:
            return connection.execute(sa.select(sa.func.count()).select_from(sign_in_attempt)).scalar_one()

    assert rows() <= 32
    clock.advance(3601)
    waits(accounts)
    assert rows() == 2


@given(
    failures=st.integers(0, 10**9),
    free=st.integers(1, 50),
    since_last=st.floats(-1e9, 1e9),
)
def test_no_wait_is_negative_or_longer_than_the_longest(failures: int, free: int, since_last: float) -> None:
    seconds = wait_seconds(failures, free=free, since_last=since_last)
    assert 0.0 <= seconds <= LONGEST_SECONDS
    assert failures >= free or seconds == 0.0
    assert wait_seconds(failures + 1, free=free, since_last=since_last) >= seconds


def test_what_was_tried_is_on_the_trail_but_no_name_that_is_nobodys(accounts: Accounts) -> None:
    accounts.sign_in("my secret password", "x", address=HERE)
    accounts.sign_in("MAI", "x", address=HERE)
    accounts.sign_in("Mai", PASSWORD, address=THERE)
    noted = [(entry.action, entry.actor, entry.subject, entry.address) for entry in accounts.audit.entries()]
    assert noted == [
        (Action.SIGNED_IN, "Mai", "", THERE),
        (Action.SIGN_IN_FAILED, "", "Mai", HERE),
        (Action.SIGN_IN_FAILED, "", "", HERE),
    ]
