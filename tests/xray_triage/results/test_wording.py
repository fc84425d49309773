from dataclasses import replace

import pytest

from tests.xray_triage.results.making import a_finding, a_full_reading, a_reading
from xray_triage.language import ENGLISH
from xray_triage.reading.findings import SEVERITY, Acquaintance, MachineState, Measured, Priority, TriageDecision
from xray_triage.results.wording import cardiothoracic_line, percent, score_lines, summary, urgent_because


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (0.463, "Chỉ số tim – lồng ngực 0,46 (không quá 0,50)"),
        (0.5, "Chỉ số tim – lồng ngực 0,50 (không quá 0,50)"),
        (0.504, "Chỉ số tim – lồng ngực 0,50 (không quá 0,50)"),
        (0.506, "Chỉ số tim – lồng ngực 0,51 (trên 0,50: bóng tim to)"),
    ],
)
def test_the_ratio_is_judged_as_it_is_written(ratio: float, said: str) -> None:
    assert cardiothoracic_line(ratio) == said


@pytest.mark.parametrize(
    ("probability", "said"), [(0.0099, "<1%"), (0.425, "43%"), (0.585, "59%"), (0.9901, ">99%"), (0.99, "99%")]
)
def test_a_half_percent_goes_up_as_on_the_page(probability: float, said: str) -> None:
    assert percent(probability) == said
    assert said in ("<1%", ">99%") or ENGLISH.percent(probability) == said


def test_an_urgent_film_says_why_with_what_made_it_urgent_alone() -> None:
    reading = a_reading(a_finding("edema", 0.62), a_finding("nodule", 0.9))
    reading = replace(reading, decision=TriageDecision(priority=Priority.URGENT, reasons=("edema", SEVERITY)))
    assert summary(reading)[1] == "Khẩn cấp vì: phù phổi 62%, điểm nặng thuộc nhóm cao nhất của trạm"
    assert urgent_because(("edema",), [a_finding("edema", 0.62)], ENGLISH) == "Urgent because of: pulmonary edema 62%"
    abnormal = replace(reading, decision=TriageDecision(priority=Priority.ABNORMAL, reasons=("nodule",)))
    assert not any("vì" in line for line in summary(abnormal))


def test_a_score_that_is_not_known_and_one_that_is_withheld_are_not_told() -> None:
    assert score_lines({"abnormal": None, "cardiothoracic_ratio": None, "mass": 0.4}, []) == []
    assert score_lines({}, []) == []


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (0.5, "Chỉ số tim – lồng ngực 0,50 (không quá 0,50)"),
        (0.53, "Chỉ số tim – lồng ngực 0,53 (trên 0,50; AI chỉ đánh dấu khi trên 0,55)"),
        (0.56, "Chỉ số tim – lồng ngực 0,56 (trên 0,50: bóng tim to)"),
    ],
)
def test_a_ratio_over_the_limit_counts_or_says_why_not(ratio: float, said: str) -> None:
    assert cardiothoracic_line(ratio, marked_above=0.55) == said


def test_what_cannot_be_named_is_told_as_a_group() -> None:
    hidden = replace(a_finding("pneumonia", 0.7), shown=False, group="opacity")
    lines = summary(a_reading(hidden, replace(a_finding("cardiomegaly", 0.1), measured=Measured(0.57, 0.55))))
    assert "mờ phổi 70% (ngưỡng 50%)" in lines
    assert "bóng tim to 0,57 (ngưỡng 0,55)" in lines
    assert not any("viêm phổi" in line for line in lines)


def test_a_film_that_cuts_a_lung_off_says_so() -> None:
    assert "Phim cắt mất một phần phổi." in summary(a_reading(flags=("cropped",)))


def test_report_and_picture_say_what_the_model_does_not_tell() -> None:
    said = summary(a_reading(a_finding("nodule", 0.7), a_finding("mass", 0.1)))
    (line,) = [line for line in said if line.startswith("AI không đánh giá: ")]
    assert "tràn khí màng phổi, " in line
    assert {"nốt", "khối"}.isdisjoint(line.rstrip(".").split(": ")[1].split(", "))
    assert not any("không đánh giá" in line for line in summary(a_full_reading()))


NEW = Acquaintance(state=MachineState.LEARNING, films=57, needed=200)


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (NEW, "AI đang làm quen với máy X-quang này (57/200)."),
        (replace(NEW, changed=True), "Phim của máy vừa thay đổi. AI đang làm quen lại với máy X-quang này (57/200)."),
        (
            replace(NEW, state=MachineState.PROPOSED),
            "Ngưỡng AI cho máy X-quang này chưa được người quản trị chấp nhận.",
        ),
        (
            replace(NEW, state=MachineState.SET, strange=True),
            "Phim của máy này khác phim mô hình biết; đừng dựa vào kết quả âm tính.",
        ),
    ],
)
def test_a_film_without_a_mark_is_not_called_normal_of_a_machine_that_is_not_known(
    machine: Acquaintance, said: str
) -> None:
    lines = summary(replace(a_reading(priority=Priority.NORMAL), machine=machine))
    assert lines[:2] == ["Ưu tiên: AI CHƯA KẾT LUẬN", said]
    assert summary(replace(a_reading(priority=Priority.ABNORMAL), machine=machine))[:2] == [
        "Ưu tiên: CÓ BẤT THƯỜNG",
        said,
    ]


@pytest.mark.parametrize("machine", [None, replace(NEW, state=MachineState.SET)], ids=["read by hand", "known"])
def test_a_film_of_a_known_machine_says_nothing_of_it(machine: Acquaintance | None) -> None:
    lines = summary(replace(a_reading(priority=Priority.NORMAL), machine=machine))
    assert lines[0] == "Ưu tiên: AI KHÔNG THẤY DẤU HIỆU"
    assert not [line for line in lines if "máy" in line]
