"""Signing in and changing passwords: joins users, sessions, tokens, throttle and audit trail. Knows no page."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from argon2 import PasswordHasher

from dicom_router.clock import Clock
from dicom_router.store.database import Database
from xray_triage.accounts.audit import Action, AuditTrail
from xray_triage.accounts.sessions import Sessions, Tokens
from xray_triage.accounts.throttle import Throttle
from xray_triage.accounts.users import Account, AccountError, UnknownUser, Users, check_password


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """Everything about who may come in."""

    users: Users
    sessions: Sessions
    tokens: Tokens
    throttle: Throttle
    audit: AuditTrail

    @classmethod
    def of(cls, database: Database, *, clock: Clock, idle_minutes: float, hasher: PasswordHasher | None = None) -> Self:
        """On ``database``, which has the tables. ``hasher``: argon2id by RFC 9106's second recommendation."""
        return cls(
            users=Users(database, clock=clock, hasher=hasher or PasswordHasher()),
            sessions=Sessions(database, clock=clock, idle=timedelta(minutes=idle_minutes)),
            tokens=Tokens(database, clock=clock),
            throttle=Throttle(database, clock=clock),
            audit=AuditTrail(database, clock=clock),
        )

    def sign_in(self, name: str, password: str, *, address: str, mark: str = "") -> Account | None:
        """The user, or None when name or password are wrong. Raises TooManyAttempts.

        ``mark``: what ``users.mark_browser`` gave to this browser when this user signed in the last time.
        """
        browser = self._browser(name, mark)
        self.throttle.enter(name, address, browser=browser)
        user = self.users.check(name, password)
        if user is None:
            self.audit.note(Action.SIGN_IN_FAILED, actor="", subject=self._known(name), address=address)
            return None
        self.throttle.succeed(name, address, browser=browser)
        self.audit.note(Action.SIGNED_IN, actor=user.name, address=address)
        return user

    def change_password(self, name: str, *, old: str, new: str, address: str, mark: str = "") -> None:
        """The user's own change: ends every session, voids every mark. Raises AccountError, TooManyAttempts.

        It is throttled, for a session left open is no way to guess; but a poor new password is no attempt.
        """
        check_password(new, name)
        if old == new:
            raise AccountError("same_password", "the new password is the old one")
        browser = self._browser(name, mark)
        self.throttle.enter(name, address, browser=browser)
        self.users.change_password(name, old=old, new=new)
        self.throttle.succeed(name, address, browser=browser)
        self.audit.note(Action.PASSWORD_CHANGED, actor=name, subject=name, address=address)

    def _browser(self, name: str, mark: str) -> str:
        """The number of the mark, if it is one of this user's; else nothing: a stranger's browser."""
        return mark.partition(".")[0] if mark and self.users.knows_browser(name, mark) else ""

    def _known(self, name: str) -> str:
        """The name of the user who was tried; no other name, which may be a password typed into the wrong field."""
        try:
            return self.users.find(name).name
        except UnknownUser:
            return ""
