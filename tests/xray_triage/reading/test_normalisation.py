"""Films of one chest from several machines look alike once their energies are those of a reference."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from xray_triage.reading.normalisation import EDGES, Energies, as_read, measure, normalise, typical
from xray_triage.reading.pixels import InputSpec, prepare
from xray_triage.simulation.phantom import render

SIDE = 128
WANTED = Energies(bands=(0.004, 0.014, 0.02, 0.027, 0.045), spread=0.09, level=0.5)


@pytest.fixture(scope="module")
def a_film() -> np.ndarray:
    film: np.ndarray = prepare(render(seed=5, rows=SIDE, columns=SIDE).image, InputSpec(size=SIDE, mean=0, std=1))[0, 0]
    return film


@pytest.fixture(scope="module")
def lungs() -> np.ndarray:
    drawn = np.zeros((96, 96), np.float32)
    drawn[20:70, 15:42] = drawn[20:70, 54:80] = 1
    return drawn


def brought(film: np.ndarray, lungs: np.ndarray, wanted: Energies) -> np.ndarray:
    return normalise(film, lungs, wanted)[0]


def test_the_energies_come_to_what_is_wanted(a_film: np.ndarray, lungs: np.ndarray) -> None:
    faint = 0.35 + 0.2 * a_film
    before, after = measure(faint, lungs), measure(brought(faint, lungs, WANTED), lungs)
    far, near = (np.abs(np.log(np.array(each.bands) / WANTED.bands)).max() for each in (before, after))
    assert near < far / 2
    assert after.level == pytest.approx(WANTED.level, abs=0.02)
    assert after.spread == pytest.approx(WANTED.spread, rel=0.2)


@pytest.mark.parametrize(
    "look",
    [lambda film: film**0.6, lambda film: film**1.6, lambda film: 0.3 + 0.4 * film, lambda film: film + 0.1 * grain()],
    ids=["gamma 0.6", "gamma 1.6", "little contrast", "noise"],
)
def test_two_looks_at_one_chest_come_closer(
    a_film: np.ndarray, lungs: np.ndarray, look: Callable[[np.ndarray], np.ndarray]
) -> None:
    changed = np.clip(look(a_film), 0, 1).astype(np.float32)
    apart = np.abs(changed - a_film).mean()
    assert np.abs(brought(changed, lungs, WANTED) - brought(a_film, lungs, WANTED)).mean() < apart / 2


def test_a_share_of_the_way_lies_between_the_film_and_what_is_wanted(a_film: np.ndarray, lungs: np.ndarray) -> None:
    faint = 0.35 + 0.2 * a_film
    half = replace(WANTED, share=0.5)
    levels = [measure(film, lungs) for film in (faint, brought(faint, lungs, half), brought(faint, lungs, WANTED))]
    for of in (lambda found: found.spread, lambda found: found.bands[2], lambda found: found.level):
        assert of(levels[0]) < of(levels[1]) < of(levels[2])


def grain() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((SIDE, SIDE))


def test_gray_values_moved_and_stretched_leave_no_trace(a_film: np.ndarray, lungs: np.ndarray) -> None:
    again = brought(0.2 + 0.5 * a_film, lungs, WANTED)
    assert np.abs(again - brought(a_film, lungs, WANTED)).max() < 0.02


def test_where_no_lung_is_found_the_middle_of_the_film_decides(a_film: np.ndarray) -> None:
    changed = brought(a_film, np.zeros((96, 96), np.float32), WANTED)
    assert measure(changed, np.zeros((96, 96), np.float32)).level == pytest.approx(WANTED.level, abs=0.03)


@settings(max_examples=25, deadline=None)
@given(
    film=arrays(np.float32, st.tuples(*[st.just(64)] * 2), elements=st.floats(0, 1, width=32)),
    lung=st.floats(0, 1, width=32),
    size=st.integers(1, 80),
)
def test_whatever_comes_the_answer_is_a_film(film: np.ndarray, lung: float, size: int) -> None:
    answer = brought(film, np.full((size, size), lung, np.float32), WANTED)
    assert answer.shape == film.shape
    assert answer.dtype == np.float32
    assert np.isfinite(answer).all()
    assert 0 <= answer.min() <= answer.max() <= 1


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_film_of_one_gray_is_no_trouble(value: float, lungs: np.ndarray) -> None:
    answer = brought(np.full((SIDE, SIDE), value, np.float32), lungs, WANTED)
    assert np.ptp(answer) < 0.01


def test_what_is_read_has_the_range_and_channels_of_the_input(a_film: np.ndarray, lungs: np.ndarray) -> None:
    spec = InputSpec(size=SIDE, channels=3, mean=0.5, std=0.25)
    masks = np.stack([lungs, np.zeros_like(lungs), np.zeros_like(lungs)])
    read, came = as_read(np.repeat((a_film[None, None] - 0.5) / 0.25, 3, axis=1), masks, spec, WANTED)
    assert read.shape == (1, 3, SIDE, SIDE)
    assert read.dtype == np.float32
    assert np.allclose(read[0, 1] * 0.25 + 0.5, brought(a_film, lungs, WANTED), atol=1e-4)
    assert came.level == pytest.approx(measure(a_film, lungs).level, abs=1e-5)
    assert came.bands == pytest.approx(measure(a_film, lungs).bands, abs=1e-5)


def test_the_median_film_is_typical() -> None:
    films = [replace(WANTED, level=level, bands=(level,) * (len(EDGES) - 1)) for level in (0.1, 0.3, 0.9)]
    assert typical(films).level == 0.3
    assert typical(films).bands == (0.3,) * (len(EDGES) - 1)
