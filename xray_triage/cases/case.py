"""A case as the doctor sees it, in frozen values. Knows no database."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from xray_triage.cases.consultation import Consultation
from xray_triage.reading.findings import Acquaintance, Finding, ModelIdentity, Priority, Reason
from xray_triage.reading.naming import listed, told
from xray_triage.reading.patient import Patient


class Place(StrEnum):
    """Where the films of a case are."""

    HERE = "here"
    PACS = "at the PACS"


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One film of a case and what the reader said of it. ``reason`` is set when it was not read.

    ``lines``: the widths of heart and chest as (x1, y1, x2, y2) in pixels of the film, which has ``rows`` and
    ``columns``, 0 where they are not known. ``purged_at``: since when it lies at the PACS alone. ``whose``: whom
    its header names. ``view``: PA, AP, or empty where nothing says.
    """

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
    lines: tuple[tuple[float, float, float, float], ...] = ()
    rows: int = 0
    columns: int = 0
    machine: Acquaintance | None = None
    purged_at: datetime | None = None
    whose: str = ""
    view: str = ""

    @property
    def calibrated(self) -> bool:
        """Whether it was read with cut-offs that were set for its machine."""
        return self.machine is not None and self.machine.calibrated

    @property
    def told(self) -> tuple[Finding, ...]:
        """What the doctor is told of the findings, the strongest first."""
        return told(self.findings)

    @property
    def listed(self) -> tuple[Finding, ...]:
        """What a program is told: every label, and the groups."""
        return listed(self.findings)

    @property
    def status(self) -> str:
        return "read" if self.reason is None else "not_read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The doctor's word on what the AI said; ``agrees`` is None where the AI said nothing, and ``note`` concludes.

    ``given_by`` is empty where nobody was asked who they were.
    """

    agrees: bool | None
    note: str
    given_at: datetime
    given_by: str = ""


class Mark(NamedTuple):
    """That a doctor did something with a case, and when; ``by`` is empty where nobody was asked who they were."""

    at: datetime
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What the films of one study contradict each other in: ``field`` is ``patient``, the first value is shown."""

    field: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A study. ``priority`` is the highest its images ever had; ``reasons`` are the findings that decided it.

    ``exposed_at`` is the first exposure among its films, by the machine's clock; None where no film says it. ``seen``:
    a doctor opened it; ``done``: one gave a verdict, or said that nothing is left to do. Both are gone when another
    film comes, or a film is read otherwise.
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
    earlier_consultations: tuple[Consultation, ...] = ()
    exposed_at: datetime | None = None
    conflict: Conflict | None = None
    seen: Mark | None = None
    done: Mark | None = None

    @property
    def reasons(self) -> tuple[str, ...]:
        deciding = [name for image in self.images if image.priority is self.priority for name in image.reasons]
        return tuple(dict.fromkeys(deciding))

    @property
    def seen_by(self) -> str | None:
        """Which doctor opened it first; None: nobody."""
        return self.seen and self.seen.by

    @property
    def done_by(self) -> str | None:
        """Which doctor was done with it; None: nobody."""
        return self.done and self.done.by

    @property
    def place(self) -> Place:
        """Where its films are: at the PACS when one of them is no longer here."""
        return Place.PACS if any(image.purged_at for image in self.images) else Place.HERE

    def film(self, sop_instance_uid: str) -> Image | None:
        """The one of this UID; None where the case has none."""
        return next((image for image in self.images if image.sop_instance_uid == sop_instance_uid), None)

    @property
    def unproven(self) -> Acquaintance | None:
        """The machine for whose sake this case without a mark may not be called clear; None: it may, or has a mark."""
        if self.priority is not Priority.NORMAL:
            return None
        known = (image.machine for image in self.images)
        return next((one for one in known if one is not None and not one.clears), None)

    @property
    def model(self) -> ModelIdentity | None:
        return next((image.model for image in reversed(self.images) if image.model is not None), None)
