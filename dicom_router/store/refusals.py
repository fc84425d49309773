"""Which machines were refused, for what and how often, until they are served. Knows no association and no film.

It stays small whoever knocks: refusals are merged by machine and reason, and written some time later, all at once.
"""

import hashlib
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import sqlalchemy as sa
import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.clock import Clock
from dicom_router.store.database import Database, insert_new
from dicom_router.store.tables import refusal as table

AGAIN = 3  # so many calls of one who is not let in, and so often refused between good films, is no hiccup
KEPT_FOR = timedelta(days=7)  # since the last one: by then the machine was mended, or is gone
MOST, MOST_OF_ONE_HOST = 200, 20
FIRST_WRITE_SECONDS, WRITE_SECONDS = 1.0, 30.0
_LONGEST_DETAIL = 200

log = structlog.get_logger()


class Reason(StrEnum):
    """Why a machine was not served; for a single object the reason is the status, as ``0xC000``.

    HIS_…: it sends orders. HIS_MESSAGE: of a single order, whose number stands for the object's UID.
    """

    UNKNOWN_CALLER = "unknown_caller"
    WRONG_CALLED_TITLE = "wrong_called_title"
    TOO_MANY = "too_many"
    NO_TLS = "no_tls"
    NO_CONTEXT = "no_context"
    QUERY = "query"
    ABORTED = "aborted"
    HIS_UNKNOWN = "his_unknown"
    HIS_TOO_MANY = "his_too_many"
    HIS_MESSAGE = "his_message"
    NOT_REACHED = "not_reached"  # it waits for a call of ours, and did not take it


