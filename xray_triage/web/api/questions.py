"""A doctor's question to a specialist over the API: asked, added to, made urgent, withdrawn. Knows no PACS."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, StrictBool, StringConstraints, model_validator

from xray_triage.accounts.audit import Action
from xray_triage.cases.rereading import CannotReread
from xray_triage.cases.shapes import ConsultationJson
from xray_triage.consultations.preparing import CannotAsk
from xray_triage.language import Language
from xray_triage.stores import Stores
from xray_triage.web.security.visitor import Right, Visitor, needs

# No control characters but tab and line ends: the text goes into DICOM (PS3.5 6.1.3).
PLAIN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"
Question = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000, pattern=PLAIN)]
Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000, pattern=PLAIN)]
UNKNOWN_CASE: dict[int | str, dict[str, Any]] = {404: {"description": "There is no case with this id."}}
NOT_OPEN: dict[int | str, dict[str, Any]] = {409: {"description": "No question waits for an answer; detail says more."}}


class ConsultationBody(BaseModel):
    """The doctor's question to a specialist."""

    model_config = ConfigDict(extra="forbid")
    question: Question
    priority: Literal["urgent", "routine"] = "routine"


class ChangeBody(BaseModel):
    """What becomes of a question that waits: more text, more haste, or, with ``text`` as the reason, its withdrawal."""

    model_config = ConfigDict(extra="forbid")
    text: Note = ""
    urgent: StrictBool = False
    withdraw: StrictBool = False

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.text or self.urgent or self.withdraw):
            raise ValueError("neither adds, makes urgent nor withdraws")
        if self.urgent and self.withdraw:
            raise ValueError("a question that is withdrawn is not urgent")
        return self


@contextmanager
def in_words_of(who: Visitor) -> Iterator[None]:
    """What cannot be done is told in the visitor's language: 409."""
    try:
        yield
    except (CannotAsk, CannotReread) as error:
        raise HTTPException(409, Language(who.language).translate(error.words)) from error


def take_questions(api: APIRouter, stores: Stores) -> None:
    """The routes of a case's consultation."""

    @api.post("/cases/{case_id}/consultation", responses=UNKNOWN_CASE)
    def request_consultation(
        case_id: str, body: ConsultationBody, who: Annotated[Visitor, Depends(needs(Right.ASK))]
    ) -> ConsultationJson:
        """Ask a specialist. While a request is open, asking again gives that one back."""
        with in_words_of(who):
            asked = stores.consultations.request(
                case_id, question=body.question, priority=body.priority, requested_by=who.full_name
            )
        stores.audit.note(Action.CONSULTATION_ASKED, actor=who.name, subject=case_id, detail=body.question)
        return ConsultationJson.model_validate(asked, context=case_id)

    @api.post("/cases/{case_id}/consultation/change", responses=UNKNOWN_CASE | NOT_OPEN)
    def change_consultation(
        case_id: str, body: ChangeBody, who: Annotated[Visitor, Depends(needs(Right.ASK))]
    ) -> ConsultationJson:
        """Add to the open question, make it urgent, or withdraw it; the specialist gets a new request document."""
        with in_words_of(who):
            if body.withdraw:
                stores.follow_ups.withdraw(case_id, by=who.full_name, reason=body.text)
            else:
                stores.follow_ups.change(case_id, by=who.full_name, text=body.text, urgent=body.urgent)
        action = Action.CONSULTATION_WITHDRAWN if body.withdraw else Action.CONSULTATION_CHANGED
        told = " · ".join(filter(None, ("urgent" if body.urgent else "", body.text)))
        stores.audit.note(action, actor=who.name, subject=case_id, detail=told)
        case = stores.casebook.case(case_id)
        assert case is not None, "it was changed"
        return ConsultationJson.model_validate(case.consultation, context=case_id)
