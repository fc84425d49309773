"""When a film was exposed, by its header. It must never know who asks, nor touch pixels."""

import re
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone, tzinfo

from pydicom.dataset import Dataset

from xray_triage.reading.header import text

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
    declared = _offset(text(dataset, "TimezoneOffsetFromUTC"))
    for stated in _stated(dataset):
        found = _moment(stated, declared)
        if found is not None and received_at - OLDEST <= found <= received_at + FORGIVEN:
            return found
    return None


def _stated(dataset: Dataset) -> Iterator[str]:
    yield text(dataset, "AcquisitionDateTime")
    for day, time in PAIRS:
        # ACR-NEMA wrote 2026.11.22 and 10:15:00, and some machines still do (PS3.5 6.2).
        yield text(dataset, day).replace(".", "") + text(dataset, time).replace(":", "")


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
