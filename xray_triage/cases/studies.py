"""Which studies a search over all of them has to look at, newest first. Reads no file; never touches pixels."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import sqlalchemy as sa

from dicom_router.store.database import Database
from xray_triage.cases import tables
from xray_triage.cases.period import midnight

PAGE = 200
# Between the study's date and the film's own exposure: a night, and the zone that nobody wrote down.
SLACK = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What is known of the studies wanted. All that match are found, and some that do not.

    ``words`` are folded pieces of name, patient id or accession number (dicom_router.dicom.matching.fold).
    """

    patient_id: str | None = None
    accession_number: str | None = None
    words: Sequence[str] = ()
    first_day: date | None = None
    last_day: date | None = None


class Studies:
    """The studies of all cases."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def like(self, hints: Hints, *, skip: int = 0) -> Iterator[list[str]]:
        """Study Instance UIDs, newest case first, in pages, but for the first ``skip``."""
        case = tables.case.c
        wanted = list(_conditions(hints))
        last: int | None = None
        while True:
            page = sa.select(case.sequence, case.study_instance_uid).where(*wanted)
            page = page.where(case.sequence < last) if last is not None else page.offset(skip)
            with self._database.read() as connection:
                found = connection.execute(page.order_by(case.sequence.desc()).limit(PAGE)).all()
            if not found:
                return
            last = found[-1].sequence
            yield [row.study_instance_uid for row in found]

    def pictures(self, studies: Sequence[str]) -> list[tuple[str, str]]:
        """(Study Instance UID, spool key) of the result pictures of ``studies``."""
        case, image = tables.case.c, tables.image.c
        drawn = sa.select(case.study_instance_uid, image.picture_key).join_from(
            tables.case, tables.image, case.sequence == image.case_sequence
        )
        wanted = drawn.where(case.study_instance_uid.in_(studies), image.picture_key.is_not(None))
        with self._database.read() as connection:
            return [(row[0], row[1]) for row in connection.execute(wanted.order_by(image.image_id))]


def _conditions(hints: Hints) -> Iterator[sa.ColumnElement[bool]]:
    case = tables.case.c
    if hints.patient_id is not None:
        named = sa.select(tables.statement.c.case_sequence).where(tables.statement.c.patient_id == hints.patient_id)
        yield sa.or_(case.patient_id == hints.patient_id, case.sequence.in_(named))
    if hints.accession_number is not None:
        yield case.accession_number == hints.accession_number
    for word in hints.words:
        yield case.search_text.contains(word, autoescape=True)
    if hints.first_day is not None:
        yield sa.or_(case.exposed_at.is_(None), case.exposed_at >= midnight(hints.first_day) - SLACK)
    if hints.last_day is not None:
        yield sa.or_(case.exposed_at.is_(None), case.exposed_at <= midnight(hints.last_day) + SLACK)
