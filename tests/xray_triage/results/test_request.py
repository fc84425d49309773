from collections.abc import Sequence
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_router.dicom.instance import InstanceRef
from tests.peers.dcmtk import dciodvfy, dsrdump
from tests.xray_triage.results.making import AT, STATION, a_full_reading, a_radiograph, header, results, written
from xray_triage.results.make import make_request

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


def request(
    references: Sequence[InstanceRef], *, question: str = QUESTION, requested_by: str = "BS. Trần Thị Bưởi"
) -> Dataset:
    made = make_request(
        header(),
        references,
        question=question,
        priority="urgent",
        requested_by=requested_by,
        at=AT,
        station_name=STATION,
    )
    assert made.what == "request"
    return made.dataset


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
    with pytest.raises(ValueError, match="at least one instance"):
        request([])
