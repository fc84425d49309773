"""What a film may teach, and which fold it is in."""

import csv
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models import data, negatives

pytestmark = pytest.mark.workshop
COLUMNS = ("image", "source", "group", "view", "age", "no_finding", "mass", "pneumonia", "tuberculosis")


@pytest.fixture
def a_folder_of_films(tmp_path: Path) -> Path:
    """Two films a group, six sources' habits, drawn pictures."""
    chance = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    with (tmp_path / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, restval="")
        writer.writeheader()
        for number in range(80):
            row = {
                "image": f"{number}.png",
                "group": str(number // 2),
                "source": "nih14_512",
                "view": "PA",
                "age": "47",
            }
            row |= {"mass": str(number % 3 % 2), "no_finding": str(int(number % 3 != 1)), "pneumonia": ""}
            if number >= 60:
                row |= {"source": "tb_lundis", "mass": "", "no_finding": "0", "tuberculosis": "1"}
            if number >= 70:
                row |= {"source": data.CHILDREN, "age": "004Y", "mass": "1", "pneumonia": "1", "tuberculosis": ""}
            writer.writerow(row)
            pixels = chance.integers(0, 255, (40, 50), np.uint8)
            Image.fromarray(pixels).save(tmp_path / "images" / f"{number}.png")
    return tmp_path


def test_an_empty_label_is_unknown_and_never_zero(a_folder_of_films: Path) -> None:
    films = data.read_films(a_folder_of_films)
    pneumonia = data.LABELS.index("pneumonia")
    assert np.isnan(films[0].labels[pneumonia])
    assert np.isnan(films[0].labels[data.LABELS.index("covid19")]), "a column that lacks is unknown too"


def test_abnormal_is_the_opposite_of_no_finding(a_folder_of_films: Path) -> None:
    films = data.read_films(a_folder_of_films)
    abnormal = data.LABELS.index(data.ABNORMAL)
    assert [films[i].labels[abnormal] for i in range(3)] == [0, 1, 0]


def test_films_of_one_group_are_never_in_two_folds(a_folder_of_films: Path) -> None:
    folds = defaultdict(set)
    for film in data.read_films(a_folder_of_films):
        folds[film.group].add(film.fold)
    assert all(len(found) == 1 for found in folds.values())
    assert {fold for found in folds.values() for fold in found} == set(range(data.FOLDS))


def test_a_group_stays_in_its_fold_whatever_else_is_in_the_file() -> None:
    assert data.fold_of("17953") == data.fold_of("17953")
    folds = [data.fold_of(str(number)) for number in range(4000)]
    assert [folds.count(number) / 4000 for number in range(data.FOLDS)] == pytest.approx([0.2] * 5, abs=0.02)


def test_networks_are_judged_by_all_films_that_count_and_a_fold_of_the_others(a_folder_of_films: Path) -> None:
    films = data.read_films(a_folder_of_films)
    judging = data.judging(films)
    assert [film for film in films if film.source == "nih14_512"] == [f for f in judging if f.source == "nih14_512"]
    others = {film.fold for film in judging if film.source != "nih14_512"}
    assert others == {data.SPARED}


def test_a_label_learns_only_from_sources_that_show_both(a_folder_of_films: Path) -> None:
    films = data.mask_confounded(data.read_films(a_folder_of_films))
    tuberculosis, abnormal = data.LABELS.index("tuberculosis"), data.LABELS.index(data.ABNORMAL)
    assert all(np.isnan(film.labels[[tuberculosis, abnormal]]).all() for film in films if film.source == "tb_lundis")
    assert not any(np.isnan(film.labels[abnormal]) for film in films if film.source == "nih14_512")


def test_children_teach_the_gate_and_no_finding(a_folder_of_films: Path) -> None:
    children = [
        film for film in data.mask_confounded(data.read_films(a_folder_of_films)) if film.source == data.CHILDREN
    ]
    assert len(children) == 10
    assert all(film.gate == "child" and np.isnan(film.labels).all() for film in children)


def test_the_cache_holds_every_film_and_negative_and_is_made_once(a_folder_of_films: Path, tmp_path: Path) -> None:
    films = data.read_films(a_folder_of_films)
    path = tmp_path / "cache" / "films.u8"
    first = data.cache(a_folder_of_films, films, n_negatives=3, path=path, seed=1)
    assert first.shape == (83, data.CACHE_SPEC.size, data.CACHE_SPEC.size)
    assert all(np.ptp(first[i]) > 100 for i in (0, 79))
    made_at = path.stat().st_mtime_ns
    data.cache(a_folder_of_films, films, n_negatives=3, path=path, seed=1)
    assert path.stat().st_mtime_ns == made_at


def test_drawn_negatives_are_pictures_and_follow_their_seed() -> None:
    films = np.random.default_rng(0).integers(0, 255, (2, negatives.SIDE, negatives.SIDE), np.uint8)
    for seed in range(24):
        picture = negatives.draw(films, np.random.default_rng(seed))
        assert picture.dtype == np.float32
        assert np.isfinite(picture).all()
        assert 0 <= picture.min() <= picture.max() <= 1
        assert np.array_equal(picture, negatives.draw(films, np.random.default_rng(seed)))
