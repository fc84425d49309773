"""What the objects of each study say of its patient, kept: every different statement once. It must never know a page.

Who the patient is out of them, identity.py decides.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from xray_triage.cases import rows, tables
from xray_triage.cases.case import Conflict
from xray_triage.cases.identity import Identity, Source, Statement, identify, label
from xray_triage.reading.findings import Reading
from xray_triage.reading.patient import Patient

# Dose reports and structured reports, also as pictures of a page, pictures of results, films of other machines.
NO_FILM = ("not_a_film", "not_an_original", "not_a_projection")
MOST = 100  # statements of one case that are held against each other: of films before others, the newest
_BETWEEN = "\\"  # PS3.5 6.2: between the values of an attribute, never in one


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """Whose study it is now. ``renamed``: whom it was called by, and is now; ``conflict``: one that is news."""

    identity: Identity
    renamed: tuple[str, str] | None = None
    conflict: Conflict | None = None


def statements(
    patient: Patient, accession_number: str, reading: Reading, *, made_at: datetime, order: Statement | None = None
) -> list[Statement]:
    """What an object that was read says of its patient, and the order that it bears, where there is one."""
    is_film = reading.not_readable is None or reading.not_readable.reason.code not in NO_FILM
    source = Source.FILM if is_film else Source.OTHER
    said = Statement(source=source, patient=patient, accession_number=accession_number, made_at=made_at)
    return [said, *([order] if order else ())]


def settle(connection: sa.Connection, case: sa.Row[Any], stated: Iterable[Statement]) -> Settled:
    """Keep what was ``stated`` of a case and decide anew, in the caller's transaction, which has locked the case."""
    known = _kept(connection, case)
    new = [one for one in stated if one.says_something and not _is_known(one, known)]
    if new:
        connection.execute(tables.statement.insert(), [_columns(one) | {"case_sequence": case.sequence} for one in new])
    identity = identify(_statements_of(connection, case.sequence))
    is_news = identity.conflict is not None and identity.conflict != rows.conflict_of(case.conflict)
    return Settled(
        identity=identity,
        renamed=(label(rows.patient_of(case)), label(identity.patient)) if _is_corrected(case, identity) else None,
        conflict=identity.conflict if is_news else None,
    )


def foresee(connection: sa.Connection, study_instance_uid: str, stated: Sequence[Statement]) -> Identity:
    """Whose study it will be once this is recorded, too."""
    known = sa.select(tables.case).where(tables.case.c.study_instance_uid == study_instance_uid)
    case = connection.execute(known).one_or_none()
    kept = [] if case is None else _statements_of(connection, case.sequence) or _before(case)
    return identify([*kept, *stated])


def _kept(connection: sa.Connection, case: sa.Row[Any]) -> list[Statement]:
    """What was said of this case so far. A case of before there were statements says what it was called."""
    kept = _statements_of(connection, case.sequence)
    if kept:
        return kept
    before = _before(case)
    if before:
        connection.execute(
            tables.statement.insert(), [_columns(one) | {"case_sequence": case.sequence} for one in before]
        )
    return before


def _before(case: sa.Row[Any]) -> list[Statement]:
    one = Statement(
        source=Source.FILM,
        patient=rows.patient_of(case),
        accession_number=case.accession_number,
        made_at=case.exposed_at or case.received_at,
    )
    return [one] if one.says_something else []


def _statements_of(connection: sa.Connection, sequence: int) -> list[Statement]:
    table = tables.statement
    order = (table.c.source == Source.OTHER.value, table.c.statement_id.desc())
    kept = sa.select(table).where(table.c.case_sequence == sequence).order_by(*order).limit(MOST)
    return [_statement(row) for row in connection.execute(kept)]


def _is_known(one: Statement, known: Iterable[Statement]) -> bool:
    """Whether it was said before, and not before something else was: a correction may be taken back."""
    alike = (replace(each, made_at=one.made_at, number=one.number) == one and each for each in known)
    return any(each and (one.source is Source.OTHER or one.made_at <= each.made_at) for each in alike)


def _is_corrected(case: sa.Row[Any], identity: Identity) -> bool:
    """Whether a name or number that was known is another now, of the same person."""
    if identity.conflict is not None and label(rows.patient_of(case)) in identity.conflict.values:
        return False
    pairs = ((case.patient_name, identity.patient.name), (case.patient_id, identity.patient.id))
    return any(was and was != now for was, now in pairs)


def _columns(one: Statement) -> dict[str, Any]:
    patient = one.patient
    return {
        "source": one.source.value,
        "made_at": one.made_at,
        "accession_number": one.accession_number,
        "patient_id": patient.id,
        "patient_name": patient.name,
        "patient_sex": patient.sex,
        "patient_birth_date": patient.birth_date,
        "patient_age_years": patient.age_years,
        "issuer": patient.issuer,
        "other_ids": _BETWEEN.join(patient.other_ids),
    }


def _statement(row: sa.Row[Any]) -> Statement:
    return Statement(
        source=Source(row.source),
        patient=Patient(
            id=row.patient_id,
            name=row.patient_name,
            sex=row.patient_sex,
            birth_date=row.patient_birth_date,
            age_years=row.patient_age_years,
            issuer=row.issuer,
            other_ids=tuple(filter(None, row.other_ids.split(_BETWEEN))),
        ),
        accession_number=row.accession_number,
        made_at=row.made_at,
        number=row.statement_id,
    )
