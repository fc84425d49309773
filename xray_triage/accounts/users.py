"""The users: names, roles, passwords. A password is kept as an argon2id hash (RFC 9106) and nowhere else."""

import hmac
import secrets
import threading
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError

from dicom_router.clock import Clock
from dicom_router.store.database import Database, insert_new
from xray_triage.accounts.roles import Role
from xray_triage.accounts.tables import account, session

LEAST_CHARACTERS = 10
MOST_CHARACTERS = 200
LEAST_DIFFERENT = 4
PROGRAM = "ai"  # who asks and is nobody: a person of this name would be taken for the site's policy
OBVIOUS = frozenset(
    {"1234567890", "0123456789", "0987654321", "password12", "password123", "qwertyuiop", "matkhau123", "matkhau1234"}
    | {"xquang1234", "bacsi12345", "tramyte123", "administrator", "trạm y tế", "abcd123456"}
)
HASHES_AT_ONCE = 2  # each takes 64 MiB: many guesses at once shall not take the station's memory
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another when read aloud or from paper


Row = sa.RowMapping | Mapping[str, Any]


class AccountError(Exception):
    """What was asked of an account cannot be. ``code`` names the reason; the message says it in English."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class UnknownUser(AccountError):
    """There is no such user."""

    def __init__(self, name: str) -> None:
        super().__init__("unknown_user", f"no user {name!r}; list them with: xray-triage user list")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user. ``full_name`` is what others read; ``language`` is "" until the user chose one.

    ``licence``: the number of the licence to practise (số GPHN/CCHN) under which the user signs results, or "".
    """

    account_id: int
    name: str
    full_name: str
    licence: str
    role: Role
    language: str
    must_change: bool
    is_active: bool
    signed_in_at: datetime | None


class Users:
    """The register of users."""

    def __init__(self, database: Database, *, clock: Clock, hasher: PasswordHasher) -> None:
        self._database = database
        self._clock = clock
        self._hasher = hasher
        self._turn = threading.Semaphore(HASHES_AT_ONCE)

    def add(self, name: str, *, role: Role, full_name: str = "", licence: str = "", password: str = "") -> str:
        """A new user; gives the password, which without ``password`` is a one-time one. Raises AccountError."""
        is_one_time = not password
        password = password or one_time_password()
        _check_name(name, full_name)
        _check_licence(licence)
        check_password(password, name)
        row = {
            "name": name,
            "folded_name": name_key(name),
            "full_name": full_name.strip() or name,
            "licence": licence.strip(),
            "role": role.value,
            "language": "",
            "password_hash": self._hash(password),
            "must_change": is_one_time,
            "is_active": True,
            "created_at": self._clock.now(),
        }
        with self._database.write() as connection:
            if insert_new(connection, account, row) is None:
                raise AccountError("name_taken", f"a user {name!r} is there already")
        return password

    def list(self) -> list[Account]:
        """All of them, by name."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(account).order_by(account.c.folded_name)).mappings()
            return [account_of(row) for row in found]

    def find(self, name: str) -> Account:
        """By name, upper or lower case alike. Raises UnknownUser."""
        with self._database.read() as connection:
            return account_of(_row(connection, name))

    def has_active_admin(self) -> bool:
        """Whether somebody can administer the others."""
        with self._database.read() as connection:
            return connection.execute(_active_admins()).first() is not None

    def check(self, name: str, password: str) -> Account | None:
        """The active user with this name and password. An unknown name costs as much time as a known one."""
        with self._database.read() as connection:
            row = connection.execute(_by_name(name)).mappings().one_or_none()
        if row is None:
            self._hash(password)
            return None
        if not self._matches(row, password) or not row["is_active"]:
            return None
        changes: dict[str, Any] = {"signed_in_at": self._clock.now()}
        if self._hasher.check_needs_rehash(row["password_hash"]):
            changes["password_hash"] = self._hash(password)
        with self._database.write() as connection:
            connection.execute(account.update().where(account.c.account_id == row["account_id"]).values(changes))
        return account_of({**row, **changes})

    def change_password(self, name: str, *, old: str, new: str) -> None:
        """From ``old``, or raises AccountError; ends all of the user's sessions. ``new`` is taken as it is."""
        with self._database.read() as connection:
            row = _row(connection, name)
        if not self._matches(row, old):
            raise AccountError("wrong_password", "the old password is wrong")
        self._change(name, {"password_hash": self._hash(new), "must_change": False}, signs_out=True)

    def mark_browser(self, name: str) -> str:
        """A mark for the browser in which the user has just signed in; the next change of the password voids it.

        Its key is the password's hash, whose salt nobody guesses, so that there is no table of marks.
        """
        with self._database.read() as connection:
            row = _row(connection, name)
        return _mark(row, secrets.token_urlsafe(16))

    def knows_browser(self, name: str, mark: str) -> bool:
        """Whether ``mark`` was made for this user, who is active and has the same password still."""
        with self._database.read() as connection:
            row = connection.execute(_by_name(name).where(account.c.is_active)).mappings().one_or_none()
        right = _mark(row or {"password_hash": ""}, mark.partition(".")[0])
        return (
            hmac.compare_digest(right.encode("utf-8", "replace"), mark.encode("utf-8", "replace")) and row is not None
        )

    def reset_password(self, name: str) -> str:
        """A new one-time password; ends all of the user's sessions. Raises UnknownUser."""
        password = one_time_password()
        self._change(name, {"password_hash": self._hash(password), "must_change": True}, signs_out=True)
        return password

    def disable(self, name: str) -> None:
        """The user can do nothing from now on. Raises AccountError for the last active admin."""
        self._change(name, {"is_active": False}, signs_out=True)

    def enable(self, name: str) -> None:
        self._change(name, {"is_active": True})

    def change_role(self, name: str, role: Role) -> None:
        """Raises AccountError when no active admin would remain."""
        self._change(name, {"role": role.value})

    def change_licence(self, name: str, licence: str) -> None:
        """The number under which the user signs results from now on; "" for none. Raises AccountError."""
        _check_licence(licence)
        self._change(name, {"licence": licence.strip()})

    def change_language(self, name: str, language: str) -> None:
        self._change(name, {"language": language})

    def _change(self, name: str, values: Mapping[str, object], *, signs_out: bool = False) -> None:
        with self._database.write() as connection:
            admins = {row.account_id for row in connection.execute(_active_admins().with_for_update())}
            account_id = _row(connection, name)["account_id"]
            connection.execute(account.update().where(account.c.account_id == account_id).values(values))
            if admins and connection.execute(_active_admins()).first() is None:
                raise AccountError("last_admin", f"{name!r} is the last active admin; make another one first")
            if signs_out:
                connection.execute(session.delete().where(session.c.account_id == account_id))

    def _hash(self, password: str) -> str:
        with self._turn:
            return self._hasher.hash(_normalised(password))

    def _matches(self, row: Row, password: str) -> bool:
        try:
            with self._turn:
                return self._hasher.verify(row["password_hash"], _normalised(password))
        except VerifyMismatchError:
            return False


