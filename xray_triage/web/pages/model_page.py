"""The page of the model: what it is worth, every X-ray machine, how well it is known, and what sets its cut-offs."""

from collections.abc import Callable, Iterable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse, RedirectResponse, Response

from xray_triage.language import N_, Language
from xray_triage.model.acquaintance import Site, SiteError, Standing, machines_under
from xray_triage.model.drift import ModelInUse
from xray_triage.model.limits import told
from xray_triage.model.site import FILMS_TO_LEARN, spread_of
from xray_triage.model.worth import FEW, lines
from xray_triage.reading.findings import ABNORMAL, KINDS, MachineState, Priority
from xray_triage.stores import Stores
from xray_triage.web.pages.plots import Plot, Series, stacked
from xray_triage.web.pages.view import View
from xray_triage.web.security.forms import Form
from xray_triage.web.security.visitor import Right, Visitor, needs, visitor
from xray_triage.web.words.spoken import State

Who = Annotated[Visitor, Depends(visitor)]
Act = Literal["accept", "reset"]
STATES = {
    MachineState.LEARNING: State(N_("đang làm quen"), "wait"),
    MachineState.PROPOSED: State(N_("chờ chấp nhận ngưỡng"), "wait"),
    MachineState.SET: State(N_("đã đặt ngưỡng"), "good"),
}
BINS = 20


def model_router(stores: Stores, model_in_use: Callable[[], ModelInUse | None], view: View) -> APIRouter:
    """The routes of /model. Everybody may look; who administers may press."""
    pages, site = APIRouter(default_response_class=HTMLResponse), Site(stores.machines)

    def page(who: Visitor, problem: str = "") -> bytes:
        model, language = model_in_use(), Language(who.language)
        standings = machines_under(stores.machines, model)
        return view.render(
            "model.html",
            who,
            model=model,
            machines=[(each, each.proposal()) for each in standings],
            plots={each.known.machine_id: plot_of(each, language) for each in standings if each.scores},
            states=STATES,
            needed=FILMS_TO_LEARN,
            few=FEW,
            named=lambda labels: findings_named(labels, language),
            worth=lines(model.manifest, language) if model and model.manifest else [],
            lacks=told(model.manifest, language) if model and model.manifest else {},
            problem=problem,
        )

    @pages.get("/model")
    def show_model(who: Who) -> Response:
        return HTMLResponse(page(who))

    @pages.post("/model/{act}")
    def change_cut_offs(act: Act, form: Form, who: Annotated[Visitor, Depends(needs(Right.ADMINISTER))]) -> Response:
        model, number = model_in_use(), form.get("machine", "")
        try:
            if model is None or model.card is None or not number.isascii() or not number.isdigit() or len(number) > 18:
                raise SiteError
            change = site.accept if act == "accept" else site.reset
            change(int(number), model.card, by=who.name)
        except SiteError:
            problem = N_("Không đặt được: không có máy này, chưa đủ phim, hoặc AI đang tắt.")
            return HTMLResponse(page(who, Language(who.language).say(problem)), 409)
        return RedirectResponse("/model", 303)

    return pages


def findings_named(labels: Iterable[str], language: Language) -> str:
    """Labels of a bundle in words."""
    words = {name: kind.vi for name, kind in KINDS.items()} | {ABNORMAL: Priority.ABNORMAL.vi}
    return ", ".join(language.translate(words.get(label, label)) for label in labels)


def plot_of(standing: Standing, language: Language) -> Plot:
    """Its newest films by their score, in the colour of what the cut-offs make of them."""
    label, proposal = standing.main_label or ABNORMAL, standing.proposal()
    bundle, site = standing.card.cut_offs.get(label, 1.0), standing.cut_offs.get(label, 1.0)
    if standing.state is not MachineState.SET and proposal:
        site = proposal.cut_offs.get(label, site)
    kinds = {  # over the bundle's cut-off, over the machine's own
        (False, False): ("normal", N_("dưới cả hai ngưỡng")),
        (True, False): ("median", N_("chỉ vượt ngưỡng của mô hình")),
        (False, True): ("abnormal", N_("chỉ vượt ngưỡng riêng của máy")),
        (True, True): ("urgent", N_("trên cả hai ngưỡng")),
    }
    say = language.say
    series = []
    for (over_bundle, over_site), (kind, words) in kinds.items():
        said = [
            film
            for film in standing.scores
            if label in film and (film[label] >= bundle, film[label] >= site) == (over_bundle, over_site)
        ]
        series.append(Series(kind, say(words), [float(count) for count in spread_of(said, label, BINS)]))
    return stacked(
        f"machine-{standing.known.machine_id}",
        say(N_("Điểm “%(label)s” của các phim gần đây"), label=findings_named([label], language)),
        say(
            N_("Ngưỡng của mô hình %(bundle)s, ngưỡng riêng của máy %(site)s."),
            bundle=language.percent(bundle),
            site=language.percent(site),
        ),
        [f"{100 * place // BINS}–{100 * (place + 1) // BINS}%" for place in range(BINS)],
        series,
        language.number,
    )
