"""One film that was ordered: what a person typed, checked, and what the station made of it. Knows no database.

Lengths are those of the DICOM attributes that the machine gets (PS3.5 table 6.2-1), or more where it gets a part.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import TypeVar

from xray_triage.language import N_

_Choice = TypeVar("_Choice", bound=StrEnum)
OLDEST_YEAR = 1900
FARTHEST_DAYS = 366
NAME_LENGTH = ID_LENGTH = PHYSICIAN_LENGTH = 64  # PN, one component group; LO; PN
ADDRESS_LENGTH, REASON_LENGTH = 200, 500
CARD_BARS = "|｜¦\\~"  # between the fields of a card; a scanner set to another keyboard types a neighbour of the bar
_BREAKS_DICOM = re.compile(r"[\\^=]")  # delimiters of values, of name components and groups: PS3.5 6.2
_INSURANCE = re.compile(r"[A-Z]{2}\d{13}|\d{10}")
_CITIZEN = re.compile(r"\d{12}|\d{9}")  # the identity card of before 2016 had nine digits


class Sex(StrEnum):
    """Patient's Sex (0010,0040)."""

    MALE = "M"
    FEMALE = "F"
    OTHER = "O"


class OrderState(StrEnum):
    """Where an order stands. Its film, when it arrives, makes it done, whatever it was."""

    WAITING = "waiting"
    IN_PROGRESS = "in progress"
    DONE = "done"
    CANCELLED = "cancelled"

    @property
    def is_open(self) -> bool:
        return self in (OrderState.WAITING, OrderState.IN_PROGRESS)


class Procedure(StrEnum):
    """What is to be filmed; ``vi`` as the machine is told (LO, 64)."""

    CHEST_PA = "chest_pa"
    CHEST_AP = "chest_ap"
    CHEST_PA_LATERAL = "chest_pa_lateral"
    CHEST_LATERAL = "chest_lateral"
    OTHER = "other"

    @property
    def vi(self) -> str:
        return _PROCEDURES[self]


_PROCEDURES = {
    Procedure.CHEST_PA: N_("X-quang ngực thẳng (PA)"),
    Procedure.CHEST_AP: N_("X-quang ngực thẳng, nằm hoặc ngồi (AP)"),
    Procedure.CHEST_PA_LATERAL: N_("X-quang ngực thẳng và nghiêng"),
    Procedure.CHEST_LATERAL: N_("X-quang ngực nghiêng"),
    Procedure.OTHER: N_("X-quang khác"),
}


class Mistakes(ValueError):
    """What cannot be registered as it was typed: by field a code, which the page puts into words.

    required, card_text, too_long, bad_character, no_letter, bad_date, future_date, bad_number, bad_choice.
    """

    def __init__(self, of_fields: Mapping[str, str]) -> None:
        super().__init__(", ".join(f"{name}: {code}" for name, code in of_fields.items()))
        self.of_fields = of_fields


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a person typed, checked. ``patient_id`` may be empty: see Orders. ``scheduled_at`` None is now."""

    patient_name: str
    patient_birth_date: date | None
    patient_sex: Sex | None
    patient_id: str = ""
    address: str = ""
    citizen_number: str = ""
    insurance_number: str = ""
    referring_physician: str = ""
    procedure: Procedure = Procedure.CHEST_PA
    reason: str = ""
    scheduled_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Placing:
    """How the HIS placed an order; empty of one that the page registered. ``placer``: the sending system.

    ``service_code`` and ``service_name`` are the HIS's (MA_DICH_VU), ``treatment_code`` is that of the stay (MA_LK),
    ``diagnosis_code`` of ICD-10. ``name_parts``: the patient's name as it wrote it, ``family^given^middle``.
    ``withdrawn_at``: when the HIS took it back, though it may have been filmed.
    """

    placer: str = ""
    placer_number: str = ""
    service_code: str = ""
    service_name: str = ""
    treatment_code: str = ""
    diagnosis_code: str = ""
    name_parts: str = ""
    withdrawn_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What a case's order says for the way out; empty what nobody said. ``placer_number`` empty: not of the HIS."""

    accession_number: str
    placer_number: str
    service_code: str
    citizen_number: str
    insurance_number: str
    referring_physician: str
    reason: str
    diagnosis_code: str
    treatment_code: str
    name_parts: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A registration with the numbers that the station gave it, which machine, film and PACS carry on."""

    accession_number: str
    study_instance_uid: str
    registration: Registration
    patient_id: str
    scheduled_at: datetime
    registered_at: datetime
    registered_by: str
    state: OrderState
    placing: Placing = Placing()

    @property
    def procedure_name(self) -> str:
        """What is to be filmed, in the HIS's own words where it placed the order (LO, 64)."""
        return self.placing.service_name or self.registration.procedure.vi

    @property
    def ordered(self) -> Ordered:
        """What of it goes out with the result."""
        typed, placing = self.registration, self.placing
        return Ordered(
            accession_number=self.accession_number,
            placer_number=placing.placer_number,
            service_code=placing.service_code,
            citizen_number=typed.citizen_number,
            insurance_number=typed.insurance_number,
            referring_physician=typed.referring_physician,
            reason=typed.reason,
            diagnosis_code=placing.diagnosis_code,
            treatment_code=placing.treatment_code,
            name_parts=placing.name_parts,
        )


