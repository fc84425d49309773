"""How far scores lie from where they lay before: the population stability index. Pure; knows no film and no label."""

from bisect import bisect_right
from collections.abc import Sequence
from math import log

from xray_triage.reading.bundle import Reference


def stability_index(reference: Reference, probabilities: Sequence[float]) -> float:
    """Sum of (a - e) ln(a / e) over the ten bins, a and e the shares of films here and when measured; 0: the same.

    A share below half a film (of those here) counts as that: an empty bin, whose logarithm is infinite, then weighs no
    more than so few films can tell. ``probabilities`` must not be empty.
    """
    counts = [0] * len(reference.shares)
    for probability in probabilities:
        counts[bisect_right(reference.edges, probability)] += 1
    least = 0.5 / len(probabilities)
    pairs = [(max(n / len(probabilities), least), max(e, least)) for n, e in zip(counts, reference.shares, strict=True)]
    return sum((actual - expected) * log(actual / expected) for actual, expected in pairs)
