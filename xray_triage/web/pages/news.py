"""What rings on every open page: the newest urgent film and the newest answer of a specialist. Knows no sound."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from xray_triage.stores import Stores
from xray_triage.web.api.cache import ResponseCache
from xray_triage.web.pages.fragments import unless_same
from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import Who


def news_router(stores: Stores, view: View) -> APIRouter:
    """The route of the news; a page's script rings when a number is higher than it was."""
    pages = APIRouter(default_response_class=HTMLResponse)
    cache = ResponseCache(stores.casebook.version)

    @pages.get("/fragments/news")
    def tell_news(request: Request, who: Who) -> Response:
        make = lambda: view.render("_news.html", who, news=stores.casebook.news())  # noqa: E731
        return unless_same(request, cache.answer(who.language, make))

    return pages
