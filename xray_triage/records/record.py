"""What leaves the station about one case, in whatever form: who, ordered as what, seen by the AI, written by a doctor.

Knows no form and no network. A record is final only when a person's result stands in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from xray_triage.cases.consultation import ConsultationState
from xray_triage.reading.findings import Finding, ModelIdentity, Reason
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
    """What the order said; empty for a film without an order, whose patient has the local number alone.

    ``service_code``, ``treatment_code`` (MA_LK) and ``diagnosis_code`` (ICD-10) are the HIS's; ``name_parts`` is the
    patient's name as it wrote it, ``family^given^middle``.
    """

    placer_number: str = ""
    service_code: str = ""
    citizen_number: str = ""
    insurance_number: str = ""
    referring_physician: str = ""
    reason: str = ""
    diagnosis_code: str = ""
    treatment_code: str = ""
    name_parts: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilmRead:
    """What a doctor is told of one film: findings by name, or in a group; none where a ``reason`` says why not."""

    sop_instance_uid: str
    reason: Reason | None
    findings: Sequence[Finding]
    model: ModelIdentity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The question to the specialist, and the answer that counts, or empty. ``uid``: of the request object."""

    uid: str
    state: ConsultationState
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

    ``service`` and ``indicator`` are the codes that the HIS gave or the site configured for what was done, or empty.
    ``is_chest``: nothing says that another part of the body was filmed.
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
    is_chest: bool = True
    dicomweb_url: str = ""
    pdf: bytes = b""

    @property
    def standing(self) -> Standing:
        return Standing.PRELIMINARY if self.result is None else _OF_RESULT[self.result.state]

    @property
    def procedure(self) -> str:
        """What was done, in words."""
        return "X-quang ngực" if self.is_chest else "X-quang"

    @property
    def film_at(self) -> datetime:
        """When the film was exposed, else when it came."""
        return self.exposed_at or self.received_at
