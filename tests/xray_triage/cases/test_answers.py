"""The order of answers, and which is replaced: chains, forks, circles, unknown ones, whatever came first."""

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.cases.answers import in_order
from xray_triage.cases.consultation import Answer, AnswerKind, Standing

NOON = datetime(2025, 6, 1, 12, tzinfo=UTC)
FINAL, DRAFT, OLD = Standing.FINAL, Standing.PRELIMINARY, Standing.SUPERSEDED


def an_answer(
    name: str,
    *after: str,
    standing: Standing = FINAL,
    minutes: float | None = 0,
    verified: bool = False,
    adds: bool = False,
    number: int = 0,
) -> Answer:
    return Answer(
        answer_id=number,
        kind=AnswerKind.TEXT,
        title="",
        text=name,
        note=None,
        author="",
        verified=verified,
        complete=True,
        written_at=None if minutes is None else NOON + timedelta(minutes=minutes),
        received_at=NOON + timedelta(hours=1),
        sop_instance_uid=name,
        has_file=False,
        standing=standing,
        predecessors=after,
        is_addendum=adds,
    )


def told(*answers: Answer) -> list[tuple[str, Standing]]:
    """In every order of coming the same, but for what nothing else tells apart."""
    found = {tuple((one.text, one.standing) for one in in_order(each)) for each in itertools.permutations(answers)}
    (only,) = found
    return list(only)


def test_a_report_replaces_its_predecessors_whatever_the_clocks_say() -> None:
    assert told(an_answer("a", minutes=9, standing=DRAFT), an_answer("b", "a", minutes=5), an_answer("c", "b")) == [
        ("a", OLD),
        ("b", OLD),
        ("c", FINAL),
    ]


def test_without_predecessors_the_stated_time_tells_then_the_signature() -> None:
    later, signed = an_answer("later", minutes=2), an_answer("signed", verified=True)
    assert told(later, signed, an_answer("first")) == [("first", FINAL), ("signed", FINAL), ("later", FINAL)]
    assert [one.text for one in in_order([an_answer("2", number=2), an_answer("1", number=1)])] == ["1", "2"]


def test_no_clock_ahead_makes_an_answer_later_than_it_came() -> None:
    ahead = an_answer("ahead", minutes=60 * 24 * 365, number=1)
    assert [one.text for one in in_order([an_answer("none", minutes=None, number=2), ahead])] == ["ahead", "none"]


def test_of_a_fork_both_ends_stand() -> None:
    assert told(an_answer("a"), an_answer("b", "a", minutes=1), an_answer("c", "a", minutes=2)) == [
        ("a", OLD),
        ("b", FINAL),
        ("c", FINAL),
    ]


def test_a_predecessor_that_is_not_known_waits_and_a_report_that_names_itself_stands() -> None:
    assert told(an_answer("c", "b", "c"), an_answer("a", minutes=1)) == [("c", FINAL), ("a", FINAL)]
    assert told(an_answer("c", "b"), an_answer("a"), an_answer("b", "a")) == [("a", OLD), ("b", OLD), ("c", FINAL)]


@pytest.mark.parametrize("size", [2, 3, 5])
def test_of_a_circle_the_latest_stands(size: int) -> None:
    ring = [an_answer(f"{n}", f"{(n + 1) % size}", f"{(n - 1) % size}", minutes=n) for n in range(size)]
    assert told(*ring) == [(f"{n}", FINAL if n == size - 1 else OLD) for n in range(size)]


def test_an_addendum_adds() -> None:
    assert told(an_answer("a"), an_answer("more", "a", adds=True)) == [("a", FINAL), ("more", FINAL)]


@pytest.mark.parametrize("standing", [DRAFT, Standing.MARK, Standing.MACHINE])
def test_nothing_less_replaces_a_final_report(standing: Standing) -> None:
    assert told(an_answer("a"), an_answer("b", "a", standing=standing, minutes=1)) == [("a", FINAL), ("b", standing)]
    assert told(an_answer("a", standing=standing), an_answer("b", "a", minutes=1)) == [("a", OLD), ("b", FINAL)]


NAMES = [f"{n}" for n in range(6)]


@given(st.lists(st.tuples(st.integers(-5, 5), st.lists(st.sampled_from([*NAMES, "?"]))), max_size=len(NAMES)))
def test_each_stands_once_whatever_they_name(said: list[tuple[int, list[str]]]) -> None:
    answers = [an_answer(NAMES[n], *after, minutes=at, number=n) for n, (at, after) in enumerate(said)]
    found = in_order(answers)
    assert sorted(one.text for one in found) == NAMES[: len(said)]
    assert not said or any(one.standing is FINAL for one in found)


def test_a_thousand_that_name_each_other_are_ordered_at_once() -> None:
    names = [f"{n}" for n in range(1000)]
    found = in_order([an_answer(name, *names[:100], minutes=int(name) / 100) for name in names])
    assert [one.text for one in found] == names
