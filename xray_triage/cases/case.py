"""A case as the doctor sees it, in frozen values. Knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from xray_triage.reading.findings import Finding, ModelIdentity, Priority, Reason
from xray_triage.reading.patient import Patient


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One film of a case and what the reader said of it. ``reason`` is set when it was not read."""

    sop_instance_uid: str
    arrival_id: int
    priority: Priority
    reasons: tuple[str, ...]
    reason: Reason | None
    findings: tuple[Finding, ...]
    scores: Mapping[str, float | None]
    flags: tuple[str, ...]
    model: ModelIdentity | None
    picture_key: str | None
    received_at: datetime
    read_at: datetime
    exposed_at: datetime | None = None

    @property
    def status(self) -> str:
        return "read" if self.reason is None else "not_read"


class ConsultationState(StrEnum):
    """How far a request for a consultation has come. SENT and OVERDUE are seen, not stored."""

    REQUESTED = "requested"
    SENT = "sent"
    ANSWERED = "answered"
    OVERDUE = "overdue"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the specialist wrote. ``verified`` as their report says."""

    text: str
    author: str
    verified: bool


AUTOMATIC = "AI"  # who asks when the site's policy does


@dataclass(frozen=True, slots=True, kw_only=True)
class Consultation:
    """A question to a specialist. ``request_uid`` is the SOP Instance UID of the request object."""

    state: ConsultationState
    question: str
    priority: str
    requested_by: str
    requested_at: datetime
    request_uid: str
    answered_at: datetime | None = None
    seen_at: datetime | None = None
    answer: Answer | None = None

    @property
    def is_unread(self) -> bool:
        """Whether it was answered and nobody has seen the newest answer."""
        return self.state is ConsultationState.ANSWERED and self.seen_at is None

    @property
    def is_automatic(self) -> bool:
        """Whether nobody asked it but the policy: a person's question takes its place."""
        return self.requested_by == AUTOMATIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The doctor's word on what the AI said. ``given_by`` is empty where nobody was asked who they were."""

    agrees: bool
    note: str
    given_at: datetime
    given_by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A study. ``priority`` is the highest its images ever had; ``reasons`` are the findings that decided it.

    ``exposed_at`` is the first exposure among its films, by the machine's clock; None where no film says it.
    """

    case_id: str
    study_instance_uid: str
    accession_number: str
    patient: Patient
    received_at: datetime
    read_at: datetime
    priority: Priority
    images: tuple[Image, ...]
    consultation: Consultation | None
    verdict: Verdict | None
    exposed_at: datetime | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        deciding = [name for image in self.images if image.priority is self.priority for name in image.reasons]
        return tuple(dict.fromkeys(deciding))

    @property
    def model(self) -> ModelIdentity | None:
        return next((image.model for image in reversed(self.images) if image.model is not None), None)
