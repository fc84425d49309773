import re

from hypothesis import given
from hypothesis import strategies as st

from xray_triage.results.uids import derive_uid

words = st.lists(st.text(max_size=70), min_size=3, max_size=5)


@given(words)
def test_a_derived_uid_is_valid_and_the_same_every_time(parts: list[str]) -> None:
    uid = derive_uid(*parts)
    assert uid == derive_uid(*parts)
    assert len(uid) <= 64
    assert re.fullmatch(r"2\.25\.(0|[1-9]\d*)", uid)


@given(words, words)
def test_other_names_give_other_uids(one: list[str], other: list[str]) -> None:
    assert (derive_uid(*one) == derive_uid(*other)) == (one == other)


def test_names_that_run_together_are_told_apart() -> None:
    assert derive_uid("1.2", "3", "sr") != derive_uid("1.", "23", "sr")


def test_a_known_uid_stays_as_it_is_over_releases() -> None:
    assert derive_uid("1.2.3", "", "sr") == "2.25.223367423256940350391104447641763342044"
