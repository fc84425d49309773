"""The audit trail: who saw and did what, in the order it happened. It only ever grows. Knows no page."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import OperationalError

from dicom_router.clock import Clock
from dicom_router.store.database import Database
from xray_triage.accounts.tables import audit


class Action(StrEnum):
    """What may be noted."""

    SIGNED_IN = "signed_in"
    SIGN_IN_FAILED = "sign_in_failed"
    SIGNED_OUT = "signed_out"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105
    PASSWORD_RESET = "password_reset"  # noqa: S105
    USER_ADDED = "user_added"
    USER_CHANGED = "user_changed"
    USER_DISABLED = "user_disabled"
    USER_ENABLED = "user_enabled"
    TOKEN_MADE = "token_made"  # noqa: S105
    TOKEN_REVOKED = "token_revoked"  # noqa: S105
    SEARCHED = "searched"  # for patients; detail: what for
    LISTED = "listed"  # all patients, by a program
    CASE_SEEN = "case_seen"
    CASE_PRINTED = "case_printed"
    CASE_DONE = "case_done"  # nothing is left to do, says a doctor
    CASE_REOPENED = "case_reopened"
    CONSULTATION_ASKED = "consultation_asked"
    CONSULTATION_CHANGED = "consultation_changed"  # added to, or made urgent
    CONSULTATION_WITHDRAWN = "consultation_withdrawn"  # detail: the reason
    ANSWER_OPENED = "answer_opened"
    VERDICT_GIVEN = "verdict_given"
    RESULT_FINISHED = "result_finished"  # by a doctor
    RESULT_AMENDED = "result_amended"  # detail: why
    RESULT_CANCELLED = "result_cancelled"  # detail: why
    RESULT_OPENED = "result_opened"  # its paper; detail: which version, if one was named
    RESULT_SIGNED = "result_signed"  # detail: version, whose certificate, its serial number
    NOT_SIGNED = "not_signed"  # detail: why
    PINS_FORGIVEN = "pins_forgiven"  # after three wrong ones
    REREAD = "reread"  # a film that was not read; detail: the reason that was named
    PATIENT_REGISTERED = "patient_registered"
    ORDER_CHANGED = "order_changed"
    ORDER_CANCELLED = "order_cancelled"
    ORDER_REOPENED = "order_reopened"
    ORDER_FINISHED = "order_finished"
    EXPORTED = "exported"
    IMPORTED = "imported"  # films from a folder
    RESTORED = "restored"  # the station, from a backup
    STARTED = "started"  # the station
    STOPPED = "stopped"
    TRAIL_READ = "trail_read"
    CUT_OFFS_SET = "cut_offs_set"  # for a machine
    CUT_OFFS_RESET = "cut_offs_reset"
    CUT_OFFS_LOST = "cut_offs_lost"  # the machine has changed
    FILM_PURGED = "film_purged"  # the PACS has it; detail: its SOP Instance UID
    PATIENT_CORRECTED = "patient_corrected"  # by a film; detail: whom the case was called by, and is now
    PATIENT_CONFLICT = "patient_conflict"  # the films of a case name different people; detail: whom
    LOSS_ACKNOWLEDGED = "loss_acknowledged"  # of what a lost or damaged database took with it


# By every reload of a page, every poll of a program.
REPEATED = frozenset({Action.SEARCHED, Action.LISTED, Action.TRAIL_READ})
# They change nothing.
LOOKS = REPEATED | {
    Action.CASE_SEEN,
    Action.CASE_PRINTED,
    Action.ANSWER_OPENED,
    Action.RESULT_OPENED,
    Action.EXPORTED,
}
QUIET = timedelta(hours=1)
LOOKED_BACK = 100

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line of the trail. ``subject`` is a case id, a user name, or what else the action was done to."""

    entry_id: int
    at: datetime
    actor: str
    action: Action | str  # a plain string where another version of the program wrote it
    subject: str
    detail: str
    address: str


class AuditTrail:
    """Writes and reads the trail."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def note(self, action: Action, *, actor: str, subject: str = "", detail: str = "", address: str = "") -> None:
        """Add a line. ``actor`` is the user's name; a verb of the command line says ``cli:`` and the system's user.

        Who only looks is not held up by a full disk: the line then stands in the log.
        """
        line = {"actor": actor, "action": action.value, "subject": subject, "detail": detail, "address": address}
        now = self._clock.now()
        if action in REPEATED and self._stands(line, now):
            return
        try:
            with self._database.write() as connection:
                connection.execute(audit.insert().values(at=now, **line))
        except OperationalError as error:
            if action not in LOOKS:
                raise
            seen = {"actor": actor, "action": action.value, "subject": subject, "address": address}
            log.error("not in the audit trail", **seen, error=str(error.orig))

    def note_within(
        self, connection: sa.Connection, action: Action, *, actor: str, subject: str, detail: str = ""
    ) -> None:
        """Add a line in the caller's transaction: it stands when what it tells of does."""
        line = {"actor": actor, "action": action.value, "subject": subject, "detail": detail, "address": ""}
        connection.execute(audit.insert().values(at=self._clock.now(), **line))

    def note_sight(self, *, actor: str, case_id: str, detail: str, address: str = "") -> None:
        """Add that ``actor`` got parts of a case, unless it stands there already: a viewer asks for many."""
        seen = {"actor": actor, "action": Action.CASE_SEEN.value, "subject": case_id}
        if not self._stands(seen, self._clock.now()):
            self.note(Action.CASE_SEEN, actor=actor, subject=case_id, detail=detail, address=address)

    def _stands(self, line: dict[str, str], now: datetime) -> bool:
        """Whether a line with these columns was added within ``QUIET`` and few lines of its actor ago."""
        newest = sa.select(audit).where(audit.c.actor == line["actor"]).order_by(audit.c.entry_id.desc())
        recent = newest.limit(LOOKED_BACK).subquery()
        same = [recent.c[name] == value for name, value in line.items()]
        lately = recent.c.at.between(now - QUIET, now + QUIET)
        with self._database.read() as connection:
            return connection.execute(sa.select(recent.c.entry_id).where(lately, *same)).first() is not None

    def entries(
        self,
        *,
        actor: str = "",
        subject: str = "",
        since: datetime | None = None,
        until: datetime | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> list[Entry]:
        """The newest first. ``since`` (inclusive) and ``until`` (exclusive) bound the time, ``before`` the entry id."""
        wanted: list[sa.ColumnElement[bool]] = []
        if actor:
            wanted.append(audit.c.actor == actor)
        if subject:
            wanted.append(audit.c.subject == subject)
        if since is not None:
            wanted.append(audit.c.at >= since)
        if until is not None:
            wanted.append(audit.c.at < until)
        if before is not None:
            wanted.append(audit.c.entry_id < before)
        found = sa.select(audit).where(*wanted).order_by(audit.c.entry_id.desc()).limit(limit)
        with self._database.read() as connection:
            return [entry_of(row) for row in connection.execute(found).mappings()]

    def all_entries(
        self, *, actor: str = "", subject: str = "", since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[Entry]:
        """Every line that fits, the newest first, read in pages."""
        before: int | None = None
        while page := self.entries(actor=actor, subject=subject, since=since, until=until, before=before, limit=1000):
            yield from page
            before = page[-1].entry_id


def entry_of(row: sa.RowMapping) -> Entry:
    """A row of the table; an action of another version of the program stays a plain string."""
    action = str(row["action"])
    return Entry(**{**row, "action": Action(action) if action in list(Action) else action})
