"""QIDO-RS with somebody else's client: what is asked for is found, newest first, and nothing else."""

import dataclasses
import gc
import io
import tracemalloc
from collections.abc import Callable

import httpx
import pytest
from dicomweb_client import DICOMwebClient
from starlette.types import ASGIApp

from dicom_router.dicom.instance import reference_to
from tests.factories import StoppedClock, film, film_bytes
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.reading.findings import Priority

AN = {"patient_name": "Nguyễn^Văn^An", "patient_id": "P1", "AccessionNumber": "A1"}
BINH = {"patient_name": "Đỗ^Thị^Bình", "patient_id": "P2", "AccessionNumber": "A2"}
EARLY = {"StudyDate": "20250103", "AcquisitionDate": "20250103", "ContentDate": "20250103"}

ASKED: list[tuple[dict[str, str], list[str]]] = [
    ({}, ["P2", "P1"]),
    ({"PatientID": "P1"}, ["P1"]),
    ({"PatientID": "p1"}, []),
    ({"PatientID": "P?"}, ["P2", "P1"]),
    ({"00100020": "P2"}, ["P2"]),
    ({"PatientName": "nguyen*"}, ["P1"]),
    ({"PatientName": "*DO THI*"}, ["P2"]),
    ({"PatientName": "Đỗ^Thị^Bình"}, ["P2"]),
    ({"PatientName": "do^thi^binh"}, ["P2"]),
    ({"PatientName": "Nguyễn"}, []),
    ({"PatientName": "*"}, ["P2", "P1"]),
    ({"AccessionNumber": "A2"}, ["P2"]),
    ({"StudyDate": "20250103"}, ["P1"]),
    ({"StudyDate": "20250101-20250131"}, ["P1"]),
    ({"StudyDate": "20250201-"}, ["P2"]),
    ({"StudyDate": "-20250131"}, ["P1"]),
    ({"ModalitiesInStudy": "DX"}, ["P2", "P1"]),
    ({"ModalitiesInStudy": "SR"}, ["P2", "P1"]),
    ({"ModalitiesInStudy": "CT"}, []),
    ({"PatientName": "*nguyen*", "StudyDate": "20250601"}, []),
    ({"PatientName": "*a*" * 12}, []),
    ({"PatientID": "P1\\P2"}, ["P2", "P1"]),
    ({"PatientName": "nguyen*\\do*", "AccessionNumber": "A1\\A3"}, ["P1"]),
    ({"StudyDate": "2025-01"}, ["P1"]),
    ({"ModalitiesInStudy": "CT,DX"}, ["P2", "P1"]),
    ({"StudyInstanceUID": ","}, ["P2", "P1"]),
    ({"ModalitiesInStudy": "CT\\DX"}, ["P2", "P1"]),
    ({"ModalitiesInStudy": "CT,MR"}, []),
    ({"modalitiesinstudy": "ct,dx"}, ["P2", "P1"]),
    ({"PATIENTID": "P1"}, ["P1"]),
    ({"_": "1764380000000"}, ["P2", "P1"]),
    ({"orderby": "StudyDate", "PatientID": "P2"}, ["P2"]),
    ({"PatientNam": "binh"}, ["P2", "P1"]),
    ({"00091001": "x"}, ["P2", "P1"]),
    ({"multiplevaluematching": "true", "PatientID": "P1\\P3"}, ["P1"]),
]


class HastyClock(StoppedClock):
    """Every look at it takes ``step_seconds``."""

    step_seconds = 0.0

    def monotonic(self) -> float:
        self.advance(self.step_seconds)
        return super().monotonic()


def value(found: dict, tag: str) -> object:
    """An attribute's first value, a name's alphabetic part."""
    first = next(iter(found[tag].get("Value", ())), None)
    return first["Alphabetic"] if isinstance(first, dict) and "Alphabetic" in first else first


@pytest.fixture
def two_patients(sqlite_desk: TestDesk) -> TestDesk:
    sqlite_desk.add(reading(), **AN, **EARLY)
    sqlite_desk.add(reading(), **BINH)
    return sqlite_desk


