"""Two languages: everything said on a page has its English, and dates and numbers are written as the reader does."""

import re
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import xray_triage
from xray_triage.language import VIETNAMESE, Language

PACKAGE = Path(xray_triage.__file__).parent
with (PACKAGE / "locale" / "en.po").open("rb") as catalogue:
    ENTRIES = [message for message in read_po(catalogue, locale="en") if message.id]
# Of each message its English: one form, or that of one thing and that of several.
ENGLISH = {
    str(each.id if isinstance(each.id, str) else each.id[0]): (each.string,)
    if isinstance(each.string, str)
    else each.string
    for each in ENTRIES
}
FIELD = re.compile(r"%\(\w+\)[sd]|%%")


def messages() -> dict[str, str]:
    """Every message of the templates and the modules, and where it stands."""
    keywords = {"_": None, "N_": None, "gettext": None, "say": None}
    methods = [("web/templates/**.html", "jinja2"), ("**.py", "python")]
    options = {"web/templates/**.html": {"trimmed": "true", "encoding": "utf-8"}}
    folders = extract_from_dir(
        PACKAGE, methods, options, keywords=keywords, directory_filter=lambda folder: "node_modules" not in str(folder)
    )
    return {str(message): f"{path}:{line}" for path, line, message, *_ in folders if message}


def test_every_message_has_its_english() -> None:
    missing = {message: place for message, place in messages().items() if not all(ENGLISH.get(message, [""]))}
    assert not missing


def test_no_message_is_left_that_nobody_says() -> None:
    assert not ENGLISH.keys() - messages().keys()


def test_the_english_fills_in_what_the_vietnamese_does() -> None:
    different = {
        vietnamese: english
        for vietnamese, forms in ENGLISH.items()
        for english in forms
        if sorted(FIELD.findall(vietnamese)) != sorted(FIELD.findall(english))
        or "%" in FIELD.sub("", vietnamese + english)
    }
    assert not different


def test_the_catalogue_says_every_message_once() -> None:
    text = (PACKAGE / "locale" / "en.po").read_text(encoding="utf-8")
    assert text.count("\nmsgid ") == len(ENGLISH) + 1  # and the head


def test_every_count_has_an_english_singular_and_plural() -> None:
    """``n`` is the count; what has no plural (``%(n)d h ago``) has one form."""
    several = re.compile(r"%\(n\)[sd] (more |other |of )?[a-z]+s\b")
    assert [vi for vi, forms in ENGLISH.items() if len(forms) == 1 and several.search(forms[0])] == []
    assert [vi for vi, forms in ENGLISH.items() if len(forms) == 2 and not re.search(r"%\(n\)[sd]", vi)] == []
    assert [each.id for each in ENTRIES if not isinstance(each.id, str) and each.id[0] != each.id[1]] == []


@pytest.mark.parametrize(("n", "said"), [(0, "0 days ago"), (1, "1 day ago"), (2, "2 days ago")])
def test_one_is_not_several(n: int, said: str) -> None:
    assert Language("en").say("%(n)d ngày trước", n=n) == said


@pytest.mark.parametrize(("code", "ratio", "share"), [("vi", "1.234,50", "93%"), ("en", "1,234.50", "93%")])
def test_numbers_are_written_as_the_reader_does(code: str, ratio: str, share: str) -> None:
    language = Language(code)
    assert (language.number(1234.5, 2), language.percent(0.93)) == (ratio, share)
    assert language.day(date(2025, 1, 31)) == "31/01/2025"


def test_a_moment_of_today_needs_no_date() -> None:
    noon = datetime(2025, 6, 1, 12, tzinfo=UTC)
    assert len(Language("vi").moment(noon, noon)) == len("12:00")
    assert Language("vi").moment(noon, noon.replace(year=2026)).endswith("01/06/2025")


@pytest.mark.parametrize(
    ("value", "digits", "said"), [(0.505, 2, "0,51"), (0.475, 2, "0,48"), (2.5, 0, "3"), (1.25, 1, "1,3")]
)
def test_a_half_goes_up_as_people_round(value: float, digits: int, said: str) -> None:
    assert VIETNAMESE.number(value, digits) == said
    assert VIETNAMESE.percent(value / 100) == VIETNAMESE.number(value) + "%"
