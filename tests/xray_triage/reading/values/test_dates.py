from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.reading.values.dates import Day, first_possible, parse_day

FIRST_OF_MARCH = Day(2023, 3, 1)
days = st.dates(date(1900, 1, 1), date(2099, 12, 31))


@pytest.mark.parametrize(
    "text",
    [
        "20230301", "2023.03.01", "2023-03-01", "2023/03/01", "2023 03 01", "2023-3-1", "01/03/2023", "1/3/2023",
        "01-03-2023", "01.03.2023", "01032023", "1-Mar-2023", "01 MAR 2023", "March 1, 2023", "Mar 1 2023",
        "ngày 1 tháng 3 năm 2023", "2023-03-01T00:00:00", "2023-03-01 08:15", "1/3/2023 08:15:00", "20230301081500",
        "20230301081500.000000+0700", " 20230301 ",
    ],
)  # fmt: skip
def test_the_first_of_march_is_read_however_it_is_written(text: str) -> None:
    assert parse_day(text) == FIRST_OF_MARCH


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2023", "2023"), ("20230000", "2023"), ("20239999", "2023"), ("00/00/2023", "2023"), ("202303", "2023-03"),
        ("2023-03", "2023-03"), ("03/2023", "2023-03"), ("20230300", "2023-03"), ("20230231", "2023-02"),
        ("25/12/2023", "2023-12-25"), ("12/25/2023", "2023-12-25"), ("31121950", "1950-12-31"),
    ],
)  # fmt: skip
def test_what_is_not_known_of_a_date_is_left_out(text: str, told: str) -> None:
    assert str(parse_day(text)) == told


@pytest.mark.parametrize(
    "text", ["", "00000000", "0000", "99990101", "01/03/23", "230301", "rubbish", "1/2/3/2023", "3", "20230", "."]
)
def test_what_is_no_date_or_of_no_known_century_is_none(text: str) -> None:
    assert parse_day(text) is None


@given(days, st.sampled_from(["%Y%m%d", "%Y-%m-%d", "%Y/%m/%d", "%d/%m/%Y", "%d-%m-%Y", "%d.%m.%Y", "%d%m%Y"]))
def test_every_day_is_read_from_every_form(day: date, form: str) -> None:
    found = parse_day(day.strftime(form))
    assert found is not None
    assert found.is_whole
    assert found.first == day


@given(st.text(st.characters(codec="utf-8")) | st.text("0123456789/-. :T"))
def test_no_text_makes_it_fail_and_what_it_finds_is_read_again(text: str) -> None:
    found = parse_day(text)
    assert found is None or parse_day(str(found)) == found


@given(st.lists(st.text("0123456789/-", max_size=10)), days, days)
def test_a_film_is_never_taken_before_the_birth_or_after_the_day_it_came(
    texts: list[str], born: date, arrived: date
) -> None:
    taken = first_possible(texts, born=born, arrived=arrived)
    assert taken == arrived or (taken is not None and born <= taken <= arrived + timedelta(days=1))


@pytest.mark.parametrize(
    ("texts", "taken"),
    [
        (["20260102", "20260101"], date(2026, 1, 2)),
        (["20000101", "19700105", "20260101"], date(2026, 1, 1)),
        (["20220101", "2026"], date(2026, 3, 1)),
        (["20260302"], date(2026, 3, 2)),  # a clock that is a little ahead
        (["20260303"], date(2026, 3, 1)),
        ([], date(2026, 3, 1)),
    ],
)
def test_the_first_date_that_is_possible_counts_else_the_day_of_arrival(texts: list[str], taken: date) -> None:
    assert first_possible(texts, born=date(2023, 3, 1), arrived=date(2026, 3, 1)) == taken
