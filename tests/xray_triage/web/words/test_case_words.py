"""What the page says of a case: which lung, why it is urgent, the heart in one row, what was not seen."""

from dataclasses import replace

import pytest

from tests.factories import film
from tests.xray_triage.desk import TestDesk, reading, unread
from xray_triage.cases.case import Case, Image
from xray_triage.language import ENGLISH, VIETNAMESE, Language
from xray_triage.reading.findings import KINDS, SEVERITY, Box, Finding, Measured, Priority, Reading
from xray_triage.web.pages.films import first_to_show, marks
from xray_triage.web.words.cases import Words

WORDS = Words(VIETNAMESE)


def heart(probability: float, ratio: float | None, measured: Measured | None = None) -> Reading:
    read = reading(Priority.NORMAL)
    assert read.findings
    finding = Finding(kind=KINDS["cardiomegaly"], probability=probability, threshold=0.23, measured=measured)
    scores = {"abnormal": 0.1, "cardiothoracic_ratio": ratio}
    return replace(read, findings=replace(read.findings, findings=(finding,), scores=scores))


def kept(desk: TestDesk, *readings: Reading) -> Case:
    """The case of these films."""
    first = film()
    for number, read in enumerate(readings):
        dataset = first if number == 0 else film(study_instance_uid=first.StudyInstanceUID, seed=number)
        case_id = desk.record(desk.receive(dataset), dataset, read).case_id
    case = desk.casebook.case(case_id)
    assert case
    return case


def only_film(desk: TestDesk, read: Reading) -> Image:
    return kept(desk, read).images[0]


@pytest.mark.parametrize(
    ("name", "side", "language", "said"),
    [
        ("pleural_effusion", "left", VIETNAMESE, "tràn dịch màng phổi trái"),
        ("mass", "right", VIETNAMESE, "khối bên phải"),
        ("mass", None, VIETNAMESE, "khối"),
        ("pleural_effusion", "left", ENGLISH, "left pleural effusion"),
    ],
)
def test_a_finding_is_told_with_its_lung(name: str, side: str | None, language: Language, said: str) -> None:
    finding = Finding(kind=KINDS[name], probability=0.9, threshold=0.5, side=side)  # type: ignore[arg-type]
    assert Words(language).sighting(finding) == said


def test_an_urgent_case_says_why_by_the_films_that_are_urgent(sqlite_desk: TestDesk) -> None:
    urgent = reading(Priority.URGENT, edema=0.62)
    grave = replace(urgent, decision=replace(urgent.decision, reasons=("edema", SEVERITY)))
    case = kept(sqlite_desk, reading(Priority.ABNORMAL, edema=0.97, mass=0.9), grave)
    assert WORDS.because(case) == "Khẩn cấp vì: phù phổi 62%, điểm nặng thuộc nhóm cao nhất của trạm"
    many = reading(Priority.URGENT, **dict.fromkeys(("edema", "mass", "nodule", "hernia"), 0.9))
    assert WORDS.because(kept(sqlite_desk, many)) == "Khẩn cấp vì: phù phổi 90%, khối 90%, nốt 90% +1"
    assert WORDS.because(kept(sqlite_desk, reading(Priority.ABNORMAL, mass=0.9))) == ""


@pytest.mark.parametrize(
    ("read", "row", "why"),
    [
        (
            heart(0.11, 0.54),
            "AI 11% · đo 0,54",
            "Đo trên 0,50 nhưng AI đánh dấu theo điểm của mô hình, không theo số đo.",
        ),
        (
            heart(0.11, 0.52, Measured(0.52, 0.58)),
            "AI 11% · đo 0,52",
            "Đo trên 0,50 nhưng AI chỉ đánh dấu khi trên 0,58.",
        ),
        (heart(0.11, 0.61, Measured(0.61, 0.58)), "AI 11% · đo 0,61", ""),
        (heart(0.11, 0.502), "AI 11% · đo 0,50", ""),  # as it is written
        (heart(0.11, None), "AI 11%", ""),
    ],
)
def test_the_heart_has_one_row_and_one_number(sqlite_desk: TestDesk, read: Reading, row: str, why: str) -> None:
    image = only_film(sqlite_desk, read)
    (finding,) = image.told
    assert WORDS.heart(image, finding) == row
    assert WORDS.unmarked_heart(image, finding) == why
    assert not any("lồng ngực" in line for line in WORDS.notes(image, with_heart=False))


@pytest.mark.parametrize(
    ("probability", "threshold", "said"),
    [(0.5, 0.5, "vượt ngưỡng 50%"), (0.4, 0.5, "dưới ngưỡng 50%"), (0.2751, 0.2849, "chưa vượt ngưỡng 28%")],
)
def test_nothing_is_below_a_threshold_that_reads_like_its_own_number(
    probability: float, threshold: float, said: str
) -> None:
    finding = Finding(kind=KINDS["mass"], probability=probability, threshold=threshold)
    assert WORDS.against(finding) == said


def test_a_film_without_a_mark_is_not_called_normal(sqlite_desk: TestDesk) -> None:
    case = kept(sqlite_desk, reading(Priority.NORMAL, mass=0.1))
    assert WORDS.standing(case) == "AI không thấy dấu hiệu"
    assert Words(ENGLISH).standing(case) == "AI sees no finding"
    counted = [WORDS.counted(priority) for priority in Priority]  # the figures do not tell the not concluded apart
    assert counted == ["khẩn cấp", "có bất thường", "chưa đọc được", "AI không thấy dấu hiệu hoặc chưa kết luận"]


def test_the_page_begins_with_the_most_urgent_film_that_was_read(sqlite_desk: TestDesk) -> None:
    calm, urgent = reading(Priority.NORMAL, mass=0.1), reading(Priority.URGENT, edema=0.9)
    case = kept(sqlite_desk, unread("not_frontal"), calm, urgent)
    assert first_to_show(case) == case.images[2].sop_instance_uid
    assert WORDS.view(case.images[0]) == "nghiêng"
    assert first_to_show(replace(case, images=())) == ""


def test_three_marks_are_shown_at_first_and_a_side_outlives_the_database(sqlite_desk: TestDesk) -> None:
    read = reading(Priority.ABNORMAL)
    assert read.findings
    placed = [
        Finding(kind=KINDS[name], probability=0.9 - number / 10, threshold=0.5, box=Box(1, 2, 3, 4), side="right")
        for number, name in enumerate(("mass", "edema", "nodule", "fibrosis"))
    ]
    image = only_film(sqlite_desk, replace(read, findings=replace(read.findings, findings=tuple(placed)), view="AP"))
    shapes = marks(image, WORDS)
    assert [shape["shown"] for shape in shapes] == [True, True, True, False]
    assert [shape["label"] for shape in shapes][:2] == ["khối bên phải 90%", "phù phổi phải 80%"]
    assert len({shape["colour"] for shape in shapes}) == len(placed)
    assert image.view == "AP"
