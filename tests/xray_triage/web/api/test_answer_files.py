"""A specialist's PDF on its way to the doctor: whole, in pieces, inert, and only to who may see it."""

import io

import httpx
import pytest

from tests.factories import film_bytes
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.replies import pdf_answer, text_answer
from xray_triage.accounts.audit import Action
from xray_triage.cases import tables
from xray_triage.cases.casebook import sequence_of
from xray_triage.consultations.report_parser import read_answer

DOCUMENT = b"%PDF-1.7\n<script>alert(1)</script>" + bytes(300_001)


def answered(desk: TestDesk, *, study: str = "1.2.3", is_pdf: bool = True) -> tuple[str, int]:
    """A case with an answer in it: its id, and the answer's."""
    case_id = desk.add(reading(), study_instance_uid=study).case_id
    desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS")
    made = pdf_answer(DOCUMENT, study=study) if is_pdf else text_answer("Không", study=study)
    file = io.BytesIO(film_bytes(made))
    reply = read_answer(file, sop_instance_uid=str(made.SOPInstanceUID))
    with desk.database.write() as connection:
        row = {
            "case_sequence": sequence_of(connection, case_id),
            "consultation_id": connection.scalar(
                tables.consultation.select().order_by(tables.consultation.c[0].desc())
            ),
            "sop_instance_uid": str(made.SOPInstanceUID),
            "kind": reply.kind,
            "title": reply.title,
            "text": reply.text,
            "author": reply.author,
            "verified": reply.verified,
            "complete": reply.complete,
            "received_at": desk.clock.now(),
            "spool_key": desk.spool.keep(file).key,
        }
        connection.execute(tables.answer.insert().values(row))
    case = desk.casebook.case(case_id)
    assert case is not None
    assert case.consultation is not None
    return case_id, case.consultation.answers[-1].answer_id


def test_the_pdf_comes_whole_and_inert_and_it_is_noted_who_opened_it(
    client: httpx.Client, sqlite_desk: TestDesk
) -> None:
    case_id, answer_id = answered(sqlite_desk)
    (told,) = client.get(f"/api/cases/{case_id}").json()["consultation"]["answers"]
    got = client.get(told["file"])
    assert got.status_code == 200
    assert got.content.rstrip(b"\0") == DOCUMENT.rstrip(b"\0")
    assert got.headers["content-type"] == "application/pdf"
    assert got.headers["content-disposition"] == f'inline; filename="{case_id}-{answer_id}.pdf"'
    assert got.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    assert got.headers["x-content-type-options"] == "nosniff"
    assert [
        entry.subject for entry in sqlite_desk.accounts.audit.entries() if entry.action == Action.ANSWER_OPENED
    ] == [case_id]


def test_nobody_else_gets_it(client: httpx.Client, stranger: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id, answer_id = answered(sqlite_desk)
    other, _ = answered(sqlite_desk, study="1.2.4")
    assert stranger.get(f"/cases/{case_id}/answers/{answer_id}/file").status_code in (303, 401)
    assert client.get(f"/cases/{other}/answers/{answer_id}/file").status_code == 404
    assert client.get(f"/cases/nothing/answers/{answer_id}/file").status_code == 404


@pytest.mark.parametrize("number", ["0", "-1", "x", "99999999999999999999999", "1.5"])
def test_what_is_no_answer_is_not_found(client: httpx.Client, sqlite_desk: TestDesk, number: str) -> None:
    case_id, _ = answered(sqlite_desk)
    assert client.get(f"/cases/{case_id}/answers/{number}/file").status_code in (404, 422)


def test_a_report_has_no_file_and_a_lost_one_is_said_so(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id, answer_id = answered(sqlite_desk, is_pdf=False)
    assert client.get(f"/api/cases/{case_id}").json()["consultation"]["answer"]["file"] is None
    assert client.get(f"/cases/{case_id}/answers/{answer_id}/file").status_code == 404
    case_id, answer_id = answered(sqlite_desk, study="1.2.4")
    key = sqlite_desk.consultations.answer_key(case_id, answer_id)
    assert key is not None
    sqlite_desk.spool.delete(key)
    assert client.get(f"/cases/{case_id}/answers/{answer_id}/file").status_code == 404
