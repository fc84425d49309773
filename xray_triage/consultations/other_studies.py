"""Answers in another study of the same accession number, where the patient is the same. Never fetches one."""

import re
from collections.abc import Iterable

import sqlalchemy as sa
import structlog

from dicom_router.clock import Clock
from dicom_router.dicom.matching import fold
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.store.database import Database
from dicom_router.transport.archive import Archive, FoundInstance, FoundStudy
from xray_triage.cases import tables
from xray_triage.consultations.answers import Question

MOST_STUDIES = 5
SILENCE_SECONDS = 3600.0  # not every PACS can search for an accession number; it is not asked at each look
_EXACT = re.compile(r"[ -)+->@-\[\]-~]+\Z")  # ASCII without * ? and backslash


class OtherStudies:
    """One thread uses it. What fails here costs no question its turn: its own study was looked at already."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._silent_until: dict[str, float] = {}  # by archive
        self._log = structlog.get_logger()

    def instances(self, name: str, archive: Archive, question: Question) -> list[FoundInstance]:
        """All that the archive ``name`` has of them."""
        now, number = self._clock.monotonic(), question.accession_number
        if not _EXACT.match(number) or now < self._silent_until.get(name, float("-inf")):
            return []
        try:
            studies = [one.study_instance_uid for one in archive.studies(number) if is_same_patient(one, question)]
            mine = self._not_asked_about([uid for uid in studies if uid != question.study_instance_uid])
            return [found for study in mine[:MOST_STUDIES] for found in archive.instances(study)]
        except (PeerRefused, PeerUnreachable) as error:
            self._silent_until[name] = now + SILENCE_SECONDS
            self._log.info("accession number not searched for", destination=name, error=str(error))
            return []

    def _not_asked_about(self, studies: Iterable[str]) -> list[str]:
        """Those without a question of their own, whose answers are its own."""
        case, wanted = tables.case, list(studies)
        query = sa.select(case.c.study_instance_uid).join_from(case, tables.consultation)
        with self._database.read() as connection:
            asked = set(connection.scalars(query.where(case.c.study_instance_uid.in_(wanted)))) if wanted else set()
        return [uid for uid in wanted if uid not in asked]


def is_same_patient(found: FoundStudy, question: Question) -> bool:
    """The same number, and name and birth date not against it; where one has no number, both of these.

    An accession number alone says little: two hospitals give the same one.
    """
    numbers = _agree(found.patient_id.strip(), question.patient_id.strip())
    names = _agree(_words(found.patient_name), _words(question.patient_name))
    births = _agree(*(re.sub(r"\D", "", born) for born in (found.patient_birth_date, question.patient_birth_date)))
    if numbers is None:
        return names is True and births is True
    return numbers and births is not False and (names is not False or births is True)


def _agree(one: str, other: str) -> bool | None:
    """None where one of them is not known."""
    return one == other if one and other else None


def _words(name: str) -> str:
    """In any order: programs write the family name first or last."""
    return " ".join(sorted(fold(name.partition("=")[0]).split()))
