"""A database that a named version left is brought to the tables of today, and what it knew is still known."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dicom_router.scp.performed_step import StepState
from dicom_router.store import tables as router
from dicom_router.store.commitments import Commitments
from dicom_router.store.database import Database, migrate_router, open_database
from dicom_router.store.delivery import DeliveryState
from tests.xray_triage.desk import PASSWORD, open_desk, reading
from xray_triage.accounts import tables as accounts
from xray_triage.cases import heat, machines
from xray_triage.cases import tables as cases
from xray_triage.cases.casebook import migrate_cases
from xray_triage.cases.consultation import AnswerNote, ConsultationState
from xray_triage.orders import tables as orders
from xray_triage.orders.order import OrderState
from xray_triage.orders.steps import Steps
from xray_triage.records import tables as records

FOLDER = Path(__file__).parent
VERSIONS = sorted({path.name.removesuffix(".sqlite.sql") for path in FOLDER.glob("*.sqlite.sql")})


@pytest.fixture(params=VERSIONS)
def kept(request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[Database]:
    """As a version left it, once over each kind of database; brought to today's tables."""
    version = str(request.param)
    if empty_database_url.startswith("sqlite"):
        with sqlite3.connect(empty_database_url.removeprefix("sqlite:///")) as connection:
            connection.executescript((FOLDER / f"{version}.sqlite.sql").read_text(encoding="utf-8"))
        connection.close()
    else:
        with psycopg.connect(empty_database_url) as server:
            server.execute((FOLDER / f"{version}.postgresql.sql").read_bytes())
    opened = open_database(empty_database_url)
    migrate_router(opened)
    migrate_cases(opened)
    yield opened
    opened.close()


def test_its_tables_are_those_that_the_program_uses(kept: Database) -> None:
    ours = sa.MetaData()
    owners = (router, cases, heat, machines, accounts, orders, records)
    for each in (owner.metadata for owner in owners):
        for table in each.sorted_tables:
            table.to_metadata(ours)
    options = {"include_name": lambda name, kind, _: kind != "table" or not name.endswith("_version")}
    with kept.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts=options), ours) == []


def test_what_it_knew_is_still_known(kept: Database, tmp_path: Path) -> None:
    desk = open_desk(kept, tmp_path)
    answered, waiting, unread = (desk.casebook.case_of_study(f"1.2.3.{number}") for number in (1, 2, 3))
    assert answered and answered.consultation and answered.verdict  # noqa: PT018
    assert answered.consultation.state is ConsultationState.ANSWERED
    (answer,) = answered.consultation.answers
    assert (answer.text, answer.note) == ("Không tràn khí.", AnswerNote.CUT)
    assert (answered.verdict.note, answered.reasons) == ("rõ", ("pneumothorax",))
    assert waiting and waiting.consultation and waiting.consultation.is_open  # noqa: PT018
    assert unread and unread.images[0].reason and unread.images[0].reason.code == "rotated"  # noqa: PT018
    assert [case.study_instance_uid for case in desk.casebook.cases(search="p1")] == ["1.2.3.1", "1.2.3.2"]
    assert (answered.done_by, waiting.seen_by) == (answered.verdict.given_by, None)  # an answer that nobody has read
    assert {one.state for one in desk.outbox.of_study("1.2.3.1")} == {DeliveryState.ACKNOWLEDGED}
    assert desk.accounts.sign_in("doctor", PASSWORD, address="127.0.0.1")


def test_what_was_acknowledged_then_counts_as_unproved(kept: Database, tmp_path: Path) -> None:
    desk = open_desk(kept, tmp_path)
    sent = desk.outbox.of_study("1.2.3.1")
    book = Commitments(kept, desk.ledger, desk.outbox, clock=desk.clock)
    assert {each.committed_at for each in sent} == {None}
    assert book.claim(sent[0].destination) is not None
    assert [each for each, _ in book.unproved(sent[0].destination, "1.2.3.1")] == sent


def test_work_goes_on_in_it(kept: Database, tmp_path: Path) -> None:
    desk = open_desk(kept, tmp_path)
    (order,) = desk.orders.patients("nguyen van duc")
    assert order.state is OrderState.IN_PROGRESS
    Steps(kept, clock=desk.clock).change("1.2.840.1", StepState.COMPLETED)
    (order,) = desk.orders.patients("nguyen van duc")
    assert order.state is OrderState.DONE
    case_id = desk.add(reading(), study_instance_uid="1.2.3.4").case_id
    assert desk.casebook.cases(limit=2)[1].case_id == case_id  # after the answer that nobody has read
    assert desk.deliver()
