"""Records received films; Success is answered only after this row is committed. Opens no file."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival, InstanceRef, SpooledFile
from dicom_router.store.database import Database, insert_new
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import LATER_RANK, ROUTINE_RANK, Outbox
from dicom_router.store.spool import Spool
from dicom_router.store.tables import arrival, instance_of, spooled_columns, spooled_of


class Outcome(StrEnum):
    """What an arrival turned out to be. SAME: we have these bytes already. CONFLICT: the UID came with others."""

    NEW = "new"
    SAME = "same"
    CONFLICT = "conflict"


class Inbox:
    """Arrivals, each with its work and the deliveries of the original, in one commit.

    ``destinations`` are those that get originals.
    """

    def __init__(
        self,
        database: Database,
        ledger: Ledger,
        outbox: Outbox,
        *,
        clock: Clock,
        work_kind: str = "read",
        destinations: Sequence[str] = (),
    ) -> None:
        self._database = database
        self._ledger = ledger
        self._outbox = outbox
        self._clock = clock
        self._work_kind = work_kind
        self._destinations = destinations

    def record(
        self,
        *,
        instance: InstanceRef,
        spooled: SpooledFile,
        calling_ae_title: str,
        peer_host: str,
        received_at: datetime | None = None,
    ) -> Outcome:
        """COMMIT 1. After SAME nothing points to ``spooled`` (see ``same``); after CONFLICT it waits for a person.

        ``received_at``: when it came, of a file that is found again; it is read and sent behind what comes in now.
        """
        rank = ROUTINE_RANK if received_at is None else LATER_RANK
        values = {
            **asdict(instance),
            **spooled_columns(spooled),
            "received_at": received_at or self._clock.now(),
            "calling_ae_title": calling_ae_title,
            "peer_host": peer_host,
        }
        with self._database.write() as connection:
            arrival_id = insert_new(connection, arrival, {**values, "quarantined": False})
            if arrival_id is None:
                conflict = insert_new(connection, arrival, {**values, "quarantined": True})
                return Outcome.SAME if conflict is None else Outcome.CONFLICT
            self._ledger.enqueue(connection, kind=self._work_kind, key=str(arrival_id), rank=rank)
            self._outbox.enqueue(
                connection,
                instance=instance,
                spooled=spooled,
                what="original",
                urgent=False,
                destinations=self._destinations,
                rank=rank,
            )
            return Outcome.NEW

    def get(self, arrival_id: int) -> Arrival:
        """Raises LookupError when there is none."""
        found = self._select(arrival.c.arrival_id == arrival_id)
        if not found:
            raise LookupError(f"no arrival {arrival_id}")
        return found[0]

    def same(self, instance: InstanceRef, spooled: SpooledFile) -> SpooledFile:
        """The file on record with this content under this UID. Raises LookupError when there is none."""
        content = sa.and_(arrival.c.sop_instance_uid == instance.sop_instance_uid, arrival.c.sha256 == spooled.sha256)
        for found in self._select(content):
            return found.spooled
        raise LookupError(f"no arrival of {instance.sop_instance_uid} with this content")

    def of_study(self, study_instance_uid: str) -> list[Arrival]:
        """All that arrived of a study, quarantined too, in order of arrival."""
        return self._select(arrival.c.study_instance_uid == study_instance_uid)

    def quarantined(self) -> list[Arrival]:
        """What came under the UID of another instance, in order of arrival."""
        return self._select(arrival.c.quarantined)

    def unread(self) -> int:
        """How many arrivals wait to be read or are being read."""
        return self._ledger.unfinished(self._work_kind)

    def _select(self, condition: sa.ColumnElement[bool]) -> list[Arrival]:
        query = sa.select(arrival).where(condition).order_by(arrival.c.arrival_id)
        with self._database.read() as connection:
            return [_arrival(row) for row in connection.execute(query)]


def record_file(
    inbox: Inbox,
    spool: Spool,
    *,
    instance: InstanceRef,
    spooled: SpooledFile,
    calling_ae_title: str,
    peer_host: str,
    received_at: datetime | None = None,
) -> Outcome:
    """COMMIT 1 of a file that is in the spool, by whatever way it came. After SAME its bytes are those on record.

    The disk may have lost or spoilt what was kept the first time. Raises SQLAlchemyError.
    """
    outcome = inbox.record(
        instance=instance,
        spooled=spooled,
        calling_ae_title=calling_ae_title,
        peer_host=peer_host,
        received_at=received_at,
    )
    if outcome is Outcome.SAME:
        spool.replace(inbox.same(instance, spooled).key, by=spooled.key)
    return outcome


def _arrival(row: sa.Row[tuple[object, ...]]) -> Arrival:
    return Arrival(
        arrival_id=row.arrival_id,
        instance=instance_of(row),
        spooled=spooled_of(row),
        received_at=row.received_at,
        calling_ae_title=row.calling_ae_title,
        peer_host=row.peer_host,
        quarantined=row.quarantined,
    )
