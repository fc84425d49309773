"""What is counted over all cases for metrics and checks, when somebody asks. Knows no page and no metric."""

from collections.abc import Mapping
from datetime import datetime

import sqlalchemy as sa

from dicom_router.store.database import Database
from xray_triage.cases import rows, tables, worklist
from xray_triage.reading.findings import Priority

READ_WITHIN = 20  # one film in so many is read, at the least, when there are enough to count


class Gauges:
    """Each number is one query."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counts(self) -> dict[Priority, int]:
        """How many cases there are of each priority."""
        case = tables.case
        counted = sa.select(case.c.urgency, sa.func.count()).group_by(case.c.urgency)
        with self._database.read() as connection:
            found = {row[0]: row[1] for row in connection.execute(counted)}
        return {priority: found.get(rows.urgency(priority), 0) for priority in Priority}

    def consultations(self) -> dict[worklist.CaseState, int]:
        """How many cases wait for an answer, wait too long, and have one that nobody has read."""
        asked = tables.consultation.c.case_sequence
        among = {
            worklist.CaseState.OPEN: tables.IS_OPEN,
            worklist.CaseState.OVERDUE: tables.IS_OVERDUE,
            worklist.CaseState.UNREAD: tables.IS_UNREAD,
        }
        with self._database.read() as connection:
            counted = (sa.select(sa.func.count(asked.distinct())).where(state) for state in among.values())
            return dict(zip(among, (connection.execute(one).scalar_one() for one in counted), strict=True))

    def last_received_at(self) -> datetime | None:
        """When the newest film came; None before the first."""
        image = tables.image.c
        newest = sa.select(image.received_at).order_by(image.image_id.desc()).limit(1)
        with self._database.read() as connection:
            return connection.execute(newest).scalar()

    def readings(self, *, after_image: int) -> list[tuple[int, float, list[str]]]:
        """(number, seconds from arrival to result, findings) of the images recorded after ``after_image``, in order."""
        image = tables.image.c
        recorded = sa.select(image.image_id, image.received_at, image.read_at, image.marked).order_by(image.image_id)
        with self._database.read() as connection:
            found = connection.execute(recorded.where(image.image_id > after_image)).all()
        return [(row.image_id, (row.read_at - row.received_at).total_seconds(), row.marked.split()) for row in found]

    def exposed_ahead_seconds(self, *, newest: int = 20) -> float:
        """How far the exposures of the newest films lie behind their arrival, the one that leads most; 0: none does."""
        image = tables.image.c
        query = sa.select(image.exposed_at, image.received_at).order_by(image.image_id.desc()).limit(newest)
        with self._database.read() as connection:
            pairs = [(row.exposed_at, row.received_at) for row in connection.execute(query) if row.exposed_at]
        return max((max(0.0, (exposed - received).total_seconds()) for exposed, received in pairs), default=0.0)

    def last_image(self) -> int:
        """The number of the newest image, 0 when there is none."""
        with self._database.read() as connection:
            return connection.execute(sa.select(sa.func.max(tables.image.c.image_id))).scalar() or 0

    def purged(self) -> int:
        """How many films lie at the PACS alone."""
        with self._database.read() as connection:
            counted = sa.select(sa.func.count()).where(tables.image.c.purged_at.is_not(None))
            return connection.execute(counted).scalar_one()

    def probabilities(self, model_sha256: str, *, newest: int) -> list[Mapping[str, float]]:
        """What this model said of each label, film by film: of the ``newest`` films read, those that it read."""
        image = tables.image
        last = sa.select(sa.func.max(image.c.image_id)).scalar_subquery()
        # However many films were not read lately, the way back through the table has an end.
        near = image.c.image_id > last - READ_WITHIN * newest
        films = sa.select(image.c.reading).where(image.c.priority != Priority.NOT_READ.value, near)
        with self._database.read() as connection:
            found = connection.scalars(films.order_by(image.c.image_id.desc()).limit(newest)).all()
        said = (rows.probabilities_of(reading) for reading in found)
        return [labels for sha256, labels in said if sha256 == model_sha256]

    def verdict_counts(self, *, newest: int | None = None) -> dict[tuple[Priority, bool], int]:
        """How many last words there are by the case's priority and by whether they agree; of the ``newest`` or all."""
        given, later, case = tables.verdict, tables.verdict.alias("later"), tables.case
        taken_back = sa.exists().where(
            later.c.case_sequence == given.c.case_sequence, later.c.verdict_id > given.c.verdict_id
        )
        last = sa.select(given.c.case_sequence, given.c.agrees).where(~taken_back, given.c.judges)
        words = last.order_by(given.c.verdict_id.desc()).limit(newest).subquery()
        counted = (
            sa.select(case.c.priority, words.c.agrees, sa.func.count())
            .join_from(words, case, case.c.sequence == words.c.case_sequence)
            .group_by(case.c.priority, words.c.agrees)
        )
        with self._database.read() as connection:
            return {(Priority(row[0]), row[1]): row[2] for row in connection.execute(counted)}
