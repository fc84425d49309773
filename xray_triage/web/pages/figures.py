"""The station's own figures: a page of plots, and the same as CSV. No name of a patient leaves by here."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.responses import HTMLResponse, Response

from xray_triage.accounts.audit import Action
from xray_triage.cases.case import Case
from xray_triage.cases.consultation import AUTOMATIC
from xray_triage.cases.figures.tally import SECONDS, Counts, Spread
from xray_triage.cases.period import Period, Step
from xray_triage.cases.worklist import EARLIEST
from xray_triage.language import Language
from xray_triage.reading.findings import ABNORMAL, Priority
from xray_triage.stores import Stores
from xray_triage.web.pages.figure_plots import findings_table, outages, plots, share, shown, tiles
from xray_triage.web.pages.spreadsheet import Cell, csv_file
from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import Right, Visitor, needs

COUNTS = {Step.DAY: (7, 30, 90), Step.WEEK: (8, 26, 52), Step.MONTH: (6, 12, 24)}
USUAL = {Step.DAY: 30, Step.WEEK: 26, Step.MONTH: 12}
AGREES = {True: "agrees", False: "disagrees", None: "concludes"}
Who = Annotated[Visitor, Depends(needs(Right.COUNT))]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which period, as it stands in the address; what makes no sense there is left out."""

    by: str = ""
    count: str = ""
    until: str = ""

    def period(self, today: date) -> Period:
        """At most up to today."""
        step = Step(self.by) if self.by in list(Step) else Step.DAY
        count = int(self.count) if self.count in map(str, COUNTS[step]) else USUAL[step]
        try:
            until = date.fromisoformat(self.until)
        except ValueError:
            until = today
        return Period(step, count, min(max(until, EARLIEST), today))


def figure_router(stores: Stores, view: View) -> APIRouter:
    """The routes of the figures. Every line of a file names the station, so that those of many can be put together."""
    pages = APIRouter(default_response_class=HTMLResponse)

    def today() -> date:
        return stores.clock.now().astimezone().date()

    @pages.get("/figures")
    def show_figures(who: Who, asked: Annotated[Asked, Depends(Asked)]) -> Response:
        period = asked.period(today())
        found = stores.figures.figures(period)
        language = Language(who.language)
        return HTMLResponse(
            view.render(
                "figures.html",
                who,
                here="/figures",
                figures=found,
                plots=plots(found, language),
                tiles=tiles(found, language),
                findings=findings_table(found.total, language),
                outages=outages(found, stores.clock.now(), language),
                shown=shown(period, language),
                share=share,
                **_links(period, today()),
            )
        )

    @pages.get("/figures.csv")
    def export_figures(who: Who, asked: Annotated[Asked, Depends(Asked)]) -> Response:
        period = asked.period(today())
        name = _note_export(stores, who, period, "figures.csv")
        lines = ([view.station_name, *_line_cells(line)] for line in stores.figures.figures(period).lines)
        return csv_file(name, LINE_COLUMNS, lines)

    @pages.get("/figures/findings.csv")
    def export_findings(who: Who, asked: Annotated[Asked, Depends(Asked)]) -> Response:
        """A line for each line of the figures, sex, age group, and finding that is anywhere in the period."""
        period = asked.period(today())
        name = _note_export(stores, who, period, "findings.csv")
        found = stores.figures.figures(period)
        names = sorted({name for name, _ in found.total.marked})
        lines = ([view.station_name, *cells] for line in found.lines for cells in _finding_cells(line, names))
        return csv_file(name, FINDING_COLUMNS, lines)

    @pages.get("/figures/cases.csv")
    def export_cases(who: Who, asked: Annotated[Asked, Depends(Asked)]) -> Response:
        period = asked.period(today())
        edges = period.edges
        cases = stores.casebook.between(edges[0], edges[-1])
        lines = ([view.station_name, *_case_cells(case)] for case in cases)
        return csv_file(_note_export(stores, who, period, "cases.csv"), CASE_COLUMNS, lines)

    return pages


