"""Sessions of people and tokens of programs. Of both only the sha256 is kept. Knows no cookie and no header."""

import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.exc import OperationalError

from dicom_router.clock import Clock
from dicom_router.store.database import Database, UtcDateTime
from xray_triage.accounts.tables import account, session, token
from xray_triage.accounts.users import Account, account_of

LIFETIME = timedelta(hours=12)
RENEWED_AFTER = timedelta(minutes=1)  # so that not every look costs a commit


class Sessions:
    """A session lives ``idle`` after its last look, and ``LIFETIME`` at most."""

    def __init__(self, database: Database, *, clock: Clock, idle: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._idle = idle
        self._unwritten: dict[str, datetime] = {}  # the last looks for which the disk had no room

    def open(self, user: Account) -> str:
        """A new session; gives its id of 256 random bits."""
        session_id, now = secrets.token_urlsafe(32), self._clock.now()
        row = {"session_hash": _hash(session_id), "account_id": user.account_id, "opened_at": now, "seen_at": now}
        with self._database.write() as connection:
            connection.execute(session.delete().where(sa.not_(self._is_alive(now, session.c.seen_at))))
            connection.execute(session.insert().values(row))
        return session_id

    def owner(self, session_id: str, *, renew: bool = True) -> Account | None:
        """Whose session it is, while it lives and the user is active. ``renew`` counts as a look."""
        now, hashed = self._clock.now(), _hash(session_id)
        found = (
            sa.select(account, session.c.seen_at)
            .join(session, session.c.account_id == account.c.account_id)
            .where(session.c.session_hash == hashed, account.c.is_active, self._is_alive(now, self._seen_at(hashed)))
        )
        with self._database.read() as connection:
            row = connection.execute(found).mappings().one_or_none()
        if row is None:
            return None
        if renew and abs(now - row["seen_at"]) >= RENEWED_AFTER:
            self._unwritten[hashed] = now
            with suppress(OperationalError):  # it renews and must not fail
                with self._database.write() as connection:
                    connection.execute(session.update().where(session.c.session_hash == hashed).values(seen_at=now))
                self._unwritten.pop(hashed, None)
        return account_of(row)

    def close(self, session_id: str) -> None:
        """Sign out; nothing happens when it is closed already."""
        with self._database.write() as connection:
            connection.execute(session.delete().where(session.c.session_hash == _hash(session_id)))

    def _seen_at(self, hashed: str) -> sa.ColumnElement[datetime]:
        unwritten = self._unwritten.get(hashed)
        return session.c.seen_at if unwritten is None else sa.literal(unwritten, UtcDateTime())

    def _is_alive(self, now: datetime, seen_at: sa.ColumnElement[datetime]) -> sa.ColumnElement[bool]:
        """A session from the future is dead too: the clock was set back, and its age is not known."""
        return sa.and_(
            seen_at > now - self._idle,
            seen_at < now + self._idle,
            session.c.opened_at > now - LIFETIME,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """What is known of a program's token; the token itself is not."""

    token_id: int
    label: str
    made_at: datetime
    used_at: datetime | None


class Tokens:
    """Bearer tokens: made once, shown once, revoked at will."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def make(self, user: Account, *, label: str) -> str:
        """A new token with the rights of ``user``."""
        made = f"xrt_{secrets.token_urlsafe(32)}"
        row = {"account_id": user.account_id, "token_hash": _hash(made), "label": label, "made_at": self._clock.now()}
        with self._database.write() as connection:
            connection.execute(token.insert().values(row))
        return made

    def owner(self, bearer: str, *, renew: bool = True) -> Account | None:
        """Whose token it is, while it is not revoked and the user is active. ``renew`` counts as a use."""
        now = self._clock.now()
        found = (
            sa.select(account, token.c.token_id, token.c.used_at)
            .join(token, token.c.account_id == account.c.account_id)
            .where(token.c.token_hash == _hash(bearer), token.c.revoked_at.is_(None), account.c.is_active)
        )
        with self._database.read() as connection:
            row = connection.execute(found).mappings().one_or_none()
        if row is None:
            return None
        if renew and (row["used_at"] is None or abs(now - row["used_at"]) >= RENEWED_AFTER):
            with suppress(OperationalError), self._database.write() as connection:  # it renews and must not fail
                connection.execute(token.update().where(token.c.token_id == row["token_id"]).values(used_at=now))
        return account_of(row)

    def of(self, user: Account) -> list[Token]:
        """The user's tokens that were not revoked, the oldest first."""
        found = sa.select(token.c.token_id, token.c.label, token.c.made_at, token.c.used_at).where(_valid(user))
        with self._database.read() as connection:
            return [Token(**row) for row in connection.execute(found.order_by(token.c.token_id)).mappings()]

    def revoke(self, user: Account, token_id: int | None = None) -> int:
        """Revoke one of the user's tokens, or all; how many that were."""
        wanted = _valid(user) if token_id is None else sa.and_(_valid(user), token.c.token_id == token_id)
        with self._database.write() as connection:
            return connection.execute(token.update().where(wanted).values(revoked_at=self._clock.now())).rowcount


def _valid(user: Account) -> sa.ColumnElement[bool]:
    return sa.and_(token.c.account_id == user.account_id, token.c.revoked_at.is_(None))


def _hash(secret: str) -> str:
    """A plain sha256 is enough where what is hashed has 256 random bits."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
