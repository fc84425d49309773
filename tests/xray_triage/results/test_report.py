from dataclasses import replace
from pathlib import Path

import highdicom
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.sr._concepts_dict import concepts as CONCEPTS  # noqa: N812 - its only list of all codes
from pydicom.sr.codedict import codes as dictionary
from pydicom.sr.coding import Code as PydicomCode

from dicom_router.dicom.instance import reference_to
from tests.peers.dcmtk import dciodvfy, dsrdump
from tests.xray_triage.results.making import (
    MODEL,
    STATION,
    WIDTHS,
    a_finding,
    a_full_reading,
    a_reading,
    an_origin,
    header,
    not_read,
    written,
)
from xray_triage.reading.findings import KINDS, REASONS, Acquaintance, Box, Code, MachineState, Priority, Reading
from xray_triage.results import codes
from xray_triage.results.report import make_report
from xray_triage.results.wording import DISCLAIMER


def report(reading: Reading, source: Dataset | None = None) -> Dataset:
    return make_report(an_origin(source or header()), reading)


def parsed(path: Path) -> highdicom.sr.MeasurementReport:
    return highdicom.sr.srread(path).content


def texts(dataset: Dataset) -> str:
    return "\n".join(str(one.value) for one in dataset.iterall() if one.keyword == "TextValue")


LEARNING = Acquaintance(state=MachineState.LEARNING, films=57, needed=200)
KNOWN = Acquaintance(state=MachineState.SET, films=400, needed=200)
READINGS = {
    "all labels": a_full_reading(),
    "nothing found": a_reading(priority=Priority.NORMAL),
    "a machine that is learned": replace(a_reading(priority=Priority.NORMAL), machine=LEARNING),
    "a machine that is known": replace(a_reading(priority=Priority.NORMAL), machine=KNOWN),
    **{code: not_read(code) for code in REASONS},
}


def test_a_report_that_supersedes_another_names_it_and_is_valid(tmp_path: Path) -> None:
    before = reference_to(report(not_read("reader_died")))
    later = make_report(an_origin(header()), a_reading(), before)
    assert dciodvfy(written(tmp_path / "sr.dcm", later)) == []
    (study,) = later.PredecessorDocumentsSequence
    (series,) = study.ReferencedSeriesSequence
    (instance,) = series.ReferencedSOPSequence
    assert (study.StudyInstanceUID, series.SeriesInstanceUID, instance.ReferencedSOPInstanceUID) == (
        before.study_instance_uid,
        before.series_instance_uid,
        before.sop_instance_uid,
    )
    assert "PredecessorDocumentsSequence" not in report(a_reading())


@pytest.mark.parametrize("reading", READINGS.values(), ids=READINGS)
def test_the_report_is_valid_and_opens_in_dcmtk(tmp_path: Path, reading: Reading) -> None:
    path = written(tmp_path / "sr.dcm", report(reading))
    assert dciodvfy(path) == []
    shown = dsrdump(path)
    assert "Imaging Measurement Report" in shown
    assert "Nguyễn^Văn^An" in shown


def test_another_reader_of_tid_1500_finds_each_finding_with_its_numbers(tmp_path: Path) -> None:
    found = parsed(written(tmp_path / "sr.dcm", report(a_full_reading())))
    (located,) = found.get_planar_roi_measurement_groups()
    assert located.finding_type == dictionary.SCT.PleuralEffusion
    assert located.tracking_identifier == "tràn dịch màng phổi"
    assert [site.value for site in located.finding_sites] == [PydicomCode("3120008", "SCT", "Pleura")]
    assert [float(number.value) for number in located.get_measurements()] == [93.0, 50.0]
    assert {number.unit for number in located.get_measurements()} == {dictionary.UCUM.Percent}
    assert located.roi.value.tolist() == [[10, 200], [90, 200], [90, 260], [10, 260], [10, 200]]
    others = found.get_image_measurement_groups()
    assert len(others) == len(KINDS) + 1  # all other labels, the general score, the cardiothoracic ratio
    uids = {group.tracking_uid for group in [located, *others]}
    assert len(uids) == len(KINDS) + 2


