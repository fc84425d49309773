"""The figures are what their names say, on cases worked out by hand."""

import numpy as np
import pytest

from models import calibrate, figures

pytestmark = pytest.mark.workshop
TRUTH = np.array([0, 0, 0, 0, 1, 1, 1, 1])
SCORES = np.array([0.1, 0.2, 0.3, 0.6, 0.4, 0.6, 0.8, 0.9])


def test_auc_counts_ordered_pairs_and_half_of_the_ties() -> None:
    assert figures.auc(SCORES, TRUTH) == pytest.approx((4 + 4 + 3.5 + 3) / 16)
    assert np.isnan(figures.auc(SCORES, np.ones(8)))


def test_a_threshold_keeps_the_promised_specificity_and_sensitivity() -> None:
    threshold = figures.threshold_at_specificity(SCORES, TRUTH, 0.75)
    assert figures.specificity(SCORES, TRUTH, threshold) >= 0.75
    assert figures.specificity(SCORES, TRUTH, np.nextafter(threshold, 0)) < 0.75
    assert figures.sensitivity(SCORES, TRUTH, figures.threshold_at_sensitivity(SCORES, TRUTH, 0.75)) == 0.75


def test_an_interval_holds_the_figure_and_shrinks_with_more_films() -> None:
    chance = np.random.default_rng(0)
    truth = chance.integers(0, 2, 800)
    scores = truth + chance.normal(0, 1.5, 800)
    few = figures.interval(figures.auc, scores[:100], truth[:100], [str(i) for i in range(100)], draws=200)
    many = figures.interval(figures.auc, scores, truth, [str(i) for i in range(800)], draws=200)
    assert many[0] < figures.auc(scores, truth) < many[1]
    assert many[1] - many[0] < few[1] - few[0]


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
