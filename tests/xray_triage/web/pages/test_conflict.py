"""Films of two people under one study: who is told, and where."""

import httpx
import pytest
from pydicom.uid import generate_uid

from dicom_router.dicom.instance import read_dataset
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.cases.case import Case

BOTH = "Lê Thị Hai (TWO2); Nguyễn Văn Một (ONE1)"


@pytest.fixture
def a_case_of_two(sqlite_desk: TestDesk) -> Case:
    study = generate_uid()
    sqlite_desk.add(reading(), patient_name="Nguyễn^Văn^Một", patient_id="ONE1", study_instance_uid=study)
    sqlite_desk.add(reading(), patient_name="Lê^Thị^Hai", patient_id="TWO2", study_instance_uid=study)
    case = sqlite_desk.casebook.case_of_study(study)
    assert case is not None
    return case


def test_page_list_sheet_and_api_tell_both_and_which_film_is_whose(client: httpx.Client, a_case_of_two: Case) -> None:
    page = client.get(f"/cases/{a_case_of_two.case_id}").text
    assert f"Phim trong ca này mang tên nhiều người bệnh: {BOTH}." in page
    assert page.index("Phim mang tên Nguyễn Văn Một (ONE1).") < page.index("Phim mang tên Lê Thị Hai (TWO2).")
    assert f"<b>Nhiều người bệnh:</b> {BOTH}" in client.get("/").text
    sheet = client.get(f"/cases/{a_case_of_two.case_id}/print").text
    assert BOTH in sheet
    assert "Phim mang tên Nguyễn Văn Một (ONE1)." in sheet
    told = client.get(f"/api/cases/{a_case_of_two.case_id}").json()["conflict"]
    assert told == {"field": "patient", "values": ["Lê Thị Hai (TWO2)", "Nguyễn Văn Một (ONE1)"]}
    assert client.get("/api/cases").json()[0]["conflict"] == told


def test_where_there_is_one_patient_nobody_is_warned(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading()).case_id
    for address in ("/", f"/cases/{case_id}", f"/cases/{case_id}/print"):
        assert "nhiều người bệnh" not in client.get(address).text.lower()
    assert client.get(f"/api/cases/{case_id}").json()["conflict"] is None


def test_the_request_tells_the_specialist(sqlite_desk: TestDesk, a_case_of_two: Case) -> None:
    asked = sqlite_desk.consultations.request(
        a_case_of_two.case_id, question="Có tràn khí không?", priority="urgent", requested_by="BS. Mai"
    )
    (sent,) = [one for one in sqlite_desk.outbox.of_study(a_case_of_two.study_instance_uid) if one.what == "request"]
    with sqlite_desk.spool.open(sent.spooled.key) as stream:
        request = read_dataset(stream)
    said = next(item.TextValue for item in request.ContentSequence if "TextValue" in item)
    assert BOTH in said
    assert "Có tràn khí không?" in said
    assert asked.question == "Có tràn khí không?"
    assert (request.PatientName, request.PatientID) == ("Lê^Thị^Hai", "TWO2")


def test_a_request_is_made_out_to_the_patient_though_a_dose_report_came_first(sqlite_desk: TestDesk) -> None:
    study = generate_uid()
    sqlite_desk.add(unread("not_a_film"), patient_name="", patient_id="0000", study_instance_uid=study)
    sqlite_desk.add(reading(), patient_name="Nguyễn^Văn^Một", patient_id="ONE1", study_instance_uid=study)
    assert sqlite_desk.preparer.header(study).PatientID == "ONE1"


def test_a_request_is_made_out_by_a_film_though_no_film_says_all_that_the_case_knows(sqlite_desk: TestDesk) -> None:
    study = generate_uid()
    sqlite_desk.add(unread("not_a_film"), patient_name="", patient_id="0000", study_instance_uid=study)
    sqlite_desk.add(reading(), patient_name="NGUYEN^VAN^MOT", patient_id="00012", study_instance_uid=study)
    sqlite_desk.add(reading(), patient_name="Nguyễn^Văn^Một", patient_id="12", study_instance_uid=study)
    case = sqlite_desk.casebook.case_of_study(study)
    assert case is not None
    assert (case.patient.name, case.patient.id) == ("Nguyễn Văn Một", "00012")
    assert sqlite_desk.preparer.header(study).PatientID == "00012"


def test_an_unknown_age_is_said(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading(), PatientAge="", PatientBirthDate="").case_id
    for address in ("/", f"/cases/{case_id}", f"/cases/{case_id}/print"):
        assert "nữ, không rõ tuổi" in client.get(address).text
