"""Whose study it is: out of all that its objects say of the patient, one patient, or a conflict. Pure.

Knows no database and no page. The order in which the objects came decides nothing: of one person what was made last
counts, a value that is known is never replaced by an empty one, and what is no film never renames anybody. Decision
0030.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from dicom_router.dicom.matching import fold, like
from xray_triage.cases.case import Conflict
from xray_triage.reading.patient import Patient
from xray_triage.reading.values.dates import parse_day

# What is typed or preset where nobody knows the name; folded.
NOBODY = frozenset(
    {"unknown", "unknown unknown", "anonymous", "noname", "no name", "none", "null", "khong ten", "khong ro", "vo danh"}
)
LABEL, MOST_PERSONS = 64, 4  # characters of a person, and persons, that a conflict tells of


class Source(StrEnum):
    """What says it: a film, a registration of ours that the film bears, or what is no film."""

    FILM = "film"
    ORDER = "order"
    OTHER = "other"

    @property
    def weight(self) -> int:
        return {Source.FILM: 2, Source.ORDER: 1, Source.OTHER: 0}[self]


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What one object or order says. ``made_at`` is when it was made, ``number`` tells those of one moment apart."""

    source: Source
    patient: Patient
    accession_number: str
    made_at: datetime
    number: int = 0

    @property
    def names_somebody(self) -> bool:
        return bool(plain_id(self.patient.id) or plain_name(self.patient.name))

    @property
    def says_something(self) -> bool:
        patient = self.patient
        return self.names_somebody or bool(patient.sex or patient.birth_date or self.accession_number)

    @property
    def age(self) -> tuple[datetime, int, str]:
        return (self.made_at, self.number, self.patient.id)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """The patient of a study, its accession number, and who else its films name."""

    patient: Patient
    accession_number: str
    conflict: Conflict | None


def stated_by_order(
    *, patient_id: str, name: str, sex: str, birth_date: str, accession_number: str, made_at: datetime
) -> Statement:
    """What a registration of ours says; ``birth_date`` ISO 8601 or empty."""
    patient = Patient(id=patient_id, name=name, sex=sex, birth_date=birth_date, age_years=None)
    return Statement(source=Source.ORDER, patient=patient, accession_number=accession_number, made_at=made_at)


def plain_id(number: str) -> str:
    """A patient's number without letter case, padding, leading zeros and what people type between its parts."""
    folded = unicodedata.normalize("NFKC", number).casefold()
    return "".join(letter for letter in folded if letter.isalnum()).lstrip("0")


def plain_name(name: str) -> str:
    """A name without accents, letter case and marks; empty where it names nobody. ``?`` is a letter that was lost."""
    words = re.sub(r"[^\w?\ufffd\s]|_", " ", fold(name)).replace("\ufffd", "?").split()
    plain = " ".join(words)
    return plain if plain not in NOBODY and any(letter.isalpha() for letter in plain) else ""


def same_person(first: Patient, second: Patient) -> bool | None:
    """Whether both are the same person; None: what is said of them cannot be held against each other.

    The same number is the same person, and another name with it a correction. Without it names decide, and a birth
    date may object: names of three syllables are shared by many.
    """
    ids, names, born = _same_id(first, second), _same_name(first.name, second.name), _same_birth(first, second)
    if ids:
        return True
    if names:
        return born is not False
    if names is False:
        return bool(ids is None and born)
    return None if ids is None or born else False


def identify(stated: Sequence[Statement]) -> Identity:
    """The patient out of all that was stated of a study, at least one thing."""
    named = [one for one in stated if one.names_somebody]
    speakers = [one for one in named if one.source is not Source.OTHER] or named
    persons = sorted(_persons(speakers), key=_standing)
    ours = persons[0] if persons else []
    beside = [one for one in stated if one not in speakers and (not one.names_somebody or _belongs(one, ours))]
    told = [
        *sorted(ours, key=lambda one: (one.source.weight, one.age), reverse=True),
        *sorted(beside, key=lambda one: (one.source.weight, one.age), reverse=True),
    ]
    patient = Patient(
        id=_fullest_id([one.patient.id for one in told]),
        name=_fullest_name([one.patient.name for one in told]),
        sex=_first(one.patient.sex for one in told),
        birth_date=_fullest_date([one.patient.birth_date for one in told]),
        age_years=next((one.patient.age_years for one in told if one.patient.age_years is not None), None),
    )
    return Identity(
        patient=patient,
        accession_number=_first(one.accession_number for one in told),
        conflict=_conflict(patient, persons[1:]),
    )