_AT_THE_DOOR = frozenset({
    Reason.UNKNOWN_CALLER, Reason.WRONG_CALLED_TITLE, Reason.TOO_MANY, Reason.NO_TLS, Reason.HIS_UNKNOWN,
    Reason.HIS_TOO_MANY,
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """Who called, as it says and from where. Without a title: any at this address."""

    ae_title: str
    host: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """What one machine was refused for one reason. ``sop_instance_uid``: of the last object, where it was one.

    ``standing``: the machine was not served since; ``returns``: how often it had been, and was refused again.
    """

    ae_title: str
    host: str
    reason: str
    detail: str
    sop_instance_uid: str
    count: int
    returns: int
    first_at: datetime
    last_at: datetime
    standing: bool

    @property
    def machine(self) -> Machine:
        return Machine(self.ae_title, self.host)

    @property
    def caller(self) -> str:
        """As people write it."""
        return f"{self.ae_title} @ {self.host}" if self.ae_title else self.host

    @property
    def line(self) -> str:
        """For the engineer."""
        first, last = (f"{at:%Y-%m-%d %H:%M}" for at in (self.first_at, self.last_at))
        return f"{self.reason}: {self.detail} ({self.count} x, {first} to {last} UTC)"

    @property
    def is_told(self) -> bool:
        """Whether a person must hear of it unasked: something did not come in, or a machine calls again and again."""
        return self.reason not in _AT_THE_DOOR or self.count >= AGAIN


_Key = tuple[str, str, str]  # title, host, reason


class Refusals:
    """Those of one station, in memory and in the database. Safe between threads; none of its methods raises."""

    def __init__(self, database: Database, *, clock: Clock, spool_id: str | None) -> None:
        self._database = database
        self._clock = clock
        self._station = spool_id or ""
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._known: dict[_Key, Refusal] | None = None  # not read yet
        self._changed: set[_Key] = set()
        self._timer: threading.Timer | None = None
        self._written_at = float("-inf")

    def note(self, machine: Machine, reason: str, *, detail: str = "", sop_instance_uid: str = "") -> None:
        """The machine was refused. Harmless to call at every packet."""
        now = self._clock.now()
        with self._lock:
            known = self._read()
            key = _key_of(machine, reason, known)
            before = known.get(key)
            if before is not None and before.last_at < now - KEPT_FOR:
                before = None
            known[key] = Refusal(
                ae_title=key[0],
                host=key[1],
                reason=reason,
                detail=_plain(detail)[:_LONGEST_DETAIL],
                sop_instance_uid=_plain(sop_instance_uid)[:_LONGEST_DETAIL],
                count=before.count + 1 if before else 1,
                returns=before.returns + (not before.standing) if before else 0,
                first_at=before.first_at if before else now,
                last_at=now,
                standing=True,
            )
            self._change(key)
            if len(known) > MOST:
                self._forget([min(known, key=lambda each: known[each].last_at)])

    def entered(self, machine: Machine) -> None:
        """The machine was let in: what kept it out is mended."""
        with self._lock:
            self._forget(key for key in self._of(machine) if key[2] in _AT_THE_DOOR)

    def reached(self, machine: Machine) -> None:
        """It took a call of ours."""
        with self._lock:
            self._forget(key for key in self._of(machine) if key[2] == Reason.NOT_REACHED)

    def served(self, machine: Machine, sop_instance_uid: str = "") -> None:
        """It got what it came for. One that is refused again and again in between is not mended by that.

        ``sop_instance_uid``: of the object that was kept, whose refusal is over; none of a query that was answered.
        """
        is_query = not sop_instance_uid
        with self._lock:
            known = self._read()
            for key in self._of(machine):
                each = known[key]
                is_same = not is_query and each.sop_instance_uid == sop_instance_uid
                if key[2] == Reason.NOT_REACHED:  # its films come in; it is we who cannot reach it
                    continue
                if is_same or key[2] == Reason.NO_CONTEXT:
                    self._forget([key])
                elif each.standing and is_query == (key[2] == Reason.QUERY) and each.returns < AGAIN - 1:
                    known[key] = replace(each, standing=False)
                    self._change(key)

    def mended(self, machine: Machine, sop_instance_uid: str) -> None:
        """What was refused last came again, and was taken; nothing is said of anything else."""
        with self._lock:
            known = self._read()
            self._forget([key for key in self._of(machine) if known[key].sop_instance_uid == sop_instance_uid])

    def dismiss(self, number: str) -> None:
        """A person has dealt with the refusal that has this ``number_of``."""
        with self._lock:
            self._forget([key for key, each in self._read().items() if number_of(each) == number])

    def standing(self) -> list[Refusal]:
        """Those that were not mended since, of the last KEPT_FOR; what must be told first, then the newest."""
        since = self._clock.now() - KEPT_FOR
        with self._lock:
            found = [each for each in self._read().values() if each.standing and each.last_at > since]
        return sorted(found, key=lambda each: (each.is_told, each.last_at), reverse=True)

    def flush(self) -> None:
        """Write now what is not written yet. What cannot be written is written with what comes next."""
        with self._writing:
            with self._lock:
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                changed, self._changed = self._changed, set()
                rows = {key: self._read().get(key) for key in changed}
                self._written_at = self._clock.monotonic()
            try:
                self._write(rows)
            except SQLAlchemyError as error:
                log.warning("refusals not written", error=str(error).splitlines()[0])
                with self._lock:
                    self._changed |= changed

    def _write(self, rows: Mapping[_Key, Refusal | None]) -> None:
        if not rows:
            return
        with self._database.write() as connection:
            for key, each in rows.items():
                _write(connection, self._station, key, each)

    def _change(self, key: _Key) -> None:
        """To be written, in a second, or when WRITE_SECONDS have passed since the last time."""
        self._changed.add(key)
        if self._timer is None:
            waited = self._clock.monotonic() - self._written_at
            self._timer = threading.Timer(max(FIRST_WRITE_SECONDS, WRITE_SECONDS - waited), self.flush)
            self._timer.daemon = True
            self._timer.start()

    def _read(self) -> dict[_Key, Refusal]:
        if self._known is None:
            mine = sa.select(table).where(table.c.station == self._station)
            try:
                with self._database.read() as connection:
                    found = [_refusal(row) for row in connection.execute(mine)]
            except SQLAlchemyError as error:
                log.warning("refusals not read", error=str(error).splitlines()[0])
                found = []
            self._known = {(each.ae_title, each.host, each.reason): each for each in found}
        return self._known

    def _of(self, machine: Machine) -> list[_Key]:
        """What is known of it, and of its address where no title was said."""
        return [key for key in self._read() if key[1] == machine.host and key[0] in ("", _plain(machine.ae_title))]

    def _forget(self, keys: Iterable[_Key]) -> None:
        known = self._read()
        for key in list(keys):
            del known[key]
            self._change(key)


def number_of(refusal: Refusal) -> str:
    """A short name for one machine and reason."""
    return _number((refusal.ae_title, refusal.host, refusal.reason))


def _number(key: _Key) -> str:
    return hashlib.sha256("\0".join(key).encode()).hexdigest()[:16]


def _key_of(machine: Machine, reason: str, known: dict[_Key, Refusal]) -> _Key:
    """Where the refusal is counted: without its title when its address has invented too many."""
    key = (_plain(machine.ae_title), machine.host, reason)
    if key not in known and sum(each[1] == machine.host for each in known) >= MOST_OF_ONE_HOST:
        return ("", machine.host, reason)
    return key


def _plain(text: str) -> str:
    """Without what a terminal or a log would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _write(connection: sa.Connection, station: str, key: _Key, refusal: Refusal | None) -> None:
    number = f"{station}/{_number(key)}"
    if refusal is None:
        connection.execute(sa.delete(table).where(table.c.number == number))
        return
    values = asdict(refusal)
    if insert_new(connection, table, {"number": number, "station": station, **values}) is None:
        connection.execute(sa.update(table).where(table.c.number == number).values(**values))


def _refusal(row: sa.Row[tuple[object, ...]]) -> Refusal:
    values = row._asdict()
    return Refusal(**{name: values[name] for name in Refusal.__dataclass_fields__})
