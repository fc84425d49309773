"""Calibration leaves a label's order as it was and fits its frequency."""

import numpy as np
import pytest

from models import calibrate, data
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


def test_networks_are_held_against_each_other_on_the_films_of_the_nih_alone() -> None:
    chance = np.random.default_rng(0)
    truth = (chance.random((60, len(data.LABELS))) < 0.5).astype(np.float32)
    films = [film(row, "nih14_512" if i < 40 else "tb_lundis", reference=i < 30) for i, row in enumerate(truth)]
    logits = truth - 0.5
    logits[40:] *= -1
    assert calibrate.told(logits, films) == {"auc": 1.0, "same_films": 1.0}
    logits[30:40] *= -1
    assert calibrate.told(logits, films)["same_films"] == 1.0 > calibrate.told(logits, films)["auc"]


def test_what_a_fold_is_measured_with_comes_from_the_other_folds_answers_and_the_cut_offs_of_all() -> None:
    chance = np.random.default_rng(0)
    truth = (chance.random((200, len(data.LABELS))) < 0.5).astype(np.float32)
    logits = (truth - 0.5 + chance.normal(0, 1, truth.shape)).astype(np.float32)
    sources = [data.MEASURED_ON[name][0] for name in data.MEASURED_ON]
    films = [film(row, ["nih14_512", *sources][i % 3], fold=i % 5 if i % 3 == 0 else 0) for i, row in enumerate(truth)]
    labels = calibrate.operating_points(logits, films)
    measured = calibrate.labels_without(0, logits, films, labels)
    for one in films:
        if one.fold == 0:
            one.labels[:] = 1 - one.labels
    assert calibrate.labels_without(0, logits, films, labels) == measured
    assert calibrate.labels_without(1, logits, films, labels)["mass"] != measured["mass"]
    assert {name: label["threshold"] for name, label in measured.items()} == {
        name: label["threshold"] for name, label in labels.items()
    }


@pytest.mark.parametrize(
    ("name", "figure", "least"),
    [("abnormal", "sensitivity", 0.85), ("tuberculosis", "sensitivity", 0.9), ("edema", "specificity", 0.95)],
)
def test_cut_offs_follow_their_rule(name: str, figure: str, least: float) -> None:
    chance = np.random.default_rng(1)
    truth = (chance.random((400, len(data.LABELS))) < 0.5).astype(np.float32)
    logits = (truth + chance.normal(0, 1, truth.shape)).astype(np.float32)
    source = data.MEASURED_ON.get(name, ("nih14_512",))[0]
    found = calibrate.operating_points(logits, [film(row, source) for row in truth], [name])[name]
    assert found[figure] == pytest.approx(least, abs=0.01)
    assert found["rule"] == f"{figure} {least:.2f}"


def film(labels: np.ndarray, source: str, *, fold: int = 0, reference: bool = False) -> data.Film:
    return data.Film(image="", source=source, group="", fold=fold, labels=labels, gate="frontal", reference=reference)
