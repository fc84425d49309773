"""What may change a case's patient: the rule by itself, over statements."""

from datetime import UTC, datetime, timedelta
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xray_triage.cases.identity import Identity, Source, Statement, identify, label, plain_id, same_person
from xray_triage.reading.patient import Patient

MORNING = datetime(2026, 11, 29, 1, tzinfo=UTC)


def says(
    name: str = "",
    number: str = "",
    *,
    born: str = "",
    sex: str = "",
    accession: str = "",
    minute: int = 0,
    source: Source = Source.FILM,
    issuer: str = "",
    other_ids: tuple[str, ...] = (),
    age: float | None = None,
) -> Statement:
    patient = Patient(id=number, name=name, sex=sex, birth_date=born, age_years=age, issuer=issuer, other_ids=other_ids)
    made_at = MORNING + timedelta(minutes=minute)
    return Statement(source=source, patient=patient, accession_number=accession, made_at=made_at)


def whatever_comes_first(*stated: Statement) -> Identity:
    """The identity, which is the same in every order of arrival."""
    first, *others = (identify(order) for order in permutations(stated))
    assert all(other == first for other in others)
    return first


FULL = says("Nguyễn Văn Bốn", "FOUR4", born="1970-01-31", sex="M", accession="A4", age=56)


@pytest.mark.parametrize(
    "other",
    [
        says("", "0000", source=Source.OTHER, minute=5),
        says("", "", source=Source.OTHER, minute=5),
        says("Trần Thị Năm", "FIVE5", sex="F", born="1950-05-05", source=Source.OTHER, minute=5, accession="A5"),
        says("UNKNOWN^UNKNOWN".replace("^", " "), "", source=Source.OTHER, minute=-5),
        says("", "FOUR4", minute=5),
        says("", "", minute=-5),
        says("Unknown", "FOUR4", minute=5),
        says("Nguyễn Văn Bốn", "", minute=5),
        says("Nguyễn Văn Bốn", "000", minute=5),
        says("", "", sex="F", accession="A9", minute=5),
        says("???", "-", minute=5),
    ],
)
def test_a_known_value_is_never_replaced_by_an_empty_one_nor_by_what_is_no_film(other: Statement) -> None:
    assert whatever_comes_first(FULL, other) == Identity(patient=FULL.patient, accession_number="A4", conflict=None)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (says("Nguyễn Văn Một", "ONE1"), says("Lê Thị Hai", "TWO2", sex="F", born="1950-12-12")),
        (says("Nguyễn Văn Một", "ONE1", born="1950-12-12"), says("Lê Thị Hai", "TWO2", born="1950-12-12")),
        (says("Nguyễn Văn Một", "ONE1"), says("Lê Thị Hai", "")),
        (says("Nguyễn Văn Một"), says("Lê Thị Hai")),
        (says("Nguyễn Văn Một", "ONE1"), says("", "TWO2")),
        (says("Nguyễn Văn An", "1", born="1950-12-12"), says("Nguyễn Văn An", "2", born="1980-12-12")),
        (says("Nguyễn Văn An", born="1950-12-12"), says("Nguyễn Văn An", "2", born="1980")),
        (says("Nguyễn Văn Một", "1", issuer="A"), says("Lê Thị Hai", "1", issuer="B")),
        (says("Nguyễn Văn Một", "ONE1"), says("Lê Thị Hai", "TWO2", source=Source.ORDER)),
    ],
)
def test_another_identity_under_one_study_is_a_conflict(one: Statement, other: Statement) -> None:
    found = whatever_comes_first(one, other)
    assert found.conflict is not None
    assert found.conflict.field == "patient"
    assert len({*found.conflict.values}) == 2
    assert found.conflict.values[0].startswith(label(found.patient))
    assert {found.patient.id, found.patient.name} in [{each.patient.id, each.patient.name} for each in (one, other)]


@pytest.mark.parametrize(
    ("one", "other", "name", "number"),
    [
        (says("Nguyễn Văn Sai", "FIVE5"), says("Trần Văn Dũng", "FIVE5"), "Trần Văn Dũng", "FIVE5"),
        (says("Trần Văn Dũng", "FIVE5"), says("Trần Văn Dũng", "FIVE6"), "Trần Văn Dũng", "FIVE6"),
        (says("", "THREE3"), says("Nguyễn Văn Ba", "THREE3"), "Nguyễn Văn Ba", "THREE3"),
        (says("", ""), says("Nguyễn Văn Ba", "THREE3"), "Nguyễn Văn Ba", "THREE3"),
        (says("", "THREE3"), says("Nguyễn Văn Ba", ""), "Nguyễn Văn Ba", "THREE3"),
        (says("Unknown", "E17"), says("Nguyễn Văn Ba", "E17"), "Nguyễn Văn Ba", "E17"),
        (says("Sai", "12", other_ids=("A7",)), says("Đúng", "A7"), "Đúng", "A7"),
        (says("Sai", born="1970-01-31"), says("Đúng", "7", born="1970-01-31"), "Đúng", "7"),
        (says("Lê Văn Ân", "1"), says("Lê Văn Ấn", "1"), "Lê Văn Ấn", "1"),
    ],
)
def test_a_correction_of_the_same_person_is_taken_by_when_it_was_made(
    one: Statement, other: Statement, name: str, number: str
) -> None:
    later = says(
        other.patient.name, other.patient.id, born=other.patient.birth_date, minute=9, other_ids=other.patient.other_ids
    )
    found = whatever_comes_first(one, later)
    assert (found.patient.name, found.patient.id, found.conflict) == (name, number, None)