def _note_export(stores: Stores, who: Visitor, period: Period, name: str) -> str:
    """Note who takes what; gives the file its whole name."""
    first, last = period.starts[0], min(period.step.after(period.starts[-1]), stores.clock.now().astimezone().date())
    stores.audit.note(Action.EXPORTED, actor=who.name, subject=name, detail=f"{first} – {last}")
    return f"{period.step}s-{first}-{period.starts[-1]}-{name}"


def _links(period: Period, today: date) -> dict[str, Any]:
    """The addresses of the other periods."""

    def address(other: Period) -> str:
        until = "" if other.until >= today else other.until.isoformat()
        asked = {"by": other.step.value, "count": other.count, "until": until}
        return "?" + urlencode({key: value for key, value in asked.items() if value})

    return {
        "period": period,
        "address": address(period),
        "steps": [(step, address(Period(step, USUAL[step], period.until))) for step in Step],
        "counts": [(count, address(Period(period.step, count, period.until))) for count in COUNTS[period.step]],
        "before": address(period.moved(-1)) if period.starts[0] > EARLIEST else "",
        "after": address(period.moved(1)) if period.step.after(period.starts[-1]) <= today else "",
    }


LINE_COLUMNS = (
    "station", "start", "films", "cases", *(priority.value for priority in Priority),
    *(f"{name}_{what}" for name in SECONDS for what in ("median_s", "p95_s", "n")),
    "consultations", "answered", "agree", "disagree", "most_waiting", "unreachable_s",
)  # fmt: skip
FINDING_COLUMNS = ("station", "start", "sex", "age_from", "films_read", "finding", "films_marked")
CASE_COLUMNS = (
    "station", "case_id", "exposed_at", "received_at", "read_at", "films", "priority", "not_read", "findings",
    "abnormal", "model", "model_version", "verdict", "verdict_note", "verdict_by", "verdict_at", "consultation",
    "consultation_priority", "automatic", "requested_at", "answered_at",
)  # fmt: skip


def _line_cells(line: Counts) -> Sequence[Cell]:
    spreads: list[Spread | None] = [getattr(line, name) for name in SECONDS]
    return [
        line.start.isoformat(),
        line.films,
        sum(line.cases.values()),
        *(line.cases[priority] for priority in Priority),
        *(cell for one in spreads for cell in ((one.median, one.p95, one.n) if one else (None, None, 0))),
        line.asked,
        line.answered,
        line.agreement.agree,
        line.agreement.disagree,
        line.waiting,
        round(line.unreachable_seconds),
    ]


def _finding_cells(line: Counts, names: Sequence[str]) -> Iterator[Sequence[Cell]]:
    for group, read in sorted(line.read.items(), key=lambda one: (one[0].sex, one[0].age or 0)):
        for name in names:
            yield line.start.isoformat(), group.sex, group.age, read, name, line.marked.get((name, group), 0)


def _case_cells(case: Case) -> Sequence[Cell]:
    """Findings as ``name probability/threshold``, the highest of each over the case's films."""
    asked, verdict = case.consultation, case.verdict
    scores = [score for image in case.images if (score := image.scores.get(ABNORMAL)) is not None]
    return [
        case.case_id,
        case.exposed_at,
        case.received_at,
        case.read_at,
        len(case.images),
        case.priority.value,
        " ".join(sorted({image.reason.code for image in case.images if image.reason})),
        _findings(case),
        max(scores, default=None),
        case.model.name if case.model else "",
        case.model.version if case.model else "",
        AGREES[verdict.agrees] if verdict else "",
        verdict.note if verdict else "",
        verdict.given_by if verdict else "",
        verdict.given_at if verdict else None,
        asked.state.value if asked else "",
        asked.priority if asked else "",
        ("yes" if asked.requested_by == AUTOMATIC else "no") if asked else "",
        asked.requested_at if asked else None,
        asked.answered_at if asked else None,
    ]


def _findings(case: Case) -> str:
    strongest: dict[str, tuple[float, float]] = {}
    for finding in (finding for image in case.images for finding in image.findings):
        said = (finding.probability, finding.threshold)
        strongest[finding.kind.name] = max(said, strongest.get(finding.kind.name, said))
    return "; ".join(f"{name} {said[0]:.3f}/{said[1]:.3f}" for name, said in strongest.items())
