"""The paper of a result, read back as poppler reads it: all words, any length, the same bytes."""

import io
import shutil
import subprocess
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from PIL import Image

from xray_triage.records.paper import AI_LINE, Sheet, make_paper
from xray_triage.records.result import Author, Result, ResultState, Words

pytestmark = pytest.mark.skipif(not shutil.which("pdftotext"), reason="no pdftotext: apt-get install poppler-utils")

NAME = ("Công Tằng Tôn Nữ Thị " + "Hương " * 9)[:60].strip()
RESULT = Result(
    version=1,
    state=ResultState.FINAL,
    author=Author(account="mai", name="BS. Trần Thị Mai", licence="000123/HCM-CCHN"),
    words=Words(description="Nhu mô: mờ đáy phổi phải.", conclusion="Theo dõi viêm phổi.", advice="Chụp lại."),
    before_author="",
    reason="",
    made_at=datetime(2026, 11, 29, 8, tzinfo=UTC),
    document_uid="1.2.3",
)


def a_film(size: tuple[int, int] = (640, 520)) -> bytes:
    drawn = io.BytesIO()
    Image.linear_gradient("L").resize(size).save(drawn, "JPEG")
    return drawn.getvalue()


def a_sheet(*, film: bytes | None = None, who: Sequence[tuple[str, str]] = (("Họ và tên", NAME),)) -> Sheet:
    return Sheet(
        station="Trạm y tế Thạnh An",
        accession_number="TA261129001",
        whose="Hương · P1",
        who=who,
        film=film,
        made_at="15 giờ 00, ngày 29",
    )


def read(pdf: bytes) -> tuple[str, int]:
    """Its text as one line, and how many pages it has."""
    done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
    pages = done.stdout.decode().rstrip("\f").split("\f")
    return unicodedata.normalize("NFC", " ".join("".join(pages).split())), len(pages)


def test_it_says_all_on_one_page_and_has_the_same_bytes_whenever_it_is_made() -> None:
    pdf = make_paper(RESULT, a_sheet(film=a_film()))
    is_same = pdf == make_paper(RESULT, a_sheet(film=a_film()))  # pytest would take minutes to tell how they differ
    assert is_same
    text, pages = read(pdf)
    assert pages == 1
    for said in (
        "Trạm y tế Thạnh An",
        "TA261129001",
        NAME.split()[0],
        "mờ đáy phổi phải",
        "Theo dõi viêm phổi",
        "Chụp lại",
        "BS. Trần Thị Mai",
        "000123/HCM-CCHN",
        "15 giờ 00, ngày 29",
        AI_LINE,
    ):
        assert said in text, said


@pytest.mark.parametrize(
    "film", [None, a_film(), a_film((3000, 40)), a_film((40, 3000))], ids=["none", "film", "wide", "high"]
)
def test_8000_letters_go_on_to_further_pages_and_nothing_is_cut(film: bytes | None) -> None:
    sentences = [f"Câu thứ {n} nói về phổi." for n in range(320)]
    words = Words(description=" ".join(sentences)[:8000], conclusion="\n".join(sentences)[:8000], advice="x" * 8000)
    text, pages = read(make_paper(replace(RESULT, words=words), a_sheet(film=film, who=[("Lý do chụp", "ho " * 300)])))
    assert pages > 3
    assert text.count("Câu thứ 300 ") == 2
    assert text.count("x") >= 8000
    assert "BS. Trần Thị Mai" in text
    assert text.count("Hương · P1 · bản 1") == pages  # no page is nobody's


def test_amended_and_cancelled_papers_say_so_above_all() -> None:
    amended = replace(RESULT, version=2, state=ResultState.AMENDED, reason="xem lại phim nghiêng")
    text, _ = read(make_paper(amended, a_sheet()))
    assert text.index("BẢN SỬA (thay bản 1): xem lại phim nghiêng") < text.index("MÔ TẢ")
    cancelled = replace(RESULT, version=3, state=ResultState.CANCELLED, reason="nhầm người bệnh")
    text, _ = read(make_paper(cancelled, a_sheet()))
    assert text.index("KẾT QUẢ ĐÃ HỦY: nhầm người bệnh") < text.index("MÔ TẢ")


@pytest.mark.parametrize(
    "said", ["<b>&amp;</b> & <", "😀 汉字 \u0301", "a\tb", "%s {x}", " " * 200, "\n\n\nx", "Ж" * 500]
)
def test_odd_letters_break_no_paper(said: str) -> None:
    words = Words(description=said, conclusion=said + ".", advice=said)
    author = Author(account="x", name=said[:100], licence=said[:40])
    sheet = replace(a_sheet(who=[(said[:10], said)]), station=said[:60], whose=said, accession_number=said[:16].strip())
    _, pages = read(make_paper(replace(RESULT, words=words, author=author), sheet))
    assert pages >= 1
