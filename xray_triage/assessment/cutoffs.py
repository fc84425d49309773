"""What another threshold would change: who is referred, who is missed, film by film that somebody judged.

After the WHO/TDR toolkit "Determining the local calibration of computer-assisted detection (CAD) thresholds and other
parameters" (2021): for every cut-off, what the programme gains and what it costs, out of local reads. Never says more
than these reads carry. It must never know a database or a model.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xray_triage.assessment.figures import Interval, wilson
from xray_triage.assessment.labels import LabelledFilm
from xray_triage.assessment.predictions import Prediction
from xray_triage.cases.case import Case
from xray_triage.reading.findings import ABNORMAL, Priority

FEW = 50  # films of one kind, below which nobody should choose a threshold by them
ALARMS = (Priority.URGENT, Priority.ABNORMAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Films of known truth with the model's score, and where the truth is from.

    ``left_out`` counts what could not be used, by why. ``misses_seen`` is False where the truth is known only of films
    that the AI itself marked, and of films without anything: what it missed is then in no figure.
    """

    scores: tuple[float, ...]
    truth: tuple[bool, ...]
    left_out: Mapping[str, int]
    notes: tuple[str, ...] = ()
    misses_seen: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class CutOff:
    """What comes of one threshold. Counts are of the judged films; ``per_1000`` of a thousand at ``prevalence``."""

    threshold: float
    mark: str  # "in use", "bundle's", both, or nothing
    referred: int
    found: int
    missed: int
    false_alarms: int
    sensitivity: float | None
    sensitivity_interval: Interval | None
    specificity: float | None
    specificity_interval: Interval | None
    right_when_referred: float | None  # positive predictive value at the prevalence
    per_1000: Mapping[str, float] | None


def judged_by_verdicts(label: str, cases: Iterable[Case], model_sha256: str) -> Judged:
    """What the doctor's verdicts say of ``label``, on cases that this very model read.

    A verdict is on the case's priority, not on a label. For ``abnormal`` agreeing confirms it and disagreeing turns it
    round. For a finding it speaks only where that finding was all that the AI saw (agreed: there; disagreed: not
    there) and where the AI saw nothing and the doctor agreed (not there).
    """
    about = "the film is normal" if label == ABNORMAL else f"there is no {label}"
    notes = [f"A disagreement is taken to mean: {about}; one about kind or urgency makes false alarms look too many."]
    if label == ABNORMAL:
        notes[0] = (
            "A disagreement is taken to turn normal and abnormal round; "
            "one about kind or urgency makes false alarms look too many."
        )
        notes.append("Missed films are seen only where doctors judge normal cases too.")
    else:
        notes.append("No verdict tells a finding that the AI missed: sensitivity needs reference reads (--truth).")
    judged = _collected(_by_verdict(label, case, model_sha256) for case in cases)
    return replace(judged, notes=tuple(notes), misses_seen=label == ABNORMAL)


def judged_by_reads(label: str, reads: Iterable[LabelledFilm], cases: Mapping[str, Case], model_sha256: str) -> Judged:
    """What reference reads say of ``label``; ``cases`` by the key of the reads (accession number or study UID)."""
    return _collected(_by_read(label, read, cases.get(read.key), model_sha256) for read in reads)


def judged_by_films(label: str, answers: Iterable[Prediction]) -> Judged:
    """What labels.csv says of films that the model has just read."""
    return _collected(_by_film(label, answer) for answer in answers)


def case_score(label: str, case: Case, model_sha256: str) -> float | None:
    """The highest score of ``label`` among the case's films, or None unless this model gave all of them."""
    films = [image for image in case.images if image.status == "read"]
    if not films or any(image.model is None or image.model.sha256 != model_sha256 for image in films):
        return None
    found = [
        score
        for image in films
        for score in (image.scores.get(label), *(f.probability for f in image.findings if f.kind.name == label))
        if score is not None
    ]
    return max(found, default=None)


def candidates(scores: Sequence[float]) -> list[float]:
    """Thresholds worth a look when nobody names one: the tenths of the scores, in three digits."""
    return sorted({float(f"{score:.3g}") for score in np.quantile(scores, np.linspace(0.1, 0.9, 9))})


