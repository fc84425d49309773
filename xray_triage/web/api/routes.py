"""The JSON API: cases, consultations, verdicts, the queue, the model."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import JSONResponse, Response
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, StrictBool, model_validator

from xray_triage.accounts.audit import Action
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.shapes import CaseJson, QueueJson, VerdictJson
from xray_triage.model.acquaintance import machines_under
from xray_triage.model.drift import VERDICTS, ModelInUse, drift, verdicts
from xray_triage.model.shapes import ModelInUseJson
from xray_triage.reading.findings import Priority
from xray_triage.stores import Stores
from xray_triage.web.api.cache import ResponseCache
from xray_triage.web.api.questions import UNKNOWN_CASE, Note, in_words_of, take_questions
from xray_triage.web.security.visitor import Right, Visitor, needs


def _in_utc(at: datetime) -> datetime:
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("beyond the calendar") from error


def _with_plus(said: object) -> object:
    """Who writes +07:00 into a query string without encoding it sent a blank."""
    return re.sub(r" (?=\d{2}:?\d{2}$)", "+", said) if isinstance(said, str) and "T" in said else said


Since = Annotated[AwareDatetime, BeforeValidator(_with_plus), AfterValidator(_in_utc)]
NOTHING_TO_REREAD: dict[int | str, dict[str, Any]] = {
    409: {"description": "Every film was read, or is being read, or its file is gone: detail says which."}
}


class RereadJson(BaseModel):
    """How many films of the case will be read again."""

    films: int


class DoneBody(BaseModel):
    """Whether a doctor is done with the case."""

    model_config = ConfigDict(extra="forbid")
    done: StrictBool = True


class VerdictBody(BaseModel):
    """Whether the doctor agrees with the reading; without that, the note is their conclusion on what was not read."""

    model_config = ConfigDict(extra="forbid")
    agrees: StrictBool | None = None
    note: Note = ""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.agrees is None and not self.note.strip():
            raise ValueError("neither agrees, disagrees nor concludes")
        return self


def api_router(stores: Stores, model_in_use: Callable[[], ModelInUse | None]) -> APIRouter:
    """The routes under /api."""
    api = APIRouter(prefix="/api")
    _offer_cases(api, stores)
    take_questions(api, stores)
    _take_words(api, stores)
    _offer_station(api, stores, model_in_use)
    return api


def _offer_cases(api: APIRouter, stores: Stores) -> None:
    cache = ResponseCache(stores.casebook.version)

    @api.get("/cases", response_model=list[CaseJson])
    def list_cases(
        priority: Priority | None = None,
        since: Since | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 50,
    ) -> Response:
        """The worklist: the most urgent first, then the newest. ``since``: received at or after."""
        answer = cache.answer((priority, since, limit), lambda: _cases(stores, priority, since, limit))
        return Response(answer, media_type="application/json")

    @api.get("/cases/{case_id}", responses=UNKNOWN_CASE)
    def show_case(case_id: str, who: Annotated[Visitor, Depends(needs(Right.SEE))]) -> CaseJson:
        """One case."""
        case = stores.casebook.case(case_id)
        if case is None:
            raise UnknownCase(case_id)
        stores.audit.note(Action.CASE_SEEN, actor=who.name, subject=case_id)
        result = stores.results.shapes([case_id]).get(case_id)
        return CaseJson.of(case, stores.outbox.of_study(case.study_instance_uid), result)


def _take_words(api: APIRouter, stores: Stores) -> None:
    """What a doctor says of a case."""

    @api.post("/cases/{case_id}/verdict", responses=UNKNOWN_CASE)
    def give_verdict(
        case_id: str, body: VerdictBody, who: Annotated[Visitor, Depends(needs(Right.JUDGE))]
    ) -> VerdictJson:
        """Keep the doctor's word on the reading, or their conclusion where there is none; the last one counts."""
        given = stores.casebook.give_verdict(case_id, agrees=body.agrees, note=body.note, given_by=who.full_name)
        said = {True: "agrees", False: "disagrees", None: "concludes"}[body.agrees]
        stores.audit.note(Action.VERDICT_GIVEN, actor=who.name, subject=case_id, detail=said)
        return VerdictJson.model_validate(given)

    @api.post("/cases/{case_id}/seen", responses=UNKNOWN_CASE, status_code=204)
    def see(case_id: str, who: Annotated[Visitor, Depends(needs(Right.JUDGE))]) -> Response:
        """A doctor has the case, and what came to it, before their eyes."""
        if stores.casebook.case(case_id) is None:
            raise UnknownCase(case_id)
        stores.audit.note(Action.CASE_SEEN, actor=who.name, subject=case_id)
        stores.casebook.see(case_id, by=who.full_name)
        return Response(status_code=204)

    @api.post("/cases/{case_id}/done", responses=UNKNOWN_CASE, status_code=204)
    def finish(case_id: str, body: DoneBody, who: Annotated[Visitor, Depends(needs(Right.JUDGE))]) -> Response:
        """Nothing is left to do with the case, or something is after all."""
        if body.done:
            stores.casebook.finish(case_id, by=who.full_name)
        else:
            stores.casebook.reopen(case_id)
        stores.audit.note(Action.CASE_DONE if body.done else Action.CASE_REOPENED, actor=who.name, subject=case_id)
        return Response(status_code=204)

    @api.post("/cases/{case_id}/reread", responses=UNKNOWN_CASE | NOTHING_TO_REREAD)
    def reread(case_id: str, who: Annotated[Visitor, Depends(needs(Right.JUDGE))]) -> RereadJson:
        """Read the films of the case again that were not read."""
        with in_words_of(who):
            films = stores.rereading.reread(case_id)
        stores.audit.note(Action.REREAD, actor=who.name, subject=case_id)
        return RereadJson(films=films)


def _offer_station(api: APIRouter, stores: Stores, model_in_use: Callable[[], ModelInUse | None]) -> None:
    @api.get("/openapi.json", include_in_schema=False)
    def describe(request: Request) -> JSONResponse:
        return JSONResponse(request.app.openapi())

    @api.get("/queue")
    def show_queue() -> QueueJson:
        """What still has to be read and sent."""
        summary, records = stores.outbox.summary(), stores.records.summary()
        return QueueJson.of(summary, records=records, unread=stores.inbox.unread(), now=stores.clock.now())

    @api.get("/model")
    def show_model() -> ModelInUseJson:
        """What reads the films, whether they are like those it was measured on, and whether the doctors agree."""
        model = model_in_use()
        seen = drift(stores.gauges, model.identity.sha256, model.references) if model else None
        given = verdicts(stores.gauges), verdicts(stores.gauges, newest=VERDICTS)
        return ModelInUseJson.of(model, seen, *given, machines_under(stores.machines, model))


def _cases(stores: Stores, priority: Priority | None, since: datetime | None, limit: int) -> bytes:
    cases = stores.casebook.cases(priority=priority, since=since, limit=limit)
    deliveries = stores.outbox.of_studies([case.study_instance_uid for case in cases])
    results = stores.results.shapes(case.case_id for case in cases)
    # One by one: hundreds of shapes at once in memory cost more than their text.
    shapes = (
        CaseJson.of(case, deliveries[case.study_instance_uid], results.get(case.case_id)).model_dump_json()
        for case in cases
    )
    return f"[{','.join(shapes)}]".encode()
