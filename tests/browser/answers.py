"""A specialist's answer, as the round trip keeps it."""

import sqlalchemy as sa

from tests.xray_triage.desk import TestDesk
from xray_triage.cases import tables
from xray_triage.cases.casebook import sequence_of


def answer(desk: TestDesk, case_id: str, text: str, **values: object) -> None:
    """The PACS has this answer to the newest question of a case, and it was found now."""
    asked, now = tables.consultation, desk.clock.now()
    with desk.database.write() as connection:
        sequence = sequence_of(connection, case_id)
        newest = sa.select(sa.func.max(asked.c.consultation_id)).where(asked.c.case_sequence == sequence)
        number = connection.execute(newest).scalar_one()
        count = connection.execute(sa.select(sa.func.count()).select_from(tables.answer)).scalar_one()
        told = {"kind": "text", "title": "", "author": "BS. Lê Thu", "verified": True, "complete": True}
        told |= {"written_at": now, "received_at": now, "spool_key": None, "sop_instance_uid": f"1.2.9.{count}"}
        row = told | {"case_sequence": sequence, "consultation_id": number, "text": text} | values
        connection.execute(tables.answer.insert().values(row))
        done = {"state": "answered", "answered_at": now, "seen_at": None}
        connection.execute(asked.update().where(asked.c.consultation_id == number).values(done))