def label(patient: Patient) -> str:
    """``Nguyễn Văn An (P0001)``, as far as it is known."""
    number = f"({patient.id})" if patient.id else ""
    return " ".join(filter(None, (patient.name, number)))[:LABEL]


def _conflict(patient: Patient, others: Iterable[Sequence[Statement]]) -> Conflict | None:
    everybody = [patient, *(identify(person).patient for person in others)]
    labels = [label(one) for one in everybody]
    if len(set(labels)) < len(labels):  # the same name and no number: the birth dates differ
        labels = [f"{told}, {one.birth_date}" for told, one in zip(labels, everybody, strict=True)]
    return Conflict(field="patient", values=tuple(labels[:MOST_PERSONS])) if len(labels) > 1 else None


def _persons(speakers: Iterable[Statement]) -> list[list[Statement]]:
    """The statements by person. Two groups are one person unless a statement of one contradicts one of the other."""
    groups: list[list[Statement]] = []
    for one in speakers:
        mine = [group for group in groups if any(same_person(one.patient, other.patient) for other in group)]
        groups = [group for group in groups if group not in mine] + [[one, *(each for group in mine for each in group)]]
    persons: list[list[Statement]] = []
    for group in sorted(groups, key=_standing):
        known = next((person for person in persons if not _differ(person, group)), None)
        if known is None:
            persons.append(group)
        else:
            known.extend(group)
    return persons


def _differ(person: Iterable[Statement], group: Sequence[Statement]) -> bool:
    return any(same_person(one.patient, other.patient) is False for one in person for other in group)


def _belongs(one: Statement, ours: Iterable[Statement]) -> bool:
    return any(same_person(one.patient, other.patient) for other in ours)


def _standing(person: Sequence[Statement]) -> tuple[bool, datetime, str]:
    """Films before mere registrations, then who was filmed first; never who came first."""
    return (
        not any(one.source is Source.FILM for one in person),
        min(one.made_at for one in person),
        min(plain_name(one.patient.name) + plain_id(one.patient.id) for one in person),
    )


def _same_id(one: Patient, other: Patient) -> bool | None:
    """Numbers of two issuers cannot be compared; a number that the other one has beside its own is the same."""
    first, second = plain_id(one.id), plain_id(other.id)
    if (first and first in _beside(other)) or (second and second in _beside(one)):
        return True
    if not first or not second or (one.issuer and other.issuer and one.issuer != other.issuer):
        return None
    return first == second


def _beside(patient: Patient) -> set[str]:
    return {plain_id(number) for number in patient.other_ids}


def _same_name(one: str, other: str) -> bool | None:
    first, second = plain_name(one), plain_name(other)
    if not first or not second:
        return None
    if sorted(first.split()) == sorted(second.split()):
        return True
    return bool(("?" in first and like(first).match(second)) or ("?" in second and like(second).match(first)))


def _same_birth(one: Patient, other: Patient) -> bool | None:
    """True only of dates that are known to the day."""
    first, second = parse_day(one.birth_date), parse_day(other.birth_date)
    if first is None or second is None:
        return None
    if not first.may_be(second):
        return False
    return True if first.is_whole and second.is_whole else None


def _first(values: Iterable[str]) -> str:
    return next(filter(None, values), "")


def _fullest_id(numbers: Sequence[str]) -> str:
    """The first that is a number, as whoever wrote most of it wrote it: ``00012`` of ``12`` and ``00012``."""
    known = next(filter(plain_id, numbers), _first(numbers))
    alike = [number for number in numbers if plain_id(number) == plain_id(known)]
    return max(sorted(alike), key=len, default=known)


def _fullest_name(names: Sequence[str]) -> str:
    """The first that names somebody; the first with accents, where that has lost them on its way."""
    known = next(filter(plain_name, names), _first(names))
    alike = [name for name in names if _same_name(known, name)]
    return max(alike, key=_is_accented, default=known)


def _is_accented(name: str) -> tuple[bool, bool]:
    return "?" not in name and "\ufffd" not in name, not name.isascii()


def _fullest_date(dates: Sequence[str]) -> str:
    """The first, to the day where another knows the day of it."""
    known = parse_day(_first(dates))
    if known is None:
        return ""
    days: Iterator[str] = (text for text in dates if (day := parse_day(text)) and day.is_whole and day.may_be(known))
    return next(days, str(known))
