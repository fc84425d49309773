"""An ORM^O01 of the HIS, read into what it asks for: films ordered, changed, taken back. Knows no database, no network.

HL7 v2.5 4.4.1. Each ORC begins an order; PID, PV1 and IN1 before the first one are of all of them. Segments and fields
that are not named here, Z-segments among them, are passed over.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum

from dicom_router.dicom.matching import fold
from xray_triage.hl7.message import BadField, Message, Segment
from xray_triage.hl7.names import NameParts
from xray_triage.orders.order import (
    ADDRESS_LENGTH,
    PHYSICIAN_LENGTH,
    REASON_LENGTH,
    Mistakes,
    Placing,
    Procedure,
    Registration,
    check,
    tidy,
)

VERSIONS = ("2.3", "2.3.1", "2.4", "2.5", "2.5.1")
LONGEST_NUMBER, LONGEST_NAME = 64, 64
MOST_ORDERS = 50
_ACCESSION = re.compile(r"[ -\[\]-~]{1,16}")  # SH of PS3.5 table 6.2-1, in plain letters
_ICD = re.compile(r"[A-Z]\d\d(\.?\d{1,2})?")
_DAY = re.compile(r"(\d{4})(\d\d)?(\d\d)?(?:\d{4}.*)?")
_STAMP = re.compile(r"(\d{8})(\d\d)(\d\d)(?:\d\d(?:\.\d+)?)?([+-]\d{4})?|(\d{8})")
_SEXES = {"1": "M", "NAM": "M", "2": "F", "NU": "F", "3": "", "U": "", "A": "", "N": ""}
# How a number in PID-3 is marked, in its identifier type or its assigner: table 0203, and what HIS here write.
_CITIZEN = frozenset({"CCCD", "CMND", "CC", "NI", "NNVNM", "NNVN"})
_INSURANCE = frozenset({"BHYT", "HC", "SS", "HI", "NIIP"})
_CITIZEN_NUMBER, _INSURANCE_NUMBER = re.compile(r"\d{12}"), re.compile(r"[A-Z]{2}\d{13}|\d{10}")
PLACES = {
    "patient_name": "PID-5", "patient_birth_date": "PID-7", "patient_sex": "PID-8", "address": "PID-11",
    "referring_physician": "ORC-12", "reason": "OBR-31", "scheduled_at": "OBR-36",
}  # fmt: skip
_WHY = {
    "required": "must not be empty",
    "too_long": "too long",
    "card_text": "is the text of a card",
    "bad_character": r"has a character that X-ray machines refuse: \ ^ = or a control character",
    "no_letter": "has no letter",
    "bad_date": "is no date of ours: YYYYMMDD, YYYYMM or YYYY since 1900; a film at most a year ahead",
    "future_date": "is after today",
    "bad_number": "citizen numbers have 12 digits; insurance numbers 2 letters and 13 digits, or 10 digits",
    "bad_choice": "is none of M, F, O, U",
}


class NotSpoken(Exception):
    """A message of a kind or version that we do not speak: to be answered AR."""


class Control(StrEnum):
    """What is to be done with an order: ORC-1, table 0119."""

    NEW = "NW"
    CHANGE = "XO"
    CANCEL = "CA"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instruction:
    """One order of a message. ``registration`` is None of one taken back.

    ``accession_numbers``: what the HIS may mean by it, the likeliest first.
    """

    control: Control
    placing: Placing
    registration: Registration | None
    accession_numbers: tuple[str, ...] = ()


def require_spoken(message: Message) -> None:
    """Raises NotSpoken unless it is one ORM^O01 of a version that we know."""
    version = message.head.text(12)
    if message.head.text(9) != "ORM" or message.head.text(9, 2) not in ("O01", ""):
        raise NotSpoken(f"MSH-9: {message.kind[:20]} is not spoken here; send orders as ORM^O01")
    if version and version not in VERSIONS:
        raise NotSpoken(f"MSH-12: version {version[:10]} is not spoken here; we speak {', '.join(VERSIONS)}")
    if sum(1 for _ in message.all("MSH")) > 1:
        raise NotSpoken("MSH: two messages in one; send each by itself")


def sender_of(message: Message) -> str:
    """Who placed its orders: MSH-3 and MSH-4."""
    return "|".join(message.head.text(number)[:LONGEST_NUMBER] for number in (3, 4))


def instructions(message: Message, *, now: datetime, services: Mapping[str, Procedure]) -> list[Instruction]:
    """What it asks for, in its order. ``services``: the procedures that the site gave codes. Raises BadField."""
    if sum(1 for _ in message.all("PID")) > 1:
        raise BadField("PID", "a message is about one patient")
    return [_instruction(order, now, services) for order in _orders(message)]


def _orders(message: Message) -> Iterator[Message]:
    """For each ORC a message of it alone."""
    places = [place for place, segment in enumerate(message.segments) if segment.name == "ORC"]
    if not 1 <= len(places) <= MOST_ORDERS:
        raise BadField("ORC", f"a message has 1 to {MOST_ORDERS} orders, each begun by an ORC")
    shared = message.segments[: places[0]]
    for begin, end in zip(places, [*places[1:], len(message.segments)], strict=True):
        yield Message([*shared, *message.segments[begin:end]])


def _instruction(order: Message, now: datetime, services: Mapping[str, Procedure]) -> Instruction:
    orc = order.need("ORC")
    if orc.text(1) not in tuple(Control):
        raise BadField("ORC-1", f"{orc.text(1)[:10]!r} is not done here; only NW, XO and CA")
    control = Control(orc.text(1))
    placing = Placing(placer=sender_of(order), placer_number=_placer_number(order, orc))
    if control is Control.CANCEL:
        return Instruction(control=control, placing=placing, registration=None)
    obr = order.need("OBR")
    code, name = obr.text(4, 1), obr.text(4, 2) or obr.text(4, 5)
    if not code and not name:
        raise BadField("OBR-4", "does not say what is to be filmed")
    return Instruction(
        control=control,
        placing=Placing(
            placer=placing.placer,
            placer_number=placing.placer_number,
            service_code=code[:LONGEST_NUMBER],
            service_name=_plain(name, LONGEST_NAME),
            treatment_code=_of(order, "PV1", 19)[:LONGEST_NUMBER],
            diagnosis_code=next((code for code, _ in _diagnoses(order) if _ICD.fullmatch(code)), ""),
            name_parts="^".join(_person(order.need("PID"), 5, first=1)),
        ),
        registration=_registration(order, orc, obr, now, services.get(code) or _procedure(name)),
        accession_numbers=tuple(
            number for number in (obr.text(18), obr.text(3), orc.text(3)) if _ACCESSION.fullmatch(number)
        ),
    )


def _placer_number(order: Message, orc: Segment) -> str:
    asked = [segment.text(2) for segment in order.all("OBR")]
    if len(asked) > 1:
        raise BadField("OBR", "an ORC has one OBR; begin each order with an ORC of its own")
    numbers = {orc.text(2), *asked} - {""}
    if not numbers:
        raise BadField("ORC-2", "the placer order number must not be empty")
    if len(numbers) > 1:
        raise BadField("OBR-2", "is another placer order number than ORC-2")
    (number,) = numbers
    if len(number) > LONGEST_NUMBER:
        raise BadField("ORC-2", f"has over {LONGEST_NUMBER} characters")
    return number


def _registration(order: Message, orc: Segment, obr: Segment, now: datetime, procedure: Procedure) -> Registration:
    pid = order.need("PID")
    sex = fold(pid.text(8)).upper()
    fields = _numbers(order, pid) | {
        "patient_name": _person(pid, 5, first=1).whole,
        "patient_birth_date": _birth_date(pid.text(7)),
        "patient_sex": _SEXES.get(sex, sex),
        "address": _plain(", ".join(filter(None, (pid.text(11, part) for part in range(1, 6)))), ADDRESS_LENGTH),
        "referring_physician": _physician(order, orc, obr),
        "procedure": procedure.value,
        "reason": _plain("; ".join(dict.fromkeys(filter(None, _reasons(order, obr)))), REASON_LENGTH),
        "scheduled_at": _scheduled_at(order, orc, obr, now),
    }
    try:
        return check(fields, now=now)
    except Mistakes as mistakes:
        name, code = next(iter(mistakes.of_fields.items()))
        raise BadField(PLACES.get(name, "PID-3"), _WHY[code]) from mistakes


def _numbers(order: Message, pid: Segment) -> dict[str, str]:
    """The patient's numbers: the facility's own, the citizen's, the insurance's."""
    found = {"patient_id": "", "citizen_number": "", "insurance_number": ""}
    for place in range(1, pid.repetitions(3) + 1):
        number = pid.text(3, 1, place)
        kinds = {pid.text(3, part, place).upper() for part in (4, 5)}
        bare = re.sub(r"[\s.-]", "", number).upper()
        if kinds & _CITIZEN or (place > 1 and _CITIZEN_NUMBER.fullmatch(bare)):
            field = "citizen_number"
        elif kinds & _INSURANCE or (len(bare) == 15 and _INSURANCE_NUMBER.fullmatch(bare)):
            field = "insurance_number"
        else:
            field = "patient_id"
        found[field] = found[field] or number
    found["patient_id"] = found["patient_id"] or pid.text(2)
    policy, social = _of(order, "IN1", 36), pid.text(19)
    if not found["insurance_number"] and _INSURANCE_NUMBER.fullmatch(policy.upper()):
        found["insurance_number"] = policy
    if not found["citizen_number"] and _CITIZEN_NUMBER.fullmatch(social):
        found["citizen_number"] = social
    return found


def _of(order: Message, name: str, number: int) -> str:
    segment = order.first(name)
    return segment.text(number) if segment else ""


def _person(segment: Segment, number: int, *, first: int) -> NameParts:
    """A name. ``first``: the family name's component."""
    return NameParts(*(tidy(segment.text(number, first + part)) for part in range(3)))


