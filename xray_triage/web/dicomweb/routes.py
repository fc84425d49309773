"""All routes under /dicom-web, and what a damaged file means there. Joins the rooms of this folder; decides nothing."""

from fastapi import APIRouter

from xray_triage.web.desk import Desk
from xray_triage.web.dicomweb.archive import Archive
from xray_triage.web.dicomweb.rendered import rendered_router
from xray_triage.web.dicomweb.retrieve import retrieve_router
from xray_triage.web.dicomweb.search import search_router


def dicomweb_router(desk: Desk) -> APIRouter:
    """QIDO-RS and WADO-RS, read-only."""
    router = APIRouter(prefix="/dicom-web")
    archive = Archive(desk)
    router.include_router(retrieve_router(desk, archive))
    router.include_router(rendered_router(desk, archive))
    router.include_router(search_router(desk, archive))
    return router
