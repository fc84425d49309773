"""The audit trail: its page and its CSV, by user, case and day; and what all routes note of searches."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from starlette.responses import HTMLResponse, Response

from xray_triage.accounts.audit import Action, Entry
from xray_triage.cases.period import midnight
from xray_triage.cases.worklist import typed_day
from xray_triage.language import N_, Language
from xray_triage.stores import Stores
from xray_triage.web.pages.spreadsheet import Cell, csv_file
from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import Right, Visitor, address_of, needs, stores_of, visitor
from xray_triage.web.words.accounts import action_in, detail_in

PAGE_ROWS = 100
SEARCHES = ("/", "/orders")
LISTS = ("/api/cases", *(f"/dicom-web/{level}" for level in ("studies", "series", "instances")))
HOW_MANY = ("limit", "offset", "since", "includefield", "fuzzymatching")  # which change with every page or poll
MOST_DETAIL = 200
CASE_ID = re.compile(r"[0-9a-f]{12}")  # whatever was done to a case, now or by a later version
NO_DAY = N_("Không hiểu ngày này: hãy gõ như 22/11/2026 hoặc 22/11.")
COLUMNS = ("at", "actor", "action", "subject", "detail", "address")
Who = Annotated[Visitor, Depends(needs(Right.ADMINISTER))]
Text = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which lines are wanted; an empty field is any. ``day`` as somebody typed it."""

    actor: str
    subject: str
    day: str
    today: date

    @property
    def is_no_day(self) -> bool:
        """Whether what was typed is no day: then nobody may think that nothing was done on it."""
        return bool(self.day) and typed_day(self.day, self.today) is None

    @property
    def bounds(self) -> dict[str, datetime]:
        """The day in the computer's own zone."""
        day = typed_day(self.day, self.today) if self.day else None
        return {} if day is None else {"since": midnight(day), "until": midnight(day + timedelta(days=1))}


def _filter(request: Request, actor: Text = "", subject: Text = "", day: Text = "") -> Filter:
    today = stores_of(request).clock.now().astimezone().date()
    return Filter(actor=actor.strip(), subject=subject.strip(), day=day.strip(), today=today)


Wanted = Annotated[Filter, Depends(_filter)]


def note_lists(request: Request, who: Annotated[Visitor, Depends(visitor)]) -> None:
    """For ``Depends``: notes who looked for which patients, where lists of them are handed out.

    A person's list without a search is the start page, seen all day; what renews an open page is no search.
    """
    name, given = request.url.path, request.query_params
    if name in SEARCHES:
        what = given.get("q", "").strip()
    elif name in LISTS:
        what = " ".join(f"{key}={value}" for key, value in given.multi_items() if key.lower() not in HOW_MANY)
    else:
        return
    if what or name in LISTS:
        action = Action.SEARCHED if what else Action.LISTED
        line = {"subject": name.strip("/") or "cases", "detail": what[:MOST_DETAIL], "address": address_of(request)}
        stores_of(request).audit.note(action, actor=who.name, **line)


def audit_router(stores: Stores, view: View) -> APIRouter:
    """The routes /audit and /audit.csv."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.get("/audit")
    def show_trail(
        request: Request, who: Who, wanted: Wanted, before: Annotated[int | None, Query(ge=1, le=2**62)] = None
    ) -> Response:
        limit = 0 if wanted.is_no_day else PAGE_ROWS + 1
        found = stores.audit.entries(
            actor=wanted.actor, subject=wanted.subject, before=before, limit=limit, **wanted.bounds
        )
        stores.audit.note(Action.TRAIL_READ, actor=who.name, address=address_of(request))
        language = Language(who.language)
        page = view.render(
            "audit.html",
            who,
            wanted=wanted,
            entries=[
                (entry, action_in(language, entry.action), detail_in(language, entry.action, entry.detail))
                for entry in found[:PAGE_ROWS]
            ],
            older=found[PAGE_ROWS - 1].entry_id if len(found) > PAGE_ROWS else None,
            is_case=CASE_ID.fullmatch,
            no_day=NO_DAY,
            is_first=before is None,
        )
        return HTMLResponse(page)

    @pages.get("/audit.csv")
    def export_trail(who: Who, wanted: Wanted) -> Response:
        if wanted.is_no_day:
            raise HTTPException(422, Language(who.language).say(NO_DAY))
        stores.audit.note(Action.EXPORTED, actor=who.name, subject="audit")
        entries = stores.audit.all_entries(actor=wanted.actor, subject=wanted.subject, **wanted.bounds)
        return csv_file("audit.csv", COLUMNS, map(_cells, entries))

    return pages


def _cells(entry: Entry) -> Sequence[Cell]:
    return [entry.at, entry.actor, str(entry.action), entry.subject, entry.detail, entry.address]
