"""The JSON shapes of a case in the API, as types and as functions to them. Times are ISO 8601 with zone."""

from collections.abc import Sequence
from datetime import datetime

# pydantic, which turns these types into the OpenAPI document, wants this TypedDict before Python 3.12.
from typing_extensions import TypedDict

from dicom_router.store.outbox import Delivery
from xray_triage.cases.case import Answer, Case, Consultation, Image, Verdict
from xray_triage.cases.shapes import FindingJson, ModelJson, finding_json, model_json
from xray_triage.consultations.consultations import with_delivery
from xray_triage.consultations.obstacles import ANSWER_NOTES


class PatientJson(TypedDict):
    """``birth_date`` is YYYY-MM-DD, or null when the machine did not say."""

    id: str
    name: str
    sex: str
    birth_date: str | None


class ImageJson(TypedDict):
    """One film. ``reason`` is the code why it was not read, ``reason_text`` the sentence for the doctor.

    ``lines``: widths of heart and chest, [x1, y1, x2, y2] in pixels of the film; ``rows``, ``columns``: its size or 0.
    ``calibrated``: with cut-offs that were set for its machine; without, no mark does not mean that it is normal.
    """

    sop_instance_uid: str
    exposed_at: str | None
    status: str
    reason: str | None
    reason_text: str | None
    priority: str
    findings: list[FindingJson]
    scores: dict[str, float | None]
    flags: list[str]
    model: ModelJson | None
    lines: list[list[float]]
    rows: int
    columns: int
    calibrated: bool


class DeliveryJson(TypedDict):
    """One object on its way to one destination. ``state``: waiting, sending, acknowledged, refused."""

    what: str
    sop_instance_uid: str
    destination: str
    state: str
    attempts: int
    last_error: str | None


class AnswerJson(TypedDict):
    """The specialist's answer. ``kind``: text, pdf, kos; ``written_at`` by their clock, ``received_at`` by ours.

    ``text`` has the specialist's own words only. ``note``: the code of what is missing in them, no_text, cut, too_large
    or not_fetched; ``note_text``: the sentence for the doctor. ``file``: where its PDF is, or null.
    """

    answer_id: int
    kind: str
    title: str
    text: str
    note: str | None
    note_text: str | None
    author: str
    verified: bool
    complete: bool
    written_at: str | None
    received_at: str
    sop_instance_uid: str
    file: str | None


class ConsultationJson(TypedDict):
    """``state``: requested, sent, answered, overdue, cancelled. ``answer`` is the newest of ``answers``.

    ``announced``: reminders sent. ``obstacle``: the code why the PACS could not be asked for the answer
    (xray_triage/consultations/obstacles.py), or null; ``problem``: the same with the engineer's words behind it.
    """

    state: str
    question: str
    priority: str
    requested_by: str
    requested_at: str
    answered_at: str | None
    answer: AnswerJson | None
    answers: list[AnswerJson]
    overdue_at: str | None
    announced: int
    seen_at: str | None
    obstacle: str | None
    problem: str | None


class VerdictJson(TypedDict):
    """The doctor's word on the reading."""

    agrees: bool
    note: str
    given_at: str
    given_by: str


class CaseJson(TypedDict):
    """A study as the station knows it."""

    case_id: str
    study_instance_uid: str
    accession_number: str
    patient: PatientJson
    exposed_at: str | None
    received_at: str
    read_at: str
    priority: str
    reasons: list[str]
    images: list[ImageJson]
    model: ModelJson | None
    deliveries: list[DeliveryJson]
    consultation: ConsultationJson | None
    verdict: VerdictJson | None


def case_json(case: Case, deliveries: Sequence[Delivery]) -> CaseJson:
    """A case and what is on its way."""
    patient = case.patient
    return {
        "case_id": case.case_id,
        "study_instance_uid": case.study_instance_uid,
        "accession_number": case.accession_number,
        "patient": {"id": patient.id, "name": patient.name, "sex": patient.sex, "birth_date": patient.birth_date},
        "exposed_at": iso(case.exposed_at),
        "received_at": case.received_at.isoformat(),
        "read_at": case.read_at.isoformat(),
        "priority": case.priority.value,
        "reasons": list(case.reasons),
        "images": [_image_json(image) for image in case.images],
        "model": model_json(case.model),
        "deliveries": [_delivery_json(delivery) for delivery in deliveries],
        "consultation": consultation_json(case.case_id, case.consultation, deliveries) if case.consultation else None,
        "verdict": verdict_json(case.verdict) if case.verdict else None,
    }


def consultation_json(case_id: str, consultation: Consultation, deliveries: Sequence[Delivery]) -> ConsultationJson:
    """A consultation of a case; ``deliveries`` tell whether its request has been sent."""
    answers = [_answer_json(case_id, answer) for answer in consultation.answers]
    problem = consultation.problem
    return {
        "state": with_delivery(consultation, deliveries).state.value,
        "question": consultation.question,
        "priority": consultation.priority,
        "requested_by": consultation.requested_by,
        "requested_at": consultation.requested_at.isoformat(),
        "answered_at": iso(consultation.answered_at),
        "answer": answers[-1] if answers else None,
        "answers": answers,
        "overdue_at": iso(consultation.overdue_at),
        "announced": consultation.announced,
        "seen_at": iso(consultation.seen_at),
        "obstacle": problem.obstacle if problem else None,
        "problem": f"{problem.obstacle}: {problem.detail}" if problem else None,
    }


def verdict_json(verdict: Verdict) -> VerdictJson:
    """A verdict."""
    return {
        "agrees": verdict.agrees,
        "note": verdict.note,
        "given_at": verdict.given_at.isoformat(),
        "given_by": verdict.given_by,
    }


def _image_json(image: Image) -> ImageJson:
    return {
        "sop_instance_uid": image.sop_instance_uid,
        "exposed_at": iso(image.exposed_at),
        "status": image.status,
        "reason": image.reason.code if image.reason else None,
        "reason_text": image.reason.vi if image.reason else None,
        "priority": image.priority.value,
        "findings": [finding_json(finding) for finding in image.findings],
        "scores": dict(image.scores),
        "flags": list(image.flags),
        "model": model_json(image.model),
        "lines": [list(line) for line in image.lines],
        "rows": image.rows,
        "columns": image.columns,
        "calibrated": image.calibrated,
    }


def _answer_json(case_id: str, answer: Answer) -> AnswerJson:
    return {
        "answer_id": answer.answer_id,
        "kind": answer.kind,
        "title": answer.title,
        "text": answer.text,
        "note": answer.note,
        "note_text": ANSWER_NOTES.get(answer.note) if answer.note else None,
        "author": answer.author,
        "verified": answer.verified,
        "complete": answer.complete,
        "written_at": iso(answer.written_at),
        "received_at": answer.received_at.isoformat(),
        "sop_instance_uid": answer.sop_instance_uid,
        "file": f"/cases/{case_id}/answers/{answer.answer_id}/file" if answer.has_file else None,
    }


def _delivery_json(delivery: Delivery) -> DeliveryJson:
    return {
        "what": delivery.what,
        "sop_instance_uid": delivery.instance.sop_instance_uid,
        "destination": delivery.destination,
        "state": delivery.state.value,
        "attempts": delivery.attempts,
        "last_error": delivery.last_error,
    }


def iso(at: datetime | None) -> str | None:
    """ISO 8601 with zone; null stays null."""
    return at.isoformat() if at else None
