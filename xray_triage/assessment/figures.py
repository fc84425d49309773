"""The figures by which a bundle is judged: AUC, operating points, calibration, intervals. Numpy only.

The workshop measures with this very code. It must never know films or models.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]  # (n,) higher = more likely
Truth = NDArray[Any]  # (n,) 1 or 0, nothing unknown
Interval = tuple[float, float]  # 95 %

DRAWS_AT_ONCE = 50  # of the bootstrap: bounds its memory


def auc(scores: Scores, truth: Truth) -> float:
    """How often a film with the finding scores above one without; ties count half. NaN when one of them lacks."""
    positive, negative = scores[truth == 1], scores[truth == 0]
    if len(positive) == 0 or len(negative) == 0:
        return float("nan")
    ordered = np.sort(negative)
    below, not_above = np.searchsorted(ordered, positive, "left"), np.searchsorted(ordered, positive, "right")
    return float((below + not_above).mean() / 2 / len(negative))


def sensitivity(scores: Scores, truth: Truth, threshold: float) -> float:
    """The share of the films with the finding that reach the threshold."""
    return float((scores[truth == 1] >= threshold).mean())


def specificity(scores: Scores, truth: Truth, threshold: float) -> float:
    """The share of the films without the finding that stay below the threshold."""
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
    """Expected calibration error over ``bins`` of equal width (Guo et al., ICML 2017)."""
    drawer = np.minimum((np.asarray(probabilities) * bins).astype(np.intp), bins - 1)
    gaps = np.bincount(drawer, weights=probabilities - truth, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


def interval(
    figure: Callable[[Scores, Truth], float], scores: Scores, truth: Truth, groups: Sequence[str], draws: int = 1000
) -> Interval:
    """95 % bootstrap interval of any figure, whole groups (patients) drawn at a time, fixed seed."""
    chance = np.random.default_rng(0)
    _, group_of = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(group_of == group) for group in range(group_of.max() + 1)]
    values = []
    for _ in range(draws):
        drawn = np.concatenate([members[group] for group in chance.integers(len(members), size=len(members))])
        values.append(figure(scores[drawn], truth[drawn]))
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """95 % bootstrap intervals of the three figures of one label."""

    auc: Interval
    sensitivity: Interval
    specificity: Interval


def intervals(scores: Scores, truth: Truth, groups: Sequence[str], threshold: float, draws: int = 1000) -> Intervals:
    """What ``interval`` gives for AUC, sensitivity and specificity, from the same draws and a hundred times as fast.

    A draw is not copied out but weighs every film by how often its group was drawn, so one sort serves all draws.
    """
    order = np.argsort(scores, kind="stable")
    ranked, positive = scores[order], truth[order] == 1
    _, group_of = np.unique(groups, return_inverse=True)
    group_of = group_of[order]
    count = int(group_of.max()) + 1
    first_over = int(np.searchsorted(ranked, threshold))
    ties = np.flatnonzero(np.diff(ranked, prepend=-np.inf))  # where each new score begins
    chance = np.random.default_rng(0)
    found = []
    for _ in range(0, draws, DRAWS_AT_ONCE):
        weights = chance.multinomial(count, np.full(count, 1 / count), size=min(draws, DRAWS_AT_ONCE))[:, group_of]
        with_it, without = weights * positive, weights * ~positive
        higher, lower = (np.add.reduceat(part, ties, axis=1) for part in (with_it, without))
        ordered = (higher * (np.cumsum(lower, axis=1) - lower / 2)).sum(axis=1)
        n_with, n_without = with_it.sum(axis=1), without.sum(axis=1)
        with np.errstate(invalid="ignore"):  # a draw without films of one kind has no figure, and counts for none
            found.append(
                (
                    ordered / (n_with * n_without),
                    with_it[:, first_over:].sum(axis=1) / n_with,
                    without[:, :first_over].sum(axis=1) / n_without,
                )
            )
    low, high = np.nanpercentile(np.concatenate(found, axis=1), (2.5, 97.5), axis=1).tolist()
    area, hits, rests = zip(low, high, strict=True)
    return Intervals(auc=area, sensitivity=hits, specificity=rests)


def wilson(part: int, whole: int) -> Interval:
    """95 % interval of a share of independent films (Wilson, JASA 1927); 0 to 1 when there is none."""
    if whole == 0:
        return 0.0, 1.0
    z, share = 1.959964, part / whole
    middle, half = share + z * z / (2 * whole), z * sqrt(share * (1 - share) / whole + (z / (2 * whole)) ** 2)
    return max(0.0, (middle - half) / (1 + z * z / whole)), min(1.0, (middle + half) / (1 + z * z / whole))
