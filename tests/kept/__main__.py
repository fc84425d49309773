"""Makes VERSION.sqlite.sql and VERSION.postgresql.sql: a day at a station, dumped."""

import sqlite3
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from dicom_router.scp.performed_step import ScheduledStep
from dicom_router.store.database import open_database
from tests.browser.answers import answer
from tests.databases import make_tables
from tests.peers.postgres import running_server
from tests.xray_triage.desk import open_desk, reading, unread
from tests.xray_triage.orders.conftest import registration
from xray_triage.cases.consultation import AnswerNote
from xray_triage.orders.steps import Steps

FOLDER = Path(__file__).parent


def work_a_day(url: str) -> None:
    """A film that is read, asked about and answered, one that waits for an answer, one that is not read, an order."""
    make_tables(url)
    database = open_database(url)
    with tempfile.TemporaryDirectory() as folder:
        desk = open_desk(database, Path(folder))
        desk.clock.time = datetime(2026, 11, 29, 1, tzinfo=UTC)
        order = desk.orders.register(registration(), form_key="1", registered_by="technician")
        asked = ScheduledStep(study_instance_uid=order.study_instance_uid, accession_number=order.accession_number)
        steps = Steps(database, clock=desk.clock)
        steps.begin("1.2.840.1", (asked,), patient_id=order.patient_id, calling_ae_title="DX1")
        for study in ("1.2.3.1", "1.2.3.2"):
            case_id = desk.add(reading(), study_instance_uid=study, patient_id="P1").case_id
            desk.consultations.request(
                case_id, question="Có tràn khí không?", priority="urgent", requested_by="BS. Mai"
            )
            if study == "1.2.3.1":
                answer(desk, case_id, "Không tràn khí.", note=AnswerNote.CUT.value)
                desk.casebook.give_verdict(case_id, agrees=False, note="rõ", given_by="doctor")
                desk.deliver()
        desk.add(unread("rotated"), study_instance_uid="1.2.3.3")
        desk.renderer.close()
    database.close()


def dump_sqlite(path: Path) -> str:
    """The database in ``path`` as SQL."""
    connection = sqlite3.connect(path)
    try:
        return "\n".join(connection.iterdump()) + "\n"
    finally:
        connection.close()


def dump_postgresql(url: str) -> str:
    """The database at ``url`` as SQL, without what only psql understands."""
    command = ["pg_dump", "--inserts", "--no-owner", "--no-privileges", url]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return "".join(
        line for line in told.splitlines(keepends=True) if line.strip() and line[:2] not in ("--", "\\r", "\\u")
    )


def main(version: str) -> None:
    """Write both."""
    with tempfile.TemporaryDirectory() as folder, running_server() as server:
        path = Path(folder) / "station.db"
        work_a_day(f"sqlite:///{path}")
        (FOLDER / f"{version}.sqlite.sql").write_text(dump_sqlite(path), encoding="utf-8")
        work_a_day(f"{server}/postgres")
        (FOLDER / f"{version}.postgresql.sql").write_text(dump_postgresql(f"{server}/postgres"), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
