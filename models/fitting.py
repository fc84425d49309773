"""What labelled films make of a network's answers: probabilities, cut-offs, a head for ``abnormal``, and figures.

Every figure is of films in folds that the cut-off it speaks of has not seen, patients kept together. It must never know
a network, or where a film lies.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models.calibrate import cut_off, platt, reference
from models.foreign import Head, Output
from xray_triage.assessment import figures
from xray_triage.assessment.accuracy import FEWEST
from xray_triage.assessment.labels import AssessmentError, LabelledFilm
from xray_triage.reading.findings import ABNORMAL

FOLDS = 5
PULL = 10.0  # of the head's weights to 0: many answers that say alike, few films
EDGE = 1e-6  # a threshold is no closer to 0 or 1
Answers = NDArray[np.float32]  # (films, outputs of the checkpoint), logits
Truth = NDArray[np.float64]  # (films,) 1 or 0
Fit = Callable[[Answers, Truth], Head]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fitted:
    """A label of the bundle. ``figures`` are keys of its manifest entry, none where it was not measured.

    ``films`` speak of it, ``positives`` of them show it.
    """

    name: str
    head: Head
    threshold: float
    scale: float = 1.0
    offset: float = 0.0
    withheld: str | None = None
    figures: dict[str, Any] = field(default_factory=dict)
    films: int = 0
    positives: int = 0

    def probability(self, answers: Answers) -> NDArray[np.float64]:
        margin = self.scale * self.head(answers) + self.offset
        chance: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(margin, -60, 60)))
        return chance


def unmeasured(outputs: Sequence[Output], count: int) -> list[Fitted]:
    """The labels of a checkpoint with ``count`` outputs without any film: its own thresholds, nothing calibrated.

    ``abnormal`` is the mean of how far the logits of the labels shown lie above their thresholds.
    """
    rows = [
        Fitted(name=each.name, head=one_of(each, count), threshold=each.threshold, withheld=each.withheld)
        for each in outputs
    ]
    shown = [row for row in rows if not row.withheld] or rows
    above = np.mean([np.log(row.threshold / (1 - row.threshold)) for row in shown])
    mean = Head(np.mean([row.head.weights for row in shown], axis=0), -float(above))
    return [*rows, Fitted(name=ABNORMAL, head=mean, threshold=0.5)]


def measured(outputs: Sequence[Output], answers: Answers, films: Sequence[LabelledFilm]) -> list[Fitted]:
    """The labels calibrated and measured on ``films``, one row of ``answers`` each, and ``abnormal`` fitted to them.

    A label that too few of them show, or do not show, keeps its own threshold and is withheld.
    """
    rows = []
    for each, plain in zip(outputs, unmeasured(outputs, answers.shape[1]), strict=False):
        here, truth, groups = about(each.name, films)
        why = shortage(truth, groups)
        counts = {"films": len(truth), "positives": int(truth.sum())}
        if why:
            rows.append(replace(plain, withheld=each.withheld or why, **counts))
            continue
        row = fitted(each.name, lambda _, __, head=plain.head: head, answers[here], truth, groups)
        rows.append(replace(row, withheld=each.withheld or row.withheld, **counts))
    here, truth, groups = about(ABNORMAL, films)
    return [*rows, fitted(ABNORMAL, fit_head, answers[here], truth, groups)]


def check_films(films: Sequence[LabelledFilm], what: str) -> None:
    """Raise AssessmentError when ``abnormal`` cannot be measured on these films; ``what`` they are, for people."""
    _, truth, groups = about(ABNORMAL, films)
    why = "no column abnormal or no_finding says a word of them" if len(truth) == 0 else shortage(truth, groups)
    if why:
        raise AssessmentError(
            f"{len(films)} {what}, {int(truth.sum())} of them abnormal and {int((1 - truth).sum())} not; {why}. "
            f"It takes {FEWEST} of each, of several patients: label more films, or import without --labels"
        )


def about(name: str, films: Sequence[LabelledFilm]) -> tuple[NDArray[np.intp], Truth, list[str]]:
    """Which films speak of a label, what they say, and whose they are."""
    here = [index for index, film in enumerate(films) if name in film.labels]
    truth = np.array([films[index].labels[name] for index in here], np.float64)
    return np.array(here, np.intp), truth, [films[index].group for index in here]


def shortage(truth: Truth, groups: Sequence[str]) -> str | None:
    """Why nothing can be measured on these films, or None."""
    with_it, without = int(truth.sum()), int((1 - truth).sum())
    if with_it < FEWEST:
        return f"only {with_it} of the labelled films show it: too few to say how good the answer is"
    if without < FEWEST:
        return f"only {without} of the labelled films are without it: too few to say how good the answer is"
    folds = folds_of(groups)
    if any(len(set(truth[folds != fold])) < 2 for fold in range(FOLDS)):
        return "the labelled films that show it, or do not, are of too few patients"
    return None


def folds_of(groups: Sequence[str]) -> NDArray[np.intp]:
    """The fold of every film, the films of one patient in one; as many patients in each as can be."""
    _, whose = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(0).permutation(int(whose.max()) + 1)
    folds: NDArray[np.intp] = order[whose] % FOLDS
    return folds


def fitted(name: str, fit: Fit, answers: Answers, truth: Truth, groups: Sequence[str]) -> Fitted:
    """One label: its head, calibration and threshold by all films, its figures by folds."""
    folds, logits, said, called = folds_of(groups), *np.zeros((3, len(truth)))
    for fold in range(FOLDS):
        held = folds == fold
        if held.any():
            point = _point(name, fit, answers[~held], truth[~held])
            logits[held], said[held] = point.head(answers[held]), point.probability(answers[held])
            called[held] = said[held] >= point.threshold
    area = figures.intervals(logits, truth, groups, 0.0).auc
    found = {
        "sensitivity": figures.sensitivity(called, truth, 0.5),
        "specificity": figures.specificity(called, truth, 0.5),
        "auc": figures.auc(logits, truth),
        "auc_interval": area,
        "calibration_error": figures.calibration_error(said, truth),
        "reference": reference(said),
    }
    chance = f"not better than chance on the labelled films (AUC {area[0]:.2f} to {area[1]:.2f})"
    whole = _point(name, fit, answers, truth)
    counts = {"films": len(truth), "positives": int(truth.sum())}
    return replace(whole, figures=found, withheld=chance if area[0] <= 0.5 else None, **counts)


def fit_head(answers: Answers, truth: Truth) -> Head:
    """Logistic regression of ``truth`` on the answers, each brought to mean 0 and spread 1, with a pull to 0."""
    middle, spread = answers.mean(axis=0).astype(np.float64), answers.std(axis=0).astype(np.float64) + 1e-6
    seen, target = torch.from_numpy((answers - middle) / spread), torch.from_numpy(truth)
    weights = torch.zeros(answers.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=500, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        mixed = seen @ weights[:-1] + weights[-1]
        value = functional.binary_cross_entropy_with_logits(mixed, target, reduction="sum")
        value = value + 0.5 * PULL * (weights[:-1] ** 2).sum()
        value.backward()
        return value

    optimizer.step(loss)
    found = weights.detach().numpy()
    return Head(found[:-1] / spread, float(found[-1] - (found[:-1] / spread) @ middle))


def one_of(output: Output, count: int) -> Head:
    """That output as it is."""
    return Head(np.eye(count)[output.index])


def mean_auc(rows: Sequence[Fitted]) -> float:
    return float(np.mean([row.figures["auc"] for row in rows if row.figures]))


def _point(name: str, fit: Fit, answers: Answers, truth: Truth) -> Fitted:
    head = fit(answers, truth)
    logits = head(answers)
    middle, spread = float(logits.mean()), float(logits.std()) + 1e-6  # a foreign network counts in units of its own
    scale, offset = platt(((logits - middle) / spread).astype(np.float32), truth.astype(np.float32))
    row = Fitted(name=name, head=head, threshold=0.5, scale=scale / spread, offset=offset - scale * middle / spread)
    _, threshold = cut_off(name, row.probability(answers), truth)
    return replace(row, threshold=min(max(threshold, EDGE), 1 - EDGE))
