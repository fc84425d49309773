"""The sheet of one case for the patient's file: one page of A4, whatever was written. Knows no film's pixels."""

from collections.abc import Sequence
from io import BytesIO

import segno
from fastapi import APIRouter
from markupsafe import Markup
from segno import DataOverflowError
from starlette.responses import HTMLResponse, Response

from xray_triage.accounts.audit import Action
from xray_triage.cases.case import Answer, Case, Standing
from xray_triage.stores import Stores
from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import Who
from xray_triage.web.words.cases import taken_at

PICTURE_PX = 1000
MOST_ANSWERS = 2  # there is room for; print.css cuts each to a few lines


def print_router(stores: Stores, view: View) -> APIRouter:
    """The route of the sheet."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.get("/cases/{case_id}/print")
    def print_case(case_id: str, who: Who) -> Response:
        case = stores.casebook.case(case_id)
        if case is None:
            return HTMLResponse(view.render("missing.html", who), 404)
        answers = case.consultation.answers if case.consultation else ()
        told = _most_telling(answers)
        stores.audit.note(Action.CASE_PRINTED, actor=who.name, subject=case_id)
        return HTMLResponse(
            view.render(
                "print.html",
                who,
                case=case,
                picture=_picture(stores, case),
                answers=told,
                more=len(answers) - len(told),
                qr=qr(case.accession_number),
                taken_at=taken_at,
            )
        )

    return pages


def _most_telling(answers: Sequence[Answer]) -> Sequence[Answer]:
    """Of what persons say and nothing replaces, the first opinion and the last word, the final before the others.

    In words where there are any; an addendum alone says too little.
    """
    said = [each for each in answers if each.standing in (Standing.FINAL, Standing.PRELIMINARY)]
    final = [each for each in said if each.standing is Standing.FINAL] or said
    in_words = sorted(final, key=lambda answer: not answer.text)
    written = sum(bool(answer.text) for answer in final) or len(final)
    return in_words if len(final) <= MOST_ANSWERS else [in_words[0], in_words[max(1, written - 1)]]


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


def _picture(stores: Stores, case: Case) -> str:
    """Where the first film is to be had as a picture: small, of one that lies at the PACS; empty where it is lost."""
    if (first := case.images[0]).purged_at is not None:
        return f"/cases/{case.case_id}/picture/{first.sop_instance_uid}"
    for each in (arrival.instance for arrival in stores.inbox.of_study(case.study_instance_uid)):
        if each.sop_instance_uid == case.images[0].sop_instance_uid:
            series = f"/dicom-web/studies/{each.study_instance_uid}/series/{each.series_instance_uid}"
            return f"{series}/instances/{each.sop_instance_uid}/rendered?viewport={PICTURE_PX},{PICTURE_PX}"
    return ""
