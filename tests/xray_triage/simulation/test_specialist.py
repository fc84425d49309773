"""Acting the specialist: objects as valid as a reading workstation's, and a verb that says what is wrong."""

import io
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from tests.factories import film, film_bytes, film_file
from tests.peers.dcmtk import dciodvfy, dsrdump
from tests.peers.verbs import run
from xray_triage.consultations.encapsulated import document_in
from xray_triage.consultations.report_parser import read_answer
from xray_triage.reading.patient import repair_text
from xray_triage.simulation import phantom
from xray_triage.simulation.specialist import make_pdf_answer, make_text_answer

AT = datetime(2025, 6, 1, 9, 30, tzinfo=UTC)


def sources() -> list[Dataset]:
    """A phantom, and the film of a machine that leaves out what it can."""
    bare = film(rows=8, columns=8, PatientBirthDate=None, StudyID=None, ReferringPhysicianName=None, StudyTime=None)
    repair_text(bare)
    return [phantom.dataset(phantom.render(seed=3, rows=64, columns=64)), bare]


@pytest.mark.parametrize("verified", [True, False])
@pytest.mark.parametrize("source", [0, 1])
def test_the_answers_are_valid_and_read_as_they_were_meant(tmp_path: Path, source: int, verified: bool) -> None:
    film_header = sources()[source]
    text = make_text_answer(film_header, "Tràn dịch\nTheo dõi", author="BS Đức^=\\", verified=verified, at=AT)
    pdf = make_pdf_answer(film_header, b"%PDF-1.7 x", title="Kết quả", verified=verified, at=AT)
    for made in (text, pdf):
        assert dciodvfy(film_file(tmp_path / f"{made.SOPInstanceUID}.dcm", made)) == []
        assert made.StudyInstanceUID == film_header.StudyInstanceUID
        stream = io.BytesIO(film_bytes(made))
        found = read_answer(stream, sop_instance_uid=made.SOPInstanceUID)
        assert (found.verified, found.written_at) == (verified, AT)
        assert found.author == ("BS Đức" if made is text else "")
    assert "Tràn dịch" in dsrdump(tmp_path / f"{text.SOPInstanceUID}.dcm")
    assert document_in(io.BytesIO(film_bytes(pdf))).length == 10


def test_two_answers_are_two_objects() -> None:
    source = sources()[0]
    uids = {make_text_answer(source, "x", author="", verified=False, at=AT).SOPInstanceUID for _ in range(2)}
    assert len(uids) == 2
    assert all(pydicom.uid.UID(uid).is_valid for uid in uids)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "status", "line"),
    [
        (["A1"], 2, "say something"),
        (["A1", "--text", "x", "--to", "nowhere"], 1, "no [[destination]] 'nowhere'"),
        (["A1", "--text", "x"], 1, "no case 'A1'"),
    ],
)
def test_the_verb_says_what_is_wrong(tmp_path: Path, arguments: list[str], status: int, line: str) -> None:
    (tmp_path / "station.toml").write_text('[[destination]]\nname = "pacs"\nhost = "127.0.0.1"\nae_title = "PACS"\n')
    said: subprocess.CompletedProcess[str] = run("consult-reply", *arguments, folder=tmp_path)
    assert said.returncode == status
    assert line in " ".join(said.stderr.replace("│", " ").split())
