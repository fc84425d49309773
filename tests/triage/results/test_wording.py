import pytest

from tests.triage.results.making import a_reading
from xray_triage.results.wording import cardiothoracic_line, score_lines, summary


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


def test_a_score_that_is_not_known_and_one_that_is_withheld_are_not_told() -> None:
    assert score_lines({"abnormal": None, "cardiothoracic_ratio": None, "mass": 0.4}) == []
    assert score_lines({}) == []


def test_a_film_that_cuts_a_lung_off_says_so() -> None:
    assert "Phim cắt mất một phần phổi." in summary(a_reading(flags=("cropped",)))
