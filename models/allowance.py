"""How far a film's look moves the answers to it, to be taken off them: fitted on training films, each in several looks.

Answers to a film move as the energy of its detail within the lungs moves. How much of the one goes with how much of the
other is learned from films that differ in nothing but their look, so that what differs between people stays in the
answers. It must never know labels.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Array = NDArray[np.float32]
BANDS = 5  # of detail, each an octave coarser than the one before; and what is coarser than all of them
RIM, BESIDE = 0.15, 0.02  # of the side, left out at each edge; and what a place that is no lung counts beside one
LEAST = 1e-3
HELD = 0.1  # what an allowance that differs between films in one look weighs against one that does not fit a look


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """An answer is lowered by ``weights`` (BANDS + 1, labels) times what a film's energies lie over ``middle``."""

    middle: Array
    weights: Array


def energies(films: Tensor, masks: Tensor) -> Tensor:
    """Logarithms (n, BANDS + 1) of what each band holds within the lungs, from fine to coarse, and what is coarser.

    ``films`` (n, 1, side, side) are as the networks read them; ``masks`` (n, 3, any, any) begin with the two lungs.
    """
    lungs, film, found = masks[:, :2].amax(dim=1, keepdim=True), films, []
    for _ in range(BANDS):
        coarser = functional.avg_pool2d(film, 2)
        band = film - functional.interpolate(coarser, size=film.shape[-2:], mode="nearest")
        found.append(_mean(band.square(), lungs))
        film = coarser
    level = _mean(film, lungs)[:, None, None, None]
    found.append(_mean((film - level).square(), lungs))
    return torch.stack(found, dim=1).clamp(min=LEAST**2).log() / 2


def fit(plain: Array, changed: Array, answers: Array, moved: Array) -> Allowance:
    """The allowance by which answers move least from look to look and change least within one.

    ``plain`` and ``answers`` are energies (n, BANDS + 1) and logits (n, labels) of films, ``changed`` and ``moved``
    (n, looks, ...) those of the same films in other looks.
    """
    middle = plain.mean(axis=0)
    apart = (changed - plain[:, None]).reshape(-1, plain.shape[1]).astype(np.float64)
    away = (moved - answers[:, None]).reshape(-1, answers.shape[1]).astype(np.float64)
    between = np.cov(plain.T.astype(np.float64), bias=True)
    held = HELD * between + 0.01 * np.diag(between.diagonal())
    weights = np.linalg.solve(apart.T @ apart / len(apart) + held, apart.T @ away / len(apart))
    return Allowance(middle=middle.astype(np.float32), weights=weights.astype(np.float32))


def _mean(film: Tensor, lungs: Tensor) -> Tensor:
    """Of each film (n, 1, side, side) within the lungs, (n,)."""
    side = film.shape[-1]
    rim = int(RIM * side)
    beside = functional.pad(torch.full((side - 2 * rim,) * 2, BESIDE), (rim,) * 4)
    weights = functional.interpolate(lungs, size=(side, side), mode="bilinear", align_corners=False) + beside
    return (weights * film).sum(dim=(1, 2, 3)) / weights.sum(dim=(1, 2, 3))
