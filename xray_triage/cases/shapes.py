"""The shapes of a case and of the queue in JSON, for the API and the command line. Knows no route and no verb.

Times are ISO 8601 with zone.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
)

from dicom_router.store.delivery import Delivery, DeliveryState
from dicom_router.store.outbox import QueueSummary
from xray_triage.cases.case import Case, Place
from xray_triage.cases.consultation import ANSWER_NOTES, ChangeKind, ConsultationState, Standing
from xray_triage.reading.findings import Priority, Side

Time = Annotated[
    datetime,
    PlainSerializer(datetime.isoformat, return_type=str),
    WithJsonSchema({"type": "string", "format": "date-time"}, mode="serialization"),
]


class JsonShape(BaseModel):
    """Made from the attributes of a value; every key is always there."""

    model_config = ConfigDict(from_attributes=True, frozen=True, json_schema_serialization_defaults_required=True)


class MeasuredJson(JsonShape):
    """What decided instead of the probability: a measure and the limit that it must be over to be marked."""

    value: float
    limit: float


class FindingJson(JsonShape):
    """A label of the model, or one of the groups ``opacity`` and ``other``, which come last.

    ``shown``: the doctor is told of it by this name; a label that is not is told as its ``group``. A group has the
    numbers of its strongest label. ``box`` is [x, y, width, height] in pixels of the film; ``side``: the lung that it
    keeps to, where the film tells.
    """

    code: str = Field(validation_alias=AliasPath("kind", "code", "value"))
    scheme: str = Field(validation_alias=AliasPath("kind", "code", "scheme"))
    name: str = Field(validation_alias=AliasPath("kind", "name"))
    probability: float
    threshold: float
    positive: bool
    box: list[int] | None
    shown: bool
    group: str | None
    measured: MeasuredJson | None
    side: Side | None


class ModelJson(JsonShape):
    """Which model read: ``sha256`` is that of its model.onnx."""

    name: str
    version: str
    sha256: str


class PatientJson(JsonShape):
    """``birth_date`` is YYYY-MM-DD, YYYY-MM or YYYY, or empty when the machine did not say."""

    id: str
    name: str
    sex: str
    birth_date: str


class ConflictJson(JsonShape):
    """Whom the films of one study name, where that is more than one: ``values`` begins with the patient shown."""

    field: str
    values: list[str]


class ImageJson(JsonShape):
    """One film. ``reason`` is the code why it was not read, ``reason_text`` the sentence for the doctor.

    ``lines``: widths of heart and chest, [x1, y1, x2, y2] in pixels of the film; ``rows``, ``columns``: its size or 0.
    ``calibrated``: with cut-offs that were set for its machine; without, no mark does not mean that it is normal.
    """

    sop_instance_uid: str
    exposed_at: Time | None
    status: str
    reason: str | None = Field(None, validation_alias=AliasPath("reason", "code"))
    reason_text: str | None = Field(None, validation_alias=AliasPath("reason", "text"))
    priority: Priority
    findings: list[FindingJson] = Field(validation_alias="listed")
    scores: dict[str, float | None]
    flags: list[str]
    model: ModelJson | None
    lines: list[list[float]]
    rows: int
    columns: int
    calibrated: bool


class DeliveryJson(JsonShape):
    """One object on its way to one destination. ``committed_at``: proved to be there."""

    what: str
    sop_instance_uid: str = Field(validation_alias=AliasPath("instance", "sop_instance_uid"))
    destination: str
    state: DeliveryState
    attempts: int
    last_error: str | None
    committed_at: Time | None


class AnswerJson(JsonShape):
    """What came from a specialist, or from a program there. ``kind``: text, pdf, kos, rejection, gsps, sc, cda.

    ``standing``: final, preliminary, superseded, mark or machine; only a final one answers a question (decision 0033).
    ``author`` wrote it, ``signed_by`` verified it. ``predecessors``: SOP Instance UIDs of what it replaces, or adds to
    where it is an ``addendum``; ``objects``: of what a mark names. ``written_at`` by their clock, ``received_at`` by
    ours.

    ``text`` has the specialist's own words only. ``note``: the code of what is missing in them, no_text, cut, too_large
    or not_fetched; ``note_text``: the sentence for the doctor. ``file``: where its PDF is, or null.
    """

    answer_id: int
    kind: str
    standing: Standing
    title: str
    text: str
    note: str | None
    note_text: str | None = Field(validation_alias="note")
    author: str
    signed_by: str
    verified: bool
    complete: bool
    addendum: bool = Field(validation_alias="is_addendum")
    predecessors: list[str]
    objects: list[str]
    written_at: Time | None
    received_at: Time
    sop_instance_uid: str
    file: str | None = Field(validation_alias="has_file")

    @field_validator("note_text", mode="before")
    @classmethod
    def _sentence(cls, note: str | None) -> str | None:
        return ANSWER_NOTES.get(note, note) if note else None

    @field_validator("file", mode="before")
    @classmethod
    def _address(cls, has_file: bool, info: ValidationInfo) -> str | None:
        """The context is the case_id."""
        return f"/cases/{info.context}/answers/{info.data['answer_id']}/file" if has_file else None


class ChangeJson(JsonShape):
    """What somebody did to a question that had been sent: ``added``, ``raised`` or ``withdrawn``."""

    kind: ChangeKind
    at: Time
    by: str
    reason: str


class ConsultationJson(JsonShape):
    """A question to a specialist. ``announced``: reminders sent. ``changes``, the oldest first.

    ``answers`` stand in their order, the last word last; ``answer`` is the last final one of them, else the last
    preliminary one, else null.

    ``obstacle``: the code why the PACS could not be asked for the answer (xray_triage/consultations/obstacles.py), or
    null; ``problem``: the same with the engineer's words behind it.
    """

    state: ConsultationState
    question: str
    priority: str
    requested_by: str
    requested_at: Time
    answered_at: Time | None
    answer: AnswerJson | None
    answers: list[AnswerJson]
    overdue_at: Time | None
    announced: int
    seen_at: Time | None
    changes: list[ChangeJson]
    obstacle: str | None = Field(None, validation_alias=AliasPath("problem", "obstacle"))
    problem: Annotated[str | None, BeforeValidator(lambda said: said and f"{said.obstacle}: {said.detail}")]


class VerdictJson(JsonShape):
    """The doctor's word on the reading; ``agrees`` is null where there is none: then the note is their conclusion."""

    agrees: bool | None
    note: str
    given_at: Time
    given_by: str