def test_studies_are_found_by_what_viewers_ask_for(foreign: DICOMwebClient, two_patients: TestDesk) -> None:
    for filters, expected in ASKED:
        found = foreign.search_for_studies(search_filters=filters)
        assert [value(one, "00100020") for one in found] == expected, filters


def test_a_study_comes_with_what_the_standard_requires(foreign: DICOMwebClient, two_patients: TestDesk) -> None:
    (study,) = foreign.search_for_studies(search_filters={"PatientID": "P1"})
    assert value(study, "00100010") == "Nguyễn^Văn^An"
    assert study["00080005"]["Value"] == ["ISO_IR 192"]
    assert study["00080061"]["Value"] == ["DX", "SR", "OT", "PR"]
    assert value(study, "00201206") == value(study, "00201208") == 4
    assert str(value(study, "00081190")).endswith(f"/dicom-web/studies/{value(study, '0020000D')}")
    assert study["00080056"]["Value"] == ["ONLINE"]
    assert "00080090" in study  # required, though the film says nothing


def test_series_and_instances_come_with_what_the_standard_requires(
    foreign: DICOMwebClient, two_patients: TestDesk
) -> None:
    (study,) = foreign.search_for_studies(search_filters={"PatientID": "P1"})
    uid = str(value(study, "0020000D"))
    series = foreign.search_for_series(uid)
    assert [value(one, "00080060") for one in series] == ["DX", "SR", "OT", "PR"]
    assert all(value(one, "00201209") == 1 for one in series)
    (film_found,) = foreign.search_for_instances(uid, str(value(series[0], "0020000E")))
    assert (value(film_found, "00280010"), value(film_found, "00280011")) == (64, 48)
    assert "00100020" not in film_found
    everywhere = foreign.search_for_instances(search_filters={"SOPInstanceUID": str(value(film_found, "00080018"))})
    assert [value(one, "00100020") for one in everywhere] == ["P1"]
    whole = foreign.search_for_series(search_filters={"SeriesInstanceUID": str(value(series[1], "0020000E"))})
    assert [value(one, "00080060") for one in whole] == ["SR"]
    assert len(foreign.search_for_instances(uid)) == 4
    (other,) = foreign.search_for_studies(search_filters={"PatientID": "P2"})
    elsewhere = {"StudyInstanceUID": str(value(other, "0020000D"))}
    assert foreign.search_for_series(uid, search_filters=elsewhere) == series


def test_what_came_and_is_not_read_yet_is_found_by_its_uid(foreign: DICOMwebClient, sqlite_desk: TestDesk) -> None:
    arrival = sqlite_desk.receive(film())
    found = foreign.search_for_studies(search_filters={"StudyInstanceUID": arrival.instance.study_instance_uid})
    assert len(found) == 1
    assert foreign.search_for_studies() == []


