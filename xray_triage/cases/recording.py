"""What was read in a film is written into its case, in the reader's transaction. Touches no pixels and no network."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from dicom_router.dicom.instance import Arrival
from dicom_router.store.database import insert_new
from xray_triage.cases import marks, rows, tables
from xray_triage.cases.identity import Identity, Statement, identify, label
from xray_triage.cases.statements import Settled, settle
from xray_triage.reading.findings import Priority, Reading

ALARMS = (Priority.URGENT, Priority.ABNORMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedCase:
    """Where a reading went, and what it changed in whose case it is."""

    case_id: str
    settled: Settled


def record_reading(
    connection: sa.Connection,
    *,
    arrival: Arrival,
    stated: Sequence[Statement],
    reading: Reading,
    picture_key: str | None,
    exposed_at: datetime | None = None,
    read_at: datetime,
) -> RecordedCase:
    """Write one reading into its case, making the case when it is the study's first. Harmless to repeat.

    ``picture_key`` is the spool key of the secondary capture, or None.
    ``stated``: what the object says of the patient, and behind it the order that it bears, if any.
    """
    before = _locked_case(connection, arrival, read_at)
    settled = settle(connection, before, stated)
    seen = rows.image_columns(reading, label(stated[0].patient)) | {
        "picture_key": picture_key,
        "exposed_at": exposed_at,
        "read_at": read_at,
    }
    is_news = _write_image(connection, before.sequence, arrival, seen)
    priority = _priority(connection, before)
    changes = {"priority": priority.value, "urgency": rows.urgency(priority), "read_at": read_at}
    changes["is_unproven"] = priority is Priority.NORMAL and _is_unproven(connection, before.sequence)
    changes |= _patient_columns(settled.identity)
    if is_news:
        changes |= marks.NONE
    if exposed_at is not None and (before.exposed_at is None or exposed_at < before.exposed_at):
        changes["exposed_at"] = exposed_at
    connection.execute(tables.case.update().where(tables.case.c.sequence == before.sequence).values(changes))
    return RecordedCase(case_id=before.case_id, settled=settled)


def record_statement(connection: sa.Connection, arrival: Arrival, stated: Sequence[Statement]) -> RecordedCase | None:
    """What an object says of the patient that came under the UID of another film, and is kept apart: no film of the
    case's own. None: its study has no case.
    """
    mine = tables.case.c.study_instance_uid == arrival.instance.study_instance_uid
    case = connection.execute(sa.select(tables.case).where(mine).with_for_update()).one_or_none()
    if case is None:
        return None
    settled = settle(connection, case, stated)
    connection.execute(tables.case.update().where(mine).values(_patient_columns(settled.identity)))
    return RecordedCase(case_id=case.case_id, settled=settled)


def _locked_case(connection: sa.Connection, arrival: Arrival, read_at: datetime) -> sa.Row[Any]:
    uid = arrival.instance.study_instance_uid
    known = sa.select(tables.case).where(tables.case.c.study_instance_uid == uid).with_for_update()
    row = connection.execute(known).one_or_none()
    if row is not None:
        return row
    new = {
        "case_id": secrets.token_hex(6),
        "study_instance_uid": uid,
        "received_at": arrival.received_at,
        "read_at": read_at,
        "priority": Priority.NORMAL.value,
        "urgency": rows.urgency(Priority.NORMAL),
        **_patient_columns(identify(())),
    }
    # Two readers may meet here with two films of one study: the second finds the first's case after its commit.
    insert_new(connection, tables.case, new)
    return connection.execute(known).one()


def _write_image(connection: sa.Connection, sequence: int, arrival: Arrival, seen: Mapping[str, Any]) -> bool:
    """Whether it is a film more, or says otherwise than before: then a doctor should look again."""
    image = tables.image
    values = {
        **seen,
        "case_sequence": sequence,
        "arrival_id": arrival.arrival_id,
        "received_at": arrival.received_at,
    }
    this = image.c.sop_instance_uid == arrival.instance.sop_instance_uid
    before = connection.execute(sa.select(image.c.priority, image.c.reason).where(this)).one_or_none()
    if before is None:
        uid = arrival.instance.sop_instance_uid
        connection.execute(image.insert().values(sop_instance_uid=uid, **values))
        return bool(seen["urgency"] != rows.NO_FILM)
    connection.execute(image.update().where(this).values(values))
    return tuple(before) != (seen["priority"], seen["reason"])


def _priority(connection: sa.Connection, before: sa.Row[Any]) -> Priority:
    image = tables.image
    worst = sa.select(image.c.priority).where(image.c.case_sequence == before.sequence)
    now = Priority(connection.execute(worst.order_by(image.c.urgency.desc()).limit(1)).scalar_one())
    was = Priority(before.priority)
    # An alarm once given stays, even if the film is read again; "not read" is no alarm and yields to a reading.
    return was if was in ALARMS and was.rank < now.rank else now


def _is_unproven(connection: sa.Connection, sequence: int) -> bool:
    films = sa.select(tables.image.c.reading).where(tables.image.c.case_sequence == sequence)
    machines = (rows.machine_of(reading) for reading in connection.scalars(films))
    return any(machine is not None and not machine.clears for machine in machines)


def _patient_columns(identity: Identity) -> dict[str, Any]:
    return rows.patient_columns(identity.patient, identity.accession_number, identity.conflict)
