"""What people are to be told who are not at the page: each thing once. Knows no patient, no word and no network.

What happens is a row of the ledger, in the transaction in which it happens. The rows of some time are gathered into
one notice, a row again, which is sent until it is taken: it has the same number however often that is tried.
"""

import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database
from dicom_router.store.ledger import Ledger, Work

MOST_AT_ONCE = 1000  # things in one notice
NEWS, NOTICE = "news", "notice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """``urgent`` cases and ``answers`` that came until ``at``. ``number`` is nobody else's."""

    number: str
    at: datetime
    urgent: int
    answers: int

    @property
    def key(self) -> str:
        return f"{self.number} {self.at.isoformat()} {self.urgent} {self.answers}"

    @classmethod
    def of(cls, key: str) -> "Notice":
        number, at, urgent, answers = key.split(" ")
        return cls(number=number, at=datetime.fromisoformat(at), urgent=int(urgent), answers=int(answers))


class Notices:
    """``wanted``: of what each peer is told, "urgent" or "answer", by the peer's name."""

    def __init__(
        self, database: Database, ledger: Ledger, *, clock: Clock, wanted: Mapping[str, tuple[str, ...]]
    ) -> None:
        self._database, self._ledger, self._clock, self._wanted = database, ledger, clock, wanted

    def tell(self, connection: sa.Connection, what: str, about: str) -> None:
        """Something happened, in the caller's transaction; ``about`` makes it the same thing when it comes again."""
        for name, wanted in self._wanted.items():
            if what in wanted:
                self._ledger.enqueue(connection, kind=self._kind(NEWS, name), key=f"{what} {about}")

    def gather(self, name: str) -> bool:
        """Make one notice of all that happened; False: there is nothing new, or the last one is still under way."""
        if self._ledger.unfinished(self._kind(NOTICE, name)):
            return False
        news: list[Work] = []
        while len(news) < MOST_AT_ONCE and (one := self._ledger.claim(self._kind(NEWS, name))) is not None:
            news.append(one)
        if not news:
            return False
        told = Counter(one.key.partition(" ")[0] for one in news)
        number = str(uuid.uuid4())
        notice = Notice(number=number, at=self._clock.now(), urgent=told["urgent"], answers=told["answer"])
        with self._database.write() as connection:
            for one in news:
                self._ledger.finish(connection, one)
            self._ledger.enqueue(connection, kind=self._kind(NOTICE, name), key=notice.key)
        return True

    def next(self, name: str) -> Work | None:
        """The notice that is due for this peer: its key is that of a ``Notice``."""
        return self._ledger.claim(self._kind(NOTICE, name))

    def sent(self, work: Work) -> None:
        with self._database.write() as connection:
            self._ledger.finish(connection, work)

    def put_off(self, work: Work, *, seconds: float, problem: str) -> None:
        self._ledger.postpone(work, seconds=seconds, error=problem)

    def problem(self, name: str) -> str:
        """Why the notice under way was not taken; nothing when none is under way, or it was not tried yet."""
        return self._ledger.problem(self._kind(NOTICE, name))

    def _kind(self, what: str, name: str) -> str:
        """Stations that share a database have the names of their peers to themselves."""
        return f"{what} {name} {self._ledger.spool_id}"
