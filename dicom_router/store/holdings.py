"""All instances that the station can hand out: what came, and what was made here. Reads no file and no pixel."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.store.database import Database
from dicom_router.store.tables import arrival, delivery, instance_of, spooled_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One instance and its file."""

    instance: InstanceRef
    spooled: SpooledFile


def expects_file(table: sa.Table) -> sa.ColumnElement[bool]:  # noqa: ARG001 -- all rows do, so far
    """Whether the file of a row of ``arrival`` or ``delivery`` must be in the spool: nobody took it away on purpose."""
    return sa.true()


class Holdings:
    """Arrivals that are not quarantined, and deliveries of objects made here; each SOP Instance UID once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_studies(self, study_instance_uids: Iterable[str]) -> dict[str, list[Holding]]:
        """By study, what came first and what was made here after it; a study that is unknown has an empty list."""
        found: dict[str, list[Holding]] = {uid: [] for uid in study_instance_uids}
        came = sa.select(arrival).where(~arrival.c.quarantined, arrival.c.study_instance_uid.in_(list(found)))
        made = sa.select(delivery).where(delivery.c.what != "original", delivery.c.study_instance_uid.in_(list(found)))
        with self._database.read() as connection:
            rows = [*connection.execute(came.order_by(arrival.c.arrival_id))]
            rows += connection.execute(made.order_by(delivery.c.delivery_id))
        seen: set[str] = set()
        for row in rows:
            if row.sop_instance_uid not in seen:
                seen.add(row.sop_instance_uid)
                found[row.study_instance_uid].append(Holding(instance=instance_of(row), spooled=spooled_of(row)))
        return found

    def studies_with(self, level: str, uids: Iterable[str]) -> list[str]:
        """The studies that hold one of these ``series_instance_uid`` or ``sop_instance_uid``, as ``level`` says."""
        wanted = list(uids)
        came = sa.select(arrival.c.study_instance_uid).where(~arrival.c.quarantined, arrival.c[level].in_(wanted))
        made = sa.select(delivery.c.study_instance_uid).where(delivery.c[level].in_(wanted))
        with self._database.read() as connection:
            return list(connection.scalars(came.union(made)))
