"""Calibration leaves a label's order as it was and fits its frequency."""

import numpy as np
import pytest

from models import calibrate
from xray_triage.assessment import figures

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
