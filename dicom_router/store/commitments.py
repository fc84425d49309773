"""Which acknowledged deliveries are proved to be where they went, and what was asked about the others.

The work of proving is in the ledger: kind ``commit/<destination>``, key the Study Instance UID. Knows no network, and
does not judge: transport/proof.py says what the answers mean.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.store.database import Database
from dicom_router.store.delivery import Delivery, DeliveryState
from dicom_router.store.ledger import Ledger, Work
from dicom_router.store.outbox import Outbox, commitment_kind
from dicom_router.store.tables import DONE, delivery, inquiry, work

MOST_GATHERED = 100
OVERDUE = timedelta(days=3)
MISSING = "missing"  # the status of a delivery that was acknowledged twice and is not there


class Proof(StrEnum):
    """By what a delivery is known to be there."""

    REPORT = "report"  # the peer took responsibility: Storage Commitment, PS3.4 annex J
    SEARCH = "search"  # it was found there, again after a day
    FILE = "file"  # its bytes were read back


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """One question to a destination about one delivery. ``answer``: 0 it is there, else why not; None: none yet.

    ``transaction_uid`` is None where it was looked up, not asked for.
    """

    transaction_uid: str | None
    asked_at: datetime
    answer: int | None


class Standing(NamedTuple):
    """What a person should know of a destination: how many deliveries it acknowledged twice and has not, how many it
    has not been proved to have for days, and what stood in the way last."""

    destination: str
    missing: int
    overdue: int
    obstacle: str | None


class Commitments:
    """Proofs of deliveries, on top of ledger and outbox."""

    def __init__(self, database: Database, ledger: Ledger, outbox: Outbox, *, clock: Clock) -> None:
        self._database = database
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock

    def claim(self, destination: str) -> Work | None:
        """Lease a study with something to be proved at ``destination``; None when nothing is due."""
        kind = commitment_kind(destination)
        with self._database.read() as connection:
            studies = connection.scalars(_without_work(destination, kind)).all()
        if studies:
            with self._database.write() as connection:
                for study in studies:
                    if not self._ledger.enqueue(connection, kind=kind, key=study):
                        self._ledger.reopen(connection, kind=kind, key=study)
        return self._ledger.claim(kind)

    def unproved(self, destination: str, study_instance_uid: str) -> list[tuple[Delivery, list[Inquiry]]]:
        """What is acknowledged and not committed, each with what was asked about it, in order of asking."""
        found = [
            each
            for each in self._outbox.of_study(study_instance_uid)
            if each.destination == destination
            and each.state is DeliveryState.ACKNOWLEDGED
            and each.committed_at is None
        ]
        asked: dict[int, list[Inquiry]] = {each.delivery_id: [] for each in found}
        query = sa.select(inquiry).where(inquiry.c.delivery_id.in_(asked)).order_by(inquiry.c.inquiry_id)
        with self._database.read() as connection:
            for row in connection.execute(query):
                asked[row.delivery_id].append(
                    Inquiry(transaction_uid=row.transaction_uid, asked_at=row.asked_at, answer=row.answer)
                )
        return [(each, asked[each.delivery_id]) for each in found]

    def begin(self, transaction_uid: str, deliveries: Iterable[Delivery]) -> None:
        """To be committed before the peer is asked: so its report counts whenever it comes, after a crash too."""
        rows = [{"delivery_id": each.delivery_id, "transaction_uid": transaction_uid} for each in deliveries]
        with self._database.write() as connection:
            connection.execute(sa.insert(inquiry).values(asked_at=self._clock.now()), rows)

    def cancel(self, transaction_uid: str) -> None:
        """The peer was not asked after all."""
        with self._database.write() as connection:
            connection.execute(sa.delete(inquiry).where(inquiry.c.transaction_uid == transaction_uid))

    def note_looks(self, answers: Mapping[int, int]) -> None:
        """What a look for deliveries found, by their numbers."""
        rows = [{"delivery_id": number, "answer": answer} for number, answer in answers.items()]
        with self._database.write() as connection:
            connection.execute(sa.insert(inquiry).values(asked_at=self._clock.now()), rows)

    def report(self, transaction_uid: str, destinations: Collection[str], answers: Mapping[str, int]) -> bool:
        """The peer's word about instances, by SOP Instance UID. Harmless to repeat, and for what was never asked.

        Their studies become due. False: none of these destinations was asked in this transaction.
        """
        asked = (
            sa.select(inquiry.c.inquiry_id, delivery.c.sop_instance_uid, delivery.c.destination)
            .add_columns(delivery.c.study_instance_uid)
            .join(delivery, delivery.c.delivery_id == inquiry.c.delivery_id)
            .where(inquiry.c.transaction_uid == transaction_uid, delivery.c.destination.in_(destinations))
        )
        with self._database.write() as connection:
            rows = connection.execute(asked).all()
            for row in rows:
                if (answer := answers.get(row.sop_instance_uid)) is not None:
                    told = sa.update(inquiry).where(inquiry.c.inquiry_id == row.inquiry_id)
                    connection.execute(told.values(answer=answer))
            for name, study in {(row.destination, row.study_instance_uid) for row in rows}:
                self._ledger.hasten(connection, kind=commitment_kind(name), key=study)
        return bool(rows)

    def commit(self, proved: Delivery, by: Proof) -> None:
        """It is there. What was asked about it is forgotten."""
        found = sa.update(delivery).where(
            delivery.c.delivery_id == proved.delivery_id, delivery.c.acknowledged_at.is_not(None)
        )
        with self._database.write() as connection:
            connection.execute(found.values(committed_at=self._clock.now(), committed_by=str(by)))
            _forget(connection, proved)

    def miss(self, absent: Delivery, *, error: str, for_good: bool = False) -> bool:
        """It was acknowledged and is not there: sent again once; the second time, or ``for_good``, a person must look.

        True: it is sent again.
        """
        again, now = absent.missing_at is None and not for_good, self._clock.now()
        values: dict[str, object] = {"acknowledged_at": None, "missing_at": now}
        if not again:
            values |= {"status": MISSING, "refused_at": now}
        row = sa.update(delivery).where(
            delivery.c.delivery_id == absent.delivery_id, delivery.c.acknowledged_at.is_not(None)
        )
        with self._database.write() as connection:
            if connection.execute(row.values(values)).rowcount:
                of_work = sa.select(work.c.kind, work.c.key).where(work.c.work_id == absent.work_id)
                kind, key = connection.execute(of_work).one()
                self._ledger.reopen(connection, kind=kind, key=key, refused_for=None if again else error)
                _forget(connection, absent)
        return again

    def standings(self, destinations: Iterable[str]) -> list[Standing]:
        """Of each destination, in this order."""
        limit = self._clock.now() - OVERDUE
        with self._database.read() as connection:
            return [_standing(connection, name, limit) for name in destinations]

    def finish(self, claimed: Work) -> None:
        """Nothing of this study is left to prove; what is acknowledged later opens it again. Raises FenceLost."""
        with self._database.write() as connection:
            self._ledger.finish(connection, claimed)

    def postpone(self, claimed: Work, *, seconds: float, error: str | None, forgive: bool) -> None:
        """Look at this study again in ``seconds``. Raises FenceLost."""
        self._ledger.postpone(claimed, seconds=seconds, error=error, forgive=forgive)

    def hasten(self, postponed: Work) -> None:
        """Look at this study now after all."""
        with self._database.write() as connection:
            self._ledger.hasten(connection, kind=postponed.kind, key=postponed.key)


def _standing(connection: sa.Connection, name: str, limit: datetime) -> Standing:
    mine, count = delivery.c.destination == name, sa.select(sa.func.count())
    missing = count.where(mine, delivery.c.acknowledged_at.is_(None), delivery.c.status == MISSING)
    overdue = count.where(mine, delivery.c.committed_at.is_(None), delivery.c.acknowledged_at < limit)
    hindered = sa.and_(work.c.kind == commitment_kind(name), work.c.due_at.is_not(None), work.c.error.is_not(None))
    return Standing(
        destination=name,
        missing=connection.execute(missing).scalar_one(),
        overdue=connection.execute(overdue.where(delivery.c.acknowledged_at.is_not(None))).scalar_one(),
        obstacle=connection.scalar(sa.select(work.c.error).where(hindered).limit(1)),
    )


def _without_work(destination: str, kind: str) -> sa.Select[str]:
    """Studies with something to be proved that nobody is to look at; the oldest first."""
    under_way = sa.exists().where(
        work.c.kind == kind, work.c.key == delivery.c.study_instance_uid, work.c.state != DONE
    )
    return (
        sa.select(delivery.c.study_instance_uid)
        .where(
            delivery.c.destination == destination,
            delivery.c.acknowledged_at.is_not(None),
            delivery.c.committed_at.is_(None),
            ~under_way,
        )
        .group_by(delivery.c.study_instance_uid)
        .limit(MOST_GATHERED)
    )


def _forget(connection: sa.Connection, settled: Delivery) -> None:
    connection.execute(sa.delete(inquiry).where(inquiry.c.delivery_id == settled.delivery_id))
