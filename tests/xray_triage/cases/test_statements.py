"""Whose a case is when its objects come in, over SQLite and PostgreSQL."""

import pytest
import sqlalchemy as sa

from dicom_router.store.database import Database
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.cases import tables
from xray_triage.cases.case import Case, Conflict
from xray_triage.cases.identity import Source
from xray_triage.cases.statements import MOST
from xray_triage.cases.studies import Hints

STUDY = "1.2.3"
ONE = {"patient_name": "Nguyễn^Văn^Một", "patient_id": "ONE1", "study_instance_uid": STUDY}
TWO = {"patient_name": "Lê^Thị^Hai", "patient_id": "TWO2", "study_instance_uid": STUDY}
NOBODY = {"patient_name": "", "patient_id": "0000", "study_instance_uid": STUDY}
EMPTY = {"PatientSex": "", "PatientBirthDate": "", "PatientAge": "", "AccessionNumber": ""}


def case_of(desk: TestDesk) -> Case:
    case = desk.casebook.case_of_study(STUDY)
    assert case is not None
    return case


@pytest.mark.parametrize("reason", ["not_a_film", "not_an_original", "not_a_projection"])
def test_a_page_about_somebody_else_is_no_film_and_no_conflict(sqlite_desk: TestDesk, reason: str) -> None:
    sqlite_desk.add(reading(), **ONE)
    sqlite_desk.add(unread(reason), **TWO)
    assert (case_of(sqlite_desk).patient.id, case_of(sqlite_desk).conflict) == ("ONE1", None)


def test_a_dose_report_blanks_nothing_and_renames_nobody_before_and_after_the_film(desk: TestDesk) -> None:
    desk.add(unread("not_a_film"), **NOBODY, **EMPTY)
    recorded = desk.add(reading(), **ONE)
    before = case_of(desk)
    desk.add(unread("not_a_film"), **NOBODY, **EMPTY)
    desk.add(unread("not_a_film"), **TWO, AccessionNumber="B9")
    assert (before.patient.name, before.patient.id, before.accession_number) == ("Nguyễn Văn Một", "ONE1", "A0001")
    assert (before.patient.sex, before.patient.birth_date, before.patient.age_years) == ("F", "1970-01-31", 55)
    after = case_of(desk)
    assert (after.patient, after.accession_number, after.conflict) == (before.patient, "A0001", None)
    assert len(after.images) == 4
    assert recorded.settled.renamed is None


def test_a_second_patient_is_a_conflict_and_both_are_found(desk: TestDesk) -> None:
    first = desk.add(reading(), **ONE)
    second = desk.add(reading(), **TWO)
    case = case_of(desk)
    assert case.conflict == Conflict(field="patient", values=("Lê Thị Hai (TWO2)", "Nguyễn Văn Một (ONE1)"))
    assert (first.settled.conflict, second.settled.conflict) == (None, case.conflict)
    assert second.settled.renamed is None  # nobody was corrected
    assert [image.whose for image in case.images] == ["Nguyễn Văn Một (ONE1)", "Lê Thị Hai (TWO2)"]
    assert [[each.case_id for each in desk.casebook.cases(search=name)] for name in ("hai", "mot")] == [
        [case.case_id]
    ] * 2
    for patient_id in ("ONE1", "TWO2"):
        assert list(desk.studies.like(Hints(patient_id=patient_id))) == [[STUDY]]
    assert desk.add(reading(), **TWO).settled.conflict is None  # no news


def test_a_correction_is_taken_and_reading_the_old_film_again_takes_nothing_back(desk: TestDesk) -> None:
    wrong = {"patient_name": "Nguyễn^Văn^Sai", "patient_id": "FIVE5", "study_instance_uid": STUDY}
    desk.add(reading(), **wrong)
    desk.clock.advance(60)
    corrected = desk.add(reading(), **(wrong | {"patient_name": "Trần^Văn^Dũng"}))
    assert corrected.settled.renamed == ("Nguyễn Văn Sai (FIVE5)", "Trần Văn Dũng (FIVE5)")
    case = case_of(desk)
    assert (case.patient.name, case.conflict) == ("Trần Văn Dũng", None)
    again = desk.add(reading(), **wrong, InstanceCreationDate="20250601", InstanceCreationTime="081500")
    assert again.settled.renamed is None
    assert case_of(desk).patient.name == "Trần Văn Dũng"


def test_a_case_of_an_older_version_keeps_its_patient_when_its_next_object_comes(
    desk: TestDesk, database: Database
) -> None:
    desk.add(reading(), **ONE)
    with database.write() as connection:
        connection.execute(tables.statement.delete())
    desk.add(unread("not_a_film"), **NOBODY, **EMPTY)
    assert case_of(desk).patient.name == "Nguyễn Văn Một"
    desk.add(reading(), **TWO)
    assert case_of(desk).conflict is not None


def test_no_flood_of_other_objects_washes_a_film_away(sqlite_desk: TestDesk) -> None:
    sqlite_desk.add(reading(), **ONE)
    made_at = sqlite_desk.clock.now()
    rows = [
        {"case_sequence": 1, "source": Source.OTHER.value, "made_at": made_at, "patient_id": f"X{number}"}
        | dict.fromkeys(("accession_number", "patient_name", "patient_sex", "patient_birth_date"), "")
        | {"issuer": "", "other_ids": ""}
        for number in range(MOST)
    ]
    with sqlite_desk.database.write() as connection:
        connection.execute(tables.statement.insert(), rows)
    sqlite_desk.add(unread("not_a_film"), **TWO)
    assert case_of(sqlite_desk).patient.name == "Nguyễn Văn Một"


def test_what_is_said_a_hundred_times_is_kept_once(sqlite_desk: TestDesk) -> None:
    for second in range(5):
        created = {"InstanceCreationDate": "20250601", "InstanceCreationTime": f"0815{second:02}"}
        sqlite_desk.add(unread("not_a_film"), **ONE, **created)
    sqlite_desk.add(unread(), patient_name="", patient_id="", study_instance_uid=STUDY, **EMPTY)
    with sqlite_desk.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.statement)) == 1
