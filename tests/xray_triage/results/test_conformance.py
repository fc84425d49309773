"""Every kind of object that is made here, before every checker there is. What they warn of is listed and understood."""

import re
import unicodedata
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import highdicom
import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import reference_to
from tests.factories import film, film_bytes
from tests.peers.dcmtk import run
from tests.xray_triage.results.making import (
    AT,
    STATION,
    a_full_reading,
    a_radiograph,
    header,
    not_read,
    results,
    written,
)
from xray_triage.reading.patient import read_patient
from xray_triage.results.make import make_request
from xray_triage.results.request import Asked, Step, Turn
from xray_triage.simulation.specialist import make_pdf_answer, make_text_answer

# What dciodvfy and dcentvfy warn of, and why it stays.
UNDERSTOOD = {
    r"Unrecognized defined term <99XRT>": "a private scheme, as PS3.16 section 8 allows; our page lists its codes",
    r"Retired Person Name form": "a name in one component: who asks typed it so, and nobody can tell its family name",
    r"attribute <Laterality>": "empty, because we do not know whether the part of the body is paired (Type 2C)",
    r"Different information entities for attribute - Element=<AccessionNumber>": "dcentvfy's tables place it twice",
}

FOLLOWING = (Step.CHANGE, Step.WITHDRAW)


def objects() -> dict[str, Dataset]:
    source = header()
    why, patient = ["AI: Khẩn cấp vì: x"], read_patient(source)
    asked = Asked(question="Có tràn khí?", priority="urgent", requested_by="BS. Lan", patient=patient, why=why)
    asking = make_request(source, [reference_to(the_film())], asked, at=AT, station_name=STATION)
    before, later = reference_to(asking[0].dataset), AT + timedelta(minutes=1)
    turns = {step: replace(asked, turn=Turn(step, "MỚI"), replaces=before, pages_before=1) for step in FOLLOWING}
    following = {
        step: make_request(
            source, [reference_to(the_film())], turn, at=later + timedelta(minutes=n), station_name=STATION
        )
        for n, (step, turn) in enumerate(turns.items())
    }
    return {
        **{f"read {one.what}": one.dataset for one in results(source, a_full_reading(), a_radiograph())},
        **{f"not read {one.what}": one.dataset for one in results(source, not_read("child"), a_radiograph())},
        **{one.what: one.dataset for one in asking},
        **{f"{step} {one.what}": one.dataset for step, made in following.items() for one in made},
        "answer, signed": make_text_answer(source, "Không tràn khí.", author="BS. Hà", verified=True, at=AT),
        "answer, not signed": make_text_answer(source, "Không tràn khí.", author="BS. Hà", verified=False, at=AT),
        "answer, PDF": make_pdf_answer(source, b"%PDF-1.4\n%%EOF", title="Trả lời", verified=False, at=AT),
    }


def the_film() -> Dataset:
    return film(
        rows=300, columns=200, sop_instance_uid="1.2.3.4", study_instance_uid="1.2.3", series_instance_uid="1.2.3.9"
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("objects")
    return {name: written(folder / f"{name}.dcm", one) for name, one in objects().items()}


def not_understood(lines: str) -> list[str]:
    said = [line for line in lines.splitlines() if re.match(r"\s*(Error|Warning|Abort)", line)]
    return [
        line for line in said if line.startswith("Error") or not any(re.search(known, line) for known in UNDERSTOOD)
    ]


def test_dciodvfy_finds_no_error_in_any_kind_and_warns_of_nothing_new(files: dict[str, Path]) -> None:
    for name, path in files.items():
        done = run("dciodvfy", path)
        assert not_understood(done.stdout + done.stderr) == [], name


def test_film_results_request_and_answers_are_one_patient_and_one_study(files: dict[str, Path], tmp_path: Path) -> None:
    original = tmp_path / "film.dcm"
    original.write_bytes(film_bytes(the_film()))
    done = run("dcentvfy", original, *files.values())
    assert not_understood(done.stdout + done.stderr) == []


def test_dcmtk_opens_every_document(files: dict[str, Path]) -> None:
    documents = [name for name, path in files.items() if "ContentSequence" in pydicom.dcmread(path)]
    assert len(documents) == 7
    for name in documents:
        done = run("dsrdump", "+U8", files[name])
        assert done.returncode == 0, name
        assert [line for line in done.stderr.splitlines() if line.startswith(("E:", "F:"))] == [], name


def test_dcmtk_finds_no_error_in_the_outlines_once_they_are_in_letters_that_it_knows(
    files: dict[str, Path], tmp_path: Path
) -> None:
    """It checks no UTF-8 (it says so) and calls every accent an error: here the same object without accents."""
    outlines = pydicom.dcmread(files["read gsps"])
    for element in outlines.iterall():
        if element.VR in ("LO", "PN", "SH", "ST", "LT") and not str(element.value).isascii():
            bare = unicodedata.normalize("NFD", str(element.value)).translate(
                {ord("đ"): "d", ord("Đ"): "D", 0x2013: "-"}
            )
            element.value = bare.encode("ascii", "ignore").decode()
    outlines.SpecificCharacterSet = "ISO_IR 100"
    done = run("dcmpschk", "-v", written(tmp_path / "pr.dcm", outlines))
    assert "Test passed" in done.stdout + done.stderr


@pytest.mark.slow
def test_highdicom_reads_every_kind_that_it_knows(files: dict[str, Path]) -> None:
    read = {name: highdicom.sr.srread(files[name]).content for name in ("read sr", "not read sr")}
    assert len(read["read sr"].get_image_measurement_groups()) > 10
    (group,) = read["not read sr"].get_image_measurement_groups()
    assert group.get_measurements() == []
    for name in ("read sc", "not read sc", "request_sc"):
        assert highdicom.imread(files[name]).get_frames().ndim == 4, name
    request = highdicom.ko.KeyObjectSelectionDocument.from_dataset(pydicom.dcmread(files["request"]))
    assert len(request.content.get_references()) == 1
