"""The page of one case: its film, what the AI said, the consultation, the doctor's word; its parts renew themselves."""

from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Request
from starlette.responses import HTMLResponse, Response

from xray_triage.accounts.audit import Action
from xray_triage.cases.case import Case
from xray_triage.cases.rereading import may_differ, unread_films
from xray_triage.language import N_, Language
from xray_triage.model.drift import ModelInUse
from xray_triage.records.beginning import NORMAL_CONCLUSION, REGIONS, begin
from xray_triage.records.result import ResultState
from xray_triage.stores import Stores
from xray_triage.web.pages.films import FilmShape, films, first_to_show, marks
from xray_triage.web.pages.fragments import banners, unless_same
from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import Right, Visitor, Who
from xray_triage.web.surroundings import Surroundings
from xray_triage.web.words.cases import Words, can_ask, taken_at
from xray_triage.web.words.meaning import meanings
from xray_triage.web.words.phrases import PHRASES, question

Part = Literal["head", "result", "findings", "consultation", "verdict", "deliveries"]


def case_router(stores: Stores, surroundings: Surroundings, view: View) -> APIRouter:
    """The routes of a case's page."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.get("/cases/{case_id}")
    def show_case(case_id: str, who: Who) -> Response:
        case = stores.casebook.case(case_id)
        if case is None:
            return HTMLResponse(view.render("missing.html", who), 404)
        stores.audit.note(Action.CASE_SEEN, actor=who.name, subject=case_id)
        context = _context(stores, surroundings, case, who)
        context |= _fixed(stores, case, who, reason=context["reason"])
        page = HTMLResponse(view.render("case.html", who, **context))
        if who.may(Right.JUDGE):  # with the mark of the new answer still on the page
            stores.casebook.see(case_id, by=who.full_name)
        return page

    @pages.get("/photographed")
    def explain_photographs(who: Who) -> Response:
        """Why a photograph of a film is not read, and what to do instead."""
        return HTMLResponse(view.render("photographed.html", who))

    @pages.get("/fragments/cases/{case_id}/{part}")
    def renew_case(request: Request, case_id: str, part: Part, who: Who, film_count: int = 0) -> Response:
        case = stores.casebook.case(case_id)
        if case is None:
            raise HTTPException(404)
        context = _context(stores, surroundings, case, who)
        return unless_same(request, view.render(f"_{part}.html", who, film_count=film_count, **context))

    return pages


def _context(stores: Stores, surroundings: Surroundings, case: Case, who: Visitor) -> dict[str, Any]:
    """What the live parts need."""
    model, language = surroundings.model_in_use(), Language(who.language)
    words = Words(language)
    own, other = stores.orders.of_case(case)
    asked = [case.consultation] if case.consultation else []
    return {
        "case": case,
        "deliveries": stores.outbox.of_study(case.study_instance_uid),
        "records": stores.records.of_case(case.case_id),
        "passed_over": stores.consultations.obstacles_of(case.case_id) if asked else [],
        "rounds": [*asked, *reversed(case.earlier_consultations)],
        "quarantined": sum(arrival.quarantined for arrival in stores.inbox.of_study(case.study_instance_uid)),
        "gone": stores.reconciliation.missing_of(case.study_instance_uid),
        "marks": {
            image.sop_instance_uid: {mark["finding"]: mark for mark in marks(image, words)} for image in case.images
        },
        "meanings": {image.sop_instance_uid: meanings(image, model, language) for image in case.images},
        "banners": banners(stores, surroundings.health),
        "reason": own.registration.reason if own else "",
        "withdrawn_at": own.placing.withdrawn_at if own else None,
        "other_patients_order": other,
        "can_ask": can_ask,
        **_written(stores, case, who),
        "rereading": _rereading(stores, case, model),
        "can_fetch": surroundings.fetch is not None,
        "taken_at": taken_at,
    }


def _written(stores: Stores, case: Case, who: Visitor) -> dict[str, Any]:
    """What doctors wrote of the case: every version, what stands, this doctor's draft and those of others."""
    versions, drafts = stores.results.versions(case.case_id), stores.results.drafts(case.case_id)
    last = versions[-1] if versions else None
    return {
        "versions": versions,
        "last": last,
        "can_sign": stores.signing.is_configured,
        "signature": stores.signing.signatures(case.case_id).get(last.version) if last else None,
        "stands": last is not None and last.state is not ResultState.CANCELLED,
        "mine": next((each for each in drafts if each.author.account == who.name), None),
        "others": [each for each in drafts if each.author.account != who.name] if who.may(Right.JUDGE) else [],
    }


def _rereading(stores: Stores, case: Case, model: ModelInUse | None) -> Literal["", "under way", "possible", "vain"]:
    """Whether films of the case are about to be read again, can be, or would be refused again as they are."""
    films = unread_films(case)
    if not films:
        return ""
    if stores.rereading.is_under_way(case):
        return "under way"
    if model is None:
        return ""  # the page says that AI is off
    return "possible" if any(may_differ(film, model.identity.sha256) for film in films) else "vain"


def _fixed(stores: Stores, case: Case, who: Visitor, *, reason: str) -> dict[str, Any]:
    """What stays as it was when the page was opened."""
    words = Words(Language(who.language))
    earlier = stores.casebook.earlier(case)
    return {
        "film_count": len(case.images),
        "films": _films(stores, case, words, earlier=False),
        "start": first_to_show(case),
        "earlier": _films(stores, earlier, words, earlier=True) if earlier else [],
        "question": question(case, reason, words),
        "phrases": PHRASES,
        "beginning": begin(case),
        "regions_told": [(region.heading, region.normal) for region in REGIONS],
        "normal_conclusion": NORMAL_CONCLUSION,
        "licence": stores.accounts.users.find(who.name).licence,
    }


def _films(stores: Stores, case: Case, words: Words, *, earlier: bool) -> list[FilmShape]:
    day = words.language.day(taken_at(case).astimezone().date())

    def label(place: int) -> str:
        name = words.language.say(N_("Phim %(n)d"), n=place)
        return f"{name} · {day}" if earlier else name

    arrivals = stores.inbox.of_study(case.study_instance_uid)
    warm = stores.heat_maps.among(image.sop_instance_uid for image in case.images)
    return films(case, arrivals, warm, words, label=label)
