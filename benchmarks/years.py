"""A station's database after years, straight into the tables: cases, films, consultations, verdicts, deliveries."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from dicom_router.store import tables as router
from dicom_router.store.database import Database
from xray_triage.cases import rows, tables
from xray_triage.reading.findings import (
    KINDS,
    REASONS,
    Finding,
    Findings,
    ModelIdentity,
    NotReadable,
    Priority,
    Reading,
    TriageDecision,
)
from xray_triage.reading.patient import Patient

FAMILY = (
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Hoàng",
    "Huỳnh",
    "Phan",
    "Vũ",
    "Võ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
)
WEIGHTS = (38, 11, 9, 7, 5, 5, 4, 3, 3, 2, 2, 2, 1, 1, 1, 1)
MIDDLE = (
    "Văn",
    "Thị",
    "Hữu",
    "Đức",
    "Ngọc",
    "Minh",
    "Thanh",
    "Kim",
    "Xuân",
    "Quốc",
)
GIVEN = (
    "An",
    "Anh",
    "Bình",
    "Bưởi",
    "Chi",
    "Cường",
    "Dũng",
    "Đạt",
    "Đào",
    "Giang",
    "Hà",
    "Hải",
    "Hạnh",
    "Hiếu",
    "Hoa",
    "Hùng",
    "Hương",
    "Khánh",
    "Lan",
    "Linh",
    "Long",
    "Mai",
)
SHARES = {Priority.URGENT: 3, Priority.ABNORMAL: 27, Priority.NOT_READ: 5, Priority.NORMAL: 65}
UNJUDGED = {"pneumothorax", "hernia", "tuberculosis", "covid19"}  # as of the shipped model
MODEL = ModelIdentity(name="scale", version="1", sha256="5c" * 32)
OBJECTS = (("sr", "light"), ("sc", "light"), ("gsps", "light"), ("original", "bulk"))
CHUNK = 2000
WAITING = 40  # films, the newest, that the PACS does not have
SPAN = timedelta(days=5 * 365)


def fill(
    database: Database, cases: int, *, now: datetime, seed: int = 7, span: timedelta = SPAN, waiting: int = WAITING
) -> None:
    """``cases`` studies of one film over the last ``span``, delivered but for the last ``waiting``."""
    dice = random.Random(seed)
    readings = {priority: [_reading(priority, dice) for _ in range(12)] for priority in Priority}
    for numbers in _batches(cases):
        made: dict[sa.Table, list[dict[str, Any]]] = {}
        for number in numbers:
            received = now - span * ((cases - number) / cases)
            known = dice.randrange(max(1, cases * 2 // 3))  # a third has been here before
            its_rows = _rows_of(number, known, received, readings, dice, sent=number < cases - waiting)
            for table, row in its_rows:
                made.setdefault(table, []).append(row)
        with database.write() as connection:
            for table, of_it in made.items():
                connection.execute(table.insert(), of_it)
    if not database.is_sqlite:  # whose autovacuum would do so; a SQLite file at a station never sees one
        with database.write() as connection:
            connection.execute(sa.text("ANALYZE"))


def name(dice: random.Random) -> str:
    """A name as it is written here."""
    return f"{dice.choices(FAMILY, WEIGHTS)[0]} {dice.choice(MIDDLE)} {dice.choice(MIDDLE)} {dice.choice(GIVEN)}"


def _batches(cases: int) -> Iterator[range]:
    return (range(first, min(first + CHUNK, cases)) for first in range(0, cases, CHUNK))


def _rows_of(
    number: int,
    known: int,
    received: datetime,
    readings: dict[Priority, list[Reading]],
    dice: random.Random,
    *,
    sent: bool,
) -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    priority = dice.choices(list(SHARES), list(SHARES.values()))[0]
    read = received + timedelta(seconds=dice.uniform(0.1, 2))
    exposed = received - timedelta(seconds=dice.uniform(2, 60))
    patient = Patient(
        id=f"P{known:07d}", name=name(dice), sex=dice.choice("MF"), birth_date="1970-01-01", age_years=50.0
    )
    study = f"1.2.826.0.1.3680043.8.498.{10**27 + number}"
    times = {"received_at": received, "read_at": read, "exposed_at": exposed}
    urgency = rows.urgency(priority)
    yield tables.case, {
        "sequence": number + 1, "case_id": f"{number:012x}", "study_instance_uid": study, "priority": priority.value,
        "urgency": urgency, **times, **rows.patient_columns(patient, f"A{received:%y%m%d}{number % 10_000:04d}"),
    }  # fmt: skip
    said = rows.image_columns(dice.choice(readings[priority]))
    yield tables.image, {
        "case_sequence": number + 1, "sop_instance_uid": f"{study}.1", "arrival_id": number + 1, "picture_key": None,
        **times, **said,
    }  # fmt: skip
    if dice.random() < 0.2:
        given = {"agrees": dice.random() < 0.9, "note": "", "given_at": read + timedelta(minutes=5), "given_by": "bs"}
        yield tables.verdict, {"case_sequence": number + 1, **given}
    if dice.random() < 0.05:
        yield tables.consultation, _consultation(number, read, dice)
    yield from _deliveries(study, read if sent else None, read, dice)


def _consultation(number: int, read: datetime, dice: random.Random) -> dict[str, Any]:
    answered = read + timedelta(minutes=dice.uniform(5, 600)) if dice.random() < 0.9 else None
    return {
        "case_sequence": number + 1, "state": "answered" if answered else "requested", "question": "Nhờ xem giúp.",
        "priority": "routine", "requested_by": "bs", "requested_at": read, "request_uid": f"1.2.3.{number}",
        "answered_at": answered, "seen_at": answered,
    }  # fmt: skip


def _deliveries(
    study: str, sent: datetime | None, queued: datetime, dice: random.Random
) -> Iterator[tuple[sa.Table, dict[str, Any]]]:
    for position, (what, lane) in enumerate(OBJECTS):
        kind, uid = f"deliver/pacs/{lane}", f"{study}.{position + 1}"
        yield router.work, {
            "kind": kind, "key": uid, "rank": 100, "size": 1000, "state": "done" if sent else "waiting", "attempt": 1,
            "fence": 1,
        }  # fmt: skip
        yield router.delivery, {
            "destination": "pacs", "sop_instance_uid": uid, "sop_class_uid": "1.2.3", "study_instance_uid": study,
            "series_instance_uid": f"{study}.9", "transfer_syntax_uid": "1.2", "spool_key": "0" * 32,
            "sha256": "0" * 64, "size_bytes": 1000, "what": what, "work_kind": kind, "queued_at": queued,
            "acknowledged_at": sent and sent + timedelta(seconds=dice.uniform(0.1, 3) * (position + 1)),
        }  # fmt: skip


def _reading(priority: Priority, dice: random.Random) -> Reading:
    if priority is Priority.NOT_READ:
        why = NotReadable(reason=REASONS["not_frontal"])
        return Reading(decision=TriageDecision(priority=priority, reasons=()), not_readable=why)
    most = 0.4 if priority is Priority.NORMAL else 0.6
    said = tuple(
        Finding(kind=kind, probability=round(dice.random() * most, 4), threshold=0.5)
        for name, kind in KINDS.items()
        if name not in UNJUDGED
    )
    findings = Findings(model=MODEL, findings=said, scores={"abnormal": dice.random(), "cardiothoracic_ratio": 0.48})
    return Reading(decision=TriageDecision(priority=priority, reasons=()), findings=findings, model=MODEL)
