"""The doctor's pages, each in a module of its own. Their live parts are fragments, which htmx renews upon an event."""

from fastapi import APIRouter

from xray_triage.web.desk import Desk
from xray_triage.web.pages.case_page import case_router
from xray_triage.web.pages.health_page import health_router
from xray_triage.web.pages.model_page import model_router
from xray_triage.web.pages.news import news_router
from xray_triage.web.pages.print_page import print_router
from xray_triage.web.pages.view import View
from xray_triage.web.pages.worklist_page import worklist_router


def page_router(desk: Desk, view: View) -> APIRouter:
    """The routes of the pages."""
    pages = APIRouter()
    for router in (worklist_router, case_router, print_router, health_router, news_router, model_router):
        pages.include_router(router(desk, view))
    return pages
