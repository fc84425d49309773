"""Sends what is due to one peer over one lane. Knows no protocol: that is the transport's.

While a peer is silent it is asked with an echo, once per backoff, and deliveries are left alone but for one an hour:
the queue keeps its order and no film is sent half for nothing. When it answers, everything flows at once over one
connection. One that says when to come again (Retry-After) is left alone until then. A delivery that fails although the
peer answers an echo waits by itself, and the others go past it; one that breaks off again and again while others get
through waits long, and after some tries a person is told of it. An echo that is refused is an answer: an account that
may store and not search has a peer that is there.
"""

import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import structlog
from sqlalchemy.exc import OperationalError

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Parcel
from dicom_router.errors import DamagedFile, FenceLost, PeerRefused, PeerUnreachable
from dicom_router.store.delivery import Delivery
from dicom_router.store.ledger import Work
from dicom_router.store.outbox import DAMAGED, MANY_ATTEMPTS, Outbox
from dicom_router.store.spool import Spool
from dicom_router.transport.backoff import delay
from dicom_router.transport.protocol import Transport

IDLE_SECONDS = 5.0  # then an open connection is let go
ASKING_CAP_SECONDS = 60.0  # a silent peer is asked at least this often: an echo costs nothing
DELIVERY_CAP_SECONDS = 300.0
ASKED_CAP_SECONDS = 600.0  # and no longer is a peer left alone when it asks for it
BREAKING_SECONDS = 3600.0  # for what breaks off the connection while others get through
TRYING_CAP_SECONDS = 3600.0  # and a delivery is tried this often however silent it is
MOST_BREAKING = 1000
# Answers in which somebody before the peer says that it is not there, or the peer that it is not there yet.
SILENCE = frozenset({"HTTP 429", "HTTP 502", "HTTP 503", "HTTP 504"})


Due = TypeVar("Due")
Due_co = TypeVar("Due_co", covariant=True)


class Queue(Protocol[Due_co]):
    """What waits for the peers: deliveries of films, records of results. See Outbox for what each call promises."""

    def claim(self, destination: str, lane: str, /) -> tuple[Work, Due_co] | None: ...

    def renew(self, work: Work, /) -> None: ...

    def postpone(self, work: Work, /, *, seconds: float, error: str, forgive: bool = False) -> None: ...

    def refuse(self, work: Work, /, *, status: str, error: str) -> None: ...

    def note_look(self, destination: str, error: str | None, /) -> None: ...


class Reachable(Protocol):
    """What a lane needs of a transport whatever it sends. See Transport."""

    def echo(self) -> None: ...

    def close(self) -> None: ...


