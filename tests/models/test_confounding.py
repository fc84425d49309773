"""Each condition takes away what it says, the probe is honest, and the verdict follows the figures."""

import csv
from pathlib import Path

import numpy as np
import pytest

from models import confounding, data
from xray_triage.assessment.figures import auc

pytestmark = pytest.mark.workshop
SIDE = 96
FILM = np.random.default_rng(0).random((SIDE, SIDE)).astype(np.float32)
LUNGS = np.zeros((SIDE, SIDE), np.float32)
LUNGS[20:70, 15:40] = LUNGS[20:70, 55:80] = 1


@pytest.mark.parametrize("name", confounding.CONDITIONS)
def test_a_condition_keeps_size_and_range_and_leaves_the_film_alone(name: str) -> None:
    before = FILM.copy()
    answer = confounding.CONDITIONS[name][1](FILM, LUNGS)
    assert answer.shape == FILM.shape
    assert 0 <= answer.min() <= answer.max() <= 1 + 1e-6
    assert np.array_equal(FILM, before)


def test_lungs_are_gone_from_without_lungs_and_all_else_from_lungs_only() -> None:
    gone, only = confounding.without_lungs(FILM, LUNGS), confounding.lungs_only(FILM, LUNGS)
    assert (gone[20:70, 15:80] == confounding.GRAY).all(), "the shape of the lungs must not show"
    assert np.array_equal(gone[:15], FILM[:15])
    assert np.array_equal(only[LUNGS == 1], FILM[LUNGS == 1])
    assert (only[LUNGS == 0] == confounding.GRAY).all()


def test_the_rim_is_all_that_rim_leaves() -> None:
    answer = confounding.rim(FILM, LUNGS)
    assert (answer[8:-8, 8:-8] == confounding.GRAY).all()
    assert np.array_equal(answer[:8], FILM[:8])


def test_exposure_does_not_survive_equalised_grays() -> None:
    darker = confounding.alike(FILM**2, LUNGS)
    assert darker.mean() == pytest.approx(confounding.alike(FILM, LUNGS).mean(), abs=0.01)


def test_a_film_without_lungs_has_a_box_in_its_middle() -> None:
    assert confounding.box(np.zeros((80, 80), np.float32), 0.03) == (10, 70, 10, 70)


def test_the_probe_finds_what_is_there_and_nothing_in_noise() -> None:
    chance = np.random.default_rng(1)
    truth = (np.arange(200) % 2).astype(np.float32)
    groups = [str(number // 2) for number in range(200)]
    noise = chance.normal(size=(200, 30))
    told = noise + np.eye(30)[0] * 3 * truth[:, None]
    assert auc(confounding.cross_validated(told, truth, groups), truth) > 0.9
    assert 0.35 < auc(confounding.cross_validated(noise, truth, groups), truth) < 0.65


def test_the_contrast_is_of_one_source_and_unseen_films_come_first(tmp_path: Path) -> None:
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["image", "source", "group", "view", "age", "no_finding", "tuberculosis"])
        for number in range(60):
            kind = ("TB.{}", "others__{}", "Tuberculosis-{}")[number % 3].format(number)
            writer.writerow([f"tb_lundis__{kind}.jpg", "tb_lundis", number, "", "", "", int(number % 3 != 1)])
    films = confounding.contrast(data.read_films(tmp_path))
    assert len(films) == 40
    assert not any("Tuberculosis-" in film.image for film in films)
    assert confounding.truths(films).sum() == 20
    taught = [film.fold != data.SPARED for film in films[:20]]
    assert taught == sorted(taught)


def found(area: float) -> dict:
    return {"auc": area, "interval": (area - 0.05, min(1.0, area + 0.05))}


def measured(*, blind: float, seeing: float, above: float) -> dict:
    both = {name: {"probe": found(0.9), "bundle": found(0.9)} for name in confounding.CONDITIONS}
    both["without_lungs"] = {"probe": found(blind), "bundle": found(blind)}
    both["lungs_only"] = {"probe": found(seeing), "bundle": found(seeing)}
    return {"conditions": both, "nih": {"films": 100, "above": above}}


def test_a_network_that_reads_the_lungs_is_shown() -> None:
    assert confounding.withheld(measured(blind=0.53, seeing=0.9, above=0.05)) is None


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"blind": 0.95}, "without their lungs (AUC 0.95)"),
        ({"seeing": 0.6}, "by the lungs alone (AUC 0.60)"),
        ({"above": 0.4}, "lets 40% of another hospital's films through"),
    ],
)
def test_what_speaks_against_it_is_said_with_its_figure(figures: dict, reason: str) -> None:
    said = confounding.withheld(measured(**({"blind": 0.5, "seeing": 0.9, "above": 0.05} | figures)))
    assert said is not None
    assert reason in said


def test_the_table_has_a_row_for_every_condition() -> None:
    table = confounding.rows(measured(blind=0.5, seeing=0.9, above=0)).splitlines()
    assert len(table) == 2 + len(confounding.CONDITIONS)
    assert table[-1] == "| only a strip along the edges | 0.90 (0.85–0.95) | 0.90 (0.85–0.95) |"
