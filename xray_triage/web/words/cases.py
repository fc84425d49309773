"""The doctor's words for cases, and all others of the page that name one, in the visitor's language. Knows no HTML."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from xray_triage.cases.case import Case, Conflict, Image
from xray_triage.cases.consultation import ANSWER_NOTES, Answer
from xray_triage.cases.news import Item
from xray_triage.consultations.obstacles import OBSTACLES
from xray_triage.health.checks import Check
from xray_triage.language import N_
from xray_triage.reading.findings import Finding, Priority
from xray_triage.results.wording import NOTHING_FOUND, UNPROVEN, conflict_line, urgent_because
from xray_triage.web.words import answers
from xray_triage.web.words.films import FilmWords
from xray_triage.web.words.progress import ProgressWords

SEXES = {"M": N_("nam"), "F": N_("nữ"), "O": N_("khác")}
FEW = 3  # reasons that one line has room for
YOUNG_YEARS = 3  # until then an age is told in months


@dataclass(frozen=True, slots=True)
class Words(FilmWords, ProgressWords):
    """The words of one language; in the templates ``words``."""

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

    def because(self, case: Case) -> str:
        """Why a case is urgent; empty where it is not."""
        if case.priority is not Priority.URGENT:
            return ""
        films = (image for image in case.images if image.priority is case.priority)
        findings = [finding for image in films for finding in image.findings]
        return urgent_because(case.reasons, findings, self.language, most=FEW)

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

    def silence(self, case: Case) -> str:
        """What to say where no finding stands."""
        reasons = [image.reason for image in case.images if image.reason is not None]
        if case.priority is Priority.NOT_READ and reasons:
            return self.reason(min(reasons, key=lambda reason: reason.code == "not_a_film"))
        if case.priority is Priority.NORMAL:
            nothing = self.language.translate(NOTHING_FOUND)
            return " ".join([nothing, *self.machine(case.unproven)])
        return self.language.say(N_("AI nghi có bất thường, nhưng không rõ là dấu hiệu nào."))

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
