"""Looks change how a film looks, not what it shows, and follow their chance."""

import numpy as np
import pytest

from models import looks
from xray_triage.reading.pixels import resize
from xray_triage.simulation.phantom import render

pytestmark = pytest.mark.workshop
FILM = np.asarray(render(seed=2, rows=160, columns=144).image, np.float32)


def chance(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", looks.MEMBERS)
def test_a_member_changes_the_film_and_leaves_the_given_one_alone(name: str) -> None:
    before = FILM.copy()
    answer = looks.MEMBERS[name](FILM, chance())
    assert answer.dtype == np.float32
    assert np.isfinite(answer).all()
    assert answer.shape != FILM.shape or np.abs(answer - FILM).max() > 0.01
    assert np.array_equal(FILM, before)


@pytest.mark.parametrize("name", looks.MEMBERS)
def test_it_is_still_the_same_chest(name: str) -> None:
    answer = np.clip(looks.MEMBERS[name](FILM, chance()), 0, 1)
    if "cut" in name or "framed" in name:
        return
    again = resize(answer, *FILM.shape)
    assert np.corrcoef(again.ravel(), FILM.ravel())[0, 1] > 0.6


def test_chance_draws_many_looks_and_the_same_ones_again() -> None:
    drawn = [looks.at_random(FILM, chance(seed)) for seed in range(40)]
    assert all(0 <= film.min() <= film.max() <= 1 for film in drawn)
    assert all(film.dtype == np.float32 for film in drawn)
    assert all(np.array_equal(film, looks.at_random(FILM, chance(seed))) for seed, film in enumerate(drawn))
    assert len({film.tobytes() for film in drawn}) > 30


def test_the_cut_takes_the_shares_that_it_says() -> None:
    assert looks.cut(FILM, left=0.25, bottom=0.5).shape == (80, 108)
    assert np.array_equal(looks.cut(FILM, left=0.25), FILM[:, 36:])
