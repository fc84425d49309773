"""Soft targets: what a published network answered on training films of ours, brought to our films' frequencies.

The reports behind the NIH labels are noisy and our films few; the teacher saw fifty times as many. Its films here lie
in its own test fold, so its answers are as good as on any unseen film (Hinton et al. 2015, arXiv:1503.02531).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models import data
from models.calibrate import platt


def soften(films: Sequence[data.Film], folder: Path, *, weight: float, without: int) -> NDArray[np.float32]:
    """Labels (films, labels), ``weight`` of them the teacher's word on films that it answered, but of fold ``without``.

    The teacher's logits (two published answers, averaged) are fitted to the frequency among those films first: at the
    hospital findings are rare, in this selection they are not.
    """
    labels = np.stack([film.labels for film in films])
    said = [data.read_references(folder, who) for who in ("chexnet", "ensemble")]
    taught = [i for i, film in enumerate(films) if film.fold != without and film.image in said[0]]
    for index, name in enumerate(data.LABELS):
        known = [i for i in taught if name in said[0][films[i].image] and not np.isnan(labels[i, index])]
        if not known or weight == 0:
            continue
        answers = np.array([[one[films[i].image][name] for i in known] for one in said])
        logits = np.log(answers / (1 - answers)).mean(axis=0)
        scale, offset = platt(logits, labels[known, index])
        fitted = 1 / (1 + np.exp(-(scale * logits + offset)))
        labels[known, index] = (1 - weight) * labels[known, index] + weight * fitted
    return labels
