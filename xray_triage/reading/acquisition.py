"""How, when and on which machine a film was made, as far as its header says. Touches no pixel, knows no user of it."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Literal

from pydicom.dataset import Dataset

from xray_triage.reading.header import items, text, words
from xray_triage.reading.values.dates import parse_day

View = Literal["PA", "AP", ""]
PRODUCT = "xray-triage"  # the equipment that our own objects name: PS3.3 C.7.5.1

# Whole words, without accents. A film of someone lying or at the bedside is AP, whatever else was typed.
FROM_BEHIND = re.compile(r"\b(?:PA|POSTERO ?ANTERIOR)\b")
FROM_BEFORE = re.compile(r"\b(?:AP|ANTERO ?POSTERIOR)\b")
LYING = re.compile(r"\b(?:SUPINE|RECUMBENT|[HF]FS|PORTABLE|BEDSIDE|TAI GIUONG|NAM NGUA)\b")


def view_of(dataset: Dataset) -> View:
    """By View Position, else its code, else Patient Position, else the descriptions; empty where none names one."""
    said = (
        words(dataset, "ViewPosition"),
        _meanings(dataset, "ViewCodeSequence"),
        _meanings(dataset, "PatientOrientationCodeSequence"),
        words(dataset, "PatientPosition"),  # some machines write AP and PA there
        " ".join(words(dataset, keyword) for keyword in ("SeriesDescription", "ProtocolName")),
    )
    if any(LYING.search(one) for one in said):
        return "AP"
    return next((view for view in map(_one_of, said) if view), "")


def _one_of(said: str) -> View:
    behind, before = FROM_BEHIND.search(said), FROM_BEFORE.search(said)
    if bool(behind) == bool(before):
        return ""
    return "PA" if behind else "AP"


def _meanings(dataset: Dataset, keyword: str) -> str:
    return " ".join(words(item, "CodeMeaning") for item in items(dataset, keyword))


def is_ours(dataset: Dataset) -> bool:
    """Whether this program made it, here or at another station: a report, a picture, outlines, a request; no film."""
    return {text(dataset, "Manufacturer"), text(dataset, "ManufacturerModelName")} == {PRODUCT}


CREATED = ("InstanceCreationDate", "InstanceCreationTime")
PAIRS = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"), ("StudyDate", "StudyTime"))
FORGIVEN = timedelta(days=1)  # what the machine's clock may be ahead of ours
OLDEST = timedelta(days=3653)
# PS3.5 6.2: DT is YYYYMMDDHHMMSS.FFFFFF&ZZXX, the parts after the hour may be missing; DA and TM are its two halves.
MOMENT = re.compile(
    r"(\d{4})(\d\d)(\d\d)(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?((?:\+(?:0\d|1[0-4])|-(?:0\d|1[0-2]))[0-5]\d)?"
)


def exposed_at(dataset: Dataset, *, received_at: datetime) -> datetime | None:
    """The first of AcquisitionDateTime, the acquisition's, the content's and the study's date and time that can be.

    That is: not more than a day after ``received_at``, not ten years before it. A time without an offset is in Timezone
    Offset From UTC (PS3.3 C.12.1.1.8), else in this computer's zone. None: the film does not say.
    """
    return _possible(dataset, (text(dataset, "AcquisitionDateTime"), *_stated(dataset, PAIRS)), received_at)


def made_at(dataset: Dataset, *, received_at: datetime) -> datetime:
    """When the object was made: as it says, else when its film was exposed, else when it came.

    A film that is sent again under a corrected name was exposed before, and made anew.
    """
    created = _possible(dataset, _stated(dataset, (CREATED,)), received_at)
    return created or exposed_at(dataset, received_at=received_at) or received_at


def _possible(dataset: Dataset, moments: Iterable[str], received_at: datetime) -> datetime | None:
    declared = _offset(text(dataset, "TimezoneOffsetFromUTC"))
    for stated in moments:
        found = _moment(stated, declared)
        if found is not None and received_at - OLDEST <= found <= received_at + FORGIVEN:
            return found
    return None


def _stated(dataset: Dataset, pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for day, time in pairs:
        stated = parse_day(text(dataset, day))
        if stated is not None and stated.is_whole:  # ACR-NEMA wrote 10:15:00, and some machines still do (PS3.5 6.2)
            yield f"{stated.first:%Y%m%d}" + text(dataset, time).replace(":", "")


def _moment(stated: str, declared: tzinfo | None) -> datetime | None:
    match = MOMENT.fullmatch(stated)
    if match is None:
        return None
    *whole, fraction, offset = match.groups(default="")
    year, month, day, hour, minute, second = (int(part or 0) for part in whole)
    zone = _offset(offset) or declared
    try:
        found = datetime(year, month, day, hour, minute, min(second, 59), int(fraction.ljust(6, "0")), tzinfo=zone)
        return found if zone else found.astimezone()
    except (ValueError, OverflowError):
        return None


def _offset(stated: str) -> tzinfo | None:
    if not re.fullmatch(r"[+-]\d{4}", stated) or int(stated[1:3]) > 14 or int(stated[3:]) > 59:
        return None
    offset = timedelta(hours=int(stated[1:3]), minutes=int(stated[3:]))
    return timezone(-offset if stated[0] == "-" else offset)


LONGEST = 64  # characters of an LO (PS3.5 6.2); what a broken header has more of tells no machines apart


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A machine as its films name it, each part empty where they do not: films without any name are one machine too."""

    manufacturer: str = ""
    model: str = ""
    station: str = ""

    def __str__(self) -> str:
        return ", ".join(filter(None, (self.manufacturer, self.model, self.station)))


def machine_of(header: Dataset) -> Machine:
    """Manufacturer, Manufacturer's Model Name and Station Name (PS3.3 C.7.5.1) of a header whose text is repaired."""
    keywords = ("Manufacturer", "ManufacturerModelName", "StationName")
    manufacturer, model, station = (" ".join(text(header, keyword).split())[:LONGEST].strip() for keyword in keywords)
    return Machine(manufacturer=manufacturer, model=model, station=station)