def test_the_cardiothoracic_ratio_is_a_number_without_unit_inferred_from_two_lines_on_the_film(tmp_path: Path) -> None:
    path = written(tmp_path / "sr.dcm", report(a_reading(flags=("view_not_stated",))))
    groups = parsed(path).get_image_measurement_groups()
    (heart,) = (group for group in groups if group.tracking_identifier == "chỉ số tim – lồng ngực")
    (ratio,) = heart.get_measurements()
    assert (ratio.name.value, ratio.name.scheme_designator) == ("ctr", "99XRT")
    assert (float(ratio.value), ratio.unit) == (0.55, dictionary.UCUM.NoUnits)
    lines = ratio[0].ContentSequence
    assert [line.ConceptNameCodeSequence[0].CodeValue for line in lines] == ["heart_width", "thorax_width"]
    for line, drawn in zip(lines, (WIDTHS.heart, WIDTHS.thorax), strict=True):
        assert (line.RelationshipType, line.ValueType, line.GraphicType) == ("INFERRED FROM", "SCOORD", "POLYLINE")
        assert list(line.GraphicData) == [drawn.left, drawn.row, drawn.right, drawn.row]
        (film,) = line.ContentSequence
        assert (film.RelationshipType, film.ReferencedSOPSequence[0].ReferencedSOPInstanceUID) == (
            "SELECTED FROM",
            "1.2.3.4",
        )
    shown = dsrdump(path)
    assert '"Cardiothoracic ratio")="0.550" (1,UCUM,"no units")' in shown
    assert "POLYLINE,62/190.5" in shown
    assert "Chỉ số tim – lồng ngực 0,55 (trên 0,50: bóng tim to)" in texts(pydicom.dcmread(path))
    assert "Phim không ghi tư thế chụp" in texts(pydicom.dcmread(path))


def test_a_film_without_a_ratio_has_no_group_for_it(tmp_path: Path) -> None:
    reading = a_reading()
    assert reading.findings is not None
    scores = {**reading.findings.scores, "cardiothoracic_ratio": None}
    silent = replace(reading, findings=replace(reading.findings, scores=scores, cardiothoracic=None))
    path = written(tmp_path / "sr.dcm", report(silent))
    assert dciodvfy(path) == []
    assert "Cardiothoracic" not in dsrdump(path)
    assert "tim – lồng ngực" not in texts(report(silent))


def test_every_label_is_said_to_be_present_or_absent(tmp_path: Path) -> None:
    found = parsed(written(tmp_path / "sr.dcm", report(a_full_reading())))
    presence = PydicomCode("705057003", "SCT", "Presence")
    groups = [*found.get_planar_roi_measurement_groups(), *found.get_image_measurement_groups()]
    said = {
        group.tracking_identifier: one.value.meaning
        for group in groups
        for one in group.get_qualitative_evaluations(presence)
    }
    assert said == {kind.vi: "Absent" for kind in KINDS.values()} | {
        "tràn dịch màng phổi": "Present",
        "bóng tim to": "Present",
    }


def test_a_label_told_in_a_group_keeps_its_number_and_the_group_says_what_is_there(tmp_path: Path) -> None:
    place = Box(x=10, y=20, width=30, height=40)
    hidden = [
        replace(a_finding(name, probability, place), shown=False, group="opacity")
        for name, probability in (("pneumonia", 0.7), ("atelectasis", 0.2))
    ]
    path = written(tmp_path / "sr.dcm", report(a_reading(*hidden)))
    assert dciodvfy(path) == []
    found = parsed(path)
    (group,) = found.get_planar_roi_measurement_groups()
    assert (group.tracking_identifier, group.finding_type.value) == ("mờ phổi", "112001")
    presence = PydicomCode("705057003", "SCT", "Presence")
    assert [one.value.meaning for one in group.get_qualitative_evaluations(presence)] == ["Present"]
    labels = {one.tracking_identifier: one for one in found.get_image_measurement_groups()}
    for name, probability in (("mờ phổi: viêm phổi", 70.0), ("mờ phổi: xẹp phổi", 20.0)):
        assert [float(number.value) for number in labels[name].get_measurements()] == [probability, 50.0]
        assert not labels[name].get_qualitative_evaluations(presence)


