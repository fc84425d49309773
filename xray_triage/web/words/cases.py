"""The doctor's words for cases, findings, deliveries and times, in the visitor's language. Knows no HTML."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from dicom_router.store.outbox import Delivery, DeliveryState
from xray_triage.cases.case import (
    ANSWER_NOTES,
    AUTOMATIC,
    Answer,
    Case,
    Change,
    ChangeKind,
    Conflict,
    Consultation,
    ConsultationState,
    Image,
)
from xray_triage.cases.news import Item
from xray_triage.consultations.obstacles import OBSTACLES
from xray_triage.health.checks import Check
from xray_triage.language import N_, Language
from xray_triage.reading.findings import (
    ABNORMAL,
    CARDIOTHORACIC_RATIO,
    KINDS,
    Acquaintance,
    Finding,
    FindingKind,
    Priority,
    Reason,
)
from xray_triage.records.outbox import OVERTAKEN, RecordDelivery
from xray_triage.results.wording import (
    DISCLAIMER,
    FLAGS,
    LARGEST_NORMAL_RATIO,
    NOTHING_FOUND,
    UNPROVEN,
    conflict_line,
    limit,
    machine_lines,
    percent,
    score_lines,
    sighting,
    urgent_because,
    value,
)
from xray_triage.web.words import answers

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
SEXES = {"M": N_("nam"), "F": N_("nữ"), "O": N_("khác")}
MINUTE, HOUR, DAY, WEEK = 60, 3600, 86_400, 604_800
FEW = 3  # reasons that one line has room for
MOST = 10  # times its threshold: more tells nobody more
YOUNG_YEARS = 3  # until then an age is told in months


@dataclass(frozen=True, slots=True)
class State:
    """A word and its tone: ``good``, ``wait``, ``bad`` or ``none``, which the style sheet turns into a sign."""

    word: str
    tone: str


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language; in the templates ``words``."""

    language: Language

    def priority(self, priority: Priority) -> str:
        return self.language.translate(priority.vi)

    def filter(self, name: str) -> str:
        """A filter of the worklist, and what stands in its rows: a priority, or ``unproven``. Silence clears nobody."""
        if name == Priority.NORMAL:
            return self.language.say(N_("AI không thấy dấu hiệu"))
        return self.priority(Priority(name)) if name in list(Priority) else self.language.translate(UNPROVEN)

    def counted(self, priority: Priority) -> str:
        """A priority in the figures, where a case that is not concluded is counted among those without a mark."""
        silent = N_("AI không thấy dấu hiệu hoặc chưa kết luận")
        return self.language.say(silent) if priority is Priority.NORMAL else self.priority(priority)

    def standing(self, case: Case) -> str:
        """The priority of a case; one without a mark, of a machine that is not known yet, is not called normal."""
        return self.language.translate(UNPROVEN) if case.unproven else self.priority(case.priority)

    def machine(self, machine: Acquaintance | None) -> list[str]:
        """Why a film without a mark of this machine may not be called clear."""
        return machine_lines(machine, self.language)

    def finding(self, kind: FindingKind) -> str:
        return self.language.translate(kind.vi)

    def sighting(self, finding: Finding) -> str:
        """A finding and the lung that it keeps to, where the film tells."""
        return sighting(finding, self.language)

    def because(self, case: Case) -> str:
        """Why a case is urgent; empty where it is not."""
        if case.priority is not Priority.URGENT:
            return ""
        films = (image for image in case.images if image.priority is case.priority)
        findings = [finding for image in films for finding in image.findings]
        return urgent_because(case.reasons, findings, self.language, most=FEW)

    def heart(self, image: Image, finding: Finding) -> str:
        """What decides whether a heart is large: the model's score and, where there is one, the measured ratio."""
        ratio, score = image.scores.get(CARDIOTHORACIC_RATIO), self.percent(finding.probability)
        if ratio is None:
            return self.language.say(N_("AI %(score)s"), score=score)
        return self.language.say(N_("AI %(score)s · đo %(ratio)s"), score=score, ratio=self.language.number(ratio, 2))

    def unmarked_heart(self, image: Image, finding: Finding) -> str:
        """Why a heart that is measured over the limit is not marked; empty where it is, or is not over it."""
        ratio = image.scores.get(CARDIOTHORACIC_RATIO)
        if ratio is None or finding.positive or round(ratio, 2) <= LARGEST_NORMAL_RATIO:
            return ""
        told = N_("Đo trên %(limit)s nhưng AI chỉ đánh dấu khi trên %(marked)s.")
        if finding.measured is None:
            told = N_("Đo trên %(limit)s nhưng AI đánh dấu theo điểm của mô hình, không theo số đo.")
        return self.language.say(told, limit=self.language.number(LARGEST_NORMAL_RATIO, 2), marked=self.limit(finding))

    def widths(self) -> tuple[str, str]:
        """What stands at the two measured lines of a heart."""
        return self.language.say(N_("bề rộng tim")), self.language.say(N_("bề rộng lồng ngực"))

    def view(self, image: Image) -> str:
        """How a film was taken, in a word; empty where nobody knows."""
        aside = image.reason is not None and image.reason.code == "not_frontal"
        return self.language.say(N_("nghiêng")) if aside else image.view

    def rank(self, image: Image) -> State:
        """The priority of one film, and the class of its colour."""
        unproven = image.priority is Priority.NORMAL and image.machine is not None and not image.machine.clears
        word = self.language.translate(UNPROVEN) if unproven else self.priority(image.priority)
        return State(word, "not_read" if unproven else image.priority.value)

    def value(self, finding: Finding) -> str:
        """What was found, as it is written: a probability, or the measure that goes before it."""
        return value(finding, self.language)

    def limit(self, finding: Finding) -> str:
        """What it is held against."""
        return limit(finding, self.language)

    def against(self, finding: Finding) -> str:
        """On which side of its threshold it is; nothing is called below a number that reads the same."""
        told = N_("vượt ngưỡng %(t)s") if finding.positive else N_("dưới ngưỡng %(t)s")
        if not finding.positive and self.value(finding) == self.limit(finding):
            told = N_("chưa vượt ngưỡng %(t)s")
        return self.language.say(told, t=self.limit(finding))

    def strength(self, finding: Finding) -> str:
        """How many times its threshold it is: 10 % may ring where 37 % of another finding does not."""
        return f"×{self.language.number(finding.strength, 1)}" if finding.strength < MOST else f">{MOST}×"

    def reason(self, reason: Reason) -> str:
        return reason.said(self.language)

    def conflict(self, conflict: Conflict) -> str:
        """That the films of a case name different people."""
        return conflict_line(conflict.values, self.language)

    def check(self, check: Check) -> str:
        return check.said[self.language.code]

    def obstacle(self, code: str) -> str:
        """Why the PACS could not be asked for an answer, and what to do; a code of another version as it is."""
        return self.language.translate(OBSTACLES.get(code, code))

    def note(self, code: str) -> str:
        """What of an answer is not to be read here; a code of another version as it is."""
        return self.language.translate(ANSWER_NOTES.get(code, code))

    def answer(self, answer: Answer) -> str:
        """What an answer is, in one line."""
        return answers.heading(answer, self.language)

    def outdone(self, answer: Answer) -> str:
        """What an answer is, where a later one counts instead."""
        return answers.outdone(answer, self.language)

    def answerer(self, answer: Answer) -> str:
        """Who wrote it and who signed it."""
        return answers.by(answer, self.language)

    def marked(self, answer: Answer, case: Case) -> str:
        """Which films it marks."""
        return answers.marked(answer, case, self.language)

    def object(self, what: str) -> str:
        """What is delivered."""
        return self.language.say(OBJECTS[what]) if what in OBJECTS else what

    def flag(self, flag: str) -> str:
        return self.language.translate(FLAGS[flag]) if flag in FLAGS else flag

    def disclaimer(self) -> str:
        return self.language.translate(DISCLAIMER)

    def percent(self, probability: float) -> str:
        """A probability for people, the same in both languages."""
        return percent(probability)

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
            return State(self.language.say(N_("không gửi, vì bản mới hơn đã tới")), "none")
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

    def silence(self, case: Case) -> str:
        """What to say where no finding stands."""
        reasons = [image.reason for image in case.images if image.reason is not None]
        if case.priority is Priority.NOT_READ and reasons:
            return self.reason(min(reasons, key=lambda reason: reason.code == "not_a_film"))
        if case.priority is Priority.NORMAL:
            nothing = self.language.translate(NOTHING_FOUND)
            return " ".join([nothing, *self.machine(case.unproven)])
        return self.language.say(N_("AI nghi có bất thường, nhưng không rõ là dấu hiệu nào."))

    def scores(self, image: Image) -> list[str]:
        """The general scores of a film, and what its model does not tell: there the doctor is alone."""
        lines = self.notes(image, with_heart=True)
        unjudged = self.unjudged(image)
        return [*lines, unjudged] if unjudged else lines

    def notes(self, image: Image, *, with_heart: bool) -> list[str]:
        """The general scores of a film, the heart's ratio only where no row of the findings says it."""
        scores = {name: score for name, score in image.scores.items() if with_heart or name != CARDIOTHORACIC_RATIO}
        return score_lines(scores, image.findings, self.language, is_abnormal=ABNORMAL in image.reasons)

    def unjudged(self, image: Image) -> str:
        """What the model of a film does not tell: there the doctor is alone."""
        judged = {finding.kind for finding in image.findings}
        untold = ", ".join(self.finding(kind) for kind in KINDS.values() if kind not in judged)
        if not judged or not untold:
            return ""
        told = N_("AI không đánh giá: %(kinds)s. Bác sĩ cần tự xem các dấu hiệu này.")
        return self.language.say(told, kinds=untold)

    def person(self, case: Case | Item) -> str:
        """Sex and age, as far as they are known."""
        patient = case.patient
        parts = [self.language.say(SEXES[patient.sex]) if patient.sex in SEXES else ""]
        if patient.age_years is not None:
            young = patient.age_years < YOUNG_YEARS
            told = N_("%(n)d tháng tuổi") if young else N_("%(n)d tuổi")
            parts.append(self.language.say(told, n=int(patient.age_years * (12 if young else 1))))
        else:
            parts.append(self.language.say(N_("không rõ tuổi")))
        return ", ".join(part for part in parts if part)

    def birthday(self, birth_date: str) -> str:
        """``birth_date`` (YYYY-MM-DD) as it is written here."""
        return "/".join(reversed(birth_date.split("-")))

    def moment(self, at: datetime, now: datetime) -> str:
        return self.language.moment(at, now)

    def age(self, at: datetime, now: datetime) -> str:
        """How long ago ``at`` was, or which day; a time to come, of a clock that is wrong, is now."""
        say, seconds = self.language.say, max(0.0, (now - at) / timedelta(seconds=1))
        if seconds < MINUTE:
            return say(N_("vừa xong"))
        if seconds < HOUR:
            return say(N_("%(n)d phút trước"), n=int(seconds // MINUTE))
        if seconds < DAY:
            return say(N_("%(n)d giờ trước"), n=int(seconds // HOUR))
        if seconds < WEEK:
            return say(N_("%(n)d ngày trước"), n=int(seconds // DAY))
        return self.language.day(at.astimezone().date())


def taken_at(case: Case) -> datetime:
    """When the film was exposed; when it came, where the machine does not say or its clock is ahead."""
    if case.exposed_at is None or case.exposed_at > case.received_at:
        return case.received_at
    return case.exposed_at


def can_ask(case: Case) -> bool:
    """Whether no person's request waits for its answer: an automatic one gives way."""
    asked = case.consultation
    return asked is None or not asked.is_open or asked.is_automatic


def positives(case: Case) -> list[Finding]:
    """The findings above their threshold over all films of the case, each at its strongest, the strongest first."""
    return _strongest(case.images)


def _strongest(images: Iterable[Image]) -> list[Finding]:
    strongest: dict[str, Finding] = {}
    for finding in (finding for image in images for finding in image.told if finding.positive):
        known = strongest.get(finding.kind.name)
        if known is None or finding.strength > known.strength:
            strongest[finding.kind.name] = finding
    return sorted(strongest.values(), key=lambda finding: -finding.strength)


def is_pressing(case: Case, finding: Finding) -> bool:
    """Whether the case is urgent for the sake of this finding."""
    return case.priority is Priority.URGENT and finding.kind.name in case.reasons


def by_weight(case: Case) -> list[Finding]:
    """The positive findings, those first that make the case urgent."""
    return sorted(positives(case), key=lambda finding: not is_pressing(case, finding))
