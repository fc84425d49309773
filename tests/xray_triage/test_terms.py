"""One word for each thing, spelt one way, in everything that people read, in both languages."""

import ast
import re
import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import xray_triage
from tests.xray_triage.test_language import ENGLISH, messages

PACKAGE = Path(xray_triage.__file__).parent
VIETNAMESE_LETTER = re.compile("[ăâđêôơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)
OTHERS_WORDS = ("reading/values/", "consultations/report_parser.py", "simulation/")  # of films, specialists, patients

# What is wrong, and what is right.
VIETNAMESE = {
    r"[Bb]ệnh nhân": "người bệnh",
    r"nơi nhận(?! trong máy)": "PACS tuyến trên",
    r"^(Bình thường|Thôi|Sáng|Kéo|Lúc|Việc|Chụp|Ca này)$": "AI không thấy dấu hiệu, Hủy, Sáng/Tương phản, Di chuyển, "
    "Thời gian, Thao tác, Giờ chụp, Quay lại ca chụp",
    r"nhỏ tuổi hơn": "dưới 15 tuổi",
    r"một nửa không quá": "trung vị",
    r"trên ngưỡng|cao hơn ngưỡng|quá ngưỡng": "vượt ngưỡng",
    r"mô hình [^.]*đúng[.]": "đã kiểm tra, hoạt động tốt",
    r"AI đọc đúng|chính xác|bảo đảm|đảm bảo": "what the model card says",
    r"(?<![qQ])(oá|oà|oả|oã|oạ|uý|uỳ|uỷ|uỹ|uỵ)\b": "hóa, xóa, khóa, hủy, tùy",
    r"\b(kỹ thuật viên X quang|X quang|x-quang|Xquang|XQuang|XQ)\b": "X-quang",
    r"\b[Bb]s\b\.?|\bBSCK": "BS.",
    r"tràn dịch phổi|tràn khí phổi": "tràn dịch màng phổi, tràn khí màng phổi",
    r"bóng tim lớn|tim to(?<!bóng tim to)": "bóng tim to",
    r"đăng nhâp|kêt|ngừơi|trã lời|chẩn đóan|xử lí|y tê": "a slip",
    r"username|password|login|click|email": "a Vietnamese word",
}
ENGLISH_WORDS = {
    r"\b[Xx]ray(?!-triage|_)|x-ray|X-Ray": "X-ray",
    r"\blog(ged)? ?[- ]?(in|out)\b": "sign in, sign out",
    r"\b(color|gray|center|behavior|license)\b": "colour, grey, centre, behaviour, licence",
    r"\bpacs\b|\bdicom\b|\bai\b": "PACS, DICOM, AI",
    r"\b(accurate|accuracy|guarantee\w*|diagnos(es|ed))\b": "what the model card says",
    r"\bnormal film\b(?<!not a normal film)": "AI sees no sign",
    r"\b(recieve|seperate|occured|untill|wich|teh|adress)\b": "a slip",
    r"%\(\w+\)d \w+\(s\)": "plural forms in the catalogue",
    r"\bwork list\b": "worklist",
}
BOTH = {
    r"[^ |]  +[^ |]": "one blank",
    r"\w [,;:!?]( |$)|\w \.$": "no blank before a sign",
    r"\.\.\.": "…",
    r"\( | \)": "no blank inside brackets",
}


@cache
def vietnamese() -> dict[str, str]:
    """Every Vietnamese text of ours, and where it stands."""
    return {**dict(spoken()), **messages()}


def spoken() -> Iterator[tuple[str, str]]:
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if place.startswith(OTHERS_WORDS) or "node_modules" in place:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            said = node.value if isinstance(node, ast.Constant) and id(node) not in docstrings else None
            if isinstance(said, str) and VIETNAMESE_LETTER.search(said):
                yield said, f"{place}:{node.lineno}"


def found(wrong: str, texts: dict[str, str]) -> dict[str, str]:
    return {text: place for text, place in texts.items() if re.search(wrong, text)}


@pytest.mark.parametrize(("wrong", "right"), [*VIETNAMESE.items(), *BOTH.items()])
def test_vietnamese_has_one_word_for_each_thing(wrong: str, right: str) -> None:
    assert found(wrong, vietnamese()) == {}, right


@pytest.mark.parametrize(("wrong", "right"), [*ENGLISH_WORDS.items(), *BOTH.items()])
def test_english_has_one_word_for_each_thing(wrong: str, right: str) -> None:
    english = {form: vi for vi, forms in ENGLISH.items() for form in forms}
    assert found(wrong, english) == {}, right


def test_every_text_is_written_in_whole_letters() -> None:
    every = [*vietnamese(), *(form for forms in ENGLISH.values() for form in forms)]
    assert [text for text in every if text != unicodedata.normalize("NFC", text)] == []


def test_no_english_text_has_a_vietnamese_word_and_none_is_left_as_it_was() -> None:
    letters = "[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữự]"
    assert found(letters, {form: vi for vi, forms in ENGLISH.items() for form in forms}) == {}
