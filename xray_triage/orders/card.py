"""The text in the QR code of a citizen card or a health-insurance card, read into the fields of the form.

A scanner types it like a keyboard, or somebody pastes it. Both kinds are fields between vertical bars:

* Citizen card (căn cước công dân, since 2021): ``12 digits | old number or nothing | name | birth date ddmmyyyy |
  Nam or Nữ | address | issued ddmmyyyy``; the card of 2024 appends more. No published standard: the layout is what
  programs that scan it agree on, e.g. phalconsupply/phongkham, docs/QR_SCANNER.md on GitHub.
* Health insurance (thẻ BHYT): ``number | name | birth date dd/mm/yyyy or yyyy | 1 male, 2 female | address | place of
  first care | valid from | to | issued | … | $``, name and address as the hexadecimal digits of their UTF-8, a dash for
  nothing. The number is two letters and 13 digits, or since 2021 the ten digits of the social insurance alone. Again
  what scanning programs agree on: 15 fields, or 17 with the place of issue.
"""

import re
from dataclasses import dataclass
from datetime import date

from xray_triage.orders.order import Sex, parse_day, tidy

LONGEST_TEXT = 2000
_BARS = "|｜¦\\~"  # a scanner set to another keyboard types a neighbour of the bar
_CITIZEN = re.compile(r"\d{12}")
_INSURANCE = re.compile(r"[A-Z]{2}\d{13}|\d{10}")
_SEXES = {"nam": Sex.MALE, "nữ": Sex.FEMALE, "nu": Sex.FEMALE, "1": Sex.MALE, "2": Sex.FEMALE}


class CardError(ValueError):
    """The text is not what a card says. ``code``, which the page puts into words: empty, too_long, unknown,
    cut_short, no_name, bad_name, bad_birth_date."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says; the form is filled with it for a person to look at. Upper case stays as the card has it."""

    patient_name: str
    patient_birth_date: date | None
    patient_sex: Sex | None
    address: str = ""
    citizen_number: str = ""
    insurance_number: str = ""


def parse_card(text: str) -> Card:
    """Raises CardError."""
    if len(text) > LONGEST_TEXT:
        raise CardError("too_long")
    text = tidy(text)
    if not text:
        raise CardError("empty")
    bar = next((each for each in _BARS if text.count(each) >= 2), "|")
    fields = [field.strip() for field in text.split(bar)]
    if _CITIZEN.fullmatch(fields[0]):
        return _citizen_card(fields)
    if _INSURANCE.fullmatch(fields[0].upper()):
        return _insurance_card(fields)
    raise CardError("unknown")


def _citizen_card(fields: list[str]) -> Card:
    if len(fields) < 6:
        raise CardError("cut_short")
    number, _, name, born, sex, address = fields[:6]
    return Card(
        patient_name=_name(name),
        patient_birth_date=_birth_date(born),
        patient_sex=_SEXES.get(sex.casefold()),
        address=address,
        citizen_number=number,
    )


def _insurance_card(fields: list[str]) -> Card:
    if len(fields) < 5:
        raise CardError("cut_short")
    number, name, born, sex, address = ("" if field == "-" else field for field in fields[:5])
    return Card(
        patient_name=_name(_unhexed(name)),
        patient_birth_date=_birth_date(born),
        patient_sex=_SEXES.get(sex.casefold()),
        address=_unhexed(address),
        insurance_number=number.upper(),
    )


def _unhexed(text: str) -> str:
    """The UTF-8 text written in hexadecimal digits; any other text as it is, as some cards have it."""
    try:
        return tidy(bytes.fromhex(text).decode("utf-8"))
    except ValueError:
        return text


def _name(name: str) -> str:
    if not name:
        raise CardError("no_name")
    if "?" in name or "\ufffd" in name or not any(c.isalpha() for c in name):  # letters lost on the way
        raise CardError("bad_name")
    return name


def _birth_date(text: str) -> date | None:
    day = parse_day(text)
    if text and day is None:
        raise CardError("bad_birth_date")
    return day
