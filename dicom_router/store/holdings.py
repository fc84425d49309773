"""All instances that the station can hand out: what came, and what was made here. Reads no file and no pixel."""

from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.store.database import Database
from dicom_router.store.tables import arrival, delivery, instance_of, purged, spooled_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One instance and its file. ``is_purged``: the file went, for the PACS has it."""

    instance: InstanceRef
    spooled: SpooledFile
    is_purged: bool = False


def expects_file(row: sa.FromClause, spool_id: str | None) -> sa.ColumnElement[bool]:
    """Whether the file of a row of ``arrival`` or ``delivery`` must be in the spool: it is no other station's, and was
    not purged."""
    elsewhere = arrival.alias()
    study = elsewhere.c.study_instance_uid == row.c.study_instance_uid
    others = sa.exists().where(study, elsewhere.c.spool_id.is_distinct_from(spool_id))
    return sa.and_(~sa.exists().where(purged.c.spool_key == row.c.spool_key), ~others)


class Holdings:
    """Arrivals that are not quarantined, and deliveries of objects made here; each SOP Instance UID once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def of_studies(self, study_instance_uids: Iterable[str]) -> dict[str, list[Holding]]:
        """By study, what came first and what was made here after it; a study that is unknown has an empty list."""
        found: dict[str, list[Holding]] = {uid: [] for uid in study_instance_uids}
        came = sa.select(arrival, _is_purged(arrival)).where(
            ~arrival.c.quarantined, arrival.c.study_instance_uid.in_(list(found))
        )
        made = sa.select(delivery, _is_purged(delivery)).where(
            delivery.c.what != "original", delivery.c.study_instance_uid.in_(list(found))
        )
        with self._database.read() as connection:
            rows = [*connection.execute(came.order_by(arrival.c.arrival_id))]
            rows += connection.execute(made.order_by(delivery.c.delivery_id))
        seen: set[str] = set()
        for row in rows:
            if row.sop_instance_uid not in seen:
                seen.add(row.sop_instance_uid)
                one = Holding(instance=instance_of(row), spooled=spooled_of(row), is_purged=row.is_purged)
                found[row.study_instance_uid].append(one)
        return found

    def studies_with(self, level: str, uids: Iterable[str]) -> list[str]:
        """The studies that hold one of these ``series_instance_uid`` or ``sop_instance_uid``, as ``level`` says."""
        wanted = list(uids)
        came = sa.select(arrival.c.study_instance_uid).where(~arrival.c.quarantined, arrival.c[level].in_(wanted))
        made = sa.select(delivery.c.study_instance_uid).where(delivery.c[level].in_(wanted))
        with self._database.read() as connection:
            return list(connection.scalars(came.union(made)))


def _is_purged(row: sa.FromClause) -> sa.ColumnElement[bool]:
    return sa.exists().where(purged.c.spool_key == row.c.spool_key).label("is_purged")
