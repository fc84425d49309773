"""Whose film is this: what a film says of itself against an order. Pure: knows no database and no page.

Two things must agree before a film is taken for an order's: its number (Accession Number, or the Study Instance UID
that the worklist gave) and its person. Where only one does, a person must look.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from dicom_router.dicom.matching import fold
from xray_triage.cases.case import Case
from xray_triage.cases.identity import Statement, stated_by_order
from xray_triage.orders.order import Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Filmed:
    """What a film says: which study, under which number, of whom; ``patient_birth_date`` in ISO 8601.

    Empty what it does not say. ``case_id`` empty: it is no case yet.
    """

    study_instance_uid: str
    accession_number: str
    patient_id: str
    patient_name: str
    patient_birth_date: str
    case_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Matches:
    """By accession number: the film that surely is the order's, and those that may be."""

    sure: dict[str, Filmed]
    doubtful: dict[str, list[Filmed]]


def film_of(case: Case) -> Filmed:
    """What the films of a case say."""
    return Filmed(
        study_instance_uid=case.study_instance_uid,
        accession_number=case.accession_number,
        patient_id=case.patient.id,
        patient_name=case.patient.name,
        patient_birth_date=case.patient.birth_date,
        case_id=case.case_id,
    )


def plain_number(number: str) -> str:
    """A number without what people type between its parts, in upper case."""
    return re.sub(r"[\s./_-]", "", number).upper()


def is_film_of(order: Order, film: Filmed) -> bool:
    """Whether the film is the order's beyond doubt."""
    same_study = film.study_instance_uid == order.study_instance_uid
    if same_study and not film.patient_id and not fold(film.patient_name):
        return True  # the worklist's own UID, and a header that names nobody
    return (same_study or _same_number(order, film)) and _agrees(order, film)


def may_be_film_of(order: Order, film: Filmed) -> bool:
    """Whether number or person is the order's."""
    numbered = film.study_instance_uid == order.study_instance_uid or _same_number(order, film)
    return numbered or _is_person(order, film)


def registered(order: Order) -> Statement:
    """What the registration says of the patient."""
    typed = order.registration
    return stated_by_order(
        patient_id=order.patient_id,
        name=typed.patient_name,
        sex=typed.patient_sex or "",
        birth_date=_born(order),
        accession_number=order.accession_number,
        made_at=order.registered_at,
    )


def match(orders: Sequence[Order], films: Iterable[Filmed]) -> Matches:
    """Which film is whose. A film that surely belongs to one order is no doubtful one of others."""
    by_trait = defaultdict[str, list[Order]](list)
    for order in orders:
        numbers = (plain_number(order.accession_number), plain_number(order.patient_id))
        for trait in {order.study_instance_uid, *numbers, fold(order.registration.patient_name)}:
            by_trait[trait].append(order)
    sure: dict[str, Filmed] = {}
    doubtful = defaultdict[str, list[Filmed]](list)
    for film in films:
        name = fold(film.patient_name)
        traits = {film.study_instance_uid, plain_number(film.accession_number), plain_number(film.patient_id), name}
        near = {order.accession_number: order for trait in traits - {""} for order in by_trait[trait]}.values()
        owners = [order for order in near if is_film_of(order, film)]
        sure |= {order.accession_number: film for order in owners}
        for order in near if not owners else ():
            if may_be_film_of(order, film):
                doubtful[order.accession_number].append(film)
    return Matches(sure=sure, doubtful=dict(doubtful))


def _same_number(order: Order, film: Filmed) -> bool:
    return plain_number(film.accession_number) == plain_number(order.accession_number)


def _agrees(order: Order, film: Filmed) -> bool:
    """The same id; or the same name, and no other birth date."""
    born = _born(order)
    return _same_id(order, film) or (_same_name(order, film) and (not born or film.patient_birth_date in ("", born)))


def _is_person(order: Order, film: Filmed) -> bool:
    """The same id; or the same name and birth date, both known."""
    return _same_id(order, film) or (_same_name(order, film) and film.patient_birth_date == _born(order) != "")


def _same_id(order: Order, film: Filmed) -> bool:
    return plain_number(film.patient_id) == plain_number(order.patient_id) != ""  # "-" is what people type for none


def _same_name(order: Order, film: Filmed) -> bool:
    return fold(film.patient_name) == fold(order.registration.patient_name)


def _born(order: Order) -> str:
    day = order.registration.patient_birth_date
    return day.isoformat() if day else ""
