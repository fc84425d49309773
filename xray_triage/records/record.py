"""What leaves the station about one case, in whatever form: who, ordered as what, seen by the AI, written by a doctor.

Knows no form and no network. A record is final only when a person's result stands in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from xray_triage.reading.findings import Finding, ModelIdentity
from xray_triage.reading.patient import Patient
from xray_triage.records.result import Result, ResultState


class Standing(StrEnum):
    """How far a record may be relied on. The AI alone is never more than preliminary."""

    PRELIMINARY = "preliminary"
    FINAL = "final"
    AMENDED = "amended"
    CANCELLED = "cancelled"


_OF_RESULT = {
    ResultState.FINAL: Standing.FINAL,
    ResultState.AMENDED: Standing.AMENDED,
    ResultState.CANCELLED: Standing.CANCELLED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """The station as its HIS and the health record know it; empty what nobody configured."""

    name: str
    code: str = ""
    national_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What the order said; empty for a film without an order, whose patient has the local number alone."""

    placer_number: str = ""
    citizen_number: str = ""
    insurance_number: str = ""
    referring_physician: str = ""
    reason: str = ""
    treatment_code: str = ""  # MA_LK


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmRead:
    """What the AI said of one film. ``reason``: the code why it was not read; then there are no findings."""

    sop_instance_uid: str
    reason: str
    findings: Sequence[Finding]
    model: ModelIdentity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question to the specialist, and the answer that counts, or empty."""

    state: str
    question: str
    priority: str
    requested_at: datetime
    requested_by: str
    answer: str = ""
    answered_by: str = ""
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One case at one version of its result. Times are aware. ``pdf``: the paper of the result, or empty.

    ``service`` and ``indicator`` are the codes that the site configured for the procedure, or empty.
    """

    facility: Facility
    case_id: str
    study_instance_uid: str
    accession_number: str
    patient: Patient
    exposed_at: datetime | None
    received_at: datetime
    films: Sequence[FilmRead]
    result: Result | None
    ordered: Ordered
    asked: Asked | None = None
    service: str = ""
    indicator: str = ""
    dicomweb_url: str = ""
    pdf: bytes = b""

    @property
    def standing(self) -> Standing:
        return Standing.PRELIMINARY if self.result is None else _OF_RESULT[self.result.state]

    @property
    def key(self) -> str:
        """One for every version and standing: sending it again is the same sending."""
        return f"{self.study_instance_uid}/{self.result.version if self.result else 0}"

    @property
    def film_at(self) -> datetime:
        """When the film was exposed, else when it came."""
        return self.exposed_at or self.received_at
