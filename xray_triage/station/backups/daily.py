"""The backup that a running station makes every day by itself, and how it stands with it. Knows no page.

Waiting is by the monotonic clock: a wrong date makes one backup too many at a start, and never none.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.clock import Clock
from dicom_router.errors import RouterError
from dicom_router.worker import Worker
from xray_triage.config.station import Config
from xray_triage.station.backups.backup import backups_in
from xray_triage.station.backups.sqlite import BackupError
from xray_triage.station.backups.writing import BackupWriter

EVERY_SECONDS = 86_400.0
AGAIN_SECONDS = 900.0  # after one that failed
TICK_SECONDS = 60.0

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """``made_at``: the newest backup; None: none is there. ``problem``: why the last try failed, else nothing."""

    made_at: datetime | None = None
    problem: str = ""


def standing_of(config: Config) -> Standing:
    """How it stands by what lies in ``[backup] folder``, which is set."""
    folder = config.backup.folder
    assert folder is not None
    try:
        made = backups_in(folder, station=config.station.ae_title)
    except OSError as error:
        return Standing(problem=f"{folder}: {error.strerror}")
    return Standing(made_at=made[0].made_at if made else None)


class DailyBackup(Worker):
    """``[backup] folder`` is set. One under way at the stop has no name yet, and the next removes it."""

    def __init__(self, config: Config, config_path: Path, *, clock: Clock) -> None:
        super().__init__(self.run_once, name="backup", poll_seconds=TICK_SECONDS)
        self._config, self._clock = config, clock
        self._writer = BackupWriter(config, config_path, clock=clock)
        self._due_at: float | None = None  # by the monotonic clock; None: not looked yet
        self._standing = Standing()

    @property
    def standing(self) -> Standing:
        """As of the last try; of the folder itself nobody is asked, for a share that is gone keeps one waiting."""
        return self._standing

    def run_once(self) -> bool:
        """Make one when it is due. Never True: the next is not due at once, whatever came of this one."""
        if self._due_at is None:
            self._look()
        if self._due_at is not None and self._clock.monotonic() >= self._due_at:
            self._make()
        return False

    def _look(self) -> None:
        """At the start: when is the next due, by the age of the newest? One of the future does not count."""
        self._standing = standing_of(self._config)
        made_at, now = self._standing.made_at, self._clock.now()
        age = (now - made_at).total_seconds() if made_at is not None and made_at <= now else EVERY_SECONDS
        self._due_at = self._clock.monotonic() + max(0.0, EVERY_SECONDS - age)

    def _make(self) -> None:
        folder, keep = self._config.backup.folder, self._config.backup.keep
        assert folder is not None
        try:
            made = self._writer.write(folder, keep=keep)
        except (BackupError, OSError, RouterError, SQLAlchemyError) as error:
            self._due_at = self._clock.monotonic() + AGAIN_SECONDS
            self._standing = replace(self._standing, problem=" ".join(str(error).split()))
            log.error("backup failed", problem=self._standing.problem)
        else:
            self._due_at = self._clock.monotonic() + EVERY_SECONDS
            self._standing = Standing(made_at=made.made_at)
            log.info("backup made", folder=str(made.folder), rows=sum(made.manifest.rows.values()))
