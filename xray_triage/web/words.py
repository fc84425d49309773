"""The doctor's words for cases, findings, deliveries and times. Vietnamese; knows no HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_router.outbox import Delivery, DeliveryState
from xray_triage.cases.case import Case, Consultation, ConsultationState
from xray_triage.cases.consultation import with_delivery
from xray_triage.reading.findings import Finding, Priority
from xray_triage.results.wording import DISCLAIMER, FLAGS, NOTHING_FOUND, percent, score_lines

__all__ = ["DISCLAIMER", "FLAGS", "percent", "score_lines"]  # the pages' own, beside what is below

OBJECTS = {
    "original": "Phim gốc",
    "sr": "Báo cáo AI",
    "sc": "Ảnh kết quả",
    "gsps": "Đường khoanh",
    "request": "Yêu cầu hội chẩn",
}
DELIVERY_STATES = {
    DeliveryState.WAITING: "chờ gửi",
    DeliveryState.SENDING: "đang gửi",
    DeliveryState.ACKNOWLEDGED: "đã gửi",
    DeliveryState.REFUSED: "bị từ chối",
}
CONSULTATION_STATES = {
    ConsultationState.REQUESTED: "đã yêu cầu, chờ gửi",
    ConsultationState.SENT: "đã gửi tới tuyến trên",
    ConsultationState.ANSWERED: "đã có trả lời",
    ConsultationState.OVERDUE: "quá hạn trả lời",
    ConsultationState.CANCELLED: "đã hủy",
}
SEXES = {"M": "nam", "F": "nữ", "O": "khác"}


@dataclass(frozen=True, slots=True)
class State:
    """A word and its tone: ``good``, ``wait`` or ``bad``, which the style sheet turns into a colour."""

    word: str
    tone: str


def delivery_state(deliveries: Sequence[Delivery]) -> State:
    """How far the objects of one case have come, in one phrase."""
    refused = sum(delivery.state is DeliveryState.REFUSED for delivery in deliveries)
    done = sum(delivery.state is DeliveryState.ACKNOWLEDGED for delivery in deliveries)
    if not deliveries:
        return State("lưu tại trạm", "wait")
    if refused:
        return State(f"{refused} tệp bị từ chối", "bad")
    if done == len(deliveries):
        return State("đã gửi đủ", "good")
    return State(f"đã gửi {done}/{len(deliveries)}", "wait")


def one_delivery(delivery: Delivery) -> State:
    """How far one object has come."""
    tones = {DeliveryState.ACKNOWLEDGED: "good", DeliveryState.REFUSED: "bad"}
    return State(DELIVERY_STATES[delivery.state], tones.get(delivery.state, "wait"))


def consultation_state(consultation: Consultation, deliveries: Sequence[Delivery]) -> State:
    """How far a consultation has come."""
    if all(delivery.instance.sop_instance_uid != consultation.request_uid for delivery in deliveries):
        return State("chưa khai báo nơi nhận", "bad")
    state = with_delivery(consultation, deliveries).state
    tones = {ConsultationState.ANSWERED: "good", ConsultationState.OVERDUE: "bad"}
    return State(CONSULTATION_STATES[state], tones.get(state, "wait"))


def is_open(consultation: Consultation | None) -> bool:
    """Whether a person's request waits for its answer, so that no other can be made."""
    if consultation is None or consultation.is_automatic:
        return False
    return consultation.is_open


def positives(case: Case) -> list[Finding]:
    """The findings above their threshold over all films of the case, each at its most probable."""
    strongest: dict[str, Finding] = {}
    for finding in (finding for image in case.images for finding in image.findings if finding.positive):
        known = strongest.get(finding.kind.name)
        if known is None or finding.probability > known.probability:
            strongest[finding.kind.name] = finding
    return list(strongest.values())


def silence(case: Case) -> str:
    """What to say where no finding stands."""
    reasons = [image.reason for image in case.images if image.reason is not None]
    if case.priority is Priority.NOT_READ and reasons:
        return min(reasons, key=lambda reason: reason.code == "not_a_film").vi
    if case.priority is Priority.NORMAL:
        return NOTHING_FOUND
    return "Điểm bất thường nói chung vượt ngưỡng."


def person(case: Case) -> str:
    """Sex and age, as far as they are known."""
    patient = case.patient
    parts = [SEXES.get(patient.sex, "")]
    if patient.age_years is not None:
        parts.append(f"{patient.age_years:.0f} tuổi")
    return ", ".join(part for part in parts if part)


def birthday(birth_date: str) -> str:
    """``birth_date`` (YYYY-MM-DD) as it is written here."""
    return "/".join(reversed(birth_date.split("-")))


def moment(at: datetime, now: datetime) -> str:
    """``at`` in the computer's own zone: the time today, else with the date."""
    local, today = at.astimezone(), now.astimezone().date()
    return f"{local:%H:%M:%S}" if local.date() == today else f"{local:%H:%M %d/%m/%Y}"
