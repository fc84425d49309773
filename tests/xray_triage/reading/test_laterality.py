from dataclasses import replace

import pytest

from tests.factories import film
from tests.xray_triage.results.making import a_finding, a_reading
from xray_triage.reading.findings import Box
from xray_triage.reading.laterality import rows_run_to, side_of, with_sides

LEFT_HALF, RIGHT_HALF, BOTH = Box(100, 0, 300, 10), Box(600, 0, 300, 10), Box(400, 0, 300, 10)


@pytest.mark.parametrize(
    ("orientation", "towards"),
    [(["L", "F"], "L"), (["R", "F"], "R"), (["LP", "F"], "L"), (["A", "F"], ""), (None, ""), ("", ""), (["F"], "")],
)
def test_a_film_says_to_which_side_its_rows_run_or_nothing(orientation: object, towards: str) -> None:
    assert rows_run_to(film(PatientOrientation=orientation)) == towards


@pytest.mark.parametrize(
    ("box", "towards", "side"),
    [
        (LEFT_HALF, "L", "right"),  # as the doctor faces the patient
        (RIGHT_HALF, "L", "left"),
        (LEFT_HALF, "R", "left"),
        (RIGHT_HALF, "R", "right"),
        (BOTH, "L", None),
        (LEFT_HALF, "", None),
        (None, "L", None),
    ],
)
def test_a_box_is_in_the_lung_whose_half_it_keeps_to(box: Box | None, towards: str, side: str | None) -> None:
    assert side_of(box, 1000, towards) == side
    assert side_of(box, 0, towards) is None


def test_a_heart_has_no_side() -> None:
    read = a_reading(a_finding("cardiomegaly", 0.9), a_finding("mass", 0.9)).findings
    assert read
    placed = replace(read, findings=tuple(replace(one, box=RIGHT_HALF) for one in read.findings))
    assert [one.side for one in with_sides(placed, 1000, "L").findings] == [None, "left"]
