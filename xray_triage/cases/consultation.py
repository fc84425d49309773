"""A question to a specialist and the answers to it, as the doctor sees them, in frozen values. Knows no database."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from dicom_router.store.delivery import Delivery, DeliveryState
from xray_triage.language import N_


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
