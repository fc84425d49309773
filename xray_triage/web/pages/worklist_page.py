"""The worklist: what a doctor asked it for, and its page, whose list renews itself."""

from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from dicom_router.store.delivery import DeliveryState
from xray_triage.cases.case import Case
from xray_triage.cases.casebook import UnknownCase
from xray_triage.cases.worklist import CaseState, Counts
from xray_triage.health.checks import troubles
from xray_triage.language import N_
from xray_triage.model.limits import never_rings, unjudged
from xray_triage.reading.findings import Priority
from xray_triage.stores import Stores
from xray_triage.web.api.cache import ResponseCache
from xray_triage.web.pages.fragments import banners, unless_same
from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import Right, Visitor, Who
from xray_triage.web.surroundings import Surroundings
from xray_triage.web.words.cases import by_weight, is_pressing, taken_at

ROWS = 100
RECENT = 200  # cases among which the urgent stand first; else those of years would leave no room for today's
STATES = (
    (CaseState.OPEN.value, N_("Đang chờ trả lời")),
    (CaseState.OVERDUE.value, N_("Quá hạn trả lời")),
    (CaseState.UNREAD.value, N_("Có trả lời chưa xem")),
    (CaseState.NONE.value, N_("Chưa hội chẩn")),
    (CaseState.UNSEEN.value, N_("Chưa xem")),
    (DeliveryState.WAITING.value, N_("Đang chờ gửi")),
    (DeliveryState.REFUSED.value, N_("Bị từ chối")),
)
UNPROVEN = "unproven"  # stands among the priorities: no mark, and no clearance
Text = Annotated[str, Query(max_length=100)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What the worklist is narrowed to, as it stands in the address; what makes no sense there is left out."""

    q: str = ""
    priority: str = ""
    state: str = ""
    before: str = ""
    every: str = ""

    @property
    def newest(self) -> int | None:
        """Among how many of the last cases to look: whoever searches or asks for every case looks among all."""
        return None if self.q or self.state or self.every else RECENT

    @property
    def is_narrowed(self) -> bool:
        return any(asdict(self).values())

    def query(self, **changes: str) -> str:
        """The address's end for the same with ``changes``."""
        wanted = {key: value for key, value in asdict(replace(self, **changes)).items() if value}
        return f"?{urlencode(wanted)}" if wanted else ""


def asked(q: Text = "", priority: Text = "", state: Text = "", before: Text = "", every: Text = "") -> Asked:
    """What somebody asked for."""
    return Asked(
        q=q.strip(),
        priority=priority if priority in (*Priority, UNPROVEN) else "",
        state=state if state in dict(STATES) else "",
        before=before,
        every="yes" if every else "",
    )


def worklist_router(stores: Stores, surroundings: Surroundings, view: View) -> APIRouter:
    """The routes of the worklist."""
    pages = APIRouter(default_response_class=HTMLResponse)
    cache = ResponseCache(stores.casebook.version)

    def render(name: str, who: Visitor, wanted: Asked) -> bytes:
        return view.render(name, who, **_context(stores, surroundings, wanted))

    @pages.get("/")
    def show_worklist(who: Who, wanted: Annotated[Asked, Depends(asked)]) -> Response:
        return HTMLResponse(render("worklist.html", who, wanted))

    @pages.get("/next")
    def go_on(after: Text = "") -> Response:
        """To the case that a doctor should open next, but for ``after``; to the list when there is none."""
        case = _next(stores, after)
        return RedirectResponse(f"/cases/{case.case_id}" if case else "/", 303)

    @pages.get("/fragments/worklist")
    def renew_worklist(request: Request, who: Who, wanted: Annotated[Asked, Depends(asked)]) -> Response:
        # Every open page asks this after every commit. It is the same for all until a minute of its ages is over.
        minute = stores.clock.now().replace(second=0, microsecond=0)
        told = tuple(troubles(surroundings.health.report()))
        question = (wanted, who.language, who.may(Right.JUDGE), minute, told)
        return unless_same(request, cache.answer(question, lambda: render("_worklist.html", who, wanted)))

    return pages


def _context(stores: Stores, surroundings: Surroundings, wanted: Asked) -> dict[str, Any]:
    cases = _cases(stores, wanted)
    model = surroundings.model_in_use()
    manifest = model and model.manifest
    counts = stores.casebook.counts_of(**_narrowing(stores, wanted))
    page = cases[:ROWS]
    sent = stores.outbox.of_studies([case.study_instance_uid for case in page])
    return {
        "here": "/",
        "asked": wanted,
        "states": STATES,
        "rows": [(case, sent[case.study_instance_uid]) for case in page],
        "results": stores.results.shapes(case.case_id for case in page),
        "more": page[-1].case_id if len(cases) > ROWS else "",
        "counts": _by_filter(counts),
        "unseen": counts.unseen,
        "answered": stores.casebook.news().answered,
        "unread": stores.inbox.unread(),
        "banners": banners(stores, surroundings.health),
        "unjudged": unjudged(manifest) if manifest else (),
        "never_rings": never_rings(manifest, surroundings.urgent) if manifest else (),
        "by_weight": by_weight,
        "is_pressing": is_pressing,
        "taken_at": taken_at,
    }


def _next(stores: Stores, after: str) -> Case | None:
    """What says something new, in the list's order; then the questions that wait too long and are not done."""
    for state in (CaseState.UNREAD, CaseState.UNSEEN, CaseState.OVERDUE):
        for case in stores.casebook.cases(state=state.value, limit=ROWS):
            if case.case_id != after and (state is not CaseState.OVERDUE or case.done is None):
                return case
    return None


def _by_filter(counts: Counts) -> dict[str, int]:
    """How many cases there are behind each filter, in their order: those not cleared apart from the normal ones."""
    found = {priority.value: count for priority, count in counts.of.items()}
    normal = found.pop(Priority.NORMAL.value)
    return found | {UNPROVEN: counts.unproven, Priority.NORMAL.value: normal}


def _narrowing(stores: Stores, wanted: Asked) -> dict[str, Any]:
    """What the list is narrowed to beside a priority, as the casebook is asked."""
    by_delivery = wanted.state in list(DeliveryState)
    return {
        "search": wanted.q,
        "state": None if by_delivery else wanted.state or None,
        "studies": stores.outbox.unsent_studies(DeliveryState(wanted.state)) if by_delivery else None,
        "newest": wanted.newest,
    }


def _cases(stores: Stores, wanted: Asked) -> list[Case]:
    """One more than a page has, where there are more."""
    priority = Priority.NORMAL.value if wanted.priority == UNPROVEN else wanted.priority
    find = partial(
        stores.casebook.cases,
        **_narrowing(stores, wanted),
        priority=priority or None,
        unproven=wanted.priority == UNPROVEN if priority == Priority.NORMAL.value else None,
        limit=ROWS + 1,
    )
    try:
        return find(before=wanted.before or None)
    except UnknownCase:  # it was cleared away: from the start
        return find()
