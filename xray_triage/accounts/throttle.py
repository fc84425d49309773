"""How long who failed to sign in must wait: longer after each failure. In the database, so a restart helps nobody."""

from datetime import datetime, timedelta

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database
from xray_triage.accounts.tables import sign_in_attempt as attempt
from xray_triage.accounts.users import name_key

FREE_BY_NAME = 5
FREE_BY_ADDRESS = 20  # several people may sit behind one address
LONGEST_SECONDS = 300.0
FORGOTTEN_AFTER = timedelta(hours=1)
MOST_ROWS = 10_000


class TooManyAttempts(Exception):
    """Wait ``seconds`` before the next attempt."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"too many attempts; wait {seconds:.0f} s")
        self.seconds = seconds


def wait_seconds(failures: int, *, free: int, since_last: float) -> float:
    """Seconds still to wait, the last failure being ``since_last`` seconds ago; none when the clock was set back."""
    if failures < free:
        return 0.0
    delay = min(LONGEST_SECONDS, 2.0 ** min(failures - free, 20))
    return max(0.0, delay - since_last) if since_last >= 0.0 else 0.0


class Throttle:
    """Counts failures by user name and by address; those of a browser that the user is known in by that alone.

    Else a stranger who fails for ever would keep the user out for ever (decision 0017).
    """

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def enter(self, name: str, address: str, *, browser: str = "") -> None:
        """Count an attempt, before the password is looked at. Raises TooManyAttempts, which counts nothing.

        ``browser``: the number of one in which ``name`` is known to have signed in before; empty for strangers.
        """
        now = self._clock.now()
        own = _own(name, browser)
        sources = {own: FREE_BY_NAME} if browser else {own: FREE_BY_NAME, f"address:{address}": FREE_BY_ADDRESS}
        with self._database.read() as connection:  # who must wait holds up nobody who writes
            self._refuse(connection, sources, now)
        with self._database.write() as connection:
            if not self._database.is_sqlite:  # which has one writer at a time anyway
                connection.execute(sa.text("LOCK TABLE sign_in_attempt IN EXCLUSIVE MODE"))
            self._forget(connection, now)
            known = self._refuse(connection, sources, now)
            for source in sources:
                connection.execute(attempt.delete().where(attempt.c.source == source))
                row = {"source": source, "failures": known.get(source, 0) + 1, "last_at": now}
                connection.execute(attempt.insert().values(row))

    def succeed(self, name: str, address: str, *, browser: str = "") -> None:
        """The right password came: the name's failures are forgotten, the address' are not, but this was none.

        A known browser's success forgets its own failures, and none of strangers'.
        """
        here = attempt.c.source == f"address:{address}"
        with self._database.write() as connection:
            connection.execute(attempt.delete().where(attempt.c.source == _own(name, browser)))
            if not browser:
                connection.execute(attempt.update().where(here).values(failures=attempt.c.failures - 1))

    def forgive(self, name: str) -> None:
        """Forget the name's failures."""
        with self._database.write() as connection:
            connection.execute(attempt.delete().where(attempt.c.source == _own(name, "")))

    def _refuse(self, connection: sa.Connection, sources: dict[str, int], now: datetime) -> dict[str, int]:
        """The failures of ``sources``, whose values are how many cost nothing; or raises TooManyAttempts."""
        found = connection.execute(sa.select(attempt).where(attempt.c.source.in_(sources))).all()
        waits = [
            wait_seconds(row.failures, free=sources[row.source], since_last=(now - row.last_at).total_seconds())
            for row in found
        ]
        if max(waits, default=0.0) > 0.0:
            raise TooManyAttempts(max(waits))
        return {row.source: row.failures for row in found}

    def _forget(self, connection: sa.Connection, now: datetime) -> None:
        old = sa.or_(attempt.c.last_at < now - FORGOTTEN_AFTER, attempt.c.last_at > now + FORGOTTEN_AFTER)
        connection.execute(attempt.delete().where(old))
        newest = sa.select(attempt.c.source).order_by(attempt.c.last_at.desc()).limit(MOST_ROWS)
        connection.execute(attempt.delete().where(attempt.c.source.not_in(newest)))


def _own(name: str, browser: str) -> str:
    return f"browser:{browser}" if browser else f"user:{name_key(name)[:100]}"
