"""Records received films; Success is answered only after this row is committed. Opens no file."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from io import BytesIO
from typing import BinaryIO

import sqlalchemy as sa

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Arrival, InstanceRef, SpooledFile
from dicom_router.store.database import Database, insert_new
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import LATER_RANK, ROUTINE_RANK, Outbox
from dicom_router.store.spool import Spool
from dicom_router.store.tables import arrival, instance_of, purged, spooled_columns, spooled_of


class Outcome(StrEnum):
    """What an arrival turned out to be. SAME: we have these bytes already. CONFLICT: the UID came with others."""

    NEW = "new"
    SAME = "same"
    CONFLICT = "conflict"


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume:
    """How much came in. ``size_bytes``: of what is still here; ``first_at``: when the very first film ever came."""

    films: int
    size_bytes: int
    first_at: datetime | None


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
            "spool_id": self._ledger.spool_id,
        }
        with self._database.write() as connection:
            arrival_id = insert_new(connection, arrival, {**values, "quarantined": False})
            if arrival_id is None:
                conflict = insert_new(connection, arrival, {**values, "quarantined": True})
                if conflict is None:
                    return Outcome.SAME
                self._ledger.enqueue(connection, kind=apart(self._work_kind), key=str(conflict), rank=LATER_RANK)
                return Outcome.CONFLICT
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

    def same(self, instance: InstanceRef, spooled: SpooledFile) -> Arrival:
        """The one on record with this content under this UID. Raises LookupError when there is none."""
        content = sa.and_(arrival.c.sop_instance_uid == instance.sop_instance_uid, arrival.c.sha256 == spooled.sha256)
        for found in self._select(content):
            return found
        raise LookupError(f"no arrival of {instance.sop_instance_uid} with this content")

    def purged(self, keys: Iterable[str]) -> frozenset[str]:
        """Those of these files that were deleted on purpose: the PACS has them."""
        with self._database.read() as connection:
            return frozenset(
                connection.scalars(sa.select(purged.c.spool_key).where(purged.c.spool_key.in_(list(keys))))
            )

    def purged_header(self, key: str) -> BinaryIO | None:
        """The header of a purged file, as a Part 10 file; None where nothing is kept of it."""
        with self._database.read() as connection:
            header = connection.scalar(sa.select(purged.c.header).where(purged.c.spool_key == key))
        return None if header is None else BytesIO(header)

    def volume(self, since: datetime) -> Volume:
        """What came since then, quarantined too."""
        is_here = ~sa.exists().where(purged.c.spool_key == arrival.c.spool_key)
        here_bytes = sa.func.coalesce(sa.func.sum(sa.case((is_here, arrival.c.size_bytes), else_=0)), 0)
        with self._database.read() as connection:
            recent = sa.select(sa.func.count(), here_bytes).where(arrival.c.received_at >= since)
            films, size_bytes = connection.execute(recent).one()
            first_at = connection.scalar(sa.select(sa.func.min(arrival.c.received_at)))
        return Volume(films=films, size_bytes=int(size_bytes), first_at=first_at)

    def of_study(self, study_instance_uid: str) -> list[Arrival]:
        """All that arrived of a study, quarantined too, in order of arrival."""
        return self._select(arrival.c.study_instance_uid == study_instance_uid)

    def accepted(self, sop_instance_uids: Iterable[str]) -> dict[str, Arrival]:
        """By SOP Instance UID what arrived under it and is not quarantined; one that is unknown is not in it."""
        found = self._select(sa.and_(~arrival.c.quarantined, arrival.c.sop_instance_uid.in_(list(sop_instance_uids))))
        return {each.instance.sop_instance_uid: each for each in found}

    def quarantined(self) -> list[Arrival]:
        """What came under the UID of another instance, in order of arrival."""
        return self._select(arrival.c.quarantined)

    def unread(self) -> int:
        """How many arrivals wait to be read or are being read."""
        return self._ledger.unfinished(self._work_kind)

    def read_again(self, arrival_id: int) -> bool:
        """Queue an arrival behind those that come in now. False: it is in the queue already."""
        with self._database.write() as connection:
            return self._ledger.repeat(connection, kind=self._work_kind, key=str(arrival_id), rank=LATER_RANK)

    def is_queued(self, arrival_ids: Iterable[int]) -> bool:
        """Whether one of these arrivals waits to be read or is being read."""
        return self._ledger.is_queued(kind=self._work_kind, keys=[str(arrival_id) for arrival_id in arrival_ids])

    def _select(self, condition: sa.ColumnElement[bool]) -> list[Arrival]:
        query = sa.select(arrival).where(condition).order_by(arrival.c.arrival_id)
        with self._database.read() as connection:
            return [_arrival(row) for row in connection.execute(query)]


def apart(work_kind: str) -> str:
    """The kind of the work on what came under the UID of another instance: nothing but its header is of use."""
    return f"{work_kind} apart"


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

    The disk may have lost or spoilt what was kept the first time; another station's disk is its own affair. What was
    purged stays purged: the PACS has it.
    Raises SQLAlchemyError.
    """
    outcome = inbox.record(
        instance=instance,
        spooled=spooled,
        calling_ae_title=calling_ae_title,
        peer_host=peer_host,
        received_at=received_at,
    )
    if outcome is Outcome.SAME:
        on_record = inbox.same(instance, spooled)
        if on_record.spool_id == spool.id:
            spool.replace(on_record.spooled.key, by=spooled.key)
            if inbox.purged([on_record.spooled.key]):  # asked last: a purge in the same moment deletes it by itself
                spool.delete(on_record.spooled.key)
        else:
            spool.delete(spooled.key)
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
        spool_id=row.spool_id,
    )