def test_every_group_tells_where_on_the_film_its_number_comes_from_as_ohif_needs() -> None:
    dataset = report(a_full_reading())
    (measured,) = (one for one in dataset.ContentSequence if one.ConceptNameCodeSequence[0].CodeValue == "126010")
    for group in measured.ContentSequence:
        numbers = [one for one in group.ContentSequence if one.ValueType == "NUM"]
        regions = [one for one in group.ContentSequence if one.ValueType == "SCOORD"]
        regions += [region for number in numbers for region in number.get("ContentSequence", ())]
        assert regions
        for region in regions:
            assert region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4"
        if regions[0].GraphicType == "MULTIPOINT":  # it has no place of its own
            assert regions[0].ConceptNameCodeSequence[0].CodeValue == "film_corners"
            assert list(regions[0].GraphicData) == [0, 0, 200, 300]


def test_it_says_that_a_device_wrote_it_in_vietnamese_and_nobody_checked_it() -> None:
    dataset = report(a_full_reading())
    assert (dataset.PreliminaryFlag, dataset.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert dataset.SpecificCharacterSet == "ISO_IR 192"
    by_name = {one.ConceptNameCodeSequence[0].CodeValue: one for one in dataset.ContentSequence}
    assert by_name["121049"].ConceptCodeSequence[0].CodeValue == "vi"
    assert by_name["121005"].ConceptCodeSequence[0].CodeMeaning == "Device"
    assert by_name["121013"].TextValue == STATION
    assert DISCLAIMER in texts(dataset)
    assert f"sha256={MODEL.sha256}" in texts(dataset)


@pytest.mark.parametrize(
    ("priority", "value"),
    [(Priority.URGENT, "RID49480"), (Priority.ABNORMAL, "RID49481"), (Priority.NORMAL, "normal")],
)
def test_the_priority_is_an_actionable_finding_category_or_none(priority: Priority, value: str) -> None:
    evaluations = report(a_reading(priority=priority)).ContentSequence[-1].ContentSequence
    assert evaluations[0].ConceptCodeSequence[0].CodeValue == value


@pytest.mark.parametrize("code", REASONS)
def test_a_film_that_was_not_read_says_why_in_code_and_in_vietnamese(code: str) -> None:
    dataset = report(not_read(code))
    evaluations = dataset.ContentSequence[-1].ContentSequence
    assert evaluations[0].ConceptCodeSequence[0].CodeValue == "not_read"
    assert evaluations[1].ConceptNameCodeSequence[0].CodeValue == "not_read_reason"
    assert REASONS[code].vi in texts(dataset)
    assert not [one for one in dataset.ContentSequence if one.get("ValueType") == "NUM"]
    assert "bình thường" not in texts(dataset)


def test_reasons_are_told_apart_by_their_codes() -> None:
    own = [codes.reason_code(reason) for reason in REASONS.values()]
    assert len({code.value for code in own if code.scheme == "99XRT"}) == sum(code.scheme == "99XRT" for code in own)


@pytest.mark.parametrize(
    ("orientation", "x", "side"),
    [
        (["L", "F"], 10, "Right"),
        (["L", "F"], 150, "Left"),
        (["R", "F"], 10, "Left"),
        (["L", "F"], 80, None),
        ("", 10, None),
    ],
)
def test_the_side_is_said_only_when_the_film_tells_it(orientation: object, x: int, side: str | None) -> None:
    finding = a_finding(box=Box(x=x, y=20, width=40, height=40))
    dataset = report(a_reading(finding), header(PatientOrientation=orientation))
    meanings = [str(one.value) for one in dataset.iterall() if one.keyword == "CodeMeaning"]
    assert [word for word in meanings if word in ("Left", "Right")] == ([side] if side else [])


def test_reading_a_film_again_gives_the_same_report_but_another_model_another_one() -> None:
    one, again = report(a_full_reading()), report(a_full_reading())
    assert one == again
    other = make_report(an_origin(header(), model=None), not_read())
    assert other.SOPInstanceUID != one.SOPInstanceUID
    assert other.StudyInstanceUID == one.StudyInstanceUID


def test_a_film_not_read_and_read_later_by_the_same_model_has_two_reports() -> None:
    assert report(not_read("model_failed")).SOPInstanceUID != report(a_full_reading()).SOPInstanceUID


def test_result_times_are_on_the_clock_of_the_film() -> None:
    dataset = report(a_full_reading(), header(TimezoneOffsetFromUTC="+0700"))
    assert (dataset.ContentDate, dataset.ContentTime[:6]) == ("20250601", "082030")
    assert dataset.TimezoneOffsetFromUTC == "+0700"
    assert "TimezoneOffsetFromUTC" not in report(a_full_reading(), header(TimezoneOffsetFromUTC="ICT"))


def all_codes() -> list[Code]:
    own = [value for value in vars(codes).values() if isinstance(value, Code)]
    tables = [*codes.SITES.values(), *codes.TRIAGE.values(), *codes.QUALITY_REASONS.values()]
    return [*own, *tables, *(kind.code for kind in KINDS.values())]


def test_every_code_of_the_dicom_dictionaries_has_their_meaning() -> None:
    known: dict[tuple[str, str], set[str]] = {}
    for scheme, concepts in CONCEPTS.items():
        for meanings in concepts.values():
            for value, (meaning, _) in meanings.items():
                known.setdefault((scheme, value), set()).add(meaning.removesuffix(" (attribute)"))
    for code in all_codes():
        assert (code.scheme, code.value) in known or code.scheme != "DCM"
        assert code.meaning in known.get((code.scheme, code.value), {code.meaning})


def test_every_code_fits_its_attributes() -> None:
    for code in [*all_codes(), *map(codes.reason_code, REASONS.values())]:
        assert len(code.value) <= 16
        assert len(code.meaning) <= 64


def test_the_report_is_small_enough_for_a_weak_link(tmp_path: Path) -> None:
    path = written(tmp_path / "sr.dcm", report(a_full_reading()))
    assert path.stat().st_size < 40_000
    assert pydicom.dcmread(path).SOPInstanceUID == report(a_full_reading()).SOPInstanceUID


def evaluations(dataset: Dataset) -> dict[str, str]:
    """The coded evaluations of a report: concept -> value."""
    (group,) = [
        one
        for one in dataset.ContentSequence
        if one.ConceptNameCodeSequence[0].CodeMeaning == "Qualitative Evaluations"
    ]
    coded = [one for one in group.ContentSequence if one.ValueType == "CODE"]
    return {one.ConceptNameCodeSequence[0].CodeValue: one.ConceptCodeSequence[0].CodeValue for one in coded}


@pytest.mark.parametrize(
    ("machine", "priority", "triage", "cut_offs"),
    [
        (LEARNING, Priority.NORMAL, "unproven", "model_cut_offs"),
        (LEARNING, Priority.ABNORMAL, "RID49481", "model_cut_offs"),
        (KNOWN, Priority.NORMAL, "normal", "machine_cut_offs"),
        (replace(KNOWN, strange=True), Priority.NORMAL, "unproven", "machine_cut_offs"),
        (None, Priority.NORMAL, "normal", None),
    ],
)
def test_the_report_says_whose_the_cut_offs_are_and_clears_no_film_of_an_unknown_machine(
    machine: Acquaintance | None, priority: Priority, triage: str, cut_offs: str | None
) -> None:
    said = evaluations(report(replace(a_reading(priority=priority), machine=machine)))
    assert (said["triage_category"], said.get("cut_offs")) == (triage, cut_offs)


@pytest.mark.filterwarnings("ignore:Invalid value for VR")
@pytest.mark.parametrize("lack", [{"SOPInstanceUID": "999.999.01"}, {"Rows": 0}, {"Columns": None}])
def test_a_film_not_read_that_has_no_name_or_no_size_has_no_place_in_its_report(
    tmp_path: Path, lack: dict[str, object]
) -> None:
    """The report says why all the same, and dcmtk opens it."""
    source = header()
    for keyword, value in lack.items():
        setattr(source, keyword, value)
    dataset = report(not_read(), source)
    assert "SCOORD" not in {str(one.value) for one in dataset.iterall() if one.keyword == "ValueType"}
    assert "Not a chest film" in dsrdump(written(tmp_path / "sr.dcm", dataset))
    assert "SCOORD" in {str(one.value) for one in report(not_read()).iterall() if one.keyword == "ValueType"}