@pytest.mark.parametrize(
    ("one", "other", "shown"),
    [
        ("P0001", "p0001", {"P0001", "p0001"}),
        ("12", "00012", {"00012"}),
        ("P 12", "P-12", {"P 12", "P-12"}),
        ("１２", "12", {"12", "１２"}),
    ],
)
def test_a_number_written_otherwise_is_the_same_number(one: str, other: str, shown: set[str]) -> None:
    found = whatever_comes_first(says("Nguyễn Văn An", one), says("NGUYEN VAN AN", other, minute=1))
    assert found.conflict is None
    assert found.patient.id in shown
    assert found.patient.name == "Nguyễn Văn An"


@pytest.mark.parametrize("lossy", ["NGUYEN VAN AN", "Nguy?n V?n An", "Nguy\ufffdn V\ufffdn An", "An Nguyen Van"])
def test_a_machine_that_loses_letters_renames_nobody(lossy: str) -> None:
    found = whatever_comes_first(says("Nguyễn Văn An", "1"), says(lossy, "", minute=9))
    assert (found.patient.name, found.patient.id, found.conflict) == ("Nguyễn Văn An", "1", None)


def test_a_registration_fills_what_the_film_does_not_say_and_takes_nothing_from_it() -> None:
    order = says("Nguyễn Văn An", "P7", born="1970-01-31", sex="M", accession="TA1", source=Source.ORDER)
    assert whatever_comes_first(says("", "", minute=1), order).patient == order.patient
    film = says("NGUYEN VAN AN", "", born="1970", minute=1)
    assert whatever_comes_first(film, order).patient == order.patient
    corrected = whatever_comes_first(says("Nguyễn Văn Ấn", "P7", minute=-1), order).patient
    assert (corrected.name, corrected.sex) == ("Nguyễn Văn Ấn", "M")


def test_three_people_under_one_study_are_all_told() -> None:
    found = whatever_comes_first(says("Một", "1"), says("Hai", "2", minute=1), says("Ba", "3", minute=2))
    assert found.conflict is not None
    assert found.conflict.values == ("Một (1)", "Hai (2)", "Ba (3)")


def test_what_is_no_film_names_the_patient_only_until_a_film_does() -> None:
    report = says("Dose Report", "0099", source=Source.OTHER)
    assert identify([report]).patient.name == "Dose Report"
    assert whatever_comes_first(report, says("Nguyễn Văn Ba", "3")).patient.name == "Nguyễn Văn Ba"
    assert identify(()).patient.name == ""


names = st.sampled_from(["", "Nguyễn Văn An", "NGUYEN VAN AN", "Lê Thị Hai", "Unknown", "Nguy?n V?n An"])
numbers = st.sampled_from(["", "0", "1", "001", "2", "A-2"])
statements = st.builds(
    says,
    names,
    numbers,
    born=st.sampled_from(["", "1970-01-31", "1970", "1980-05-05"]),
    sex=st.sampled_from(["", "M", "F"]),
    accession=st.sampled_from(["", "A1"]),
    minute=st.integers(0, 2),
    source=st.sampled_from(list(Source)),
)


@settings(deadline=None)
@given(st.lists(statements, max_size=5, unique_by=lambda one: one.made_at).flatmap(st.permutations))
def test_the_order_of_arrival_decides_nothing(stated: list[Statement]) -> None:
    assert identify(stated) == identify(sorted(stated, key=lambda one: one.made_at))


@settings(deadline=None)
@given(st.lists(statements, min_size=1, max_size=6))
def test_what_one_film_knew_of_the_only_person_is_known_of_the_case(stated: list[Statement]) -> None:
    found = identify(stated)
    films = [one for one in stated if one.source is Source.FILM]
    if found.conflict is None:
        for told, said in (
            (found.patient.name, [one.patient.name for one in films]),
            (found.patient.sex, [one.patient.sex for one in films]),
            (found.patient.birth_date, [one.patient.birth_date for one in films]),
            (found.accession_number, [one.accession_number for one in films]),
        ):
            assert told or not any(said)


@given(statements, statements)
def test_whether_two_are_one_person_does_not_depend_on_who_is_asked_first(one: Statement, other: Statement) -> None:
    assert same_person(one.patient, other.patient) == same_person(other.patient, one.patient)


@settings(deadline=None)
@given(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8")))
def test_no_text_makes_it_fail(name: str, number: str) -> None:
    assert identify([says(name, number), FULL]).patient
    assert plain_id(plain_id(number)) == plain_id(number)
