"""A name goes from the HIS to the machine and back, in HL7, DICOM and FHIR, and is the same at each end."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset

from tests.peers.ordering import placed
from tests.xray_triage.records.samples import AT, a_record
from xray_triage.hl7.message import read
from xray_triage.hl7.names import NameParts, parted
from xray_triage.orders.orm import instructions
from xray_triage.reading.patient import Patient, read_patient
from xray_triage.records import fhir, oru
from xray_triage.records.record import Ordered, Record

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
WORDS = st.lists(st.sampled_from(["NGUYỄN", "Tôn", "Nữ", "Thị", "H'Ền", "Niê-Kđăm", "ẨN"]), max_size=3).map(" ".join)
PARTS = st.builds(NameParts, WORDS, WORDS, WORDS).filter(lambda parts: 0 < len(parts.whole) <= 64)


def ordered(pid_5: str) -> Record:
    """The record of a film that was ordered for a person of this name, and whose machine took it from the worklist."""
    (one,) = instructions(read(placed(pid_5=pid_5)), now=NOW, services={})
    assert one.registration is not None
    header = Dataset()
    header.PatientName = one.registration.patient_name
    told = {field.name for field in fields(Ordered)} & {field.name for field in fields(one.placing)}
    return a_record(
        patient=read_patient(header), ordered=Ordered(**{name: getattr(one.placing, name) for name in told})
    )


def pid_5(record: Record) -> str:
    pid = read(oru.message(record, number="a.1", at=AT)).need("PID")
    return "^".join(pid.text(5, part) for part in (1, 2, 3)).rstrip("^")


def fhir_name(record: Record) -> dict[str, object]:
    (patient,) = (e["resource"] for e in fhir.bundle(record)["entry"] if e["resource"]["resourceType"] == "Patient")
    (name,) = patient["name"]
    return dict(name)


@settings(max_examples=30)
@given(PARTS)
def test_the_his_gets_a_name_back_as_it_wrote_it(parts: NameParts) -> None:
    written = "^".join(parts).rstrip("^")
    record = ordered(written)
    assert record.patient.name == parts.whole
    assert pid_5(record) == written
    name = fhir_name(record)
    given_names = [part for part in (parts.middle, parts.given) if part]
    assert (name["text"], name.get("family", ""), name.get("given", [])) == (parts.whole, parts.family, given_names)


@settings(max_examples=20)
@given(WORDS.filter(bool))
def test_a_name_that_nobody_parted_is_parted_the_same_way_each_time(name: str) -> None:
    parts = parted(name)
    assert parts.whole == name
    assert parted(parts.whole) == parts
    record = a_record(patient=Patient(id="1", name=name, sex="", birth_date="", age_years=None))
    assert pid_5(ordered(pid_5(record))) == pid_5(record)


@pytest.mark.parametrize(
    ("name", "known", "parts"),
    [
        ("NGUYỄN VĂN AN", "", ("NGUYỄN", "AN", "VĂN")),
        ("Tôn Nữ Thị Ninh", "", ("Tôn", "Ninh", "Nữ Thị")),
        ("Tôn Nữ Thị Ninh", "Tôn Nữ^Ninh^Thị", ("Tôn Nữ", "Ninh", "Thị")),
        ("NGUYỄN VĂN AN", "NGUYỄN VĂN AN", ("NGUYỄN VĂN AN", "", "")),
        ("NGUYEN VAN AN", "NGUYỄN VĂN AN", ("NGUYEN", "AN", "VAN")),  # another person's, or the machine's own letters
        ("Y", "", ("Y", "", "")),
        ("", "", ("", "", "")),
    ],
)
def test_the_first_word_is_the_family_name_unless_the_his_said_otherwise(
    name: str, known: str, parts: tuple[str, str, str]
) -> None:
    assert parted(name, known) == parts
