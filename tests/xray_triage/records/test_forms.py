"""Whatever a case is: what leaves of it says no more than a doctor or the AI said, and nothing of anybody's making."""

import json
import re
from typing import Any
from xml.etree.ElementTree import fromstring

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.peers.his import parsed
from tests.xray_triage.records.samples import AT, FACILITY, LAN, NAMES, a_record, a_result, records
from xray_triage.cases.consultation import ConsultationState
from xray_triage.hl7.message import read
from xray_triage.reading.findings import REASONS
from xray_triage.reading.patient import Patient
from xray_triage.records import fhir, oru, xml4
from xray_triage.records.record import FilmRead, Ordered, Record, Standing
from xray_triage.records.result import ResultState

UNREAD = FilmRead(sop_instance_uid="1.2.9", reason=REASONS["child"], findings=(), model=None)
BY_STATE = {
    None: ("preliminary", "P"),
    ResultState.FINAL: ("final", "F"),
    ResultState.AMENDED: ("amended", "C"),
    ResultState.CANCELLED: ("cancelled", "X"),
}
FEW = settings(max_examples=25)
VERSIONS = pytest.mark.parametrize("version", oru.VERSIONS)


def resources(record: Record, kind: str) -> list[dict[str, Any]]:
    return [e["resource"] for e in fhir.bundle(record)["entry"] if e["resource"]["resourceType"] == kind]


def an_oru(record: Record, version: str = "2.5", *, with_ai: bool = False) -> str:
    return oru.message(record, number="a1b2c3d4e5f6.1", at=AT, version=version, with_ai=with_ai).decode()


@FEW
@given(records())
def test_nothing_is_final_that_no_doctor_wrote(record: Record) -> None:
    standing, letter = BY_STATE[record.result.state if record.result else None]
    (report,) = resources(record, "DiagnosticReport")
    assert report["status"] == standing
    assert {each["status"] for each in resources(record, "Observation")} <= {"preliminary"}
    message = read(an_oru(record, with_ai=True).encode())
    assert message.need("OBR").text(25) == letter
    for line in message.all("OBX"):
        assert line.text(11) == ("P" if line.text(3) == "AI" else letter)
    if record.result is None:
        assert "final" not in json.dumps(fhir.bundle(record))
        assert not xml4.tells(record)


@FEW
@given(records())
def test_the_same_record_gives_the_same_bytes_and_every_reference_has_its_resource(record: Record) -> None:
    made = fhir.bundle(record)
    assert made == fhir.bundle(record)
    assert an_oru(record) == an_oru(record)
    urls = {entry["fullUrl"] for entry in made["entry"]}
    assert len(urls) == len(made["entry"]), "two entries of one name: the server would refuse the transaction"
    assert {*re.findall(r'"reference": "([^"]*)"', json.dumps(made))} <= urls


@FEW
@given(records())
def test_a_film_that_was_not_read_is_told_with_its_reason_and_without_an_observation(record: Record) -> None:
    unread = [film for film in record.films if film.reason]
    told = an_oru(record, with_ai=True)
    for film in unread:
        assert film.reason is not None
        assert film.reason.vi in told
        assert not [one for one in resources(record, "Observation") if film.sop_instance_uid in json.dumps(one)]
        if record.result is None:
            assert film.reason.vi in resources(record, "DiagnosticReport")[0]["conclusion"]


@FEW
@given(records())
def test_nobody_gets_a_number_that_nobody_gave(record: Record) -> None:
    known = {record.patient.id, record.ordered.citizen_number, record.ordered.insurance_number} - {""}
    (patient,) = resources(record, "Patient")
    numbers = {each["value"] for each in patient["identifier"] if "person-of-study" not in each["system"]}
    assert numbers == known
    pid = read(an_oru(record).encode()).need("PID")
    told = {pid.text(3, 5, n): pid.text(3, 1, n) for n in range(1, pid.repetitions(3) + 1)}
    assert {number for kind, number in told.items() if kind != "U"} == known
    assert known or told == {"U": record.case_id}


@VERSIONS
@FEW
@given(record=records(), with_ai=st.booleans())
def test_a_his_reads_every_message(record: Record, version: str, with_ai: bool) -> None:
    message = parsed(an_oru(record, version, with_ai=with_ai))
    assert message.msh.msh_12.to_er7() == version


@VERSIONS
@pytest.mark.parametrize("name", NAMES)
def test_a_name_comes_out_as_it_went_in(name: str, version: str) -> None:
    record = a_record(patient=Patient(id="1", name=name, sex="", birth_date="", age_years=None))
    pid = read(an_oru(record, version).encode()).need("PID")
    assert " ".join(filter(None, (pid.text(5, 1), pid.text(5, 3), pid.text(5, 2)))) == name
    assert resources(record, "Patient")[0]["name"][0]["text"] == name


def test_every_state_of_a_consultation_has_its_task() -> None:
    assert fhir.TASK_STATES.keys() == set(ConsultationState)