def check(fields: Mapping[str, str], *, now: datetime) -> Registration:
    """The form's ``fields``, by the names of Registration's attributes, made a registration. Raises Mistakes."""
    checked = _Checked(fields)
    registration = Registration(
        patient_name=checked.text("patient_name", NAME_LENGTH, required=True, letters=True),
        patient_birth_date=checked.birth_date("patient_birth_date", now),
        patient_sex=checked.choice("patient_sex", Sex),
        patient_id=checked.text("patient_id", ID_LENGTH),
        address=checked.text("address", ADDRESS_LENGTH),
        citizen_number=checked.number("citizen_number", _CITIZEN),
        insurance_number=checked.number("insurance_number", _INSURANCE),
        referring_physician=checked.text("referring_physician", PHYSICIAN_LENGTH),
        procedure=checked.choice("procedure", Procedure) or Procedure.CHEST_PA,
        reason=checked.text("reason", REASON_LENGTH),
        scheduled_at=checked.moment("scheduled_at", now),
    )
    if checked.mistakes:
        raise Mistakes(checked.mistakes)
    return registration


def tidy(text: str) -> str:
    """Composed (NFC), without invisible format characters, one blank between words."""
    composed = unicodedata.normalize("NFC", text)
    return " ".join("".join(c for c in composed if unicodedata.category(c) != "Cf").split())


def looks_like_card(text: str) -> bool:
    """Whether somebody scanned a card into a field of the form."""
    return any(text.count(bar) >= 3 for bar in CARD_BARS)


def parse_day(text: str) -> date | None:
    """``31/01/1970``, ``31011970``, ``1970-01-31``; of a year alone its first day, as papers do. None: no date."""
    numbers = re.fullmatch(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})", text) or re.fullmatch(r"(\d\d)(\d\d)(\d{4})", text)
    iso = re.fullmatch(r"(\d{4})-(\d\d)-(\d\d)", text)
    if iso:
        day, month, year = iso[3], iso[2], iso[1]
    elif numbers:
        day, month, year = numbers[1], numbers[2], numbers[3]
    elif re.fullmatch(r"\d{4}", text):
        day, month, year = "1", "1", text
    else:
        return None
    try:
        return date(int(year), int(month), int(day))
    except ValueError:
        return None


class _Checked:
    """The form's fields one by one, and by field the first mistake."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        self._fields = fields
        self.mistakes: dict[str, str] = {}

    def text(self, name: str, longest: int, *, required: bool = False, letters: bool = False) -> str:
        text = tidy(self._fields.get(name, ""))
        if required and not text:
            self.mistakes[name] = "required"
        elif looks_like_card(text):
            self.mistakes[name] = "card_text"
        elif len(text) > longest:
            self.mistakes[name] = "too_long"
        elif _BREAKS_DICOM.search(text) or any(unicodedata.category(c)[0] == "C" for c in text):
            self.mistakes[name] = "bad_character"
        elif letters and not any(c.isalpha() for c in text):
            self.mistakes[name] = "no_letter"
        return text

    def number(self, name: str, form: re.Pattern[str]) -> str:
        number = re.sub(r"[\s.-]", "", tidy(self._fields.get(name, ""))).upper()
        if number and not (number.isascii() and form.fullmatch(number)):
            self.mistakes[name] = "bad_number"
        return number

    def choice(self, name: str, choices: type[_Choice]) -> _Choice | None:
        chosen = self._fields.get(name, "")
        if chosen and chosen not in tuple(choices):
            self.mistakes[name] = "bad_choice"
        return choices(chosen) if chosen in tuple(choices) else None

    def birth_date(self, name: str, now: datetime) -> date | None:
        text = tidy(self._fields.get(name, ""))
        day = parse_day(text)
        if text and (day is None or day.year < OLDEST_YEAR):
            self.mistakes[name] = "bad_date"
        elif day and day > now.astimezone().date():
            self.mistakes[name] = "future_date"
        return day

    def moment(self, name: str, now: datetime) -> datetime | None:
        """The computer's own local time, as an input of type datetime-local sends it."""
        text = self._fields.get(name, "").strip()
        if not text:
            return None
        try:
            at = datetime.strptime(text, "%Y-%m-%dT%H:%M").astimezone()
        except (ValueError, OverflowError):
            self.mistakes[name] = "bad_date"
            return None
        if abs(at - now) > timedelta(days=FARTHEST_DAYS):
            self.mistakes[name] = "bad_date"
        return at
