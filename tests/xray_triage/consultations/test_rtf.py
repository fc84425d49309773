"""Rich text as its words: every way in which a Vietnamese letter is written, and whatever is no RTF after all."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xray_triage.consultations.rtf import MOST_TOKENS, is_rtf, plain_text

FONTS = r"{\fonttbl{\f0\fnil\fcharset163 Arial;}{\f1\fcharset0 Times;}}{\colortbl;\red255\green0\blue0;}"


@pytest.mark.parametrize(
    ("rtf", "text"),
    [
        (r"{\rtf1\ansi K\u7871?t lu\u7853?n}", "Kết luận"),
        (r"{\rtf1\ansi K\u7871\'3ft\par\par lu\u7853\'3fn}", "Kết\n\nluận"),
        (r"{\rtf1\ansi\uc0 K\u7871t lu\u7853 n}", "Kết luận"),
        (r"{\rtf1\ansi\uc2 K\u7871??t {\uc1 \u7853?}\u7853??}", "Kết ậậ"),
        (r"{\rtf1\ansi\ansicpg1258 tr\'e0n kh\'ed ph\'f4\'cci}", "tràn khí phồi"),
        (r"{\rtf1\ansi\ansicpg1252" + FONTS + r"\f0 \'fd\'f0\f1 \'fe}", "ưđþ"),
        (r"{\rtf1\ansi\ansicpg65001 K\'e1\'ba\'bft}", "Kết"),
        (r"{\rtf1\ansi\ansicpg936 \'d6\'d0}", "中"),
        (r"{\rtf1 \u-10179?\u-8704?}", "😀"),
        (r"{\rtf1\b Đậm\b0  và th\i ường\i0.}", "Đậm và thường."),
        (r"{\rtf1 a\tab b\line c\~d\_e\-f\emdash\{g\}\\h}", "a\tb\nc\u00a0d-ef—{g}\\h"),
        ("{\\rtf1 một\r\nhai\\\nba}", "mộthai\nba"),
        (r"{\rtf1" + FONTS + r"{\*\generator X;}{\info{\author Y}}{\pict\pngblip 89504e47}x}", "x"),
        (r"{\rtf1{\field{\*\fldinst HYPERLINK a}{\fldrslt xem}} đây}", "xem đây"),
        (r"{\rtf1 {\header Bệnh viện\par}x}", "Bệnh viện\nx"),
        (r"{\rtf1\ansi\ansicpg99999 \'e9 \u999999? \'zz}", None),
        (r"{\rtf1 chưa đóng {\b x", "chưa đóng x"),
        (r"{\rtf1 a\'00\u27?\'07b}", "ab"),
        (r"{\rtf1 x}}}} sau", "x sau"),
    ],
)
def test_its_words_are_shown(rtf: str, text: str | None) -> None:
    assert is_rtf(rtf)
    assert text is None or plain_text(rtf) == text


@pytest.mark.parametrize("text", ["", "Kết luận", "{rtf}", r"a {\rtf1 b}"])
def test_what_does_not_begin_as_rtf_is_none(text: str) -> None:
    assert not is_rtf(text)


def test_what_is_endless_comes_as_it_is() -> None:
    endless = "{\\rtf1" + "{" * (MOST_TOKENS + 1)
    assert plain_text(endless) == endless


@given(st.text(st.sampled_from("{}\\'u*0189-abf \n?é"), max_size=60))
def test_whatever_follows_it_never_fails(rest: str) -> None:
    assert "\\rtf" not in plain_text("{\\rtf1 " + rest.replace("\\", "\\ "))
    plain_text("{\\rtf1" + rest)
