"""The doctor's pages: the worklist and the case, as HTML. Their live parts are fragments that a small script renews."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.responses import HTMLResponse, Response

from xray_triage.accounts.trail import Action
from xray_triage.cases.case import Case
from xray_triage.health import Check, troubles
from xray_triage.reading.findings import Priority
from xray_triage.web.desk import Desk
from xray_triage.web.memory import AnswerMemory
from xray_triage.web.shapes import is_reachable
from xray_triage.web.view import View
from xray_triage.web.visitor import Visitor, visitor

WORKLIST_ROWS = 100
Search = Annotated[str, Query(max_length=100)]
Who = Annotated[Visitor, Depends(visitor)]


def page_router(desk: Desk) -> APIRouter:
    """The routes of the pages."""
    pages = APIRouter(default_response_class=HTMLResponse)
    view = Pages(desk)

    @pages.get("/")
    def show_worklist(who: Who, q: Search = "", priority: Priority | None = None) -> HTMLResponse:
        return HTMLResponse(view.worklist("worklist.html", who, q, priority))

    @pages.get("/fragments/worklist")
    def renew_worklist(request: Request, who: Who, q: Search = "", priority: Priority | None = None) -> Response:
        return _unless_same(request, view.worklist("_worklist.html", who, q, priority))

    @pages.get("/cases/{case_id}")
    def show_case(case_id: str, who: Who) -> HTMLResponse:
        case = desk.casebook.case(case_id)
        if case is None:
            return HTMLResponse(view.render("missing.html", who), 404)
        desk.audit.note(Action.CASE_SEEN, actor=who.name, subject=case_id)
        return HTMLResponse(view.case("case.html", who, case))

    @pages.get("/fragments/cases/{case_id}/{part}")
    def renew_case(
        request: Request, who: Who, case_id: str, part: Literal["films", "consultation", "deliveries"]
    ) -> Response:
        case = desk.casebook.case(case_id)
        if case is None:
            raise HTTPException(404)
        return _unless_same(request, view.case(f"_{part}.html", who, case))

    return pages


class Pages:
    """What the pages show, from the rooms behind them."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._memory = AnswerMemory(desk.casebook.version)
        self._view = View(desk)

    def render(self, name: str, who: Visitor, /, **context: Any) -> bytes:
        return self._view.render(name, who, **context)

    def worklist(self, name: str, who: Visitor, q: str, priority: Priority | None) -> bytes:
        """The list, or its live part, which every open page asks for again and again."""
        found = tuple(troubles(self._desk.health.report()))
        today = self._desk.clock.now().astimezone().date()
        question = (name, who, q, priority, found, today)
        return self._memory.answer(question, lambda: self._worklist(name, who, q, priority, found))

    def _worklist(self, name: str, who: Visitor, q: str, priority: Priority | None, found: Sequence[Check]) -> bytes:
        desk = self._desk
        cases = desk.casebook.cases(search=q, priority=priority, limit=WORKLIST_ROWS)
        return self.render(
            name,
            who,
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

    def case(self, name: str, who: Visitor, case: Case) -> bytes:
        """A case's page, or a live part of it."""
        arrivals = self._desk.inbox.of_study(case.study_instance_uid)
        return self.render(
            name,
            who,
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