def test_pages_follow_each_other_and_say_that_there_is_more(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    for number in range(5):
        sqlite_desk.add(reading(Priority.NORMAL), patient_id=f"P{number}")
    first = client.get("/dicom-web/studies", params={"limit": 2})
    second = client.get("/dicom-web/studies", params={"limit": 3, "offset": 2})
    assert [value(one, "00100020") for one in first.json() + second.json()] == ["P4", "P3", "P2", "P1", "P0"]
    assert "additional results" in first.headers["Warning"]
    assert "Warning" not in second.headers
    assert first.headers["Content-Type"] == "application/dicom+json"
    assert client.get("/dicom-web/studies", params={"limit": 0}).json() == []


def test_a_pattern_of_many_stars_is_answered_soon(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    """It would hold up every other thread of the station, the one that takes films too."""
    sqlite_desk.add(reading(), patient_name=f"{'a' * 60}b c")
    asked = {"PatientName": "*a" * 12 + "*b"}
    assert client.get("/dicom-web/studies", params=asked, timeout=20).json() == []


@pytest.mark.slow
def test_whole_headers_do_not_stay_in_memory(client: httpx.Client, sqlite_desk: TestDesk) -> None:
    large = film()
    for number in range(100):
        large.add_new((0x0029, 0x1000 + number), "UT", "x" * 60_000)
    sqlite_desk.record(sqlite_desk.receive(large), large, reading())
    client.get("/dicom-web/studies")
    tracemalloc.start()
    assert len(client.get("/dicom-web/instances", params={"includefield": "all"}).content) > 6_000_000
    gc.collect()
    kept_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept_bytes < 3_000_000


def test_a_fuzzy_search_is_made_literally_and_says_so(client: httpx.Client, two_patients: TestDesk) -> None:
    answer = client.get("/dicom-web/studies", params={"PatientName": "Binh", "fuzzymatching": "true"})
    assert answer.json() == []
    assert "fuzzymatching" in answer.headers["Warning"]


def test_a_field_that_is_asked_for_is_included(client: httpx.Client, two_patients: TestDesk) -> None:
    asked = {"PatientID": "P1", "includefield": "Manufacturer,00180015"}
    (found,) = client.get("/dicom-web/studies", params=asked).json()
    assert (value(found, "00080070"), value(found, "00180015")) == ("Phantom", "CHEST")
    everything = client.get("/dicom-web/instances", params={"PatientID": "P1", "includefield": "all"}).json()
    assert value(everything[0], "00185101") == "PA"
    assert all("7FE00010" not in one for one in everything)


def test_a_key_within_a_sequence_is_matched(client: httpx.Client, two_patients: TestDesk) -> None:
    key = "ViewCodeSequence.CodeMeaning"
    assert len(client.get("/dicom-web/studies", params={key: "Posteroanterior*"}).json()) == 2
    assert client.get("/dicom-web/studies", params={key: "Lateral*"}).json() == []


def test_keys_of_one_sequence_are_of_one_item(client: httpx.Client, two_patients: TestDesk) -> None:
    asked = {"ViewCodeSequence.CodeValue": "272479007", "ViewCodeSequence.CodeMeaning": "Posteroanterior*"}
    assert len(client.get("/dicom-web/studies", params=asked).json()) == 2
    assert client.get("/dicom-web/studies", params=asked | {"ViewCodeSequence.CodeValue": "1"}).json() == []
    deep = {"ViewCodeSequence.ViewModifierCodeSequence.CodeValue": "1"}
    assert client.get("/dicom-web/studies", params=deep).json() == []


def test_what_cannot_be_a_key_is_a_bad_request(client: httpx.Client) -> None:
    numbers = ["limit=-1", "offset=x", "limit=99999999999"]
    sequence = "ViewCodeSequence"
    sequences = [f"{sequence}=x", f"PatientID.{sequence}=x", f"{sequence}=x&{sequence}.CodeValue=1",
                 f"{sequence}.CodeValue=1&{sequence}=x", f"{sequence}." * 3000 + "CodeValue=1"]  # fmt: skip
    for bad in (*numbers, *sequences, "StudyDate=today", "studydate=today", "LIMIT=-1"):
        assert client.get(f"/dicom-web/studies?{bad}").status_code == 400, bad[:100]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("Foo=1", "foo"),
        ("includefield=Foo,PatientID&INCLUDEFIELD=Bar", "Bar, Foo"),
        ("0010002=P1&FFFFFFFF=1&00091001=x", "00091001, 0010002, ffffffff"),
        ("_=1764380000000&orderby=StudyDate", "_, orderby"),
        ("emptyvaluematching=true", "emptyvaluematching"),
        ("Foo.PatientID=1&PatientID.Foo=1", "foo.patientid, patientid.foo"),
        ("a%22%0d%0aX-Evil:1=1&%E1%BA%A1=1", "?"),
        ("&".join(f"x{n}=1" for n in range(200)), "x0, x1, x10, x100, x101"),
        ("limit=1&limit=5&multiplevaluematching=true", ""),
        ("includefield=all&includefield=ALL", ""),
        ("includefield=ViewCodeSequence.CodeValue", ""),
    ],
)
def test_what_is_no_attribute_is_ignored_and_told(
    client: httpx.Client, two_patients: TestDesk, asked: str, told: str
) -> None:
    answer = client.get(f"/dicom-web/studies?{asked}")
    assert (answer.status_code, len(answer.json())) == (200, 2)
    warning = answer.headers.get("Warning", "")
    assert warning == (f'299 xray-triage "These parameters are not supported and were ignored: {told}"' if told else "")


