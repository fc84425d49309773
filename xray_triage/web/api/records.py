"""A case as FHIR R4, as a FHIR server would get it now. Knows no form of it."""

from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import JSONResponse

from xray_triage.accounts.audit import Action
from xray_triage.records.fhir import bundle
from xray_triage.stores import Stores
from xray_triage.web.security.visitor import Right, Visitor, needs


class FhirResponse(JSONResponse):
    """JSON under FHIR's own media type."""

    media_type = "application/fhir+json"


def record_router(stores: Stores) -> APIRouter:
    """The route of the Bundle."""
    records = APIRouter(prefix="/api")

    @records.get(
        "/cases/{case_id}/fhir",
        response_class=FhirResponse,
        responses={404: {"description": "There is no case with this id."}},
    )
    def show_bundle(case_id: str, who: Annotated[Visitor, Depends(needs(Right.SEE))]) -> FhirResponse:
        """A transaction Bundle: what a doctor wrote last, else what the AI saw, as preliminary."""
        record = stores.gatherer.newest(case_id)
        stores.audit.note(Action.CASE_SEEN, actor=who.name, subject=case_id)
        return FhirResponse(bundle(record))

    return records
