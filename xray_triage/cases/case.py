"""A case as the doctor sees it, in frozen values. Knows no database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from dicom_router.store.delivery import Delivery, DeliveryState
from xray_triage.language import N_
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


class ConsultationState(StrEnum):
    """How far a request for a consultation has come. SENT and OVERDUE (still open) are seen, not stored."""

    REQUESTED = "requested"
    SENT = "sent"
    ANSWERED = "answered"
    OVERDUE = "overdue"
    CANCELLED = "cancelled"  # another question took its place
    WITHDRAWN = "withdrawn"


class ChangeKind(StrEnum):
    """What was done to a question after it had been sent."""

    ADDED = "added"
    RAISED = "raised"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of a question. ``request_uid``: the document that told the PACS of it; ``reason``: of a withdrawal."""

    kind: ChangeKind
    at: datetime
    by: str
    request_uid: str
    reason: str = ""


class AnswerNote(StrEnum):
    """What of an answer is not to be read here. It stands beside the specialist's words, never among them."""

    NO_TEXT = "no_text"
    CUT = "cut"
    TOO_LARGE = "too_large"
    NOT_FETCHED = "not_fetched"


ANSWER_NOTES: Mapping[str, str] = {
    AnswerNote.NO_TEXT: N_("Trả lời không có chữ; hãy xem trên PACS."),
    AnswerNote.CUT: N_("Trả lời còn nữa; hãy xem trên PACS."),
    AnswerNote.TOO_LARGE: N_("Tệp trả lời quá lớn nên trạm không tải về; hãy xem trên PACS."),
    AnswerNote.NOT_FETCHED: N_("Trạm không tải được tệp trả lời này; hãy xem trên PACS."),
}


class Standing(StrEnum):
    """What an answer is worth: decision 0033. SUPERSEDED is seen, not stored: another one replaces it."""

    FINAL = "final"  # a person's complete word, which alone answers a question
    PRELIMINARY = "preliminary"  # a person's, who says that it is not complete or not the last
    SUPERSEDED = "superseded"
    MARK = "mark"  # an object without words for us: marked images, a picture, a note that images are rejected
    MACHINE = "machine"  # a program's, and no person's


class AnswerKind(StrEnum):
    """What kind of object an answer is. From GSPS on they never are more than a mark."""

    TEXT = "text"
    PDF = "pdf"
    KOS = "kos"
    REJECTION = "rejection"
    GSPS = "gsps"
    SC = "sc"
    CDA = "cda"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the specialist wrote. ``kind``: an AnswerKind; ``verified`` and ``complete`` as their object says.

    ``note``, an AnswerNote, says what of it is not to be read here. ``written_at`` is the time that they
    state, by their clock; ``received_at`` is ours. ``has_file``: there is a PDF. ``author`` wrote it, ``signed_by``
    verified it. ``predecessors``: SOP Instance UIDs of what it goes on from, and replaces unless it ``is_addendum``;
    ``objects``: of what it marks.
    """

    answer_id: int
    kind: str
    title: str
    text: str
    note: str | None
    author: str
    verified: bool
    complete: bool
    written_at: datetime | None
    received_at: datetime
    sop_instance_uid: str
    has_file: bool
    standing: Standing = Standing.FINAL
    signed_by: str = ""
    predecessors: tuple[str, ...] = ()
    is_addendum: bool = False
    objects: tuple[str, ...] = ()

    @property
    def weight(self) -> int:
        """What it counts beside the others of its question; 0: nothing, as no person's word that stands."""
        if self.standing is Standing.PRELIMINARY:
            return 1
        return 0 if self.standing is not Standing.FINAL else 3 if self.verified else 2


class Problem(NamedTuple):
    """Why the PACS could not be asked: an obstacle's code (consultations/obstacles.py), and the engineer's words."""

    obstacle: str
    detail: str


AUTOMATIC = "AI"  # who asks when the site's policy does


@dataclass(frozen=True, slots=True, kw_only=True)
class Consultation:
    """A question to a specialist. ``request_uid`` is the SOP Instance UID of the first request object.

    ``changes``, the oldest first, each have a request object of their own, which says everything anew.
    ``answers`` stand in the order of cases/answers.py, the last word last. ``announced``: how many reminders
    followed the request. ``seen_at``: when a doctor opened the case after the newest answer. ``problem``: why the PACS
    could not be asked for the answer the last time.
    """

    state: ConsultationState
    question: str
    priority: str
    requested_by: str
    requested_at: datetime
    request_uid: str
    answered_at: datetime | None = None
    answers: tuple[Answer, ...] = ()
    overdue_at: datetime | None = None
    announced: int = 0
    seen_at: datetime | None = None
    problem: Problem | None = None
    changes: tuple[Change, ...] = ()

    @property
    def newest_uid(self) -> str:
        """The request object that the specialist goes by."""
        return self.changes[-1].request_uid if self.changes else self.request_uid

    def with_delivery(self, deliveries: Iterable[Delivery]) -> "Consultation":
        """As it stands by the case's ``deliveries``: SENT once a PACS has acknowledged its newest request object."""
        sent = any(
            each.instance.sop_instance_uid == self.newest_uid and each.state is DeliveryState.ACKNOWLEDGED
            for each in deliveries
        )
        requested = self.state is ConsultationState.REQUESTED
        return replace(self, state=ConsultationState.SENT) if sent and requested else self

    @property
    def is_open(self) -> bool:
        """Whether an answer is still to come."""
        over = (ConsultationState.ANSWERED, ConsultationState.CANCELLED, ConsultationState.WITHDRAWN)
        return self.state not in over

    @property
    def answer(self) -> Answer | None:
        """The last word of a person: the last final one, else the last preliminary one.

        Where a question was answered by what an answer to another question replaces, that.
        """
        last = {answer.standing: answer for answer in self.answers}
        replaced = last.get(Standing.SUPERSEDED) if self.state is ConsultationState.ANSWERED else None
        return last.get(Standing.FINAL) or last.get(Standing.PRELIMINARY) or replaced

    def is_outdone(self, answer: Answer) -> bool:
        """Whether a later answer to this question counts instead: a final after a preliminary, a signed after another.

        An addendum adds, and takes the place of nothing.
        """
        if answer.is_addendum:
            return False
        later = self.answers[self.answers.index(answer) + 1 :]
        return 0 < answer.weight < max((one.weight for one in later if not one.is_addendum), default=0)

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
