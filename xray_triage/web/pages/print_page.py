"""The sheet of one case for the patient's file: all that was written, on as many pages of A4 as it takes.

Knows no film's pixels.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import segno
from fastapi import APIRouter
from markupsafe import Markup
from segno import DataOverflowError
from starlette.responses import HTMLResponse, Response

from dicom_router.dicom.instance import Arrival, read_header
from dicom_router.errors import RouterError
from xray_triage.accounts.audit import Action
from xray_triage.cases.case import Case, Image
from xray_triage.cases.consultation import Consultation
from xray_triage.language import Language
from xray_triage.reading.findings import Box
from xray_triage.reading.header import text
from xray_triage.reading.patient import repair_text
from xray_triage.results.labels import Spot, free_place
from xray_triage.stores import Stores
from xray_triage.web.pages.view import View
from xray_triage.web.security.visitor import Who
from xray_triage.web.words.cases import Words, taken_at

PICTURE_PX = 1000
LETTERS = 30  # of them lie side by side on a film
LETTER_WIDTH = 0.58  # of a letter's height, as the names of findings are written


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """Who sent the patient, and why."""

    physician: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A finding's name on the film."""

    text: str
    left: float
    top: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is drawn over a film, in its pixels. ``letters``: their height, ``height``: that of a tag."""

    letters: float
    height: float
    boxes: Sequence[Box]
    tags: Sequence[Tag]


def print_router(stores: Stores, view: View) -> APIRouter:
    """The route of the sheet."""
    pages = APIRouter(default_response_class=HTMLResponse)

    @pages.get("/cases/{case_id}/print")
    def print_case(case_id: str, who: Who) -> Response:
        case = stores.casebook.case(case_id)
        if case is None:
            return HTMLResponse(view.render("missing.html", who), 404)
        stores.audit.note(Action.CASE_PRINTED, actor=who.name, subject=case_id)
        image = most_urgent(case)
        arrivals = stores.inbox.of_study(case.study_instance_uid)
        film = next((each for each in arrivals if each.instance.sop_instance_uid == image.sop_instance_uid), None)
        return HTMLResponse(
            view.render(
                "print.html",
                who,
                case=case,
                image=image,
                picture=_picture(case, image, film),
                labels=_labels(image, Words(Language(who.language))),
                ordered=_ordered(stores, case, film),
                rounds=_rounds(case),
                result=stores.results.newest([case_id]).get(case_id),
                qr=qr(case.accession_number),
                taken_at=taken_at,
            )
        )

    return pages


def most_urgent(case: Case) -> Image:
    """The film that is printed: of several with the same priority the first."""
    return min(case.images, key=lambda image: image.priority.rank)


def _rounds(case: Case) -> Sequence[Consultation]:
    """The questions that belong on paper, the oldest first: the last one, and those before it that were answered."""
    last = (case.consultation,) if case.consultation else ()
    return [each for each in case.earlier_consultations if each.answers] + list(last)


def _ordered(stores: Stores, case: Case, film: Arrival | None) -> Ordered:
    """As it was registered here; else what the film says, as that of another hospital's worklist does."""
    own, _ = stores.orders.of_case(case)
    if own is not None:
        return Ordered(physician=own.registration.referring_physician, reason=own.registration.reason)
    try:
        if film is None:
            raise FileNotFoundError
        with stores.spool.open(film.spooled.key) as stream:
            header = read_header(stream)
    except (OSError, RouterError):  # it lies at the PACS, or is lost: the sheet is printed all the same
        return Ordered(physician="", reason="")
    repair_text(header)
    reasons = (text(header, each) for each in ("ReasonForStudy", "RequestedProcedureDescription"))
    physician = text(header, "ReferringPhysicianName").replace("^", " ").strip()
    return Ordered(physician=physician, reason=next(filter(None, reasons), ""))


def _labels(image: Image, words: Words) -> Labels:
    """The names of what is outlined, laid out as on the picture that goes to the PACS."""
    letters = image.columns / LETTERS
    marked = [(one, one.box) for one in image.told if one.positive and one.box is not None]
    taken: list[Spot] = []
    tags = []
    for finding, box in marked:
        named = f"{words.sighting(finding)} {words.value(finding)}"
        width = min(letters * (LETTER_WIDTH * len(named) + 2 / 3), float(image.columns))
        left, top = free_place(width, (box.x, box.y), image.columns, letters * 1.4, taken)
        tags.append(Tag(text=named, left=left, top=top, width=width))
    return Labels(letters=letters, height=letters * 1.3, boxes=[box for _, box in marked], tags=tags)


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


def _picture(case: Case, image: Image, film: Arrival | None) -> str:
    """Where the film is to be had as a picture: small, of one that lies at the PACS; empty where it is lost."""
    if image.purged_at is not None:
        return f"/cases/{case.case_id}/picture/{image.sop_instance_uid}"
    if film is None:
        return ""
    each = film.instance
    series = f"/dicom-web/studies/{each.study_instance_uid}/series/{each.series_instance_uid}"
    return f"{series}/instances/{each.sop_instance_uid}/rendered?viewport={PICTURE_PX},{PICTURE_PX}"
