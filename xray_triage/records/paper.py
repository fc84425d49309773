"""A version of a result on paper: a PDF of A4, the same bytes whenever it is made. Knows no database and no page.

What does not fit goes on to a further page: nothing is cut.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from html import escape
from io import BytesIO

import segno
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.enums import TA_CENTER
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Flowable, Image, KeepTogether, Paragraph, SimpleDocTemplate, Spacer, Table

from xray_triage.records.result import Result, ResultState
from xray_triage.results.drawing import FONTS

TITLE = "PHIẾU KẾT QUẢ X-QUANG NGỰC"
AI_LINE = "AI hỗ trợ sàng lọc; kết quả này do bác sĩ viết và chịu trách nhiệm."
MARGIN, FRAME_PADDING = 18 * mm, 6  # the second is reportlab's own
WIDTH = A4[0] - 2 * (MARGIN + FRAME_PADDING)
FILM_HEIGHT, QR_WIDTH = 62 * mm, 28 * mm
NO_PADDING = [(f"{side}PADDING", (0, 0), (-1, -1), 0) for side in ("LEFT", "RIGHT", "TOP", "BOTTOM")]
GREY = HexColor("#55606a")
STATES = {
    ResultState.FINAL: "",
    ResultState.AMENDED: "BẢN SỬA (thay bản {before}): {reason}",
    ResultState.CANCELLED: "KẾT QUẢ ĐÃ HỦY: {reason}",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What stands on the paper beside the result, already in words. ``film``: a JPEG, or None.

    ``whose``: in a word, at the foot of every page; ``who``: label and value of the patient, the order and the film, in
    the order in which they are printed.
    """

    station: str
    accession_number: str
    whose: str
    who: Sequence[tuple[str, str]]
    film: bytes | None
    made_at: str


def make_paper(result: Result, sheet: Sheet) -> bytes:
    """The PDF of one version."""
    _load_fonts()
    drawn = BytesIO()
    document = SimpleDocTemplate(
        drawn,
        pagesize=A4,
        leftMargin=MARGIN,
        rightMargin=MARGIN,
        topMargin=14 * mm,
        bottomMargin=16 * mm,
        title=f"{TITLE} {sheet.accession_number}".strip(),
        author=result.author.name,
        creator="xray-triage",
        lang="vi",
        invariant=1,
    )
    foot = partial(_foot, f"{sheet.whose} · bản {result.version}")
    document.build(list(_parts(result, sheet)), onFirstPage=foot, onLaterPages=foot)
    return drawn.getvalue()


def _foot(whose: str, canvas: Canvas, document: SimpleDocTemplate) -> None:
    """No page is nobody's."""
    canvas.setFont("DejaVu", 7)
    canvas.drawString(MARGIN + FRAME_PADDING, 9 * mm, whose)
    canvas.drawRightString(A4[0] - MARGIN - FRAME_PADDING, 9 * mm, f"trang {document.page}")


def _parts(result: Result, sheet: Sheet) -> Iterator[Flowable]:
    head = [
        Paragraph(escape(sheet.station), _style(bold=True)),
        Spacer(0, 2 * mm),
        Paragraph(TITLE, _style(size=15, bold=True)),
    ]
    yield Table(
        [[head, _qr(sheet.accession_number)]],
        colWidths=[WIDTH - QR_WIDTH, QR_WIDTH],
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), *NO_PADDING],
    )
    state = STATES[result.state].format(before=result.version - 1, reason=result.reason)
    if state:
        yield _line(state, size=14 if result.state is ResultState.CANCELLED else 10, bold=True)
    yield Spacer(0, 2 * mm)
    yield _who(sheet)
    for heading, text in (
        ("MÔ TẢ", result.words.description),
        ("KẾT LUẬN", result.words.conclusion),
        ("ĐỀ NGHỊ", result.words.advice),
    ):
        if text:
            yield Spacer(0, 3 * mm)
            lines = text.splitlines()
            yield KeepTogether([_line(heading, bold=True, colour=GREY), _line(lines[0], bold=heading == "KẾT LUẬN")])
            yield from (_line(line, bold=heading == "KẾT LUẬN") for line in lines[1:])
    yield Spacer(0, 6 * mm)
    yield KeepTogether(list(_signature(result, sheet)))


def _who(sheet: Sheet) -> Flowable:
    """The patient at the left, the film at the right."""
    lines = [
        Paragraph(f'<font color="#55606a">{escape(label)}:</font> {escape(value)}', _style())
        for label, value in sheet.who
    ]
    if sheet.film is None:
        return Table([[lines]], colWidths=[WIDTH], style=NO_PADDING)
    wide, high = ImageReader(BytesIO(sheet.film)).getSize()
    scale = min(WIDTH * 0.45 / wide, FILM_HEIGHT / high)
    film = Image(BytesIO(sheet.film), width=wide * scale, height=high * scale)
    return Table(
        [[lines, film]],
        colWidths=[WIDTH * 0.55, WIDTH * 0.45],
        style=[("VALIGN", (0, 0), (-1, -1), "TOP"), ("ALIGN", (1, 0), (1, 0), "RIGHT"), *NO_PADDING],
    )


def _signature(result: Result, sheet: Sheet) -> Iterator[Flowable]:
    author = result.author
    signed = [
        Paragraph(escape(sheet.made_at), _style(centred=True)),
        Paragraph("Bác sĩ đọc phim", _style(bold=True, centred=True)),
        Spacer(0, 18 * mm),
        Paragraph(escape(author.name), _style(bold=True, centred=True)),
    ]
    if author.licence:
        signed.append(Paragraph(f"Số GPHN/CCHN: {escape(author.licence)}", _style(centred=True)))
    yield Table([["", signed]], colWidths=[WIDTH / 2, WIDTH / 2])
    yield Spacer(0, 3 * mm)
    yield _line(f"{AI_LINE} Bản {result.version}.", size=8, colour=GREY)


def _line(text: str, *, size: int = 10, bold: bool = False, colour: Color | None = None) -> Paragraph:
    return Paragraph(escape(text) or "&nbsp;", _style(size=size, bold=bold, colour=colour))


def _qr(text: str) -> Flowable | str:
    if not text:
        return ""
    drawn = BytesIO()
    segno.make_qr(text, error="m").save(drawn, kind="png", scale=6, border=1)
    code = Image(BytesIO(drawn.getvalue()), width=20 * mm, height=20 * mm)
    size = min(8, int(8 * QR_WIDTH / pdfmetrics.stringWidth(text, "DejaVu", 8)))  # in one line, for who types it
    number = Paragraph(escape(text), _style(size=max(size, 5), centred=True))
    return Table([[code], [number]], colWidths=[QR_WIDTH], style=NO_PADDING)


@cache
def _style(*, size: int = 10, bold: bool = False, centred: bool = False, colour: Color | None = None) -> ParagraphStyle:
    return ParagraphStyle(
        "text",
        fontName="DejaVu-Bold" if bold else "DejaVu",
        fontSize=size,
        leading=size * 1.4,
        textColor=colour or HexColor("#000000"),
        **({"alignment": TA_CENTER} if centred else {}),
    )


@cache
def _load_fonts() -> None:
    pdfmetrics.registerFont(TTFont("DejaVu", FONTS / "DejaVuSans.ttf"))
    pdfmetrics.registerFont(TTFont("DejaVu-Bold", FONTS / "DejaVuSans-Bold.ttf"))