def _physician(order: Message, orc: Segment, obr: Segment) -> str:
    """Who ordered the film: ORC-12, else OBR-16, else PV1-8 and 7; by name, else by number."""
    pv1 = order.first("PV1")
    named = [(orc, 12), (obr, 16), *([(pv1, 8), (pv1, 7)] if pv1 else [])]
    names = [_person(segment, number, first=2).whole for segment, number in named]
    numbers = [segment.text(number) for segment, number in named]
    return _plain(next(filter(None, [*names, *numbers]), ""), PHYSICIAN_LENGTH)


def _reasons(order: Message, obr: Segment) -> Iterator[str]:
    """Why the film is wanted: what was asked, what is known, the diagnosis, the notes."""
    yield from (" ".join(filter(None, one)) for one in _diagnoses(order))
    yield obr.whole(13)
    yield from (note.whole(3) for note in order.all("NTE"))


def _diagnoses(order: Message) -> Iterator[tuple[str, str]]:
    """Code and text of OBR-31 and of each DG1."""
    obr = order.need("OBR")
    for place in range(1, obr.repetitions(31) + 1):
        yield obr.text(31, 1, place), obr.text(31, 2, place)
    for diagnosis in order.all("DG1"):
        yield diagnosis.text(3), diagnosis.text(3, 2) or diagnosis.whole(4)