def one_time_password() -> str:
    """Twelve letters, 59 bits, in three groups."""
    return "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(3))


def name_key(name: str) -> str:
    """``name`` as it is compared: one spelling for upper and lower case and for composed letters."""
    return unicodedata.normalize("NFKC", name).casefold()


def check_password(password: str, name: str) -> None:
    """Raises AccountError when ``password`` is easily guessed."""
    if not LEAST_CHARACTERS <= len(password) <= MOST_CHARACTERS:
        raise AccountError("password_length", f"a password has {LEAST_CHARACTERS} to {MOST_CHARACTERS} characters")
    plain = name_key(password)
    if plain in OBVIOUS or plain == name_key(name) or len(set(plain)) < LEAST_DIFFERENT:
        raise AccountError("password_obvious", "this password is guessed easily")


def account_of(row: Row) -> Account:
    """A row of the table as a value."""
    kept = {field.name for field in fields(Account)} - {"role"}
    return Account(role=Role(row["role"]), **{key: row[key] for key in kept})


def _check_name(name: str, full_name: str) -> None:
    if not 1 <= len(name) <= 40 or not all(letter.isalnum() or letter in "._-@" for letter in name):
        raise AccountError("bad_name", "a user name has 1 to 40 letters, digits or . _ - @")
    if len(full_name) > 100 or not full_name.isprintable():
        raise AccountError("bad_full_name", "a full name has at most 100 characters, in one line")
    if name_key(full_name.strip() or name) == PROGRAM:
        raise AccountError("reserved_name", "'AI' stands for the site's policy: give the person's full name")


def _check_licence(licence: str) -> None:
    if len(licence) > 40 or not licence.isprintable():
        raise AccountError("bad_licence", "a licence number has at most 40 characters, in one line")


def _normalised(password: str) -> bytes:
    """One spelling whatever keyboard wrote the accents (NIST SP 800-63B 5.1.1.2)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")


def _row(connection: sa.Connection, name: str) -> sa.RowMapping:
    row = connection.execute(_by_name(name)).mappings().one_or_none()
    if row is None:
        raise UnknownUser(name)
    return row


def _by_name(name: str) -> sa.Select[Any]:
    return sa.select(account).where(account.c.folded_name == name_key(name))


def _mark(row: Row, number: str) -> str:
    said = f"browser {number}".encode("utf-8", "replace")
    return f"{number}.{hmac.digest(row['password_hash'].encode(), said, 'sha256').hex()}"


def _active_admins() -> sa.Select[Any]:
    return sa.select(account.c.account_id).where(account.c.role == Role.ADMIN.value, account.c.is_active)
