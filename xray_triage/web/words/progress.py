"""The doctor's words for how far things have come: deliveries, results, questions. Knows no HTML."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from dicom_router.store.delivery import Delivery, DeliveryState
from xray_triage.cases.consultation import AUTOMATIC, Change, ChangeKind, Consultation, ConsultationState
from xray_triage.language import N_
from xray_triage.records.outbox import OVERTAKEN, RecordDelivery
from xray_triage.web.words.spoken import Spoken, State

OBJECTS = {
    "original": N_("Phim gốc"),
    "sr": N_("Báo cáo AI"),
    "sc": N_("Ảnh kết quả"),
    "gsps": N_("Khoanh vùng"),
    "request": N_("Yêu cầu hội chẩn"),
    "request_sc": N_("Trang yêu cầu hội chẩn"),
    "result": N_("Kết quả của bác sĩ"),
}
DELIVERY_STATES = {
    DeliveryState.WAITING: N_("chờ gửi"),
    DeliveryState.SENDING: N_("đang gửi"),
    DeliveryState.ACKNOWLEDGED: N_("đã ở PACS"),
    DeliveryState.REFUSED: N_("bị từ chối"),
    DeliveryState.LEFT_OUT: N_("không gửi, vì PACS tuyến trên không lấy loại này"),
}
RECORD_STATES = DELIVERY_STATES | {DeliveryState.ACKNOWLEDGED: N_("đã nhận")}
CONSULTATION_STATES = {
    ConsultationState.REQUESTED: (N_("đã yêu cầu, chờ gửi"), "wait"),
    ConsultationState.SENT: (N_("đã ở PACS, chờ trả lời"), "wait"),
    ConsultationState.ANSWERED: (N_("đã có trả lời"), "good"),
    ConsultationState.OVERDUE: (N_("quá hạn trả lời"), "bad"),
    ConsultationState.CANCELLED: (N_("đã hủy"), "none"),
    ConsultationState.WITHDRAWN: (N_("đã rút câu hỏi"), "none"),
}
CHANGES = {
    ChangeKind.ADDED: N_("Bổ sung lúc %(at)s, %(who)s"),
    ChangeKind.RAISED: N_("Chuyển khẩn cấp lúc %(at)s, %(who)s"),
    ChangeKind.WITHDRAWN: N_("Rút câu hỏi lúc %(at)s, %(who)s"),
}
RESULT_STATES = {
    "draft": (N_("bản nháp"), "wait"),
    "final": (N_("có kết quả"), "good"),
    "amended": (N_("kết quả đã sửa"), "good"),
    "cancelled": (N_("kết quả đã hủy"), "bad"),
}


@dataclass(frozen=True, slots=True)
class ProgressWords(Spoken):
    """Each as a word and its tone, or a phrase."""

    def object(self, what: str) -> str:
        """What is delivered."""
        return self.language.say(OBJECTS[what]) if what in OBJECTS else what

    def delivery(self, delivery: Delivery) -> State:
        """How far one object has come."""
        if delivery.committed_at is not None:
            return State(self.language.say(N_("đã chắc chắn ở PACS")), "good")
        tones = {DeliveryState.ACKNOWLEDGED: "good", DeliveryState.REFUSED: "bad", DeliveryState.LEFT_OUT: "none"}
        return State(self.language.say(DELIVERY_STATES[delivery.state]), tones.get(delivery.state, "wait"))

    def version(self, version: int) -> str:
        """Which version of a case's result; 0 is the AI's word alone."""
        if not version:
            return self.language.say(N_("kết quả AI, chưa có bác sĩ đọc"))
        return self.language.say(N_("kết quả của bác sĩ, bản %(n)d"), n=version)

    def record(self, record: RecordDelivery) -> State:
        """How far one version has come."""
        if record.status == OVERTAKEN:
            return State(self.language.say(N_("không gửi, vì đã có bản mới hơn thay")), "none")
        tones = {DeliveryState.ACKNOWLEDGED: "good", DeliveryState.REFUSED: "bad"}
        return State(self.language.say(RECORD_STATES[record.state]), tones.get(record.state, "wait"))

    def deliveries(self, deliveries: Sequence[Delivery]) -> State:
        """How far the objects of one case have come, in one phrase."""
        say = self.language.say
        deliveries = [delivery for delivery in deliveries if delivery.state is not DeliveryState.LEFT_OUT]
        refused = sum(delivery.state is DeliveryState.REFUSED for delivery in deliveries)
        done = sum(delivery.state is DeliveryState.ACKNOWLEDGED for delivery in deliveries)
        if not deliveries:
            return State(say(N_("lưu tại trạm")), "none")
        if refused:
            return State(say(N_("%(n)d tệp bị từ chối"), n=refused), "bad")
        if done == len(deliveries):
            return State(say(N_("đã ở PACS")), "good")
        return State(say(N_("đã gửi %(done)d/%(all)d"), done=done, all=len(deliveries)), "wait")

    def consultation(self, consultation: Consultation, deliveries: Sequence[Delivery]) -> State:
        """How far a consultation has come."""
        say = self.language.say
        if consultation.is_unread:
            return State(say(N_("có trả lời mới")), "good")
        requests = [d for d in deliveries if d.instance.sop_instance_uid == consultation.newest_uid]
        if consultation.is_open and not requests:
            return State(say(N_("chưa khai báo PACS tuyến trên")), "bad")
        if consultation.is_open and any(each.state is DeliveryState.REFUSED for each in requests):
            return State(say(N_("PACS từ chối yêu cầu")), "bad")
        if consultation.is_open and consultation.answer:
            return State(say(N_("có ý kiến sơ bộ, chờ trả lời")), "wait")
        word, tone = CONSULTATION_STATES[consultation.with_delivery(deliveries).state]
        return State(say(word), tone)

    def result(self, state: str) -> State:
        """How far a doctor's result has come."""
        word, tone = RESULT_STATES[state]
        return State(self.language.say(word), tone)

    def change(self, change: Change, now: datetime) -> str:
        """What was done to a question after it had been sent."""
        said = self.language.say(CHANGES[change.kind], at=self.moment(change.at, now), who=change.by)
        return f"{said}: {change.reason}" if change.reason else said

    def asker(self, consultation: Consultation) -> str:
        """Who asked."""
        if consultation.requested_by == AUTOMATIC:
            return self.language.say(N_("tự động, theo quy định của trạm"))
        return consultation.requested_by