@pytest.mark.parametrize("birth_date", ["", "1970", "1970-01", "1970-01-31"])
def test_a_birth_date_is_told_as_far_as_it_is_known(birth_date: str) -> None:
    record = a_record(patient=Patient(id="1", name="Lan", sex="", birth_date=birth_date, age_years=None))
    assert resources(record, "Patient")[0].get("birthDate", "") == birth_date
    assert read(an_oru(record).encode()).need("PID").text(7) == birth_date.replace("-", "")
    assert read(an_oru(record).encode()).need("PID").text(8) == "U"
    assert "gender" not in resources(record, "Patient")[0]


def test_a_child_is_preliminary_until_a_doctor_has_read_it() -> None:
    child = Patient(id="1", name="Lò Văn Bé", sex="M", birth_date="2024-02-29", age_years=2)
    record = a_record(patient=child, films=[UNREAD], result=None)
    assert resources(record, "DiagnosticReport")[0]["status"] == "preliminary"
    assert resources(record, "Device") == resources(record, "Observation") == []
    final = a_record(patient=child, films=[UNREAD], result=a_result())
    assert resources(final, "DiagnosticReport")[0]["status"] == "final"


def test_the_doctors_words_come_whole_and_in_their_order() -> None:
    record = a_record(
        result=a_result(description="Tim | to ^ & ~ \\\nBờ đều", conclusion="Bình thường.", advice="Không")
    )
    lines = [line for line in read(an_oru(record).encode()).all("OBX") if line.text(2) == "TX"]
    assert [(line.text(3), line.whole(5)) for line in lines] == [
        ("GDT", "Tim | to ^ & ~ \\\nBờ đều"),
        ("IMP", "Bình thường."),
        ("REC", "Không"),
    ]
    conclusion = resources(record, "DiagnosticReport")[0]["conclusion"]
    assert conclusion == "Tim | to ^ & ~ \\\nBờ đều\n\nBình thường.\n\nKhông"


def test_odd_blanks_part_words_and_control_characters_go() -> None:
    record = a_record(result=a_result(conclusion="Viêm\u00a0phổi\x07 thùy\tdưới"))
    lines = [line.whole(5) for line in read(an_oru(record).encode()).all("OBX") if line.text(3) == "IMP"]
    assert lines == ["Viêm phổi thùy dưới"]
    assert resources(record, "DiagnosticReport")[0]["conclusion"] == "Viêm phổi thùy\tdưới"
    assert xml4.row(record)["KET_LUAN"] == record.result.words.conclusion  # type: ignore[union-attr]
    assert "Viêm\u00a0phổi thùy\tdưới" in xml4.document(record).decode()


def test_what_was_taken_back_is_told_so_and_is_no_row_of_the_table() -> None:
    record = a_record(result=a_result(ResultState.CANCELLED, 2))
    assert record.standing is Standing.CANCELLED
    assert "KẾT QUẢ ĐÃ HỦY: Xem lại" in an_oru(record)
    assert resources(record, "ServiceRequest")[0]["status"] == "active"
    assert not xml4.tells(record)
    with pytest.raises(ValueError, match="no doctor's result that stands"):
        xml4.row(record)


def test_the_row_has_twelve_fields_and_leaves_empty_what_nobody_configured() -> None:
    record = a_record(ordered=Ordered(), service="", indicator="", result=a_result(conclusion="Tim\x00 <to> & đều"))
    (row,) = fromstring(xml4.document(record)).iter(xml4.ROW)
    told = {each.tag: each.text or "" for each in row}
    assert tuple(told) == xml4.FIELDS
    assert told["KET_LUAN"] == "Tim <to> & đều"
    assert told["NGAY_KQ"] == f"{AT.astimezone():%Y%m%d%H%M}"
    assert told["MA_BS_DOC_KQ"] == "000123/HCM-CCHN"
    assert {name for name, value in told.items() if not value} >= {"MA_LK", "MA_DICH_VU", "MA_CHI_SO"}
    assert xml4.lacking(record) == ["MA_LK", "MA_DICH_VU", "MA_CHI_SO"]


def test_an_observation_says_what_decided_it() -> None:
    by_code = {one["code"]["text"]: one for one in resources(a_record(), "Observation")}
    assert [c["code"]["text"] for c in by_code["tràn dịch màng phổi"]["component"]] == ["probability", "threshold"]
    heart = by_code["bóng tim to"]
    assert [(c["code"]["text"], c["valueQuantity"]["value"]) for c in heart["component"]] == [
        ("measure", 0.57),
        ("limit", 0.55),
    ]
    assert heart["valueBoolean"] is True


def test_times_are_local_with_their_offset() -> None:
    message = read(an_oru(a_record()).encode())
    assert message.need("OBR").text(7) == AT.astimezone().strftime("%Y%m%d%H%M%S%z")
    assert message.need("OBR").text(18) == message.need("OBR").text(3) == "TA2611220001"
    assert (message.head.text(4), message.need("PID").text(3)) == (FACILITY.code, LAN.id)
