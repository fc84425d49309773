"""The JSON API: cases, consultations, verdicts, the queue, the model. Answers are built by the two files of shapes."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, StrictBool, StringConstraints

from xray_triage.accounts.audit import Action
from xray_triage.cases.casebook import UnknownCase
from xray_triage.model.drift import VERDICTS, drift, verdicts
from xray_triage.reading.findings import Priority
from xray_triage.web.api.cache import ResponseCache
from xray_triage.web.api.shapes import (
    CaseJson,
    ConsultationJson,
    VerdictJson,
    case_json,
    consultation_json,
    verdict_json,
)
from xray_triage.web.api.station_shapes import ModelInUseJson, QueueJson, model_in_use_json, queue_json
from xray_triage.web.desk import Desk
from xray_triage.web.security.visitor import Right, Visitor, needs


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error


# No control characters but tab and line ends: the text goes into DICOM (PS3.5 6.1.3).
PLAIN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=PLAIN)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=PLAIN)]
Since = Annotated[AwareDatetime, AfterValidator(_in_utc)]
UNKNOWN_CASE: dict[int | str, dict[str, Any]] = {404: {"description": "There is no case with this id."}}


class ConsultationBody(BaseModel):
    """The doctor's question to a specialist."""

    model_config = ConfigDict(extra="forbid")
    question: Question
    priority: Literal["urgent", "routine"] = "routine"


class VerdictBody(BaseModel):
    """Whether the doctor agrees with the reading."""

    model_config = ConfigDict(extra="forbid")
    agrees: StrictBool
    note: Note = ""


def api_router(desk: Desk) -> APIRouter:
    """The routes under /api."""
    api = APIRouter(prefix="/api", default_response_class=JSONResponse)
    _offer_cases(api, desk)
    _take_words(api, desk)
    _offer_station(api, desk)
    return api


def _offer_cases(api: APIRouter, desk: Desk) -> None:
    memory = ResponseCache(desk.casebook.version)

    @api.get("/cases", responses={200: {"model": list[CaseJson]}})
    def list_cases(
        priority: Priority | None = None,
        since: Since | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Response:
        """The worklist: the most urgent first, then the newest. ``since``: received at or after."""
        answer = memory.answer((priority, since, limit), lambda: _cases(desk, priority, since, limit))
        return Response(answer, media_type="application/json")

    @api.get("/cases/{case_id}", responses={200: {"model": CaseJson}, **UNKNOWN_CASE})
    def show_case(case_id: str, who: Annotated[Visitor, Depends(needs(Right.SEE))]) -> JSONResponse:
        """One case."""
        case = desk.casebook.case(case_id)
        if case is None:
            raise UnknownCase(case_id)
        desk.audit.note(Action.CASE_SEEN, actor=who.name, subject=case_id)
        return JSONResponse(case_json(case, desk.outbox.of_study(case.study_instance_uid)))


def _take_words(api: APIRouter, desk: Desk) -> None:
    """What a doctor says of a case."""

    @api.post("/cases/{case_id}/consultation", responses={200: {"model": ConsultationJson}, **UNKNOWN_CASE})
    def request_consultation(
        case_id: str, body: ConsultationBody, who: Annotated[Visitor, Depends(needs(Right.ASK))]
    ) -> JSONResponse:
        """Ask a specialist. While a request is open, asking again gives that one back."""
        asked = desk.consultations.request(
            case_id, question=body.question, priority=body.priority, requested_by=who.full_name
        )
        desk.audit.note(Action.CONSULTATION_ASKED, actor=who.name, subject=case_id, detail=body.question)
        return JSONResponse(consultation_json(case_id, asked, ()))

    @api.post("/cases/{case_id}/verdict", responses={200: {"model": VerdictJson}, **UNKNOWN_CASE})
    def give_verdict(
        case_id: str, body: VerdictBody, who: Annotated[Visitor, Depends(needs(Right.JUDGE))]
    ) -> JSONResponse:
        """Keep the doctor's word on the reading; the last one counts."""
        given = desk.casebook.give_verdict(case_id, agrees=body.agrees, note=body.note, given_by=who.full_name)
        said = "agrees" if body.agrees else "disagrees"
        desk.audit.note(Action.VERDICT_GIVEN, actor=who.name, subject=case_id, detail=said)
        return JSONResponse(verdict_json(given))


def _offer_station(api: APIRouter, desk: Desk) -> None:
    @api.get("/openapi.json", include_in_schema=False)
    def describe(request: Request) -> JSONResponse:
        return JSONResponse(request.app.openapi())

    @api.get("/queue", responses={200: {"model": QueueJson}})
    def show_queue() -> JSONResponse:
        """What still has to be read and sent."""
        return JSONResponse(queue_json(desk.outbox.summary(), unread=desk.inbox.unread(), now=desk.clock.now()))

    @api.get("/model", responses={200: {"model": ModelInUseJson}})
    def show_model() -> JSONResponse:
        """What reads the films, whether they are like those it was measured on, and whether the doctors agree."""
        model = desk.model_in_use()
        seen = drift(desk.casebook, model.identity.sha256, model.references) if model else None
        given = verdicts(desk.casebook), verdicts(desk.casebook, newest=VERDICTS)
        return JSONResponse(model_in_use_json(model, seen, *given, desk.machines()))


def _cases(desk: Desk, priority: Priority | None, since: datetime | None, limit: int) -> bytes:
    cases = desk.casebook.cases(priority=priority, since=since, limit=limit)
    deliveries = desk.outbox.of_studies([case.study_instance_uid for case in cases])
    shapes = [case_json(case, deliveries[case.study_instance_uid]) for case in cases]
    return json.dumps(shapes, ensure_ascii=False, separators=(",", ":")).encode()
