"""All routes under /dicom-web, and who is noted to have seen what. Joins the rooms of this folder; decides nothing."""

from fastapi import APIRouter, Depends, Request

from xray_triage.rendering.renderer import Renderer
from xray_triage.stores import Stores
from xray_triage.web.dicomweb.instances import Instances
from xray_triage.web.dicomweb.rendered import rendered_router
from xray_triage.web.dicomweb.retrieve import retrieve_router
from xray_triage.web.dicomweb.search import search_router
from xray_triage.web.security.visitor import Who, address_of
from xray_triage.web.surroundings import Fetch


def dicomweb_router(stores: Stores, renderer: Renderer, fetch: Fetch | None = None) -> APIRouter:
    """QIDO-RS and WADO-RS, read-only."""

    def note_sight(request: Request, who: Who) -> None:
        case = stores.casebook.case_of_study(request.path_params.get("study", ""))
        if case is not None:
            stores.audit.note_sight(
                actor=who.name, case_id=case.case_id, detail="DICOMweb", address=address_of(request)
            )

    router = APIRouter(prefix="/dicom-web", dependencies=[Depends(note_sight)])
    instances = Instances(stores, fetch)
    router.include_router(retrieve_router(stores, instances))
    router.include_router(rendered_router(instances, renderer))
    router.include_router(search_router(stores, instances))
    return router
