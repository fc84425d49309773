"""The figures by which a bundle is judged: AUC, operating points, calibration, bootstrap intervals. Pure numpy."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]  # (n,) higher = more likely
Truth = NDArray[np.floating]  # (n,) 1 or 0, nothing unknown


def auc(scores: Scores, truth: Truth) -> float:
    """How often a film with the finding scores above one without; ties count half. NaN when one of them lacks."""
    positive, negative = scores[truth == 1], scores[truth == 0]
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    ordered = np.sort(negative)
    below, not_above = np.searchsorted(ordered, positive, "left"), np.searchsorted(ordered, positive, "right")
    return float((below + not_above).mean() / 2 / len(negative))


def sensitivity(scores: Scores, truth: Truth, threshold: float) -> float:
    return float((scores[truth == 1] >= threshold).mean())


def specificity(scores: Scores, truth: Truth, threshold: float) -> float:
    return float((scores[truth == 0] < threshold).mean())


def threshold_at_specificity(scores: Scores, truth: Truth, wanted: float) -> float:
    """The lowest threshold that still leaves at least ``wanted`` of the films without the finding below it."""
    negative = np.sort(scores[truth == 0])
    return float(np.nextafter(negative[min(int(np.ceil(wanted * len(negative))), len(negative)) - 1], np.inf))


def threshold_at_sensitivity(scores: Scores, truth: Truth, wanted: float) -> float:
    """The highest threshold that at least ``wanted`` of the films with the finding reach."""
    positive = np.sort(scores[truth == 1])
    return float(positive[int(np.floor((1 - wanted) * len(positive)))])


def calibration_error(probabilities: Scores, truth: Truth, bins: int = 10) -> float:
    """Expected calibration error over ``bins`` of equal count."""
    order = np.array_split(np.argsort(probabilities), bins)
    gaps = [abs(probabilities[part].mean() - truth[part].mean()) * len(part) for part in order if len(part)]
    return float(sum(gaps) / len(truth))


def interval(
    figure: Callable[[Scores, Truth], float], scores: Scores, truth: Truth, groups: Sequence[str], draws: int = 1000
) -> tuple[float, float]:
    """95 % bootstrap interval, whole groups (patients) drawn at a time, fixed seed."""
    chance = np.random.default_rng(0)
    _, group_of = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(group_of == group) for group in range(group_of.max() + 1)]
    values = []
    for _ in range(draws):
        drawn = np.concatenate([members[group] for group in chance.integers(len(members), size=len(members))])
        values.append(figure(scores[drawn], truth[drawn]))
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)
