"""Rows of the case tables as values, and back. Knows columns; decides nothing."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from dicom_router.dicom.matching import fold
from xray_triage.cases.answers import in_order
from xray_triage.cases.case import Case, Conflict, Image, Mark, Verdict
from xray_triage.cases.consultation import (
    Answer,
    AnswerKind,
    Change,
    ChangeKind,
    Consultation,
    ConsultationState,
    Problem,
    Standing,
)
from xray_triage.cases.identity import Identity
from xray_triage.reading.findings import (
    DETAIL,
    REASONS,
    Acquaintance,
    Box,
    Cardiothoracic,
    Code,
    Finding,
    FindingKind,
    MachineState,
    Measured,
    ModelIdentity,
    Priority,
    Reading,
    Reason,
)
from xray_triage.reading.naming import TOLD, told_positive
from xray_triage.reading.patient import Patient

Row = sa.Row[Any]
# Below every priority: a dose report that comes with the films counts only where there is nothing else.
NO_FILM = -len(Priority)
SEARCHED = 500  # characters: more would not go into an index of PostgreSQL (2704 bytes)


def urgency(priority: Priority) -> int:
    """What the worklist is ordered by: 0 is the most urgent, the others are below it."""
    return -priority.rank


def patient_columns(patient: Patient, accession_number: str, conflict: Conflict | None = None) -> dict[str, Any]:
    """The columns of ``case`` that tell whose it is; a search finds it by everybody whom its films name."""
    words = " ".join((patient.name, patient.id, accession_number, *(conflict.values[1:] if conflict else ())))
    return {
        "patient_id": patient.id,
        "patient_name": patient.name,
        "patient_sex": patient.sex,
        "patient_birth_date": patient.birth_date,
        "patient_age_years": patient.age_years,
        "accession_number": accession_number,
        "search_text": fold(words)[:SEARCHED],
        "conflict": json.dumps(asdict(conflict), ensure_ascii=False) if conflict else None,
    }


def image_columns(reading: Reading, whose: str = "") -> dict[str, Any]:
    """The columns of ``image`` that come from a reading; ``whose``: whom the film names."""
    findings = reading.findings
    is_film = reading.not_readable is None or reading.not_readable.reason is not REASONS["not_a_film"]
    return {
        "priority": reading.decision.priority.value,
        "urgency": urgency(reading.decision.priority) if is_film else NO_FILM,
        "machine_id": None,  # machines.py sets it for a film that was read
        "reason": reading.not_readable.reason.code if reading.not_readable else None,
        "marked": " ".join(sorted(one.kind.name for one in told_positive(findings.findings))) if findings else "",
        "reading": json.dumps(
            {
                "reasons": reading.decision.reasons,
                "findings": [_finding_json(finding) for finding in findings.findings] if findings else [],
                "scores": {name: _plain(score) for name, score in findings.scores.items()} if findings else {},
                "detail": [round(float(energy), 5) for energy in findings.detail] if findings else [],
                "flags": reading.flags,
                "model": asdict(reading.model) if reading.model else None,
                "lines": _lines_json(findings.cardiothoracic) if findings else [],
                "rows": reading.rows,
                "columns": reading.columns,
                "machine": asdict(reading.machine) if reading.machine else None,
                "whose": whose,
                "view": reading.view,
                "youngest": reading.not_readable.reason.youngest if reading.not_readable else None,
            },
            allow_nan=False,
        ),
    }


def case_of(
    row: Row, images: Sequence[Row], consultations: Sequence[Row], answers: Sequence[Row], verdicts: Sequence[Row]
) -> Case:
    """A case from its row and the rows that belong to it, oldest first."""
    of_question = defaultdict[int, list[Answer]](list)
    asked_in = {answer.answer_id: answer.consultation_id for answer in answers}
    for answer in in_order([answer_of(answer) for answer in answers]):
        of_question[asked_in[answer.answer_id]].append(answer)
    asked = tuple(consultation_of(each, of_question[each.consultation_id]) for each in consultations)
    return Case(
        case_id=row.case_id,
        study_instance_uid=row.study_instance_uid,
        accession_number=row.accession_number,
        patient=patient_of(row),
        received_at=row.received_at,
        read_at=row.read_at,
        priority=Priority(row.priority),
        images=tuple(image_of(image) for image in images),
        exposed_at=row.exposed_at,
        conflict=conflict_of(row.conflict),
        seen=Mark(row.seen_at, row.seen_by) if row.seen_at else None,
        done=Mark(row.done_at, row.done_by) if row.done_at else None,
        consultation=asked[-1] if asked else None,
        earlier_consultations=asked[:-1],
        verdict=_verdict_of(verdicts[-1]) if verdicts else None,
    )


def patient_of(row: Row) -> Patient:
    """Whom a case is called by, from its row."""
    return Patient(
        id=row.patient_id,
        name=row.patient_name,
        sex=row.patient_sex,
        birth_date=row.patient_birth_date,
        age_years=row.patient_age_years,
    )


def identity_of(row: Row) -> Identity:
    """Whose case it is, its accession number, and who else its films name, from its row."""
    conflict = conflict_of(row.conflict)
    return Identity(patient=patient_of(row), accession_number=row.accession_number, conflict=conflict)


def conflict_of(text: str | None) -> Conflict | None:
    """Whom the films of a case name, where that is more than one person, from its column."""
    if text is None:
        return None
    entry = json.loads(text)
    return Conflict(field=entry["field"], values=tuple(entry["values"]))


def consultation_of(row: Row, answers: Sequence[Answer] = ()) -> Consultation:
    """A consultation from its row, with its own answers."""
    state = ConsultationState(row.state)
    if state is ConsultationState.REQUESTED and row.overdue_at is not None:
        state = ConsultationState.OVERDUE
    return Consultation(
        state=state,
        question=row.question,
        priority=row.priority,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        request_uid=row.request_uid,
        answered_at=row.answered_at,
        answers=tuple(answers),
        overdue_at=row.overdue_at,
        announced=row.announced,
        seen_at=row.seen_at,
        problem=Problem(row.obstacle, row.obstacle_detail) if row.obstacle else None,
        changes=_changes_of(row.changes),
    )


def changes_column(changes: Sequence[Change]) -> str:
    """What was done to a question, as it is kept."""
    return json.dumps([asdict(one) | {"at": one.at.isoformat()} for one in changes], ensure_ascii=False)


def _changes_of(column: str) -> tuple[Change, ...]:
    entries = json.loads(column)
    return tuple(
        Change(**{**one, "kind": ChangeKind(one["kind"]), "at": datetime.fromisoformat(one["at"])}) for one in entries
    )


def answer_of(row: Row) -> Answer:
    """An answer from its row."""
    return Answer(
        answer_id=row.answer_id,
        kind=row.kind,
        title=row.title,
        text=row.text,
        note=row.note,
        author=row.author,
        verified=row.verified,
        complete=row.complete,
        written_at=row.written_at,
        received_at=row.received_at,
        sop_instance_uid=row.sop_instance_uid,
        has_file=row.kind == AnswerKind.PDF and row.spool_key is not None,
        standing=Standing(row.standing),
        signed_by=row.signed_by,
        predecessors=tuple(json.loads(row.predecessors)),
        is_addendum=row.is_addendum,
        objects=tuple(json.loads(row.objects)),
    )


def uids_column(uids: Sequence[str]) -> str:
    """UIDs as ``answer`` keeps them."""
    return json.dumps(uids)


def probabilities_of(reading: str) -> tuple[str | None, dict[str, float]]:
    """The sha256 of the model that read a film, and its probability of every label, shown or withheld."""
    said = _said(reading)
    findings = {finding.kind.name: finding.probability for finding in said["findings"]}
    scores = {name: score for name, score in said["scores"].items() if score is not None}
    return said["model"].sha256 if said["model"] else None, findings | scores


def detail_of(reading: str) -> dict[str, float]:
    """The energies that the film came with, by ``detail_0`` and so on; empty where none were measured."""
    return {f"{DETAIL}{number}": energy for number, energy in enumerate(json.loads(reading).get("detail", []))}


def machine_of(reading: str) -> Acquaintance | None:
    """What was known of the machine when its film was read."""
    machine: Acquaintance | None = _said(reading)["machine"]
    return machine


def _verdict_of(row: Row) -> Verdict:
    agrees = row.agrees if row.judges else None
    return Verdict(agrees=agrees, note=row.note, given_at=row.given_at, given_by=row.given_by)


def image_of(row: Row) -> Image:
    """A film and what was said of it, from its row."""
    said = dict(_said(row.reading))
    youngest = said.pop("youngest")
    return Image(
        sop_instance_uid=row.sop_instance_uid,
        arrival_id=row.arrival_id,
        priority=Priority(row.priority),
        reason=_reason_of(row.reason, youngest),
        picture_key=row.picture_key,
        received_at=row.received_at,
        read_at=row.read_at,
        exposed_at=row.exposed_at,
        purged_at=row.purged_at,
        **said,
    )


@lru_cache(maxsize=1024)  # the worklist is asked for again and again, and a reading hardly ever changes
def _said(text: str) -> Mapping[str, Any]:
    """What the reader said of one film: the fields of ``Image`` that come from its reading."""
    entry = json.loads(text)
    return MappingProxyType(
        {
            "reasons": tuple(entry["reasons"]),
            "findings": tuple(_finding_of(finding) for finding in entry["findings"]),
            "scores": MappingProxyType(entry["scores"]),
            "flags": tuple(entry["flags"]),
            "model": ModelIdentity(**entry["model"]) if entry["model"] else None,
            "lines": tuple((x1, y1, x2, y2) for x1, y1, x2, y2 in entry["lines"]),
            "rows": entry["rows"],
            "columns": entry["columns"],
            "machine": _machine_of(entry.get("machine")),  # films read before revision 0002 have none
            "whose": entry.get("whose", ""),  # nor those of before revision 0006
            "youngest": entry.get("youngest"),
            "view": entry.get("view", ""),  # and those of 0.1.0 neither this nor sides
        }
    )


def _machine_of(entry: Mapping[str, Any] | None) -> Acquaintance | None:
    return Acquaintance(**{**entry, "state": MachineState(entry["state"])}) if entry else None


def _plain(number: float | None) -> float | None:
    """Without numpy's types, which JSON does not know."""
    return None if number is None else float(number)


