"""Figures count what was read, part by part, and say what was not; pictures and tables come out of them."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dicom_router.clock import SystemClock
from tests.factories import film, film_file
from tests.xray_triage.bundles import make_bundle
from xray_triage.assessment.accuracy import Accuracy, measure
from xray_triage.assessment.labels import LabelledFilm
from xray_triage.assessment.pictures import draw
from xray_triage.assessment.predictions import Prediction, answers
from xray_triage.assessment.report import as_json, as_markdown, notes
from xray_triage.reader.offline import OfflineReader
from xray_triage.reader.policy import SitePolicy
from xray_triage.reading.bundle import Label, load_bundle
from xray_triage.reading.findings import ModelIdentity
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.reading.radiograph import Admission
from xray_triage.reading.triage import Policy
from xray_triage.simulation import phantom

MODEL = ModelIdentity(name="phổi", version="1", sha256="ab" * 32)
LABELS = (Label(name="mass", threshold=0.5), Label(name="hernia", threshold=0.2, withheld="too few films"))


def answer(number: int, *, score: float, truth: bool | None, refused: str | None = None, **film: object) -> Prediction:
    labels = {} if truth is None else {"mass": truth}
    labelled = LabelledFilm(line=number + 2, key=f"{number}.png", labels=labels, group=str(number), **film)  # type: ignore[arg-type]
    return Prediction(film=labelled, refused=refused, probabilities={"mass": score, "hernia": 0.1})


def films(count: int, **film: object) -> list[Prediction]:
    """Half of them with a mass; three of four scored right."""
    return [answer(n, score=0.3 + 0.4 * ((n % 2) ^ (n % 8 in (0, 1))), truth=bool(n % 2), **film) for n in range(count)]


def measured(found: list[Prediction], *, with_refused: bool = False) -> Accuracy:
    thresholds = {label.name: label.threshold for label in LABELS}
    return measure(found, MODEL, LABELS, thresholds=thresholds, with_refused=with_refused)


def test_a_label_has_its_figures_over_the_films_that_speak_of_it() -> None:
    (mass,) = measured([*films(80), answer(99, score=0.9, truth=None)]).figures
    assert (mass.films, mass.positives, mass.auc, mass.sensitivity, mass.specificity) == (80, 40, 0.75, 0.75, 0.75)
    assert mass.sensitivity_interval is not None
    assert mass.sensitivity_interval[0] < 0.75 < mass.sensitivity_interval[1]
    assert mass.brier == pytest.approx(0.19)


def test_a_withheld_label_is_measured_and_marked() -> None:
    told = [
        Prediction(
            film=LabelledFilm(line=n, key=str(n), labels={"hernia": n > 30}, group=str(n)),
            refused=None,
            probabilities={"hernia": n / 60},
        )
        for n in range(60)
    ]
    accuracy = measured(told)
    (hernia,) = accuracy.figures
    assert (hernia.auc, hernia.withheld) == (1.0, "too few films")
    assert "withheld" in as_markdown(accuracy)
    assert "hernia is withheld: too few films." in notes(accuracy)


def test_none_found_out_of_two_films_is_not_told_as_certain() -> None:
    told = [answer(n, score=0.1, truth=n < 2) for n in range(40)]
    (mass,) = measured(told).figures
    assert mass.sensitivity_interval == (0, pytest.approx(0.66, abs=0.01))


def test_films_of_one_kind_give_counts_and_no_figures() -> None:
    (mass,) = measured([answer(n, score=0.9, truth=True) for n in range(5)]).figures
    assert (mass.films, mass.positives, mass.auc, mass.sensitivity) == (5, 5, None, None)


def test_refused_films_are_counted_by_source_and_reason_and_are_in_no_figure() -> None:
    found = [
        *films(60),
        answer(90, score=0.9, truth=False, refused="not_frontal", source="nih"),
        answer(91, score=0.9, truth=False, refused="not_frontal", source="nih"),
        answer(92, score=0.9, truth=False, refused="no_contrast", source="tb"),
    ]
    accuracy = measured(found)
    assert (accuracy.films, accuracy.read, accuracy.figures[0].films) == (63, 60, 60)
    assert accuracy.refused == {"nih": {"not_frontal": 2}, "tb": {"no_contrast": 1}}
    assert "Not read from nih: not_frontal 2." in notes(accuracy)
    assert measured(found, with_refused=True).figures[0].films == 63


def test_sources_ages_and_sexes_with_enough_films_have_figures_of_their_own() -> None:
    found = [
        *films(40, source="a", age_years=30.0, sex="F"),
        *films(40, source="b", age_years=40.0, sex="M"),
        *films(20, source="c", age_years=60.0),
    ]
    parts = {(part.by, part.value): part.figures[0].films for part in measured(found).parts}
    assert parts == {
        ("source", "a"): 40, ("source", "b"): 40, ("age", "under 40"): 40, ("age", "40-59"): 40,
        ("sex", "F"): 40, ("sex", "M"): 40,
    }  # fmt: skip


def test_the_ratio_is_held_against_the_drawn_one() -> None:
    told = [
        Prediction(
            film=LabelledFilm(line=n, key=str(n), labels={"mass": True}, ratio=0.5),
            refused=None,
            probabilities={"mass": 0.1},
            cardiothoracic_ratio=ratio,
        )
        for n, ratio in enumerate((0.52, 0.46, None))
    ]
    ratio = measured(told).cardiothoracic
    assert ratio is not None
    assert (ratio.films, ratio.mean_absolute_error) == (2, pytest.approx(0.03))


def test_figures_are_written_as_json_tables_and_pictures(tmp_path: Path) -> None:
    found = films(80, source="a")
    accuracy = measured(found)
    assert json.loads(json.dumps(as_json(accuracy), allow_nan=False))["figures"][0]["auc"] == 0.75
    assert "| mass | 40 / 80 | 0.750 (" in as_markdown(accuracy)
    assert [path.name for path in draw(accuracy, found, tmp_path)] == ["roc.png", "calibration.png"]
    for path in tmp_path.iterdir():
        with Image.open(path) as picture:
            assert min(picture.size) > 300
    assert draw(measured(films(10)), films(10), tmp_path) == []


@pytest.fixture
def films_on_disk(tmp_path: Path) -> list[tuple[LabelledFilm, Path]]:
    """A picture, a DICOM film, a blank one, a text."""
    shown = (phantom.render(seed=2, rows=300, columns=300).image * 255).astype(np.uint8)
    Image.fromarray(shown).save(tmp_path / "film.png")
    phantom.write(tmp_path / "film.dcm", phantom.render(seed=3, rows=300, columns=300))
    film_file(tmp_path / "child.dcm", film(rows=300, columns=300, PatientAge="003Y"))
    (tmp_path / "notes.txt").write_text("no film", encoding="utf-8")
    names = ("film.png", "film.dcm", "child.dcm", "notes.txt")
    return [(LabelledFilm(line=n, key=name, labels={}), tmp_path / name) for n, name in enumerate(names)]


def read_with(bundle: Path, pairs: list[tuple[LabelledFilm, Path]]) -> list[Prediction]:
    classifier = OnnxClassifier(load_bundle(bundle))
    policy = SitePolicy(admission=Admission(minimum_age_years=15), triage=Policy())
    reader = OfflineReader(classifier, policy, clock=SystemClock())
    return list(answers(pairs, reader.read, classifier.probabilities))


def test_every_film_goes_the_stations_way(films_on_disk: list[tuple[LabelledFilm, Path]], tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "bundle", withheld=("cardiomegaly",))
    picture, dicom, child, text = read_with(bundle, films_on_disk)
    assert (picture.refused, dicom.refused, child.refused, text.refused) == (None, None, "child", "damaged_pixels")
    assert picture.probabilities is not None
    assert picture.probabilities.keys() == {"pneumothorax", "pleural_effusion", "cardiomegaly", "abnormal"}
    assert child.probabilities is None
    assert text.probabilities is None


def test_a_film_that_only_the_gate_refuses_still_has_probabilities(
    films_on_disk: list[tuple[LabelledFilm, Path]], tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path / "bundle", gate={"frontal": -2, "rotated": 2})
    picture, *_ = read_with(bundle, films_on_disk)
    assert picture.refused == "rotated"
    assert picture.probabilities is not None