def test_xml_is_not_to_be_had(client: httpx.Client) -> None:
    assert client.get("/dicom-web/studies", headers={"Accept": "application/dicom+xml"}).status_code == 406


def test_the_page_of_a_request_is_found_with_its_study(foreign: DICOMwebClient, sqlite_desk: TestDesk) -> None:
    case_id = sqlite_desk.add(reading(), study_instance_uid="1.2.3").case_id
    sqlite_desk.consultations.request(case_id, question="?", priority="routine", requested_by="BS. Lan")
    series = foreign.search_for_series("1.2.3", fields=["SeriesDescription"])
    found = {one["0008103E"]["Value"][0] for one in series if one.get("0008103E", {}).get("Value")}
    assert {"YÊU CẦU HỘI CHẨN", "Yêu cầu hội chẩn"} <= found


def test_what_is_quarantined_is_not_shown(foreign: DICOMwebClient, sqlite_desk: TestDesk) -> None:
    original = film()
    sqlite_desk.record(sqlite_desk.receive(original), original, reading())
    other = film(
        sop_instance_uid=original.SOPInstanceUID,
        study_instance_uid=original.StudyInstanceUID,
        series_instance_uid=original.SeriesInstanceUID,
        patient_name="Kẻ^Khác",
        seed=9,
    )
    assert sqlite_desk.receive(other).quarantined
    found = foreign.search_for_instances(original.StudyInstanceUID, search_filters={"Modality": "DX"})
    assert len(found) == 1
    (kept,) = foreign.retrieve_series(original.StudyInstanceUID, original.SeriesInstanceUID)
    assert kept.PatientName == "Nguyễn^Văn^An"


def test_a_name_in_a_mislabelled_charset_is_found_and_shown_right(
    foreign: DICOMwebClient, sqlite_desk: TestDesk
) -> None:
    dataset = film(patient_name="Lê^Thị^Hồng")
    mislabelled = film_bytes(dataset).replace(b"ISO_IR 192", b"ISO_IR 100")
    spooled = sqlite_desk.spool.keep(io.BytesIO(mislabelled))
    sqlite_desk.inbox.record(
        instance=reference_to(dataset), spooled=spooled, calling_ae_title="DX1", peer_host="127.0.0.1"
    )
    (arrival,) = sqlite_desk.inbox.of_study(dataset.StudyInstanceUID)
    sqlite_desk.record(arrival, dataset, reading())
    (found,) = foreign.search_for_studies(search_filters={"PatientName": "le thi hong"})
    assert value(found, "00100010") == "Lê^Thị^Hồng"


def test_a_search_that_takes_long_ends_with_what_it_has_and_says_so(
    serve: Callable[[ASGIApp], str], sqlite_desk: TestDesk
) -> None:
    for number in range(4):
        sqlite_desk.add(reading(), patient_id=f"P{number}", StudyDescription="Phổi" if number < 2 else "Tim")
    clock = HastyClock()
    url = serve(dataclasses.replace(sqlite_desk, clock=clock).app())
    with httpx.Client(base_url=f"{url}/dicom-web", headers=bearer(sqlite_desk), timeout=20) as client:
        asked = {"PatientID": "P*", "StudyDescription": "*"}
        for seconds, found in ((0.0, 4), (0.9, 2), (3.0, 0)):
            clock.step_seconds = seconds
            answer = client.get("/studies", params=asked)
            assert len(answer.json()) == found
            assert ("narrow it" in answer.headers.get("Warning", "")) == (found < 4)


@pytest.mark.slow
def test_an_offset_without_a_question_reads_no_header_on_its_way(
    client: httpx.Client, sqlite_desk: TestDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(5):
        sqlite_desk.add(reading(), patient_id=f"P{number}")
    monkeypatch.setattr("xray_triage.web.dicomweb.instances.HEADERS_KEPT", 0)
    for offset, names in ((0, ["P4", "P3"]), (3, ["P1", "P0"]), (4, ["P0"]), (5, []), (999_999_999, [])):
        answer = client.get("/dicom-web/studies", params={"offset": offset, "limit": 2})
        assert [value(one, "00100020") for one in answer.json()] == names
        assert ("additional" in answer.headers.get("Warning", "")) == (offset == 0)
