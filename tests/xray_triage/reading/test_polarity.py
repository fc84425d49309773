import csv

import numpy as np
import pytest
from PIL import Image

from tests.factories import shared_folder
from xray_triage.reading.polarity import as_positive, chest_likeness


def real_chest_films(count: int) -> list[np.ndarray]:
    folder = shared_folder() / "data" / "cxr"
    with (folder / "labels.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["source"] in ("nih14_extra", "covid_radiography_lundis")]
    names = [row["image"] for row in rows[:: len(rows) // count]]
    return [np.asarray(Image.open(folder / "images" / name).convert("L"), np.float32) / 255 for name in names]


def test_negatives_of_real_chest_films_are_turned_and_the_films_themselves_left_alone() -> None:
    films = real_chest_films(60)
    assert not any(as_positive(film)[1] for film in films)
    assert sum(as_positive(1 - film)[1] for film in films) >= len(films) - 2


def test_likeness_changes_its_sign_with_the_polarity() -> None:
    film = np.random.default_rng(1).random((300, 250), np.float32)
    assert chest_likeness(film) == pytest.approx(-chest_likeness(1 - film), abs=1e-5)


def test_a_blank_film_is_neither_positive_nor_negative() -> None:
    blank = np.zeros((50, 50), np.float32)
    assert chest_likeness(blank) == 0
    assert as_positive(blank) == (blank, False)
