from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import InstanceRef
from tests.peers.dcmtk import dciodvfy, dsrdump
from tests.xray_triage.results.making import AT, STATION, a_full_reading, a_radiograph, header, results, written
from xray_triage.reading.acquisition import is_ours
from xray_triage.reading.findings import NotReadable
from xray_triage.reading.patient import read_patient
from xray_triage.reading.radiograph import Admission, admit
from xray_triage.results.make import ResultObject, make_request
from xray_triage.results.request import Asked, Step, Turn

QUESTION = "Bệnh nhân khó thở từ sáng.\nCó tràn khí màng phổi không ạ?"


def reference_to(dataset: Dataset) -> InstanceRef:
    return InstanceRef(
        sop_instance_uid=str(dataset.SOPInstanceUID),
        sop_class_uid=str(dataset.SOPClassUID),
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        transfer_syntax_uid="1.2.840.10008.1.2.1",
    )


def two_films_and_results() -> list[InstanceRef]:
    front, side = header(series_instance_uid="1.2.9"), header(series_instance_uid="1.2.9", SOPInstanceUID="1.2.3.5")
    made = [one.dataset for one in results(front, a_full_reading(), a_radiograph())]
    return [reference_to(one) for one in (front, side, *made)]


def made(question: str = QUESTION, **options: Any) -> list[ResultObject]:
    references = options.pop("references", None) or two_films_and_results()
    film = header(**options.pop("film", {}))
    asked = {"priority": "urgent", "requested_by": "BS. Trần Thị Bưởi", "patient": read_patient(header()), **options}
    return make_request(film, references, Asked(question=question, **asked), at=AT, station_name=STATION)


def request(references: Sequence[InstanceRef], **options: Any) -> Dataset:
    first = made(references=references, **options)[0]
    assert first.what == "request"
    return first.dataset


def pages(question: str = QUESTION, **options: Any) -> list[Dataset]:
    rest = made(question, **options)[1:]
    assert {one.what for one in rest} <= {"request_sc"}
    return [one.dataset for one in rest]


def test_the_request_is_a_valid_key_object_selection_for_conference(tmp_path: Path) -> None:
    path = written(tmp_path / "ko.dcm", request(two_films_and_results()))
    assert dciodvfy(path) == []
    shown = dsrdump(path)
    assert "For Conference" in shown
    assert "Yêu cầu hội chẩn" in shown


def test_question_priority_and_asker_stand_in_the_key_object_description() -> None:
    (text,) = [str(one.value) for one in request(two_films_and_results()).iterall() if one.keyword == "TextValue"]
    assert text.splitlines() == [
        "Yêu cầu hội chẩn – ưu tiên: KHẨN CẤP",
        "Người yêu cầu: BS. Trần Thị Bưởi",
        "",
        "Bệnh nhân khó thở từ sáng.",
        "Có tràn khí màng phổi không ạ?",
    ]


def test_all_films_and_results_are_referenced_as_what_they_are() -> None:
    references = two_films_and_results()
    dataset = request(references)
    named = {
        one.ReferencedSOPSequence[0].ReferencedSOPInstanceUID: one.ValueType
        for one in dataset.ContentSequence
        if "ReferencedSOPSequence" in one
    }
    assert [named[one.sop_instance_uid] for one in references] == ["IMAGE", "IMAGE", "COMPOSITE", "IMAGE", "COMPOSITE"]
    (study,) = dataset.CurrentRequestedProcedureEvidenceSequence
    of_films = next(one for one in study.ReferencedSeriesSequence if one.SeriesInstanceUID == "1.2.9")
    assert len(of_films.ReferencedSOPSequence) == 2
    assert len(study.ReferencedSeriesSequence) == 4


def test_markup_and_backslashes_in_a_question_stay_text(tmp_path: Path) -> None:
    question = "<script>alert(1)</script> C:\\phim ^=\\"
    dataset = request(two_films_and_results(), question=question, requested_by="A^B=C\\D")
    assert question in next(str(one.value) for one in dataset.iterall() if one.keyword == "TextValue")
    assert dciodvfy(written(tmp_path / "ko.dcm", dataset)) == []


def test_the_same_request_has_the_same_name_and_another_question_another() -> None:
    references = two_films_and_results()
    assert request(references).SOPInstanceUID == request(references).SOPInstanceUID
    assert request(references, question="Khác?").SOPInstanceUID != request(references).SOPInstanceUID


def test_a_request_over_nothing_is_an_error() -> None:
    asked = Asked(question="?", priority="urgent", requested_by="BS. Lan", patient=read_patient(header()))
    with pytest.raises(ValueError, match="at least one instance"):
        make_request(header(), [], asked, at=AT, station_name=STATION)


def test_what_the_ai_says_of_the_films_stands_before_who_asks() -> None:
    dataset = request(two_films_and_results(), why=["AI: Khẩn cấp vì: phù phổi 42%"])
    (text,) = [str(one.value) for one in dataset.iterall() if one.keyword == "TextValue"]
    assert text.splitlines()[1:3] == ["AI: Khẩn cấp vì: phù phổi 42%", "Người yêu cầu: BS. Trần Thị Bưởi"]


def test_a_question_with_tabs_makes_a_valid_request(tmp_path: Path) -> None:
    for one in made("mạch\t90\x0bhuyết áp\t120/80"):
        assert dciodvfy(written(tmp_path / "it.dcm", one.dataset)) == []


@pytest.mark.parametrize(("letters", "count"), [(1, 1), (300, 1), (2000, 2), (8000, 8)])
def test_a_request_is_as_many_valid_pages_as_its_question_needs(tmp_path: Path, letters: int, count: int) -> None:
    found = pages(("Ho khạc đờm ba tuần nay. " * 400)[:letters])
    assert len(found) == count
    for number, page in enumerate(found, 1):
        assert dciodvfy(written(tmp_path / "it.dcm", page)) == []
        assert (page.InstanceNumber, page.BurnedInAnnotation) == (str(number), "YES")
    assert len({page.SOPInstanceUID for page in found}) == count
    assert len({page.SeriesInstanceUID for page in found}) == 1


def test_another_question_has_other_pages_and_the_same_one_the_same() -> None:
    first, again, other = (pages(question)[0] for question in (QUESTION, QUESTION, "Khác?"))
    assert first == again
    assert {first.SOPInstanceUID, first.SeriesInstanceUID}.isdisjoint([other.SOPInstanceUID, other.SeriesInstanceUID])


def test_a_reminder_has_no_page_of_its_own() -> None:
    assert pages(turn=Turn(Step.REMIND)) == []


def test_a_page_that_comes_back_is_known_as_ours_and_never_read() -> None:
    (page,) = pages()
    assert is_ours(page)
    refused = admit(page, Admission())
    assert isinstance(refused, NotReadable)
    assert refused.reason.code == "not_a_film"


def test_a_page_names_the_patient_of_the_case_and_not_of_the_film() -> None:
    (page,), (from_another_film,) = pages(), pages(film={"patient_name": "Lê^Thị^Hai", "AccessionNumber": "A7"})
    (about_another,) = pages(patient=replace(read_patient(header()), name="Lê Thị Hai"))
    (of_another_number,) = pages(accession_number="A7")
    assert from_another_film.PixelData == page.PixelData
    assert page.PixelData not in (about_another.PixelData, of_another_number.PixelData)
