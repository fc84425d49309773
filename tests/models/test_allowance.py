"""What a look moves is taken off the answers; what differs between people stays."""

import numpy as np
import pytest
import torch

from models import data
from models.allowance import BANDS, Allowance, energies, fit
from models.ensemble import Ensemble
from models.network import Network

pytestmark = pytest.mark.workshop
SIDE, LABELS = 64, 3
MASKS = torch.ones(1, 3, 48, 48)


def grain(seed: int = 0) -> torch.Tensor:
    return torch.randn(2, 1, SIDE, SIDE, generator=torch.Generator().manual_seed(seed)) / 4


@pytest.fixture(scope="module")
def chance() -> np.random.Generator:
    return np.random.default_rng(3)


def test_a_film_of_more_contrast_holds_more_in_every_band() -> None:
    film = grain()
    more = energies(2 * film, MASKS) - energies(film, MASKS)
    assert more.numpy() == pytest.approx(np.full((2, BANDS + 1), np.log(2)), abs=1e-3)


def test_grain_shows_in_the_finest_band_first() -> None:
    smooth = torch.nn.functional.interpolate(grain()[:, :, :4, :4], size=(SIDE, SIDE), mode="bilinear")
    more = (energies(smooth + grain(1) / 4, MASKS) - energies(smooth, MASKS))[0]
    assert more[0] == more.max()
    assert more[0] > more[-1] + 1


def test_only_the_lungs_are_measured_where_they_are_known() -> None:
    left = torch.zeros(1, 3, SIDE, SIDE)
    left[:, 0, 8:-8, 8:24] = 1
    film, beside = grain(), grain().clone()
    beside[..., 40:] *= 3
    apart = (energies(beside, left) - energies(film, left)).abs().amax()
    assert apart < (energies(beside, MASKS) - energies(film, MASKS)).abs().amax() / 2


@pytest.mark.parametrize("value", [-1.0, 0.0, 1.0])
def test_a_film_of_one_gray_is_no_trouble(value: float) -> None:
    assert torch.isfinite(energies(torch.full((1, 1, SIDE, SIDE), value), 0 * MASKS)).all()


def test_what_a_look_moves_is_found_and_taken_off(chance: np.random.Generator) -> None:
    plain, changed = chance.normal(0, 0.1, (200, BANDS + 1)), chance.normal(0, 1, (200, 2, BANDS + 1))
    owed = chance.normal(0, 1, (BANDS + 1, LABELS))
    people = chance.normal(0, 1, (200, LABELS))
    moved = people[:, None] + (changed - plain[:, None]) @ owed
    found = fit(plain, changed, people, moved)
    left = moved - (changed - found.middle) @ found.weights - people[:, None]
    assert np.abs(left).mean() < 0.15 * np.abs(moved - people[:, None]).mean()


def test_energies_that_differ_more_between_people_than_between_looks_are_left_alone(
    chance: np.random.Generator,
) -> None:
    plain = chance.normal(0, 3, (200, BANDS + 1))
    changed = plain[:, None] + chance.normal(0, 0.1, (200, 2, BANDS + 1))
    people, owed = chance.normal(0, 1, (200, LABELS)), chance.normal(0, 1, (BANDS + 1, LABELS))
    found = fit(plain, changed, people, people[:, None] + (changed - plain[:, None]) @ owed)
    assert np.abs(found.weights).max() < 0.1 * np.abs(owed).max()


def test_an_ensemble_takes_its_allowance_off_logits_and_maps_alike() -> None:
    torch.manual_seed(0)
    ensemble = Ensemble([Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES))], [SIDE]).eval()
    films, masks = grain(), MASKS.repeat(2, 1, 1, 1)
    held = energies(films, masks).numpy()
    weights = np.zeros((BANDS + 1, len(data.LABELS)), np.float32)
    weights[1, 4] = 0.5
    with torch.no_grad():
        logits, maps, gate, _ = ensemble(films, masks)
        ensemble.allow(Allowance(middle=held[0], weights=weights))
        then, same_maps, same_gate, _ = ensemble(films, masks)
    off = (logits - then).numpy()
    assert off[0] == pytest.approx(np.zeros(len(data.LABELS)), abs=1e-5)
    assert off[1, 4] == pytest.approx(0.5 * (held[1, 1] - held[0, 1]), abs=1e-5)
    assert (maps - same_maps).numpy() == pytest.approx(np.broadcast_to(off[..., None, None], maps.shape), abs=1e-5)
    assert torch.equal(gate, same_gate)
