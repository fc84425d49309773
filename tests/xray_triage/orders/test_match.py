"""Whose film it is: what agrees, what only half does, and what never may be taken for somebody's."""

from datetime import UTC, date, datetime

import pytest

from tests.xray_triage.orders.conftest import filmed, registration
from xray_triage.orders.match import Filmed, is_film_of, match, may_be_film_of
from xray_triage.orders.order import Order, OrderState

AT = datetime(2025, 6, 1, 8, tzinfo=UTC)


def order(number: str = "7901225060100", **typed: object) -> Order:
    made = registration(**typed)
    return Order(
        accession_number=number, study_instance_uid=f"2.25.{number}", registration=made,
        patient_id=made.patient_id or made.citizen_number or number, scheduled_at=AT, registered_at=AT,
        registered_by="lan", state=OrderState.WAITING,
    )  # fmt: skip


OURS = order()
# As the machine makes it whose worklist we are not: no study of ours.
OWN_STUDY = {"study_instance_uid": "1.2.840.1"}
SOMEBODY = {"patient_id": "P9", "patient_name": "LE THI HOA", "patient_birth_date": "1955-12-31"}
NOBODY = {"patient_id": "", "patient_name": "", "patient_birth_date": ""}
SURE, DOUBTFUL, NONE = (True, True), (False, True), (False, False)


@pytest.mark.parametrize(
    ("film", "is_ours"),
    [
        ({}, SURE),
        (OWN_STUDY, SURE),
        (NOBODY, SURE),
        ({"accession_number": ""}, SURE),
        # the number as people type it
        (OWN_STUDY | {"accession_number": " 79012-250601-00 "}, SURE),
        (OWN_STUDY | {"accession_number": "79012.250601/00"}, SURE),
        (OWN_STUDY | {"accession_number": "7901225060101"}, DOUBTFUL),
        (OWN_STUDY | {"accession_number": "7901225060101"} | SOMEBODY, NONE),
        # the person as machines write him
        (OWN_STUDY | {"patient_name": "NGUYEN VAN DUC", "patient_id": "1"}, SURE),
        (OWN_STUDY | {"patient_name": "Nguyen^Van^Duc", "patient_id": "", "patient_birth_date": ""}, SURE),
        (OWN_STUDY | {"patient_name": "DUC NGUYEN"}, SURE),  # the id is his
        (OWN_STUDY | {"patient_name": "DUC NGUYEN", "patient_id": ""}, DOUBTFUL),
        (OWN_STUDY | {"patient_id": "", "patient_birth_date": "1981-02-01"}, DOUBTFUL),
        # somebody else's film under our number, or in our study
        (OWN_STUDY | SOMEBODY, DOUBTFUL),
        (OWN_STUDY | NOBODY, DOUBTFUL),
        (SOMEBODY, DOUBTFUL),
        # his film, and no number
        (OWN_STUDY | {"accession_number": ""}, DOUBTFUL),
        (OWN_STUDY | {"accession_number": "", "patient_id": ""}, DOUBTFUL),
        (OWN_STUDY | {"accession_number": "", "patient_id": "", "patient_birth_date": ""}, NONE),
        (OWN_STUDY | {"accession_number": ""} | NOBODY, NONE),
    ],
)
def test_a_film_is_taken_for_an_order_when_number_and_person_agree(
    film: dict[str, str], is_ours: tuple[bool, bool]
) -> None:
    came = filmed(OURS, **film)
    assert (is_film_of(OURS, came), may_be_film_of(OURS, came)) == is_ours


def test_an_id_that_says_nothing_is_nobodys() -> None:
    without = order(patient_id="-")
    film = filmed(without, **OWN_STUDY, **SOMEBODY | {"patient_id": ""})
    assert (is_film_of(without, film), may_be_film_of(without, film)) == (False, True)


def test_a_namesake_without_a_birth_date_is_told_apart_by_the_number_alone() -> None:
    one, other = (order(number, citizen_number="", patient_birth_date=None) for number in ("7901", "7902"))
    film = filmed(one, **OWN_STUDY, patient_id="X")
    assert (is_film_of(one, film), is_film_of(other, film), may_be_film_of(other, film)) == (True, False, False)


def named(case_id: str, of: Order, **changes: str) -> Filmed:
    return filmed(of, case_id=case_id, **changes)


def test_a_sure_film_is_no_doubtful_one_of_the_same_persons_other_order() -> None:
    frontal, lateral = order("7901"), order("7902")
    films = [
        named("a", frontal),
        named("b", frontal, **OWN_STUDY),
        named("c", lateral, **OWN_STUDY, accession_number=""),
    ]
    found = match([frontal, lateral], films)
    assert {number: film.case_id for number, film in found.sure.items()} == {"7901": "b"}
    assert {number: [film.case_id for film in films] for number, films in found.doubtful.items()} == {
        "7901": ["c"], "7902": ["c"],
    }  # fmt: skip


def test_two_patients_whose_ids_were_swapped_are_both_doubtful() -> None:
    one = order("7901", patient_name="LÊ VĂN A", citizen_number="001", patient_birth_date=date(1950, 1, 1))
    other = order("7902", patient_name="TRẦN B", citizen_number="002", patient_birth_date=date(1960, 1, 1))
    film = named("a", one, **OWN_STUDY, patient_id="002", patient_name="TRAN B", patient_birth_date="1960-01-01")
    found = match([one, other], [film])
    assert found.sure == {}
    assert set(found.doubtful) == {"7901", "7902"}


def test_empty_names_and_numbers_match_nobody() -> None:
    assert match([OURS], [named("a", OURS, **OWN_STUDY, accession_number="", **NOBODY)] * 3) == match([], [])
