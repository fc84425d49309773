"""Calibration leaves a label's order as it was and fits its frequency."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models import calibrate, data
from models.allowance import BANDS, Allowance
from models.ensemble import Ensemble, as_stored
from models.network import Network
from xray_triage.assessment import figures
from xray_triage.simulation.phantom import render

pytestmark = pytest.mark.workshop


def test_calibration_finds_the_scale_that_was_hidden() -> None:
    chance = np.random.default_rng(0)
    logits = chance.normal(0, 2, 4000).astype(np.float32)
    truth = (chance.random(4000) < 1 / (1 + np.exp(-(0.5 * logits - 1)))).astype(np.float32)
    scale, offset = calibrate.platt(logits, truth)
    assert scale == pytest.approx(0.5, abs=0.07)
    assert offset == pytest.approx(-1, abs=0.1)
    assert figures.calibration_error(1 / (1 + np.exp(-(scale * logits + offset))), truth) < 0.03


def test_calibration_never_turns_a_label_round() -> None:
    logits = np.linspace(-3, 3, 200, dtype=np.float32)
    assert calibrate.platt(logits, (logits < 0).astype(np.float32))[0] > 0


def test_answers_move_less_from_look_to_look_after_the_allowance(tmp_path: Path) -> None:
    network = Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES))  # one that says the same of every film
    ensemble, films = as_stored(Ensemble([network], [64])), [drawn(seed, tmp_path) for seed in range(5)]
    owed = np.random.default_rng(0).normal(0, 1, (BANDS + 1, len(data.LABELS))).astype(np.float32)
    ensemble.allow(Allowance(middle=np.zeros(BANDS + 1, np.float32), weights=-owed))
    held, said = calibrate.looked_at(ensemble, in_the_middle, tmp_path, films)
    found = calibrate.allowed(ensemble, in_the_middle, tmp_path, films)
    left = said - (held - found.middle) @ found.weights
    assert np.abs(left[:, 1:] - left[:, :1]).mean() < 0.5 * np.abs(said[:, 1:] - said[:, :1]).mean()


def in_the_middle(films: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    return films, torch.ones(len(films), 3, 48, 48)


def drawn(seed: int, folder: Path) -> data.Film:
    (folder / "images").mkdir(exist_ok=True)
    image = render(seed=seed, rows=96, columns=96).image
    Image.fromarray((image * 255).astype(np.uint8)).save(folder / "images" / f"{seed}.png")
    labels = np.zeros(len(data.LABELS), np.float32)
    return data.Film(image=f"{seed}.png", source="nih14_512", group="", split="train", labels=labels, gate="frontal")
