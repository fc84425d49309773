"""The worker that reconciles spool and database: at start, and once a day. Touches nothing that may be on its way.

What lay in the spool without a row before anybody could receive or read is dealt with at start. Later a file is dealt
with when it had no row at two looks, a day apart.
"""

from collections.abc import Callable

import structlog

from dicom_router.clock import Clock
from dicom_router.store.reconciliation import Found, Missing
from dicom_router.worker import Worker
from xray_triage.health.rebuilt import Rebuilt
from xray_triage.reading.acquisition import is_ours
from xray_triage.stores import Stores

DAY_SECONDS = 86_400.0
POLL_SECONDS = 60.0

log = structlog.get_logger()


class Reconciler(Worker):
    """To be made before the station opens. ``on_film`` is called for every film that is taken back."""

    def __init__(self, stores: Stores, rebuilt: Rebuilt, *, clock: Clock, on_film: Callable[[], None]) -> None:
        super().__init__(self.run_once, name="reconciliation", poll_seconds=POLL_SECONDS)
        self._stores = stores
        self._rebuilt = rebuilt
        self._clock = clock
        self._on_film = on_film
        self._seen = set(stores.spool.keys())  # at the look before: only these may be touched
        self._pending: list[str] = []
        self._looked_at: float | None = None
        self._counts = dict.fromkeys(Found, 0)
        self.missing = Missing()  # at the last look

    def run_once(self) -> bool:
        """Look, when it is time, or deal with one file. False: nothing was to do."""
        if self._pending:
            self._deal_with(self._pending[-1])
            return True
        now = self._clock.monotonic()
        if self._looked_at is not None and now - self._looked_at < DAY_SECONDS:
            return False
        self._looked_at = now
        self._look()
        return True

    def _look(self) -> None:
        loose = self._stores.reconciliation.loose()
        self._pending = self._newest_first(loose & self._seen)
        self._seen = loose - self._seen
        self.missing = self._stores.reconciliation.missing()
        log.info("spool compared", without_row=len(self._pending), without_file=self.missing.arrivals)

    def _newest_first(self, keys: set[str]) -> list[str]:
        """So that the oldest is popped first: of two films under one UID the one that came first is the film."""

        def age(key: str) -> tuple[float, str]:
            try:
                return -self._stores.spool.kept_at(key).timestamp(), key
            except FileNotFoundError:  # its owner took it away meanwhile
                return 0.0, key

        return sorted(keys, key=age)

    def _deal_with(self, key: str) -> None:
        """It stays pending on an error of the database, e.g. of a full disk."""
        try:
            found = self._stores.reconciliation.take_back(key, is_ours=is_ours)
        except OSError as error:  # gone meanwhile, or the disk is failing: the next looks find it again
            log.warning("file not reconciled", key=key, error=str(error))
        else:
            self._counts[found] += 1
            if found is Found.FILM:
                self._rebuilt.amend(films=1)
                self._on_film()
        self._pending.pop()
        if not self._pending:
            log.info("spool reconciled", **{one.value: count for one, count in self._counts.items()})
