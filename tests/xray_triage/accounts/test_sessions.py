"""Sessions of people, tokens of programs."""

import pytest
import sqlalchemy as sa

from dicom_router.store.database import Database
from tests.factories import StoppedClock
from xray_triage.accounts import sessions as module
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.tables import session, token

MINUTE, HOUR = 60, 3600


@pytest.fixture
def session_id(accounts: Accounts) -> str:
    """Of a session that the doctor has just opened."""
    return accounts.sessions.open(accounts.users.find("Mai"))


def test_a_session_lives_while_somebody_looks(accounts: Accounts, clock: StoppedClock, session_id: str) -> None:
    for _ in range(4):
        clock.advance(29 * MINUTE)
        owner = accounts.sessions.owner(session_id)
        assert owner is not None
        assert owner.name == "Mai"
    clock.advance(30 * MINUTE)
    assert accounts.sessions.owner(session_id) is None


def test_an_open_page_that_renews_itself_is_no_look(accounts: Accounts, clock: StoppedClock, session_id: str) -> None:
    for _ in range(29):
        clock.advance(MINUTE)
        assert accounts.sessions.owner(session_id, renew=False) is not None
    clock.advance(MINUTE)
    assert accounts.sessions.owner(session_id, renew=False) is None


def test_a_session_ends_after_a_shift_however_busy(accounts: Accounts, clock: StoppedClock, session_id: str) -> None:
    for _ in range(12 * 3 - 1):
        clock.advance(20 * MINUTE)
        assert accounts.sessions.owner(session_id) is not None
    clock.advance(20 * MINUTE)
    assert accounts.sessions.owner(session_id) is None


def test_a_clock_that_jumps_ends_sessions_and_makes_none_immortal(
    accounts: Accounts, clock: StoppedClock, session_id: str
) -> None:
    for days in (-400, 3650, -1):
        clock.advance(days * 24 * HOUR)
        assert accounts.sessions.owner(session_id) is None
        session_id = accounts.sessions.open(accounts.users.find("Mai"))
        assert accounts.sessions.owner(session_id) is not None


def test_two_sessions_of_one_user_end_apart_when_signed_out_and_together_with_the_password(
    accounts: Accounts, session_id: str
) -> None:
    other = accounts.sessions.open(accounts.users.find("Mai"))
    third = accounts.sessions.open(accounts.users.find("Mai"))
    accounts.sessions.close(other)
    assert accounts.sessions.owner(other) is None
    assert accounts.sessions.owner(session_id) is not None
    accounts.users.reset_password("Mai")
    assert accounts.sessions.owner(session_id) is None
    assert accounts.sessions.owner(third) is None


def test_the_own_change_of_the_password_ends_every_session(accounts: Accounts, session_id: str) -> None:
    accounts.users.change_password("Mai", old="thach-an-2025", new="một mật khẩu khác")
    assert accounts.sessions.owner(session_id) is None


def test_a_disabled_users_session_and_token_die_at_once(accounts: Accounts, session_id: str) -> None:
    bearer = accounts.tokens.make(accounts.users.find("Mai"), label="")
    accounts.users.disable("Mai")
    assert accounts.sessions.owner(session_id) is None
    assert accounts.tokens.owner(bearer) is None
    accounts.users.enable("Mai")
    assert accounts.sessions.owner(session_id) is None  # signs in anew
    assert accounts.tokens.owner(bearer) is not None


def test_ids_are_long_random_and_not_in_the_database(accounts: Accounts, database: Database, session_id: str) -> None:
    bearer = accounts.tokens.make(accounts.users.find("Mai"), label="")
    ids = {accounts.sessions.open(accounts.users.find("Mai")) for _ in range(50)}
    assert len(ids) == 50
    assert min(map(len, ids)) >= 43  # 256 bits
    with database.read() as connection:
        kept = {*connection.execute(sa.select(session.c.session_hash)).scalars()}
        kept |= {*connection.execute(sa.select(token.c.token_hash)).scalars()}
    assert not kept & {*ids, session_id, bearer}


def test_what_is_no_session_and_no_token_is_nobodys(accounts: Accounts) -> None:
    for wrong in ("", "x", "\ud800", "\0", "'; drop table session", "ô" * 5000):
        assert accounts.sessions.owner(wrong) is None
        assert accounts.tokens.owner(wrong) is None
        accounts.sessions.close(wrong)


def test_dead_sessions_do_not_pile_up(accounts: Accounts, database: Database, clock: StoppedClock) -> None:
    for _ in range(20):
        accounts.sessions.open(accounts.users.find("Mai"))
        clock.advance(10 * MINUTE)
    with database.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(session)).scalar_one() == 3


def test_a_busy_session_commits_once_a_minute(accounts: Accounts, clock: StoppedClock, session_id: str) -> None:
    database = accounts.sessions._database

    def seen() -> object:
        with database.read() as connection:
            return connection.execute(sa.select(session.c.seen_at)).scalar_one()

    before = seen()
    clock.advance(59)
    accounts.sessions.owner(session_id)
    assert seen() == before
    clock.advance(1)
    accounts.sessions.owner(session_id)
    assert seen() == clock.now()
    assert module.RENEWED_AFTER.total_seconds() == MINUTE


def test_a_token_is_named_shown_once_and_revoked(accounts: Accounts, clock: StoppedClock) -> None:
    user = accounts.users.find("Mai")
    one, other = (accounts.tokens.make(user, label=label) for label in ("báo cáo", "đo lường"))
    owner = accounts.tokens.owner(one)
    assert owner is not None
    assert owner.name == "Mai"
    listed = accounts.tokens.of(user)
    assert [(each.label, each.used_at) for each in listed] == [("báo cáo", clock.now()), ("đo lường", None)]
    assert accounts.tokens.revoke(accounts.users.find("admin"), listed[0].token_id) == 0  # not the admin's own
    assert accounts.tokens.revoke(user, listed[0].token_id) == 1
    assert accounts.tokens.owner(one) is None
    assert accounts.tokens.owner(other) is not None
    assert accounts.tokens.revoke(user) == 1
    assert accounts.tokens.of(user) == []
