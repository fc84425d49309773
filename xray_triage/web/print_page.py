"""The sheet of one case for the patient's file: one page of A4, whatever was written. Knows no film's pixels."""

from io import BytesIO
from typing import Annotated

import segno
from fastapi import APIRouter, Depends
from markupsafe import Markup
from segno import DataOverflowError
from starlette.responses import HTMLResponse, Response

from xray_triage.accounts.trail import Action
from xray_triage.cases.case import Case
from xray_triage.web.desk import Desk
from xray_triage.web.view import View
from xray_triage.web.visitor import Visitor, visitor
from xray_triage.web.words import positives, taken_at

WIDTH = 95  # characters of a line of the sheet
PICTURE_PX = 1000
QUESTION_LINES, NOTE_LINES, ANSWER_LINES = 5, 3, 16


def print_router(desk: Desk, view: View) -> APIRouter:
    """The route of the sheet."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.get("/cases/{case_id}/print")
    def print_case(case_id: str, who: Annotated[Visitor, Depends(visitor)]) -> Response:
        case = desk.casebook.case(case_id)
        if case is None:
            return HTMLResponse(view.render("missing.html", who), 404)
        desk.audit.note(Action.CASE_PRINTED, actor=who.name, subject=case_id)
        return HTMLResponse(
            view.render(
                "print.html",
                who,
                case=case,
                picture=_picture(desk, case),
                answers=_answers(case),
                question=cut(case.consultation.question, QUESTION_LINES) if case.consultation else "",
                note=cut(case.verdict.note, NOTE_LINES) if case.verdict else "",
                qr=qr(case.accession_number),
                positives=positives,
                taken_at=taken_at,
            )
        )

    return pages


def cut(text: str, lines: int) -> str:
    """``text`` on at most so many printed lines; an ellipsis says that there was more."""
    kept: list[str] = []
    for line in text.strip().splitlines():
        pieces = [line[start : start + WIDTH] for start in range(0, len(line), WIDTH)] or [""]
        room = lines - sum(max(1, -(-len(each) // WIDTH)) for each in kept)
        if len(pieces) > room:
            return "\n".join([*kept, *(["".join(pieces[:room])] if room > 0 else [])]) + " …"
        kept.append(line)
    return "\n".join(kept)


def qr(text: str) -> Markup:
    """A QR code as inline SVG; empty where there is nothing to code, or too much."""
    if not text:
        return Markup()
    try:
        code = segno.make_qr(text, error="m")
    except DataOverflowError:
        return Markup()
    drawn = BytesIO()
    code.save(drawn, kind="svg", xmldecl=False, svgns=True, scale=3, border=2, svgclass=None, lineclass=None)
    return Markup(drawn.getvalue().decode())  # noqa: S704 -- numbers only, made by segno


def _answers(case: Case) -> list[tuple[str, str]]:
    """(text, who) of each answer, the newest first, together on the lines that there are."""
    answers = case.consultation.answers if case.consultation else ()
    each = max(3, ANSWER_LINES // max(1, len(answers)))
    return [(cut(answer.text, each), answer.author) for answer in reversed(answers)][: ANSWER_LINES // 3]


def _picture(desk: Desk, case: Case) -> str:
    """Where the first film is to be had as a picture; empty where it is not kept."""
    for each in (arrival.instance for arrival in desk.inbox.of_study(case.study_instance_uid)):
        if each.sop_instance_uid == case.images[0].sop_instance_uid:
            series = f"/dicom-web/studies/{each.study_instance_uid}/series/{each.series_instance_uid}"
            return f"{series}/instances/{each.sop_instance_uid}/rendered?viewport={PICTURE_PX},{PICTURE_PX}"
    return ""
