"""All routes under /dicom-web, and who is noted to have seen what. Joins the rooms of this folder; decides nothing."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request

from xray_triage.web.desk import Desk
from xray_triage.web.dicomweb.archive import Archive
from xray_triage.web.dicomweb.rendered import rendered_router
from xray_triage.web.dicomweb.retrieve import retrieve_router
from xray_triage.web.dicomweb.search import search_router
from xray_triage.web.security.visitor import Visitor, address_of, visitor


def dicomweb_router(desk: Desk) -> APIRouter:
    """QIDO-RS and WADO-RS, read-only."""

    def note_sight(request: Request, who: Annotated[Visitor, Depends(visitor)]) -> None:
        case = desk.casebook.case_of_study(request.path_params.get("study", ""))
        if case is not None:
            desk.audit.note_sight(actor=who.name, case_id=case.case_id, detail="DICOMweb", address=address_of(request))

    router = APIRouter(prefix="/dicom-web", dependencies=[Depends(note_sight)])
    archive = Archive(desk)
    router.include_router(retrieve_router(desk, archive))
    router.include_router(rendered_router(desk, archive))
    router.include_router(search_router(desk, archive))
    return router
