"""The doctor's pages: the worklist and the case, as HTML. Their live parts are fragments that a small script renews."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import jinja2
from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import HTMLResponse, Response

from xray_triage.cases.case import Case
from xray_triage.health import Check, troubles
from xray_triage.reading.findings import Priority
from xray_triage.web import words
from xray_triage.web.desk import Desk
from xray_triage.web.memory import AnswerMemory
from xray_triage.web.shapes import is_reachable

WORKLIST_ROWS = 100
Search = Annotated[str, Query(max_length=100)]


def page_router(desk: Desk) -> APIRouter:
    """The routes of the pages."""
    pages = APIRouter(default_response_class=HTMLResponse)
    view = View(desk)

    @pages.get("/")
    def show_worklist(q: Search = "", priority: Priority | None = None) -> HTMLResponse:
        return HTMLResponse(view.worklist("worklist.html", q, priority))

    @pages.get("/fragments/worklist")
    def renew_worklist(request: Request, q: Search = "", priority: Priority | None = None) -> Response:
        return _unless_same(request, view.worklist("_worklist.html", q, priority))

    @pages.get("/cases/{case_id}")
    def show_case(case_id: str) -> HTMLResponse:
        case = desk.casebook.case(case_id)
        if case is None:
            return HTMLResponse(view.render("missing.html"), 404)
        return HTMLResponse(view.case("case.html", case))

    @pages.get("/fragments/cases/{case_id}/{part}")
    def renew_case(request: Request, case_id: str, part: Literal["films", "consultation", "deliveries"]) -> Response:
        case = desk.casebook.case(case_id)
        if case is None:
            raise HTTPException(404)
        return _unless_same(request, view.case(f"_{part}.html", case))

    return pages


class View:
    """Fills the templates from the rooms behind the page."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._memory = AnswerMemory(desk.casebook.version)
        self._templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.globals.update(words=words, station_name=desk.station_name, Priority=Priority)

    def render(self, name: str, **context: Any) -> bytes:
        return self._templates.get_template(name).render(now=self._desk.clock.now(), **context).encode()

    def worklist(self, name: str, q: str, priority: Priority | None) -> bytes:
        """The list, or its live part, which every open page asks for again and again."""
        found = tuple(troubles(self._desk.health.report()))
        today = self._desk.clock.now().astimezone().date()
        return self._memory.answer((name, q, priority, found, today), lambda: self._worklist(name, q, priority, found))

    def _worklist(self, name: str, q: str, priority: Priority | None, found: Sequence[Check]) -> bytes:
        desk = self._desk
        cases = desk.casebook.cases(search=q, priority=priority, limit=WORKLIST_ROWS)
        return self.render(
            name,
            q=q,
            priority=priority,
            cases=cases,
            deliveries=desk.outbox.of_studies([case.study_instance_uid for case in cases]),
            counts=desk.casebook.counts(),
            unread=desk.inbox.unread(),
            quarantined=len(desk.inbox.quarantined()),
            troubles=found,
            **self._queue(),
        )

    def case(self, name: str, case: Case) -> bytes:
        """A case's page, or a live part of it."""
        arrivals = self._desk.inbox.of_study(case.study_instance_uid)
        return self.render(
            name,
            case=case,
            deliveries=self._desk.outbox.of_study(case.study_instance_uid),
            quarantined=sum(arrival.quarantined for arrival in arrivals),
            troubles=troubles(self._desk.health.report()),
            **self._queue(),
        )

    def _queue(self) -> dict[str, Any]:
        summary = self._desk.outbox.summary()
        return {
            "unreachable": [d.name for d in summary.destinations if not is_reachable(d, summary.refused)],
            "waiting": summary.waiting + summary.sending,
            "refused": len(summary.refused),
        }


def _unless_same(request: Request, fragment: bytes) -> Response:
    """304 when the browser's script shows this very fragment already."""
    tag = f'"{hashlib.sha256(fragment).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    return HTMLResponse(fragment, headers={"ETag": tag})
