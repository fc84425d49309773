"""The doctor's words for what the AI says of a film, in the visitor's language. Knows no HTML."""

from dataclasses import dataclass

from xray_triage.cases.case import Image
from xray_triage.language import N_
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
from xray_triage.results.wording import (
    DISCLAIMER,
    FLAGS,
    LARGEST_NORMAL_RATIO,
    UNPROVEN,
    limit,
    machine_lines,
    percent,
    score_lines,
    sighting,
    value,
)
from xray_triage.web.words.spoken import Spoken, State

MOST = 10  # times its threshold: more tells nobody more


@dataclass(frozen=True, slots=True)
class FilmWords(Spoken):
    """Of films, findings and priorities."""

    def priority(self, priority: Priority) -> str:
        return self.language.translate(priority.vi)

    def machine(self, machine: Acquaintance | None) -> list[str]:
        """Why a film without a mark of this machine may not be called clear."""
        return machine_lines(machine, self.language)

    def finding(self, kind: FindingKind) -> str:
        return self.language.translate(kind.vi)

    def sighting(self, finding: Finding) -> str:
        """A finding and the lung that it keeps to, where the film tells."""
        return sighting(finding, self.language)

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

    def flag(self, flag: str) -> str:
        return self.language.translate(FLAGS[flag]) if flag in FLAGS else flag

    def disclaimer(self) -> str:
        return self.language.translate(DISCLAIMER)

    def percent(self, probability: float) -> str:
        """A probability for people, the same in both languages."""
        return percent(probability)

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
