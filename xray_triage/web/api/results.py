"""The API of a doctor's result: its draft, its versions, its paper. Knows no page."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints
from starlette.responses import Response

from xray_triage.accounts.audit import Action
from xray_triage.cases.case import Case
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.shapes import ResultJson
from xray_triage.language import Language
from xray_triage.records.beginning import adopted, before
from xray_triage.records.book import NO_RESULT
from xray_triage.records.result import Author, BadWords, CannotWrite, Draft, Words
from xray_triage.records.shapes import shape_of
from xray_triage.stores import Stores
from xray_triage.web.security.visitor import Right, Visitor, needs

Uid = Annotated[str, StringConstraints(max_length=64)]
Doctor = Annotated[Visitor, Depends(needs(Right.JUDGE))]
ANSWERS: dict[int | str, dict[str, Any]] = {
    404: {"description": "There is no case with this id."},
    409: {"description": "Another result stands there, or none: detail says it in the visitor's language."},
    422: {"description": "Words are missing, or too many: detail says which."},
}
NO_PAPER: dict[int | str, dict[str, Any]] = {404: {"description": "There is no such version."}}


class WordsBody(BaseModel):
    """What the doctor wrote. ``adopts_answer``: true where the specialist's last word is taken over, or the answer's
    SOP Instance UID.
    """

    model_config = ConfigDict(extra="forbid")
    description: str = ""
    conclusion: str = ""
    advice: str = ""
    adopts_answer: StrictBool | Uid = False

    @property
    def has_words(self) -> bool:
        """Whether any were sent at all, be they empty."""
        return bool(self.model_fields_set & WordsBody.model_fields.keys())

    def of(self, case: Case) -> Words:
        """The words, with the answer that is meant. Raises BadWords when there is none."""
        uid = adopted(case, self.adopts_answer)
        return Words(description=self.description, conclusion=self.conclusion, advice=self.advice, adopts=uid)


class CancelBody(BaseModel):
    """Why nothing stands any more. ``over``: the version that was read; any, where it is not said."""

    model_config = ConfigDict(extra="forbid")
    reason: str = ""
    over: Annotated[int, Field(ge=1)] | None = None


class AmendBody(WordsBody, CancelBody):
    """What stands instead, and why; where no words are sent, those of this doctor's draft."""


def result_router(stores: Stores) -> APIRouter:
    """The routes of results under /api."""
    api = APIRouter(prefix="/api/cases/{case_id}")
    _take_drafts(api, stores)
    _take_versions(api, stores)

    @api.get("/result.pdf", responses=NO_PAPER, response_class=Response)
    def show_paper(
        case_id: str,
        who: Annotated[Visitor, Depends(needs(Right.SEE))],
        version: Annotated[int | None, Query(ge=1, le=1 << 31)] = None,
    ) -> Response:
        """The paper of a version, of the newest where none is named: as it was signed, else as it was made."""
        pdf = stores.signing.pdf(case_id, version)
        if pdf is None:
            raise HTTPException(404, Language(who.language).translate(NO_RESULT))
        detail = "" if version is None else str(version)
        stores.audit.note(Action.RESULT_OPENED, actor=who.name, subject=case_id, detail=detail)
        headers = {"Content-Disposition": f'inline; filename="{case_id}.pdf"', "Cache-Control": "no-store"}
        return Response(pdf, media_type="application/pdf", headers=headers)

    return api


def _take_drafts(api: APIRouter, stores: Stores) -> None:
    @api.post("/result", responses=ANSWERS)
    def save_draft(case_id: str, body: WordsBody, who: Doctor) -> ResultJson | None:
        """Keep what this doctor has written so far; without any word there is no draft of theirs any more."""
        case = _case(stores, case_id)
        with _said_to(who):
            stores.results.save_draft(case_id, author_of(stores, who), body.of(case))
        draft = _draft(stores, case_id, who)
        return shape_of(draft) if draft else None

    @api.post("/result/finish", responses=ANSWERS)
    def finish(case_id: str, who: Doctor, body: Annotated[WordsBody | None, Body()] = None) -> ResultJson:
        """Make a draft the first version: these words, else those of this doctor's draft."""
        case = _case(stores, case_id)
        with _said_to(who):
            words = body.of(case) if body and body.has_words else _drafted(stores, case_id, who)
            stores.results.finish(case_id, author_of(stores, who), words, before_author=before(case))
        stores.audit.note(Action.RESULT_FINISHED, actor=who.name, subject=case_id)
        return stores.results.shapes([case_id])[case_id]


def _take_versions(api: APIRouter, stores: Stores) -> None:
    @api.post("/result/amend", responses=ANSWERS)
    def amend(case_id: str, body: AmendBody, who: Doctor) -> ResultJson:
        """A new version over the newest: these words, else those of this doctor's draft."""
        case = _case(stores, case_id)
        with _said_to(who):
            words = body.of(case) if body.has_words else _drafted(stores, case_id, who)
            made = stores.results.amend(
                case_id,
                author_of(stores, who),
                words,
                reason=body.reason,
                before_author=before(case),
                over=body.over,
            )
        stores.audit.note(Action.RESULT_AMENDED, actor=who.name, subject=case_id, detail=made.reason)
        return stores.results.shapes([case_id])[case_id]

    @api.post("/result/cancel", responses=ANSWERS)
    def cancel(case_id: str, body: CancelBody, who: Doctor) -> ResultJson:
        """Nothing stands any more; what stood can still be read."""
        case = _case(stores, case_id)
        with _said_to(who):
            made = stores.results.cancel(
                case_id, author_of(stores, who), reason=body.reason, before_author=before(case), over=body.over
            )
        stores.audit.note(Action.RESULT_CANCELLED, actor=who.name, subject=case_id, detail=made.reason)
        return stores.results.shapes([case_id])[case_id]


def author_of(stores: Stores, who: Visitor) -> Author:
    """The visitor as who signs: with the licence number of the account, if it has one."""
    return Author(account=who.name, name=who.full_name, licence=stores.accounts.users.find(who.name).licence)


def _case(stores: Stores, case_id: str) -> Case:
    case = stores.casebook.case(case_id)
    if case is None:
        raise UnknownCase(case_id)
    return case


def _draft(stores: Stores, case_id: str, who: Visitor) -> Draft | None:
    return next((one for one in stores.results.drafts(case_id) if one.author.account == who.name), None)


def _drafted(stores: Stores, case_id: str, who: Visitor) -> Words:
    draft = _draft(stores, case_id, who)
    return draft.words if draft else Words()


@contextmanager
def _said_to(who: Visitor) -> Iterator[None]:
    """Tell the visitor what cannot be written, in their language."""
    try:
        yield
    except CannotWrite as error:
        status = 422 if isinstance(error, BadWords) else 409
        raise HTTPException(status, Language(who.language).translate(str(error))) from error
