"""The figures are what their names say, on cases worked out by hand."""

import numpy as np
import pytest

from xray_triage.assessment import figures

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


@pytest.mark.parametrize("films", [60, 400])
def test_the_quick_intervals_are_those_of_the_slow_way(films: int) -> None:
    chance = np.random.default_rng(1)
    truth = chance.integers(0, 2, films)
    scores = np.round(truth + chance.normal(0, 1.5, films), 1)  # with ties
    groups = [str(number // 2) for number in range(films)]
    quick = figures.intervals(scores, truth, groups, 0.7)
    for name, figure in (
        ("auc", figures.auc),
        ("sensitivity", lambda s, t: figures.sensitivity(s, t, 0.7)),
        ("specificity", lambda s, t: figures.specificity(s, t, 0.7)),
    ):
        assert getattr(quick, name) == pytest.approx(figures.interval(figure, scores, truth, groups), abs=0.04)


def test_draws_without_a_film_of_one_kind_count_for_nothing() -> None:
    truth = np.array([1] + [0] * 30)
    quick = figures.intervals(np.linspace(0, 1, 31), truth, [str(n) for n in range(31)], 0.5)
    assert np.isfinite([*quick.auc, *quick.sensitivity, *quick.specificity]).all()


def test_a_share_of_few_films_is_told_with_a_wide_interval() -> None:
    assert figures.wilson(9, 10) == pytest.approx((0.596, 0.982), abs=0.001)  # Wilson's own formula, by hand
    assert figures.wilson(0, 20)[0] == 0
    assert figures.wilson(20, 20)[1] == 1
    assert figures.wilson(0, 0) == (0, 1)
