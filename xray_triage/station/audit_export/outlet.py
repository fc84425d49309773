"""What of the audit trail, and of the films that came in, the collector does not have yet. Sends nothing.

Two cursors over committed rows: what was noted before a crash is sent after it. Numbers are given in the order of
commits: SQLite has one writer; on PostgreSQL the tables are held still for the moment in which the next rows are read.
"""

from dataclasses import dataclass

import sqlalchemy as sa

from dicom_router.store.database import insert_new
from dicom_router.store.tables import arrival
from xray_triage.accounts.audit import Entry, entry_of
from xray_triage.accounts.tables import audit, audit_cursor
from xray_triage.cases.tables import case, image
from xray_triage.station.audit_export.message import About, Film, Source, event_of, film_message, trail_message
from xray_triage.station.audit_export.syslog import frame
from xray_triage.stores import Stores

TRAIL, FILMS = "trail", "films"
BATCH = 100
OF_CASE = ("patient_id", "patient_name", "study_instance_uid", "accession_number")
OF_ARRIVAL = ("received_at", "calling_ae_title", "peer_host", "sop_class_uid", "sop_instance_uid")


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The next messages of one source, ready for the wire; ``last_id``: of the newest."""

    source: str
    last_id: int
    frames: tuple[bytes, ...]


class Outlet:
    """Reads on from the cursors. ``host`` is this computer's name."""

    def __init__(self, stores: Stores, source: Source, *, host: str) -> None:
        self._stores, self._source, self._host = stores, source, host

    def next(self) -> Batch | None:
        """The oldest that the collector does not have; the trail goes before the films."""
        for name, table, key, make in (
            (TRAIL, audit, audit.c.entry_id, self._trail_frame),
            (FILMS, image, image.c.image_id, self._film_frame),
        ):
            ids = self._ids(name, table, key)
            if ids:
                return Batch(source=name, last_id=ids[-1], frames=tuple(map(make, ids)))
        return None

    def done(self, batch: Batch) -> None:
        """The collector has them."""
        with self._stores.database.write() as connection:
            insert_new(connection, audit_cursor, {"source": batch.source, "last_id": batch.last_id})
            of_it = audit_cursor.c.source == batch.source
            connection.execute(audit_cursor.update().where(of_it).values(last_id=batch.last_id))

    def _ids(self, source: str, table: sa.Table, key: sa.Column[int]) -> list[int]:
        after = sa.select(audit_cursor.c.last_id).where(audit_cursor.c.source == source).scalar_subquery()
        newer = sa.select(key).where(key > sa.func.coalesce(after, 0)).order_by(key).limit(BATCH)
        with self._stores.database.read() as connection:
            if connection.scalars(newer.limit(1)).first() is None:
                return []
            if not self._stores.database.is_sqlite:
                connection.execute(sa.text(f"LOCK TABLE {table.name} IN SHARE MODE"))
            return list(connection.scalars(newer))

    def _trail_frame(self, entry_id: int) -> bytes:
        with self._stores.database.read() as connection:
            entry = entry_of(connection.execute(sa.select(audit).where(audit.c.entry_id == entry_id)).mappings().one())
        message = trail_message(entry, self._about(entry), self._source)
        event = event_of(entry)
        return frame(message, at=entry.at, outcome=event.outcome, host=self._host, process=TRAIL, sequence=entry_id)

    def _film_frame(self, image_id: int) -> bytes:
        """Nothing for one whose arrival was forgotten."""
        joined = image.join(case, case.c.sequence == image.c.case_sequence)
        joined = joined.join(arrival, arrival.c.arrival_id == image.c.arrival_id)
        wanted = sa.select(*(case.c[name] for name in OF_CASE), *(arrival.c[name] for name in OF_ARRIVAL))
        with self._stores.database.read() as connection:
            found = connection.execute(wanted.select_from(joined).where(image.c.image_id == image_id))
            row = found.mappings().one_or_none()
        if row is None:
            return b""
        film = Film(about=About(**{name: row[name] for name in OF_CASE}), **{name: row[name] for name in OF_ARRIVAL})
        message = film_message(film, self._source)
        return frame(message, at=film.received_at, outcome="0", host=self._host, process=FILMS, sequence=image_id)

    def _about(self, entry: Entry) -> About | None:
        """By the case or the order that a line names."""
        found = self._stores.casebook.case(entry.subject)
        if found is not None:
            return About(
                patient_id=found.patient.id,
                patient_name=found.patient.name,
                study_instance_uid=found.study_instance_uid,
                accession_number=found.accession_number,
            )
        order = self._stores.orders.find(entry.subject) if entry.subject else None
        if order is None:
            return None
        return About(
            patient_id=order.patient_id,
            patient_name=order.registration.patient_name,
            study_instance_uid=order.study_instance_uid,
            accession_number=order.accession_number,
        )
