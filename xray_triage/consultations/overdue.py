"""Notices questions that nobody answered in time, and asks them again. Knows no PACS.

How long a question has waited is measured by the clock that only grows, so that a jump of the other one raises no alarm
and silences none; only the time before this program was started is taken from the time of day.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
import structlog

from dicom_router.clock import Clock
from dicom_router.errors import SpoolFull
from dicom_router.store.database import Database
from dicom_router.store.delivery import DeliveryState
from dicom_router.store.outbox import Outbox
from xray_triage.cases import tables
from xray_triage.consultations.follow_ups import FollowUps
from xray_triage.consultations.preparing import CannotAsk

MOST_REMINDERS = 3


class Overdue:
    """One thread calls ``run_once``. ``urgent_seconds`` and ``routine_seconds``: how long a question may wait."""

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        follow_ups: FollowUps,
        outbox: Outbox,
        urgent_seconds: float,
        routine_seconds: float,
    ) -> None:
        self._database = database
        self._clock = clock
        self._follow_ups = follow_ups
        self._outbox = outbox
        self._limits = {"urgent": urgent_seconds, "routine": routine_seconds}
        # By question and since when it waits: the seconds it had waited when first seen here, and when that was.
        self._first_seen: dict[tuple[int, datetime], tuple[float, float]] = {}
        self._log = structlog.get_logger()

    def run_once(self) -> bool:
        """Mark what is overdue since now, and send a reminder for each overdue interval, MOST_REMINDERS in all.

        False: there is nothing more to do at once.
        """
        asked, case = tables.consultation, tables.case
        query = sa.select(asked, case.c.case_id, case.c.study_instance_uid).join_from(asked, case)
        with self._database.read() as connection:
            rows = connection.execute(query.where(tables.IS_OPEN, asked.c.announced < MOST_REMINDERS)).all()
        keys = {(row.consultation_id, _since(row)) for row in rows}
        self._first_seen = {key: seen for key, seen in self._first_seen.items() if key in keys}
        late = [row for row in rows if self._waited(row) >= self._limits.get(row.priority, self._limits["routine"])]
        for row in late:  # all of them, before a reminder that cannot be made
            self._mark(row)
        for row in late:
            self._remind(row)
        return False

    def _waited(self, row: sa.Row[Any]) -> float:
        """Seconds since it was asked, since the last reminder, or since it is urgent."""
        since = _since(row)
        before = max(0.0, (self._clock.now() - since).total_seconds())
        waited, seen_at = self._first_seen.setdefault((row.consultation_id, since), (before, self._clock.monotonic()))
        return waited + self._clock.monotonic() - seen_at

    def _mark(self, row: sa.Row[Any]) -> None:
        if row.overdue_at is not None:
            return
        asked = tables.consultation
        mine = sa.and_(asked.c.consultation_id == row.consultation_id, tables.IS_OPEN, asked.c.overdue_at.is_(None))
        with self._database.write() as connection:
            connection.execute(asked.update().where(mine).values(overdue_at=self._clock.now()))
        self._log.warning("consultation overdue", case_id=row.case_id, priority=row.priority)

    def _remind(self, row: sa.Row[Any]) -> None:
        """Only what the PACS has been told once: else the request itself still waits in the queue."""
        if not any(
            one.instance.sop_instance_uid == row.request_uid and one.state is DeliveryState.ACKNOWLEDGED
            for one in self._outbox.of_study(row.study_instance_uid)
        ):
            return
        try:
            self._follow_ups.remind(row.consultation_id)
        except (CannotAsk, SpoolFull) as error:
            self._first_seen[row.consultation_id, _since(row)] = (0.0, self._clock.monotonic())  # in an interval
            self._log.warning("reminder not made", case_id=row.case_id, error=str(error))


def _since(row: sa.Row[Any]) -> datetime:
    since: datetime = row.announced_at or row.requested_at
    return since
