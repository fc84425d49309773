"""A gallery makes each film once, in each look as the station would read it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from models import data, gallery
from models.gallery import Gallery
from models.segment import Thorax
from models.sight import Sight, read_energies, write_energies
from xray_triage.reading.normalisation import Energies, measure
from xray_triage.simulation.phantom import render

pytestmark = pytest.mark.workshop
SIDE = 96
WANTED = Energies(bands=(0.004, 0.014, 0.02, 0.027, 0.045), spread=0.09, level=0.5)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    films = [render(seed=seed, rows=SIDE, columns=SIDE).image for seed in range(4)]
    return np.stack([(film * 255).astype(np.uint8) for film in films])


@pytest.fixture
def a_gallery(pictures: np.ndarray, tmp_path: Path) -> Gallery:
    return opened(pictures, tmp_path)


def opened(pictures: np.ndarray, folder: Path) -> Gallery:
    torch.manual_seed(0)
    return Gallery(pictures, folder / "gallery", Sight(Thorax().eval(), WANTED))


def test_films_are_normalised_in_every_look(a_gallery: Gallery) -> None:
    anywhere = np.ones((SIDE, SIDE), np.float32)
    for look in range(gallery.LOOKS):
        films = a_gallery.take(np.array([0, 3]), look)
        assert films.shape == (2, SIDE, SIDE)
        levels = [measure(film / np.float32(255), anywhere).level for film in films]
        assert levels == pytest.approx([WANTED.level] * 2, abs=0.1)


def test_a_look_is_another_picture_of_the_film(a_gallery: Gallery) -> None:
    assert not np.array_equal(a_gallery.take(np.array([1]), 0), a_gallery.take(np.array([1]), 1))


def test_what_was_made_is_kept_and_only_what_lacks_is_made(
    a_gallery: Gallery, pictures: np.ndarray, tmp_path: Path
) -> None:
    first = a_gallery.take(np.array([2, 0, 2]), 1).copy()
    again = opened(np.zeros_like(pictures), tmp_path)
    assert np.array_equal(again.take(np.array([2, 0, 2]), 1), first)
    assert not np.array_equal(again.take(np.array([1]), 1), a_gallery.take(np.array([1]), 0))


def test_nothing_lacks_and_nothing_is_asked(a_gallery: Gallery) -> None:
    a_gallery.take(np.arange(4), 0)
    assert len(a_gallery.take(np.arange(4), 0)) == 4
    assert len(a_gallery.take(np.array([], np.int64), 0)) == 0


def test_energies_are_read_as_they_were_written(tmp_path: Path) -> None:
    write_energies(WANTED, tmp_path / "energies.json")
    assert read_energies(tmp_path / "energies.json") == WANTED


def test_the_reference_is_taken_of_adults_films_alone(pictures: np.ndarray, tmp_path: Path) -> None:
    torch.manual_seed(0)
    torch.save(Thorax().state_dict(), tmp_path / "thorax.pt")
    films = [film(gate) for gate in ("frontal", "child", "child", "not_frontal")]
    found = gallery.reference(films, pictures, tmp_path)
    assert found == gallery.reference(films, np.concatenate([pictures[:1], pictures[:3] * 0]), tmp_path)


def film(gate: str) -> data.Film:
    labels = np.zeros(len(data.LABELS), np.float32)
    return data.Film(image="", source="nih14_512", group="", fold=0, labels=labels, gate=gate)