class Sender(ABC, Generic[Due]):
    """One lane to one peer. One thread calls ``run_once``; the transport is this sender's alone."""

    called = "key"  # in the log, what a piece of work is called by

    def __init__(
        self,
        queue: Queue[Due],
        transport: Reachable,
        *,
        destination: str,
        lane: str,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._queue = queue
        self._transport = transport
        self._destination = destination
        self._lane = lane
        self._clock = clock
        self._jitter = jitter
        self._failures = 0  # in a row
        self._is_silent = False
        self._quiet_until = float("-inf")
        self._last_used_at: float | None = None
        self._last_tried_at = float("-inf")
        self._sent = 0
        self._sent_before: dict[str, int] = {}  # how many had been sent when this one broke off first
        self._log = structlog.get_logger().bind(destination=destination, lane=lane)

    def run_once(self) -> bool:
        """Send the most urgent, then smallest, due delivery. False when there is nothing to do now.

        Raises FenceLost when the lease was lost on the way: another node took the delivery over.
        """
        if self._clock.monotonic() < self._quiet_until or not self._peer_answers():
            return False
        claimed = self._queue.claim(self._destination, self._lane)
        if claimed is None:
            self._close_when_idle()
            return False
        work, due = claimed
        self._last_tried_at = self._clock.monotonic()
        with self._lease_renewed(work):
            self._try(work, due)
        return True

    @abstractmethod
    def _hand_over(self, work: Work, due: Due) -> None:
        """Send it and note that it was taken. Raises PeerUnreachable, PeerRefused, DamagedFile or FenceLost."""

    def _try(self, work: Work, due: Due) -> None:
        try:
            self._hand_over(work, due)
        except PeerUnreachable as error:
            self._postpone(work, error)
        except PeerRefused as error:
            self._refuse(work, status=error.status, error=error)
        except DamagedFile as error:
            self._refuse(work, status=DAMAGED, error=error)
        else:
            self._note_taken(work)

    def _note_taken(self, work: Work) -> None:
        self._sent += 1
        self._sent_before.pop(work.key, None)
        self._failures, self._is_silent = 0, False
        self._last_used_at = self._clock.monotonic()

    def _postpone(self, work: Work, error: PeerUnreachable) -> None:
        """Find out whether the peer is away or only this delivery does not get through, and wait accordingly."""
        self._failures += 1
        self._queue.note_look(self._destination, str(error))  # before the echo, which may take a minute to fail
        self._is_silent = error.after_seconds > 0 or self._silence() is not None
        self._be_quiet(error.after_seconds)
        seconds = 0.0
        if not self._is_silent:
            # It grows twice as fast as the quiet of the lane, so that the others get past this one.
            own = delay(2 * work.attempt - 1, cap_seconds=DELIVERY_CAP_SECONDS, jitter=self._jitter())
            seconds = DELIVERY_CAP_SECONDS if error.slowly else own
            if self._breaks_alone(work, error):
                seconds = BREAKING_SECONDS
        self._queue.postpone(work, seconds=seconds, error=str(error), forgive=self._is_silent)
        self._log.warning("postponed", **{self.called: work.key}, error=str(error), peer_silent=self._is_silent)

    def _breaks_alone(self, work: Work, error: PeerUnreachable) -> bool:
        """Whether this one has broken off, or was never answered, MANY_ATTEMPTS times while others got through."""
        if error.status:  # the peer said something, e.g. that its disk is full
            return False
        if len(self._sent_before) > MOST_BREAKING:
            self._sent_before.clear()
        before = self._sent_before.setdefault(work.key, self._sent)
        return work.attempt >= MANY_ATTEMPTS and self._sent > before

    def _refuse(self, work: Work, *, status: str, error: Exception) -> None:
        self._failures = 0
        self._sent_before.pop(work.key, None)
        self._queue.refuse(work, status=status, error=str(error))
        self._log.error("refused", **{self.called: work.key}, status=status, error=str(error))

    def _peer_answers(self) -> bool:
        """True unless the peer is silent and a new echo stays unanswered too."""
        if not self._is_silent:
            return True
        silence = self._silence()
        self._is_silent = silence is not None
        self._queue.note_look(self._destination, str(silence) if silence else None)
        if self._is_silent and self._clock.monotonic() - self._last_tried_at >= TRYING_CAP_SECONDS:
            return True  # what keeps silent when it is asked may take what it is given
        if silence is not None:
            self._failures += 1
            self._be_quiet(silence.after_seconds)
        else:
            self._failures = 0
            self._last_used_at = self._clock.monotonic()
        return not self._is_silent

    def _silence(self) -> PeerUnreachable | None:
        """Why an echo stays unanswered; None when it is answered."""
        try:
            self._transport.echo()
        except PeerUnreachable as error:
            return None if error.status and error.status not in SILENCE else error
        except PeerRefused:
            return None  # it is there and knows no echo
        return None

    def _be_quiet(self, asked_seconds: float) -> None:
        """For a while that grows, or as long as the peer asks, within bounds: it may have said years."""
        seconds = delay(self._failures, cap_seconds=ASKING_CAP_SECONDS, jitter=self._jitter())
        self._quiet_until = self._clock.monotonic() + max(seconds, min(asked_seconds, ASKED_CAP_SECONDS))
        self._transport.close()

    def _close_when_idle(self) -> None:
        if self._last_used_at is not None and self._clock.monotonic() - self._last_used_at > IDLE_SECONDS:
            self._transport.close()
            self._last_used_at = None

    @contextmanager
    def _lease_renewed(self, work: Work) -> Iterator[None]:
        """Renew the lease in the background: 18 MB at 256 kbit/s take ten minutes, the lease is one."""
        done = threading.Event()
        every_seconds = max((work.lease_until - self._clock.now()).total_seconds() / 3, 0.05)
        thread = threading.Thread(target=self._renew, args=(work, every_seconds, done), name="lease", daemon=True)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _renew(self, work: Work, every_seconds: float, done: threading.Event) -> None:
        while not done.wait(every_seconds):
            try:
                self._queue.renew(work)
            except FenceLost:
                self._log.warning("lease lost while sending", **{self.called: work.key})
                return
            except OperationalError as error:  # a full disk or a database away: the next renewal may succeed
                self._log.warning("lease not renewed", **{self.called: work.key}, error=str(error.orig))


class Forwarder(Sender[Delivery]):
    """One lane to one destination, for objects in the spool."""

    called = "sop_instance_uid"

    def __init__(
        self,
        *,
        outbox: Outbox,
        spool: Spool,
        transport: Transport,
        destination: str,
        lane: str,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        super().__init__(outbox, transport, destination=destination, lane=lane, clock=clock, jitter=jitter)
        self._outbox, self._spool, self._parcels = outbox, spool, transport

    def _hand_over(self, work: Work, due: Delivery) -> None:
        self._spool.verify(due.spooled)  # never send other bytes
        parcel = Parcel(
            instance=due.instance,
            size_bytes=due.spooled.size_bytes,
            open=lambda: self._spool.open(due.spooled.key),
        )
        self._outbox.acknowledge(work, due, self._parcels.send(parcel))
