"""What a query may cost: the answer comes soon, or a refusal does."""

import pytest

from dicom_router.dicom.matching import BadIdentifier, like, matches

PATIENT_NAME, STUDY_UID = 0x00100010, 0x0020000D


@pytest.mark.parametrize("wanted", ["\\".join(f"{number}*" for number in range(10_000)), "*" * 60_000])
def test_a_key_of_thousands_of_patterns_is_refused(wanted: str) -> None:
    with pytest.raises(BadIdentifier, match="at most"):
        matches({PATIENT_NAME: wanted}, {PATIENT_NAME: "Nguyễn Văn An"})


def test_a_list_of_many_uids_is_none_too_long() -> None:
    assert matches({STUDY_UID: "\\".join(f"1.2.{number}" for number in range(1000))}, {STUDY_UID: "1.2.999"})


@pytest.mark.parametrize(
    ("wanted", "text", "found"),
    [("ng*an", "ng van an", True), ("ng?an", "ng van an", False), ("[a]*", "[a] b", True), ("a*", "ba", False)],
)
def test_stars_and_question_marks_stand_for_characters(wanted: str, text: str, found: bool) -> None:
    assert (like(wanted).match(text) is not None) is found


def test_a_pattern_of_many_stars_takes_no_exponential_time() -> None:
    assert like("*a" * 30 + "*b").match("a" * 64 + "bc") is None
