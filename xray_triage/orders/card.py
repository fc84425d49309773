"""The text in the QR code of a citizen card or a health-insurance card, read into the fields of the form.

A scanner types it like a keyboard, or somebody pastes it. Both kinds are fields between vertical bars:

* Citizen card (căn cước công dân, since 2021): ``12 digits | old number or nothing | name | birth date ddmmyyyy |
  Nam or Nữ | address | issued ddmmyyyy``; the card of 2024 and VNeID append more, the parents' names among it. No
  published standard: the layout is what programs that scan it agree on, e.g. phalconsupply/phongkham,
  docs/QR_SCANNER.md on GitHub.
* Health insurance (thẻ BHYT): ``number | name | birth date dd/mm/yyyy or yyyy | 1 male, 2 female | address | place of
  first care | valid from | to | issued | … | $``, name and address as the hexadecimal digits of their UTF-8, a dash for
  nothing. The number is two letters and 13 digits, or since 2021 the ten digits of the social insurance alone. Again
  what scanning programs agree on: 15 fields, or 17 with the place of issue.

On its way to us the text passes a keyboard: Caps Lock and a mistaken code page are mended, for that is certain; what an
input method (Telex, VNI) has made of it is not guessed at. A text in which a field is missing or cut fills nothing.
"""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date

from xray_triage.orders.order import CARD_BARS, Sex, parse_day, tidy

LONGEST_TEXT = 2000
_CITIZEN, _CITIZEN_FIELDS = re.compile(r"\d{12}"), 7  # the last one that is there proves that the address is whole
_INSURANCE, _INSURANCE_FIELDS = re.compile(r"[A-Z]{2}\d{13}|\d{10}"), 6
_OLD_NUMBER = re.compile(r"(\d{9}|\d{12})?")
_PERSON = re.compile(
    r"(\d{12})\|(?:\d{9}|\d{12})?\|[^|\d]+\|\d{4,8}\|"
    r"|([A-Z]{2}\d{13}|\d{10})\|(?:[0-9A-F]{2})+\|[\d/]{4,10}\|[12]\|",
    re.IGNORECASE,
)
_SEXES = {"": None, "nam": Sex.MALE, "nữ": Sex.FEMALE, "nu": Sex.FEMALE, "1": Sex.MALE, "2": Sex.FEMALE}
# Keys that were pressed for accents: a tone's after the syllable, which no Vietnamese one ends with; a doubled letter;
# a digit in a word.
_KEYS = re.compile(r"[aeiouy](?:ch|ng|nh|[cmnpt])?[sfrxj]\b|w|aa|ee|oo|dd|[^\W\d]\d|\d[^\W\d]", re.IGNORECASE)


class CardError(ValueError):
    """The text is not what a card says. ``code``, which the page puts into words: empty, too_long, unknown,
    two_cards, cut_short, no_name, bad_name, typed_keys, bad_birth_date."""

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
    text = tidy(_unmangled(text))
    if not text:
        raise CardError("empty")
    bar = next((each for each in CARD_BARS if text.count(each) >= 2), "|")
    if len({"".join(found) for found in _PERSON.findall(text.replace(bar, "|"))}) > 1:
        raise CardError("two_cards")
    fields = [field.strip() for field in text.split(bar)]
    if _CITIZEN.fullmatch(fields[0]):
        return _citizen_card(fields)
    if _INSURANCE.fullmatch(fields[0].upper()):
        return _insurance_card(fields)
    raise CardError("unknown")


def _citizen_card(fields: list[str]) -> Card:
    if len(fields) < _CITIZEN_FIELDS:
        raise CardError("cut_short")
    number, old_number, name, born, sex, address = fields[:6]
    if _KEYS.search(name) and "".join(fields).isascii():
        raise CardError("typed_keys")
    if not _OLD_NUMBER.fullmatch(old_number):  # a field is missing, and the others have moved up
        raise CardError("cut_short")
    return Card(
        patient_name=_cased(_name(name), like=name),
        patient_birth_date=_birth_date(born),
        patient_sex=_sex(sex),
        address=_cased(_address(address), like=name),
        citizen_number=number,
    )


def _insurance_card(fields: list[str]) -> Card:
    if len(fields) < _INSURANCE_FIELDS:
        raise CardError("cut_short")
    number, name, born, sex, address = ("" if field == "-" else field for field in fields[:5])
    plain_name, plain_address = _unhexed(name), _unhexed(address)
    if plain_name is not None and plain_address is None:  # one is in hexadecimal digits, the other no more
        raise CardError("typed_keys")
    return Card(
        patient_name=_name(name if plain_name is None else plain_name),
        patient_birth_date=_birth_date(born),
        patient_sex=_sex(sex),
        address=_address(address if plain_address is None else plain_address),
        insurance_number=number.upper(),
    )


def _unmangled(text: str) -> str:
    """UTF-8 that a scanner typed as if it were Windows-1252 or Latin-1; any other text as it is."""
    for code_page in ("cp1252", "latin-1"):
        try:
            return text.encode(code_page).decode("utf-8")
        except UnicodeError:
            continue
    return text


def _unhexed(text: str) -> str | None:
    """The UTF-8 text written in hexadecimal digits; None when it is not, as on some cards."""
    try:
        return tidy(bytes.fromhex(text).decode("utf-8"))
    except ValueError:
        return None


def _cased(text: str, *, like: str) -> str:
    """``text`` as it was before Caps Lock turned ``like``, a name, into ``nGUYỄN vĂN a`` or ``nguyễn văn a``."""
    turned = any(word[0].islower() for word in like.split())
    return " ".join(word.capitalize() for word in text.split()) if turned else text


def _name(name: str) -> str:
    if not name:
        raise CardError("no_name")
    if any(c.isdigit() for c in name) and any(c.isalpha() for c in name):
        raise CardError("typed_keys")
    strange = any(not c.isalpha() and c not in " '’.-" and unicodedata.category(c)[0] != "M" for c in name)
    if strange or not any(c.isalpha() for c in name):  # letters lost on the way
        raise CardError("bad_name")
    return name


def _sex(text: str) -> Sex | None:
    if text.casefold() not in _SEXES:
        raise CardError("typed_keys" if re.fullmatch(r"nu[wx47]+", text.casefold()) else "cut_short")
    return _SEXES[text.casefold()]


def _address(text: str) -> str:
    if text and not any(c.isalpha() for c in text):  # a field is missing, and this is the next one
        raise CardError("cut_short")
    return text


def _birth_date(text: str) -> date | None:
    day = parse_day(text.removeprefix("0000"))  # of a birth year alone
    if text and day is None:
        raise CardError("bad_birth_date")
    return day
