"""Answers and truth -> how good the model is, over all films and by source, age and sex. It must never know files."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from xray_triage.assessment import figures
from xray_triage.assessment.figures import Interval, Scores, Truth
from xray_triage.assessment.predictions import Prediction
from xray_triage.reading.bundle import Label
from xray_triage.reading.findings import ModelIdentity

FEWEST = 15  # films with it and films without it, below which a part of the films gets no figures
AGES = ((0, 40, "under 40"), (40, 60, "40-59"), (60, 200, "60 and over"))


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelFigures:
    """One label on ``films`` films, ``positives`` of them with it. The figures are None without films of both kinds.

    ``withheld`` says why the bundle does not show it to the doctor; ``calibration_error`` is the expected one (ECE).
    """

    label: str
    withheld: str | None
    threshold: float
    films: int
    positives: int
    auc: float | None = None
    auc_interval: Interval | None = None
    sensitivity: float | None = None
    sensitivity_interval: Interval | None = None
    specificity: float | None = None
    specificity_interval: Interval | None = None
    calibration_error: float | None = None
    brier: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The films of one source, age or sex (``by``, ``value``) and the labels that have enough of them."""

    by: str
    value: str
    figures: tuple[LabelFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioError:
    """The mean absolute error of the cardiothoracic ratio against the drawn one."""

    films: int
    mean_absolute_error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Accuracy:
    """All that was measured. Films in ``refused`` (source -> reason -> count) are in no figure, unless
    ``with_refused``: then those are in that only the model's input gate refuses."""

    model: ModelIdentity
    films: int
    read: int
    refused: Mapping[str, Mapping[str, int]]
    with_refused: bool
    figures: tuple[LabelFigures, ...]
    parts: tuple[Part, ...]
    cardiothoracic: RatioError | None


def measure(
    answers: Sequence[Prediction],
    model: ModelIdentity,
    labels: Sequence[Label],
    *,
    thresholds: Mapping[str, float],
    with_refused: bool = False,
) -> Accuracy:
    """Figures of the ``labels`` of a bundle that any film speaks of, at ``thresholds``."""
    counted = [a for a in answers if a.probabilities is not None and (with_refused or a.refused is None)]
    spoken_of = [label for label in labels if any(label.name in answer.film.labels for answer in answers)]

    def of(part: Sequence[Prediction], *, fewest: int) -> tuple[LabelFigures, ...]:
        found = (_label_figures(label, part, thresholds[label.name], fewest=fewest) for label in spoken_of)
        return tuple(each for each in found if each is not None)

    parts = []
    for by, value_of in (("source", _source), ("age", _age), ("sex", _sex)):
        values = sorted({value_of(answer) for answer in counted} - {""})
        for value in values:
            here = [answer for answer in counted if value_of(answer) == value]
            if len(values) > 1 and (measured := of(here, fewest=FEWEST)):
                parts.append(Part(by=by, value=value, figures=measured))
    refused: dict[str, Counter[str]] = {}
    for answer in answers:
        if answer.refused is not None:
            refused.setdefault(answer.film.source, Counter())[answer.refused] += 1
    return Accuracy(
        model=model,
        films=len(answers),
        read=sum(answer.refused is None for answer in answers),
        refused={source: dict(reasons) for source, reasons in refused.items()},
        with_refused=with_refused,
        figures=of(counted, fewest=0),
        parts=tuple(parts),
        cardiothoracic=_ratio_error(counted),
    )


def known(label: str, answers: Sequence[Prediction]) -> tuple[Scores, Truth, list[str]]:
    """Probability, truth (1, 0) and group of the films that speak of ``label``."""
    told = [a for a in answers if a.probabilities is not None and label in a.film.labels]
    scores = np.array([a.probabilities[label] for a in told if a.probabilities is not None], np.float64)
    return scores, np.array([a.film.labels[label] for a in told], np.int64), [a.film.group for a in told]


def _label_figures(
    label: Label, answers: Sequence[Prediction], threshold: float, *, fewest: int
) -> LabelFigures | None:
    scores, truth, groups = known(label.name, answers)
    positives = int(truth.sum())
    if min(positives, len(truth) - positives) < fewest:
        return None
    counts = LabelFigures(
        label=label.name, withheld=label.withheld, threshold=threshold, films=len(truth), positives=positives
    )
    if not 0 < positives < len(truth):
        return counts
    around = figures.intervals(scores, truth, groups, threshold)
    sensitivity = figures.sensitivity(scores, truth, threshold)
    specificity = figures.specificity(scores, truth, threshold)
    return replace(
        counts,
        auc=figures.auc(scores, truth),
        auc_interval=around.auc,
        sensitivity=sensitivity,
        sensitivity_interval=_honest(around.sensitivity, sensitivity, positives),
        specificity=specificity,
        specificity_interval=_honest(around.specificity, specificity, len(truth) - positives),
        calibration_error=figures.calibration_error(scores, truth),
        brier=float(((scores - truth) ** 2).mean()),
    )


def _honest(drawn: Interval, share: float, films: int) -> Interval:
    """The bootstrap's interval, never narrower than Wilson's: out of 2 films found none, it alone would say 0 to 0."""
    low, high = figures.wilson(round(share * films), films)
    return min(low, drawn[0]), max(high, drawn[1])


def _ratio_error(answers: Sequence[Prediction]) -> RatioError | None:
    gaps = [
        abs(answer.cardiothoracic_ratio - answer.film.ratio)
        for answer in answers
        if answer.cardiothoracic_ratio is not None and answer.film.ratio is not None
    ]
    return RatioError(films=len(gaps), mean_absolute_error=sum(gaps) / len(gaps)) if gaps else None


def _source(answer: Prediction) -> str:
    return answer.film.source


def _sex(answer: Prediction) -> str:
    return answer.film.sex


def _age(answer: Prediction) -> str:
    years = answer.film.age_years
    return next((name for low, high, name in AGES if years is not None and low <= years < high), "")
