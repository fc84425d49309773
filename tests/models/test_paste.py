"""A drawn lesion lies where it belongs, changes nothing else, and is the same for the same chance."""

import numpy as np
import pytest

from models import paste

pytestmark = pytest.mark.workshop
ROWS, COLUMNS = np.mgrid[0:128, 0:128].astype(np.float32) / 128


def ellipse(x: float, y: float, wide: float, tall: float) -> paste.Picture:
    return (((COLUMNS - x) / wide) ** 2 + ((ROWS - y) / tall) ** 2 < 1).astype(np.float32)


LEFT, RIGHT, HEART = ellipse(0.3, 0.45, 0.15, 0.3), ellipse(0.7, 0.45, 0.15, 0.3), ellipse(0.52, 0.6, 0.12, 0.12)
MASKS = np.stack([LEFT, RIGHT, HEART])


@pytest.fixture
def film() -> paste.Picture:
    """Dark lungs with fine grain in gray tissue."""
    grain = np.random.default_rng(0).normal(0, 0.02, ROWS.shape)
    return np.clip(0.75 - 0.5 * np.maximum(LEFT, RIGHT) + grain, 0, 1).astype(np.float32)


def drawn(film: paste.Picture, name: str, seed: int) -> paste.Picture:
    return paste.paste(film, MASKS, name, np.random.default_rng(seed))


@pytest.mark.parametrize("name", paste.LESIONS)
def test_a_lesion_changes_the_chest_and_nothing_far_from_it(film: paste.Picture, name: str) -> None:
    for seed in range(6):
        answer = drawn(film, name, seed)
        assert answer.shape == film.shape
        assert answer.dtype == np.float32
        assert 0 <= answer.min() <= answer.max() <= 1
        changed = np.abs(answer - film) > 0.02
        assert changed.any()
        assert not changed[:10].any()
        assert not changed[:, :10].any()


@pytest.mark.parametrize("name", paste.LESIONS)
def test_the_same_chance_draws_the_same_lesion(film: paste.Picture, name: str) -> None:
    before = film.copy()
    assert np.array_equal(drawn(film, name, 7), drawn(film, name, 7))
    assert not np.array_equal(drawn(film, name, 7), drawn(film, name, 8))
    assert np.array_equal(film, before), "the film itself stays as it was"


@pytest.mark.parametrize("name", ["nodule", "mass", "consolidation", "pleural_effusion"])
def test_what_fills_the_lung_makes_it_brighter(film: paste.Picture, name: str) -> None:
    assert all((drawn(film, name, seed) - film).sum() > 0 for seed in range(6))


def test_a_mass_is_larger_than_a_nodule(film: paste.Picture) -> None:
    def area(name: str) -> float:
        return float(np.mean([(drawn(film, name, seed) - film > 0.05).sum() for seed in range(20)]))

    assert area("mass") > 2 * area("nodule")


def test_air_beyond_the_edge_of_a_pneumothorax_is_darker_than_the_lung(film: paste.Picture) -> None:
    darker = [((film - drawn(film, "pneumothorax", seed)) * (MASKS[:2].max(axis=0) > 0.5)).max() for seed in range(6)]
    assert min(darker) > 0.02


def test_fluid_lies_in_the_lower_half(film: paste.Picture) -> None:
    changed = drawn(film, "pleural_effusion", 1) - film > 0.05
    assert np.nonzero(changed)[0].min() > 0.4 * len(film)


def test_masks_of_another_size_and_with_islands_serve_too(film: paste.Picture) -> None:
    small = MASKS[:, ::2, ::2].copy()
    small[0, :3, :3] = 1
    answer = paste.paste(film, small, "pneumothorax", np.random.default_rng(0))
    assert np.array_equal(answer[:8, :8], film[:8, :8])


def test_without_two_lungs_nothing_can_be_drawn(film: paste.Picture) -> None:
    one_lung = MASKS * np.array([1, 0, 1], np.float32)[:, None, None]
    assert not paste.has_lungs(one_lung)
    with pytest.raises(ValueError, match="no lungs to draw mass into"):
        paste.paste(film, one_lung, "mass", np.random.default_rng(0))


def test_a_finding_it_cannot_draw_is_an_error(film: paste.Picture) -> None:
    with pytest.raises(KeyError, match="hernia"):
        drawn(film, "hernia", 0)
