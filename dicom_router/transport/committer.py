"""Proves, for one destination and study by study, that what was acknowledged is there. Knows no protocol.

What the answers mean is in proof.py. A peer that is silent is left alone, ever longer, up to an hour.
"""

import random
from collections.abc import Callable, Sequence
from typing import Protocol

import structlog
from pydicom.uid import generate_uid

from dicom_router.clock import Clock
from dicom_router.dicom.commitment import Reference, References
from dicom_router.dicom.status import Status
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.store.commitments import Commitments, Inquiry
from dicom_router.store.delivery import Delivery
from dicom_router.store.ledger import Work
from dicom_router.transport.archive import Archive
from dicom_router.transport.backoff import delay
from dicom_router.transport.commitment import CommitmentPeer
from dicom_router.transport.folder import FolderTransport
from dicom_router.transport.proof import Means, Step, next_step, proof_of

SILENCE_CAP_SECONDS = 3600.0
NEXT_SECONDS = 3600.0  # what waits is looked at again
NOT_OFFERED_SECONDS = 86400.0  # what a peer does not offer is asked for again
MOST_AT_ONCE = 100  # instances in one transaction: the report must not be over what the listener takes


class Lookup(Protocol):
    """A way to see what a destination has. Not shared between threads."""

    def held(self, deliveries: Sequence[Delivery]) -> set[str]:
        """Which of these deliveries of one study are there, by SOP Instance UID.

        Raises PeerUnreachable, or PeerRefused when a person must allow it at the peer.
        """
        ...

    def close(self) -> None:
        """Let go of a connection kept open."""
        ...


class ArchiveLookup:
    """What a PACS has, by C-FIND or QIDO-RS."""

    def __init__(self, archive: Archive) -> None:
        self._archive = archive
        self.close = archive.close

    def held(self, deliveries: Sequence[Delivery]) -> set[str]:
        """See Lookup."""
        found = self._archive.instances(deliveries[0].instance.study_instance_uid)
        return {each.sop_instance_uid for each in found}


class FolderLookup:
    """What lies in a folder, read back to the last byte."""

    def __init__(self, folder: FolderTransport) -> None:
        self._folder = folder
        self.close = folder.close

    def held(self, deliveries: Sequence[Delivery]) -> set[str]:
        """See Lookup."""
        return {
            each.instance.sop_instance_uid
            for each in deliveries
            if self._folder.has(each.instance, each.spooled.sha256)
        }


class Committer:
    """One thread calls ``run_once``. ``peer`` is None where a destination cannot be asked for commitment."""

    def __init__(
        self,
        *,
        book: Commitments,
        destination: str,
        peer: CommitmentPeer | None,
        lookup: Lookup,
        clock: Clock,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._book = book
        self._destination = destination
        self._peer = peer
        self._lookup = lookup
        self._clock = clock
        self._jitter = jitter
        self._failures = 0  # in a row
        self._quiet_until = self._asks_from = self._looks_from = float("-inf")
        self._obstacle: str | None = None
        self._log = structlog.get_logger().bind(destination=destination)

    def run_once(self) -> bool:
        """Go on with one study. False when there is nothing to do now. Raises FenceLost."""
        if self._clock.monotonic() < self._quiet_until:
            return False
        work = self._book.claim(self._destination)
        if work is None:
            self._lookup.close()
            return False
        try:
            is_done = self._prove(work.key)
        except PeerUnreachable as error:
            self._be_quiet(work, error)
            return True
        self._failures = 0
        if is_done:
            self._book.finish(work)
        else:
            self._book.postpone(work, seconds=NEXT_SECONDS, error=self._obstacle, forgive=True)
            if any(step is not Step.WAIT for _, _, step in self._steps(work.key)):  # a report came in between
                self._book.hasten(work)
        return True

    def _be_quiet(self, work: Work, error: PeerUnreachable) -> None:
        self._failures += 1
        quiet, own = (
            delay(attempts, cap_seconds=SILENCE_CAP_SECONDS, jitter=self._jitter())
            for attempts in (self._failures, work.attempt)
        )
        self._quiet_until = self._clock.monotonic() + quiet
        self._lookup.close()
        self._book.postpone(work, seconds=own, error=str(error), forgive=False)
        self._log.warning("not proved yet", study_instance_uid=work.key, error=str(error))

    def _prove(self, study_instance_uid: str) -> bool:
        """Do all that can be done now for a study. True: nothing is left to prove."""
        while True:
            steps = self._steps(study_instance_uid)
            to_ask = [each for each, _, step in steps if step is Step.ASK]
            to_look = [each for each, _, step in steps if step is Step.LOOK]
            if self._peer and to_ask:
                self._ask(self._peer, to_ask[:MOST_AT_ONCE])
            elif to_look:
                self._look(to_look)
            else:
                waiting = [each for each, inquiries, step in steps if not self._settle(each, step, inquiries)]
                return not waiting

    def _steps(self, study_instance_uid: str) -> list[tuple[Delivery, Sequence[Inquiry], Step]]:
        means, now = self._means(), self._clock.now()
        return [
            (each, inquiries, next_step(inquiries, means, now=now))
            for each, inquiries in self._book.unproved(self._destination, study_instance_uid)
        ]

    def _means(self) -> Means:
        now = self._clock.monotonic()
        return Means(
            asks=self._peer is not None and now >= self._asks_from,
            looks=now >= self._looks_from,
            reads=isinstance(self._lookup, FolderLookup),
        )

    def _ask(self, peer: CommitmentPeer, deliveries: Sequence[Delivery]) -> None:
        wanted = References(
            transaction_uid=str(generate_uid(prefix=None)),
            named=tuple(
                Reference(sop_class_uid=each.instance.sop_class_uid, sop_instance_uid=each.instance.sop_instance_uid)
                for each in deliveries
            ),
        )
        self._book.begin(wanted.transaction_uid, deliveries)
        try:
            peer.ask(wanted, self._take)
        except PeerRefused as error:
            self._book.cancel(wanted.transaction_uid)
            self._asks_from = self._not_offered(error)
        except PeerUnreachable:
            self._book.cancel(wanted.transaction_uid)
            raise

    def _take(self, told: References) -> None:
        self._book.report(told.transaction_uid, (self._destination,), told.answers())

    def _look(self, deliveries: Sequence[Delivery]) -> None:
        try:
            held = self._lookup.held(deliveries)
        except PeerRefused as error:
            self._looks_from = self._not_offered(error)
            return
        self._book.note_looks(
            {
                each.delivery_id: Status.SUCCESS if each.instance.sop_instance_uid in held else Status.NO_SUCH_INSTANCE
                for each in deliveries
            }
        )

    def _not_offered(self, error: PeerRefused) -> float:
        """Until when it is not asked for this again."""
        self._obstacle = str(error)
        self._log.warning("cannot be asked for a proof", error=str(error))
        return self._clock.monotonic() + NOT_OFFERED_SECONDS

    def _settle(self, delivery: Delivery, step: Step, inquiries: Sequence[Inquiry]) -> bool:
        """What has come to its end is written down. True: nothing is left to prove of it."""
        uid = delivery.instance.sop_instance_uid
        if step is Step.COMMITTED:
            self._book.commit(delivery, proof_of(inquiries, self._means()))
            self._log.info("committed", sop_instance_uid=uid)
        elif step in (Step.MISSING, Step.CONFLICT):
            error = f"{self._destination} acknowledged {uid} and says that it has it not; look for it there"
            again = self._book.miss(delivery, error=error, for_good=step is Step.CONFLICT)
            self._log.error("missing", sop_instance_uid=uid, sent_again=again)
        return step is not Step.WAIT
