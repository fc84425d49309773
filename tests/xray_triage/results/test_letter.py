"""The pages of a request: nothing of the question is lost, and what counts is seen at once."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.xray_triage.results.making import AT, STATION
from xray_triage.results.drawing import AMBER, TEXT, broken, font
from xray_triage.results.letter import (
    BAND,
    BAR,
    HEIGHT,
    ROUTINE_BAND,
    URGENT_BAND,
    WIDTH,
    WITHDRAWN_BAND,
    Letter,
    draw_pages,
)

LETTER = Letter(
    question="Có tràn khí màng phổi không ạ?",
    priority="KHẨN CẤP",
    is_urgent=True,
    why=["AI: Khẩn cấp vì: phù phổi 42%"],
    patient="Người bệnh: Nguyễn Văn An, nam, 62 tuổi\nmã 0012",
    asked_by="BS. Trần Thị Mai",
    station_name=STATION,
    phone="0236 3 123 456",
    asked_at=AT,
    made_at=AT,
)
WORDS = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=60)


def share(page: Image.Image, colour: tuple[int, int, int], top: int, bottom: int) -> float:
    """How much of these rows is of this colour."""
    return float((np.asarray(page)[top:bottom] == colour).all(axis=-1).mean())


@given(st.lists(WORDS, max_size=6), st.sampled_from(["\n", " ", "\r\n"]))
def test_no_letter_of_a_text_is_lost_and_no_line_is_too_wide(parts: list[str], between: str) -> None:
    text, letters = between.join(parts), font(24)
    lines = list(broken(text, letters, 200))
    assert "".join("".join(lines).split()) == "".join(text.split())
    assert all(letters.getlength(line) <= 200 or len(line) == 1 for line in lines)


@pytest.mark.parametrize(("is_urgent", "band"), [(True, URGENT_BAND), (False, ROUTINE_BAND)])
def test_urgency_is_the_colour_of_the_head_and_how_to_answer_the_last_line(
    is_urgent: bool, band: tuple[int, int, int]
) -> None:
    (page,) = draw_pages(replace(LETTER, is_urgent=is_urgent))
    assert page.size == (WIDTH, HEIGHT)
    assert share(page, band, 0, BAND) > 0.6
    assert share(page, AMBER, HEIGHT - BAR, HEIGHT) > 0.8


def test_a_question_too_long_for_the_smallest_letters_goes_on_to_a_second_page() -> None:
    first, second = draw_pages(replace(LETTER, question="Bệnh nhân ho khạc đờm ba tuần nay. " * 55))
    for page in (first, second):
        assert share(page, TEXT, BAND + 180, HEIGHT - 250) > 0.01
        assert share(page, URGENT_BAND, 0, BAND) > 0.6


def test_a_withdrawn_question_is_grey_and_says_that_no_answer_is_needed() -> None:
    (page,) = draw_pages(replace(LETTER, is_withdrawn=True, news="ĐÃ RÚT"))
    assert share(page, WITHDRAWN_BAND, 0, BAND) > 0.6
    assert share(page, URGENT_BAND, 0, BAND) == 0
    (still_asked,) = draw_pages(replace(LETTER, news="ĐÃ RÚT"))
    assert page.crop((0, HEIGHT - BAR, WIDTH, HEIGHT)) != still_asked.crop((0, HEIGHT - BAR, WIDTH, HEIGHT))


def test_a_page_of_a_change_says_since_when_the_question_waits() -> None:
    (first,), (later,) = draw_pages(LETTER), draw_pages(replace(LETTER, made_at=AT + timedelta(minutes=9)))
    assert first.crop((0, 0, WIDTH, BAND)) == later.crop((0, 0, WIDTH, BAND))
    assert first != later


def test_one_endless_word_is_broken_without_much_ado() -> None:
    lines = list(broken("0" * 8000, font(24), 1100))
    assert len("".join(lines)) == 8000
    assert max(map(len, lines)) - min(map(len, lines[:-1])) <= 1


def test_a_request_without_a_word_is_a_page_all_the_same() -> None:
    assert len(draw_pages(replace(LETTER, question=""))) == 1


def test_long_names_and_many_reasons_leave_room_for_the_question() -> None:
    crowded = replace(LETTER, why=["Phim chụp nghiêng. " * 8] * 40, patient="Ng" * 200, station_name="Trạm " * 60)
    pages = draw_pages(replace(crowded, question="ba từ này " * 20))
    assert len(pages) <= 3
