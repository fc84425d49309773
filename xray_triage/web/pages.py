"""The doctor's pages: the worklist and the case, as HTML. Their live parts are fragments that a small script renews."""

import hashlib
from pathlib import Path
from typing import Annotated, Any, Literal

import jinja2
from fastapi import APIRouter, HTTPException, Query, Request
from starlette.responses import HTMLResponse, Response

from xray_triage.cases.case import Case
from xray_triage.health import troubles
from xray_triage.reading.findings import Priority
from xray_triage.web import words
from xray_triage.web.desk import Desk
from xray_triage.web.shapes import is_reachable

WORKLIST_ROWS = 100
Search = Annotated[str, Query(max_length=100)]


def page_router(desk: Desk) -> APIRouter:
    """The routes of the pages."""
    pages = APIRouter(default_response_class=HTMLResponse)
    templates = _templates(desk)

    def render(name: str, status: int = 200, **context: Any) -> HTMLResponse:
        return HTMLResponse(templates.get_template(name).render(now=desk.clock.now(), **context), status)

    def found(case_id: str) -> Case:
        case = desk.casebook.case(case_id)
        if case is None:
            raise HTTPException(404)
        return case

    @pages.get("/")
    def show_worklist(q: Search = "", priority: Priority | None = None) -> HTMLResponse:
        return render("worklist.html", q=q, priority=priority, **_worklist(desk, q, priority))

    @pages.get("/fragments/worklist")
    def renew_worklist(request: Request, q: Search = "", priority: Priority | None = None) -> Response:
        return _unless_same(request, render("_worklist.html", q=q, priority=priority, **_worklist(desk, q, priority)))

    @pages.get("/cases/{case_id}")
    def show_case(case_id: str) -> HTMLResponse:
        case = desk.casebook.case(case_id)
        return render("missing.html", 404) if case is None else render("case.html", **_case(desk, case))

    @pages.get("/fragments/cases/{case_id}/{part}")
    def renew_case(request: Request, case_id: str, part: Literal["films", "consultation", "deliveries"]) -> Response:
        return _unless_same(request, render(f"_{part}.html", **_case(desk, found(case_id))))

    return pages


def _templates(desk: Desk) -> jinja2.Environment:
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.globals.update(words=words, station_name=desk.station_name, Priority=Priority)
    return templates


def _worklist(desk: Desk, q: str, priority: Priority | None) -> dict[str, Any]:
    cases = desk.casebook.cases(search=q, priority=priority, limit=WORKLIST_ROWS)
    return {
        "cases": cases,
        "deliveries": desk.outbox.of_studies([case.study_instance_uid for case in cases]),
        "counts": desk.casebook.counts(),
        "unread": desk.inbox.unread(),
        "quarantined": len(desk.inbox.quarantined()),
        **_banners(desk),
    }


def _case(desk: Desk, case: Case) -> dict[str, Any]:
    arrivals = desk.inbox.of_study(case.study_instance_uid)
    return {
        "case": case,
        "deliveries": desk.outbox.of_study(case.study_instance_uid),
        "quarantined": sum(arrival.quarantined for arrival in arrivals),
        **_banners(desk),
    }


def _banners(desk: Desk) -> dict[str, Any]:
    summary = desk.outbox.summary()
    return {
        "troubles": troubles(desk.health.report()),
        "unreachable": [d.name for d in summary.destinations if not is_reachable(d, summary.refused)],
        "waiting": summary.waiting + summary.sending,
        "refused": len(summary.refused),
    }


def _unless_same(request: Request, fragment: HTMLResponse) -> Response:
    """304 when the browser's script shows this very fragment already."""
    tag = f'"{hashlib.sha256(bytes(fragment.body)).hexdigest()[:32]}"'
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers={"ETag": tag})
    fragment.headers["ETag"] = tag
    return fragment
