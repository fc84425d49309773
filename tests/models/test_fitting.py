"""Labelled films make probabilities of a network's answers, judged by films that the cut-off has not seen."""

import numpy as np
import pytest

from models import fitting
from models.foreign import Output
from xray_triage.assessment import figures
from xray_triage.assessment.labels import AssessmentError, LabelledFilm

pytestmark = pytest.mark.workshop
COUNT = 4  # outputs: mass, nodule, noise, noise
OUTPUTS = [Output(index=0, name="mass", threshold=0.3), Output(index=1, name="nodule", threshold=0.1)]


def films_of(seed: int, count: int, *, unit: float = 1.0) -> tuple[np.ndarray, list[LabelledFilm]]:
    """Answers in a ``unit`` of the network's own, and films with a mass, a nodule, or neither; two to a patient."""
    chance = np.random.default_rng(seed)
    mass, nodule = chance.random((2, count)) < 0.3
    answers = chance.normal(0, 1, (count, COUNT))
    answers[:, 0] += 2 * mass
    answers[:, 1] += 1.5 * nodule
    films = [
        LabelledFilm(
            line=n + 2,
            key=f"{n}.png",
            labels={"mass": bool(mass[n]), "nodule": bool(nodule[n]), "abnormal": bool(mass[n] or nodule[n])},
            group=str(n // 2),
        )
        for n in range(count)
    ]
    return (unit * (answers - 3)).astype(np.float32), films


@pytest.mark.parametrize("unit", [1.0, 0.02, 300.0])
def test_probabilities_are_true_and_figures_hold_on_films_of_tomorrow(unit: float) -> None:
    rows = {row.name: row for row in fitting.measured(OUTPUTS, *films_of(1, 1000, unit=unit))}
    answers, films = films_of(2, 1000, unit=unit)
    for name, row in rows.items():
        truth = np.array([film.labels[name] for film in films], np.float64)
        said = row.probability(answers)
        assert row.withheld is None
        assert figures.calibration_error(said, truth) < 0.06
        assert figures.auc(said, truth) == pytest.approx(row.figures["auc"], abs=0.05)
        for figure in ("sensitivity", "specificity"):
            assert getattr(figures, figure)(said, truth, row.threshold) == pytest.approx(row.figures[figure], abs=0.08)
    assert rows["abnormal"].figures["auc"] > 0.8
    assert rows["abnormal"].figures["sensitivity"] == pytest.approx(0.85, abs=0.05)
    assert rows["mass"].figures["specificity"] == pytest.approx(0.9, abs=0.05)
    assert sum(rows["mass"].figures["reference"]["shares"]) == pytest.approx(1, abs=0.01)


def test_answers_of_chance_are_withheld_however_well_a_head_fits_them() -> None:
    _, films = films_of(1, 120)
    noise = np.random.default_rng(0).normal(0, 1, (120, 60)).astype(np.float32)
    rows = fitting.measured([Output(index=0, name="mass", threshold=0.3)], noise, films)
    for row in rows:
        assert row.withheld is not None
        assert "not better than chance" in row.withheld
    here, truth, _ = fitting.about("abnormal", films)
    assert figures.auc(fitting.fit_head(noise[here], truth)(noise[here]), truth) > 0.8  # so it seems on its own films


def test_a_label_that_few_films_show_keeps_its_threshold_and_is_withheld() -> None:
    answers, films = films_of(3, 400)
    few = [
        LabelledFilm(line=film.line, key=film.key, group=film.group, labels=film.labels | {"nodule": n < 14})
        for n, film in enumerate(films)
    ]
    untrained = Output(index=2, name="hernia", threshold=0.5, withheld="untrained")
    rows = {row.name: row for row in fitting.measured([*OUTPUTS, untrained], answers, few)}
    assert rows["nodule"].withheld == "only 14 of the labelled films show it: too few to say how good the answer is"
    assert (rows["nodule"].threshold, rows["nodule"].figures, rows["nodule"].scale) == (0.1, {}, 1.0)
    assert rows["hernia"].withheld == "untrained"
    assert rows["mass"].withheld is None


def test_films_of_one_patient_are_never_on_both_sides() -> None:
    groups = [str(n // 7) for n in range(200)]
    folds = fitting.folds_of(groups)
    assert all(len({folds[n] for n in range(200) if groups[n] == group}) == 1 for group in set(groups))
    assert set(folds) == set(range(fitting.FOLDS))


def some(abnormal: int, others: int, *, patients: int = 99) -> list[LabelledFilm]:
    return [
        LabelledFilm(line=n, key=str(n), labels={"abnormal": n < abnormal}, group=f"{n < abnormal} {n % patients}")
        for n in range(abnormal + others)
    ]


@pytest.mark.parametrize(
    ("films", "why"),
    [
        (some(2, 1), "3 labelled films, 2 of them abnormal and 1 not; only 2 of the labelled films show it"),
        (some(40, 0), "only 0 of the labelled films are without it"),
        (some(0, 40), "only 0 of the labelled films show it"),
        (some(20, 14), "only 14 of the labelled films are without it"),
        (some(20, 20, patients=1), "of too few patients"),
        ([LabelledFilm(line=2, key="a", labels={"mass": True})], "no column abnormal or no_finding"),
    ],
    ids=["3 films", "all abnormal", "all healthy", "14", "one patient", "silent"],
)
def test_films_by_which_nothing_can_be_measured_are_told(films: list[LabelledFilm], why: str) -> None:
    with pytest.raises(AssessmentError) as raised:
        fitting.check_films(films, "labelled films")
    assert why in str(raised.value)
    assert "label more films, or import without --labels" in str(raised.value)


def test_enough_films_are_enough() -> None:
    fitting.check_films(some(15, 15), "labelled films")


def test_without_films_abnormal_rises_with_what_lies_over_its_threshold() -> None:
    *_, abnormal = fitting.unmeasured(OUTPUTS, COUNT)
    at = np.array([[np.log(0.3 / 0.7), np.log(0.1 / 0.9), 9, 9]], np.float32)
    assert abnormal.probability(at)[0] == pytest.approx(0.5, abs=1e-6)
    assert abnormal.probability(at + np.eye(1, COUNT))[0] > 0.5
    assert (abnormal.threshold, abnormal.figures) == (0.5, {})
