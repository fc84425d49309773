"""Users, roles and passwords."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from argon2 import PasswordHasher

from dicom_router.store.database import Database
from tests.factories import StoppedClock
from tests.xray_triage.accounts.conftest import PASSWORD, QUICK
from xray_triage.accounts.accounts import Accounts
from xray_triage.accounts.roles import Right, Role
from xray_triage.accounts.tables import account
from xray_triage.accounts.users import (
    PROGRAM,
    AccountError,
    UnknownUser,
    Users,
    _mark,
    check_password,
    one_time_password,
)
from xray_triage.cases.consultation import AUTOMATIC


def code_of(raised: pytest.ExceptionInfo[AccountError]) -> str:
    return raised.value.code


def test_a_new_user_gets_a_password_that_must_be_changed(accounts: Accounts) -> None:
    password = accounts.users.add("ktv.binh", role=Role.TECHNICIAN, full_name="KTV. Lê Văn Bình")
    user = accounts.users.check("ktv.binh", password)
    assert user is not None
    assert (user.must_change, user.full_name, user.role) == (True, "KTV. Lê Văn Bình", Role.TECHNICIAN)
    accounts.users.change_password("ktv.binh", old=password, new="của riêng tôi")
    changed = accounts.users.check("ktv.binh", "của riêng tôi")
    assert changed is not None
    assert not changed.must_change
    assert accounts.users.check("ktv.binh", password) is None


def test_a_name_is_one_however_it_is_written(accounts: Accounts) -> None:
    for name in ("mai", "MAI", "ｍａｉ"):
        assert accounts.users.find(name).name == "Mai"
        with pytest.raises(AccountError) as raised:
            accounts.users.add(name, role=Role.DOCTOR)
        assert code_of(raised) == "name_taken"


def test_accents_count_in_a_name_and_not_how_they_are_composed(accounts: Accounts) -> None:
    accounts.users.add("bưởi", role=Role.DOCTOR)
    assert accounts.users.find("bưởi".encode().decode()).name == "bưởi"
    with pytest.raises(UnknownUser):
        accounts.users.find("buoi")


def test_what_is_no_name_is_refused(accounts: Accounts) -> None:
    for name in ("", " ", "a b", "a/b", "<b>", "a\0", "x" * 41, "a\n", "a'--"):
        with pytest.raises(AccountError) as raised:
            accounts.users.add(name, role=Role.DOCTOR)
        assert code_of(raised) == "bad_name", name


def test_nobody_is_called_as_who_asks_by_itself(accounts: Accounts) -> None:
    assert AUTOMATIC.casefold() == PROGRAM
    for name, full_name in (("an", "AI"), ("an", " ai "), ("an", "ＡＩ"), ("AI", ""), ("ai", " ")):
        with pytest.raises(AccountError) as raised:
            accounts.users.add(name, role=Role.DOCTOR, full_name=full_name)
        assert code_of(raised) == "reserved_name", (name, full_name)
    accounts.users.add("ai", role=Role.DOCTOR, full_name="BS. Nguyễn Thị Ái")
    accounts.users.add("ái", role=Role.DOCTOR)


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("", "password_length"),
        ("ngắn quá", "password_length"),
        ("x" * 201, "password_length"),
        ("matkhau123", "password_obvious"),
        ("MatKhau123", "password_obvious"),
        ("aaaaaaaaaaaa", "password_obvious"),
        ("bs.tran.mai", "password_obvious"),
        ("BS.TRAN.MAI", "password_obvious"),
    ],
)
def test_a_password_that_is_guessed_easily_is_refused(password: str, code: str) -> None:
    with pytest.raises(AccountError) as raised:
        check_password(password, "bs.tran.mai")
    assert code_of(raised) == code


def test_one_time_passwords_follow_the_rule_and_differ() -> None:
    made = {one_time_password() for _ in range(200)}
    assert len(made) == 200
    for password in made:
        check_password(password, "admin")


def test_a_password_is_one_however_its_accents_are_composed(accounts: Accounts) -> None:
    accounts.users.add("hoa", role=Role.DOCTOR, password="tr\u1ea1m y t\u1ebf x\u00e3")
    assert accounts.users.check("hoa", "tra\u0323m y te\u0302\u0301 xa\u0303") is not None


def test_the_database_holds_argon2id_and_no_password(accounts: Accounts, database: Database) -> None:
    with database.read() as connection:
        kept = connection.execute(sa.select(account.c.password_hash)).scalars().all()
    assert all(each.startswith("$argon2id$") for each in kept)
    assert len(set(kept)) == len(kept)  # the same password, another salt
    assert not [each for each in kept if PASSWORD in each]


def test_a_hash_of_lesser_parameters_is_renewed_when_the_user_signs_in(
    accounts: Accounts, database: Database, clock: StoppedClock
) -> None:
    stronger = Users(database, clock=clock, hasher=PasswordHasher(time_cost=2, memory_cost=16, parallelism=1))
    assert stronger.check("Mai", PASSWORD) is not None
    with database.read() as connection:
        kept = connection.execute(sa.select(account.c.password_hash).where(account.c.name == "Mai")).scalar_one()
    assert "m=16,t=2" in kept
    assert stronger.check("Mai", PASSWORD) is not None
    assert stronger.check("Mai", PASSWORD + " ") is None


def test_an_unknown_name_costs_as_much_time_as_a_known_one(accounts: Accounts, database: Database) -> None:
    users = Users(database, clock=StoppedClock(), hasher=PasswordHasher(time_cost=3, memory_cost=8192, parallelism=1))
    users.add("lan", role=Role.DOCTOR, password=PASSWORD)

    def seconds(name: str) -> float:
        started = time.perf_counter()
        assert users.check(name, "a wrong password") is None
        return time.perf_counter() - started

    pairs = [(seconds("lan"), seconds("nobody")) for _ in range(9)]  # in turn: the machine may be busy
    known, unknown = map(min, zip(*pairs, strict=True))
    assert 0.4 < unknown / known < 2.5


def test_a_browsers_mark_is_one_users_until_the_password_changes(accounts: Accounts) -> None:
    users = accounts.users
    mark, other, admins = users.mark_browser("Mai"), users.mark_browser("mai"), users.mark_browser("admin")
    assert len({mark, other, admins}) == 3
    assert users.knows_browser("MAI", mark)
    assert users.knows_browser("Mai", other)
    for wrong in ("", ".", "x", mark[:-1], mark + "0", mark.upper(), mark.replace(".", ".."), admins, "\ud800", "é\0"):
        assert not users.knows_browser("Mai", wrong), wrong
    assert not users.knows_browser("nobody", mark)
    users.disable("Mai")
    assert not users.knows_browser("Mai", mark)
    users.enable("Mai")
    assert users.knows_browser("Mai", mark)
    for change in (
        lambda: users.change_password("Mai", old=PASSWORD, new="một mật khẩu mới"),
        lambda: users.reset_password("Mai"),
    ):
        mark = users.mark_browser("Mai")
        change()
        assert not users.knows_browser("Mai", mark)


def test_a_mark_of_an_unknown_user_cannot_be_made_up(accounts: Accounts) -> None:
    made_up = _mark({"password_hash": ""}, "number")
    assert not accounts.users.knows_browser("nobody", made_up)
    assert not accounts.users.knows_browser("Mai", made_up)


def test_the_own_change_asks_for_the_old_password_and_for_another_one(accounts: Accounts) -> None:
    for old, new, code in (
        ("wrong", "mật khẩu mới", "wrong_password"),
        (PASSWORD, PASSWORD, "same_password"),
        (PASSWORD, "ngắn", "password_length"),
    ):
        with pytest.raises(AccountError) as raised:
            accounts.change_password("Mai", old=old, new=new, address="")
        assert code_of(raised) == code
    assert accounts.users.check("Mai", PASSWORD) is not None


def test_a_disabled_user_cannot_come_in_and_an_enabled_one_can(accounts: Accounts) -> None:
    accounts.users.disable("mai")
    assert accounts.users.check("Mai", PASSWORD) is None
    accounts.users.enable("Mai")
    assert accounts.users.check("Mai", PASSWORD) is not None


def test_the_last_active_admin_stays(accounts: Accounts) -> None:
    for attempt in (
        lambda: accounts.users.disable("admin"),
        lambda: accounts.users.change_role("admin", Role.DOCTOR),
    ):
        with pytest.raises(AccountError) as raised:
            attempt()
        assert code_of(raised) == "last_admin"
    assert accounts.users.has_active_admin()
    accounts.users.change_role("Mai", Role.ADMIN)
    accounts.users.disable("admin")
    assert accounts.users.has_active_admin()


def test_two_admins_who_disable_each_other_at_once_leave_one(accounts: Accounts) -> None:
    accounts.users.change_role("Mai", Role.ADMIN)

    def disable(name: str) -> bool:
        try:
            accounts.users.disable(name)
        except AccountError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(disable, ("admin", "Mai"))) == [False, True]
    assert accounts.users.has_active_admin()


def test_a_station_without_admin_may_enable_somebody(database: Database, accounts: Accounts) -> None:
    with database.write() as connection:
        connection.execute(account.update().values(is_active=False))
    assert not accounts.users.has_active_admin()
    accounts.users.enable("Mai")
    assert accounts.users.find("Mai").is_active


def test_an_unknown_user_is_said(accounts: Accounts) -> None:
    for act in (accounts.users.find, accounts.users.disable, accounts.users.enable, accounts.users.reset_password):
        with pytest.raises(UnknownUser, match="xray-triage user list"):
            act("ai đó")


def test_roles_have_their_rights() -> None:
    assert Role.ADMIN.rights == set(Right)
    assert Role.DOCTOR.rights == set(Right) - {Right.ADMINISTER}
    assert Role.TECHNICIAN.rights == {Right.SEE, Right.REGISTER, Right.COUNT}


def test_the_hasher_of_a_station_is_argon2id_of_rfc_9106(database: Database, accounts: Accounts) -> None:
    Accounts.of(database, clock=StoppedClock(), idle_minutes=30).users.add("an", role=Role.DOCTOR)
    with database.read() as connection:
        kept = connection.execute(sa.select(account.c.password_hash).where(account.c.name == "an")).scalar_one()
    assert "$m=65536,t=3,p=4$" in kept
    assert QUICK.memory_cost < 65536