def consequences(
    judged: Judged, thresholds: Iterable[float], *, marks: Mapping[float, str], prevalence: float | None = None
) -> list[CutOff]:
    """One line a threshold, rising. ``prevalence`` (0..1) is the site's; without it that of the judged films."""
    scores, truth = np.array(judged.scores), np.array(judged.truth, np.bool_)
    with_it, without = int(truth.sum()), int((~truth).sum())
    share = with_it / len(truth) if prevalence is None else prevalence
    lines = []
    for threshold in sorted({*thresholds, *marks}):
        over = scores >= threshold
        found, false_alarms = int((over & truth).sum()), int((over & ~truth).sum())
        sensitivity = found / with_it if with_it and judged.misses_seen else None
        specificity = (without - false_alarms) / without if without else None
        per_1000 = _per_1000(sensitivity, specificity, share)
        lines.append(
            CutOff(
                threshold=threshold,
                mark=marks.get(threshold, ""),
                referred=found + false_alarms,
                found=found,
                missed=with_it - found,
                false_alarms=false_alarms,
                sensitivity=sensitivity,
                sensitivity_interval=None if sensitivity is None else wilson(found, with_it),
                specificity=specificity,
                specificity_interval=None if specificity is None else wilson(without - false_alarms, without),
                right_when_referred=_right(per_1000),
                per_1000=per_1000,
            )
        )
    return lines


def warnings(judged: Judged) -> list[str]:
    """Why not to choose a threshold by these films; empty when they are many enough."""
    with_it = sum(judged.truth)
    counts = ((with_it, "with it"), (len(judged.truth) - with_it, "without it"))
    return [
        f"Only {count} films {kind}: too few to choose a threshold by (at least {FEW})."
        for count, kind in counts
        if count < FEW
    ]


Word = tuple[float, bool] | str  # the model's score and the truth, or why there is none


def _collected(words: Iterable[Word]) -> Judged:
    told = list(words)
    pairs = [word for word in told if not isinstance(word, str)]
    return Judged(
        scores=tuple(score for score, _ in pairs),
        truth=tuple(truth for _, truth in pairs),
        left_out=Counter(word for word in told if isinstance(word, str)),
    )


def _by_verdict(label: str, case: Case, model_sha256: str) -> Word:
    if case.verdict is None or case.priority is Priority.NOT_READ:
        return "without a verdict on a reading"
    score, said = case_score(label, case, model_sha256), _said(label, case)
    if score is None:
        return "read by another model, or without this score"
    return "the verdict does not speak of this finding" if said is None else (score, said)


def _by_read(label: str, read: LabelledFilm, case: Case | None, model_sha256: str) -> Word:
    if label not in read.labels:
        return "this label is unknown"
    if case is None:
        return "no such case here"
    score = case_score(label, case, model_sha256)
    return "not read, or by another model" if score is None else (score, read.labels[label])


def _by_film(label: str, answer: Prediction) -> Word:
    if label not in answer.film.labels:
        return "this label is unknown"
    if answer.refused is not None or answer.probabilities is None:
        return "not read"
    return answer.probabilities[label], answer.film.labels[label]


def _said(label: str, case: Case) -> bool | None:
    """Whether the verdict says that ``label`` is there; None when it does not say.

    Of what the doctor saw under its own name only: who agrees with "opacity" has not said which.
    """
    if case.verdict is None or case.verdict.agrees is None:
        return None
    alarmed, agrees = case.priority in ALARMS, case.verdict.agrees
    if label == ABNORMAL:
        return alarmed == agrees
    if not alarmed:
        return False if agrees else None
    seen = {finding.kind.name for image in case.images for finding in image.told if finding.positive}
    return agrees if seen == {label} else None


def _per_1000(sensitivity: float | None, specificity: float | None, share: float) -> dict[str, float] | None:
    if sensitivity is None or specificity is None:
        return None
    found, false_alarms = 1000 * share * sensitivity, 1000 * (1 - share) * (1 - specificity)
    return {
        "referred": found + false_alarms,
        "found": found,
        "missed": 1000 * share - found,
        "false_alarms": false_alarms,
    }


def _right(per_1000: Mapping[str, float] | None) -> float | None:
    return per_1000["found"] / per_1000["referred"] if per_1000 and per_1000["referred"] > 0 else None