class RecordJson(JsonShape):
    """A version of a doctor's result on its way to one [[record]], the HIS for example."""

    name: str
    state: DeliveryState
    attempts: int
    last_error: str | None


class ResultJson(JsonShape):
    """A doctor's result: its newest version; where there is none, the newest draft, which is version 0.

    ``author`` is the name on paper, ``licence`` the number of the licence to practise, or empty; ``at``: when it was
    made, or the draft saved. ``adopts_answer``: the SOP Instance UID of the answer that it takes over, or null.
    ``reason``: why it was amended or cancelled.
    """

    state: Literal["draft", "final", "amended", "cancelled"]
    version: int
    author: str
    licence: str
    signed: bool
    at: Time
    description: str
    conclusion: str
    advice: str
    adopts_answer: str | None
    reason: str
    records: list[RecordJson]


class CaseJson(JsonShape):
    """A study as the station knows it. ``film``: whether its films are here, or at the PACS alone.

    ``seen_by``: the doctor who opened it first since it last said something new; ``done_by``: who was done with it;
    null where nobody.
    """

    case_id: str
    study_instance_uid: str
    accession_number: str
    patient: PatientJson
    conflict: ConflictJson | None
    exposed_at: Time | None
    received_at: Time
    read_at: Time
    film: Place = Field(validation_alias="place")
    priority: Priority
    reasons: list[str]
    images: list[ImageJson]
    model: ModelJson | None
    deliveries: list[DeliveryJson]
    consultation: ConsultationJson | None
    verdict: VerdictJson | None
    result: ResultJson | None
    seen_by: str | None
    done_by: str | None

    @classmethod
    def of(cls, case: Case, deliveries: Sequence[Delivery], result: ResultJson | None) -> Self:
        """A case, what is on its way, which tells whether the request of its consultation has been sent, and what a
        doctor wrote.
        """
        beside = {"deliveries": deliveries, "place": case.place, "result": result}
        said = {name: getattr(case, name) for name in cls.model_fields if name not in (*beside, "film")}
        asked = case.consultation and case.consultation.with_delivery(deliveries)
        return cls.model_validate(said | beside | {"consultation": asked}, context=case.case_id)


class RefusedJson(JsonShape):
    """An object that a destination will not take: a person must look."""

    what: str
    sop_instance_uid: str
    destination: str
    status: str
    since: Time

    @classmethod
    def of(cls, delivery: Delivery) -> Self:
        """A refused delivery."""
        return cls(
            what=delivery.what,
            sop_instance_uid=delivery.instance.sop_instance_uid,
            destination=delivery.destination,
            status=delivery.status or delivery.last_error or "",
            since=delivery.refused_at or delivery.queued_at,
        )


class RecordPeerJson(JsonShape):
    """What one [[record]] still has to get. ``stuck``: of what waits, how much it did not take again and again."""

    name: str
    waiting: int
    sending: int
    refused: int
    stuck: int
    oldest_waiting_at: Time | None
    last_sent_at: Time | None
    last_error: str | None


class LeftOutJson(JsonShape):
    """A kind of result that a destination never takes: it is not sent there, but for a try once a week."""

    destination: str
    what: str
    since: Time
    status: str
    error: str


class DestinationJson(JsonShape):
    """A destination that was tried at least once. ``reachable``: it answered the last try."""

    name: str
    reachable: bool
    last_success_at: Time | None
    last_error: str | None


class QueueJson(JsonShape):
    """What still has to be read and sent."""

    unread: int
    waiting: int
    sending: int
    refused: list[RefusedJson]
    oldest_waiting_seconds: float | None
    destinations: list[DestinationJson]
    left_out: list[LeftOutJson]
    records: list[RecordPeerJson]

    @classmethod
    def of(cls, summary: QueueSummary, *, records: Sequence[object], unread: int, now: datetime) -> Self:
        """The queue at ``now``; ``records``: the summary of each peer's."""
        oldest = summary.oldest_waiting_at
        return cls(
            unread=unread,
            waiting=summary.waiting,
            sending=summary.sending,
            refused=[RefusedJson.of(delivery) for delivery in summary.refused],
            # A clock that was set back must not make an age negative.
            oldest_waiting_seconds=max(0.0, (now - oldest).total_seconds()) if oldest else None,
            destinations=[DestinationJson.model_validate(each) for each in summary.destinations],
            left_out=[LeftOutJson.model_validate(each) for each in summary.left_out],
            records=[RecordPeerJson.model_validate(each) for each in records],
        )