def _birth_date(text: str) -> str:
    """As the registration form takes it: of a month alone its first day; anything else as it is, to be refused."""
    found = _DAY.fullmatch(text)
    if found is None:
        return text
    year, month, day = (part if part not in (None, "00", "0000") else "" for part in found.groups())
    return f"{year}-{month}-{day or '01'}" if month else year


def _scheduled_at(order: Message, orc: Segment, obr: Segment, now: datetime) -> str:
    """When the film is wanted, in local time; nothing where that is not said or past: today. Raises BadField."""
    timing = order.first("TQ1")
    for place, text in (
        ("OBR-36", obr.text(36)),
        ("ORC-7", orc.text(7, 4)),
        ("TQ1-7", timing.text(7) if timing else ""),
    ):
        if text:
            try:
                at = _moment(text)
                return f"{at.astimezone():%Y-%m-%dT%H:%M}" if at > now else ""
            except (ValueError, OverflowError) as error:
                raise BadField(place, _WHY["bad_date"]) from error
    return ""


def _moment(text: str) -> datetime:
    """A time stamp, HL7 v2.5 2.A.77; without a zone it is local time. Raises ValueError."""
    found = _STAMP.fullmatch(text)
    if found is None:
        raise ValueError(text)
    day, hour, minute, zone, alone = found.groups()
    at = datetime.strptime(f"{day or alone}{hour or '00'}{minute or '00'}", "%Y%m%d%H%M")  # noqa: DTZ007
    if zone is None:
        return at.astimezone()
    sign = -1 if zone[0] == "-" else 1
    return at.replace(tzinfo=timezone(sign * timedelta(hours=int(zone[1:3]), minutes=int(zone[3:])))).astimezone(UTC)


def _procedure(name: str) -> Procedure:
    """What the HIS's words mean to the station; the machine is told the words themselves."""
    words = f" {re.sub(r'[^a-z0-9]+', ' ', fold(name))} "
    if not any(f" {word} " in words for word in ("nguc", "phoi", "chest", "thorax")):
        return Procedure.OTHER
    lateral = any(f" {word} " in words for word in ("nghieng", "lateral", "lat"))
    if lateral:
        frontal = any(f" {word} " in words for word in ("thang", "pa", "ap"))
        return Procedure.CHEST_PA_LATERAL if frontal else Procedure.CHEST_LATERAL
    return Procedure.CHEST_AP if " ap " in words or " tai giuong " in words else Procedure.CHEST_PA


def _plain(text: str, longest: int) -> str:
    """Free text that machines take: without the delimiters of DICOM and of cards, cut where it is too long."""
    kept = (" " if letter in "\\^=|~¦｜" or unicodedata.category(letter)[0] == "C" else letter for letter in text)
    text = " ".join("".join(kept).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
