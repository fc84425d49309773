import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.reading.values.ages import OLDEST_YEARS, contradicts, parse_age


@pytest.mark.parametrize(
    "text",
    [
        "003Y", "3Y", "3 Y", "0003Y", " 003y ", "3", "003", "Y003", "3-Y", "36M", "036 m", "3 years", "3 yrs", "3 y.o.",
        "3 years old", "3 tuổi", "3 TUỔI", "36 tháng", "36 tháng tuổi", "3Y0M", "3 ans", "3 años", "2Y12M", "３Y",
    ],
)  # fmt: skip
def test_a_child_of_three_is_three_however_it_is_written(text: str) -> None:
    assert parse_age(text) == pytest.approx(3)


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("3Y6M", 3.5),
        ("3,5 tuổi", 3.5),
        ("1 năm 6 tháng", 1.5),
        ("018m", 1.5),
        ("2W", 0.038),
        ("10 ngày", 0.027),
        ("12H", 0.001),
    ],
)
def test_parts_and_fractions_of_a_year_count(text: str, years: float) -> None:
    assert parse_age(text) == pytest.approx(years, abs=0.001)


@pytest.mark.parametrize(
    "text", ["", "000Y", "999Y", "2023", "abc", "40T", "3 4", "3Y 4Y", "6M3Y", "-3Y", "1e3", "3Y?", "Y", "?", "3;4"]
)
def test_what_can_be_no_age_or_two_is_unknown(text: str) -> None:
    assert parse_age(text) is None


@given(st.integers(1, 999), st.sampled_from("DWMY"))
def test_every_age_of_the_standard_is_read(number: int, unit: str) -> None:
    years = number * {"D": 1 / 365.25, "W": 7 / 365.25, "M": 1 / 12, "Y": 1}[unit]
    assert parse_age(f"{number:03}{unit}") == (pytest.approx(years, abs=0.001) if years <= OLDEST_YEARS else None)


@given(st.text(st.characters(codec="utf-8")) | st.text("0123456789YMWDymwd .,/-"))
def test_no_text_makes_it_fail_or_an_age_that_is_none(text: str) -> None:
    years = parse_age(text)
    assert years is None or 0 < years <= OLDEST_YEARS


@given(st.integers(0, 100), st.floats(0, 0.999))
def test_an_age_counted_by_birthdays_or_by_calendar_years_contradicts_no_birth_date(years: int, rest: float) -> None:
    assert not contradicts(years, years + rest)
    assert not contradicts(years + 1, years + rest)
    assert contradicts(years + 3, years + rest)