def _lines_json(widths: Cardiothoracic | None) -> list[list[float]]:
    lines = (widths.heart, widths.thorax) if widths else ()
    return [[round(float(side), 1) for side in (line.left, line.row, line.right, line.row)] for line in lines]


def _finding_json(finding: Finding) -> dict[str, Any]:
    box = finding.box
    return {
        "name": finding.kind.name,
        "probability": float(finding.probability),
        "threshold": float(finding.threshold),
        "box": [int(side) for side in box] if box else None,
        "shown": finding.shown,
        "group": finding.group,
        "measured": finding.measured,
        "side": finding.side,
    }


def _finding_of(entry: Mapping[str, Any]) -> Finding:
    return Finding(
        kind=kind_named(entry["name"]),
        probability=entry["probability"],
        threshold=entry["threshold"],
        box=Box(*entry["box"]) if entry["box"] else None,
        # A film read before findings had groups was reported with every label by its name.
        shown=entry.get("shown", True),
        group=entry.get("group"),
        measured=Measured(*measured) if (measured := entry.get("measured")) else None,
        side=entry.get("side"),
    )


def kind_named(name: str) -> FindingKind:
    """The kind of finding called ``name``. A word that this version no longer knows is shown as it was written."""
    return TOLD.get(name) or FindingKind(name, Code(name, "99XRT", name), name)


def _reason_of(code: str | None, youngest: float | None) -> Reason | None:
    return None if code is None else replace(REASONS.get(code) or Reason(code, code), youngest=youngest)
