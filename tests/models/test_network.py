"""The network learns, its loss knows what is unknown, and an epoch draws what it may."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models import data, pictures, train
from models.ensemble import STEPS, Ensemble, in_steps
from models.network import FROZEN, Network, mean, pool
from models.pictures import Shelf
from models.recipes import RECIPES, Recipe

pytestmark = pytest.mark.workshop


@pytest.fixture
def a_network() -> Network:
    torch.manual_seed(0)
    return Network(labels=3, classes=5)


class Looks:
    """A gallery whose look 0 is the film as it is, and look 1 the film inverted."""

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def take(self, index: np.ndarray, look: int) -> np.ndarray:
        return self.pixels[index] if look == 0 else 255 - self.pixels[index]


def shelf_of(films: list[data.Film], pixels: np.ndarray, labels: torch.Tensor, *, negatives: int = 0) -> Shelf:
    gates, gallery = torch.zeros(len(labels), dtype=torch.long), Looks(pixels)
    return Shelf(films=films, gallery=gallery, labels=labels, gates=gates, negatives=negatives, without=1)  # type: ignore[arg-type]


def a_film(number: int = 0, source: str = "nih14_512", gate: str = "frontal") -> data.Film:
    labels = np.zeros(len(data.LABELS), np.float32)
    return data.Film(image="", source=source, group="", fold=number % data.FOLDS, labels=labels, gate=gate)


def test_a_logit_lies_between_the_mean_and_the_maximum_of_its_map(a_network: Network) -> None:
    maps = torch.randn(2, 3, 7, 7)
    logits = pool(maps)
    assert (mean(maps) <= logits).all()
    assert (logits <= maps.amax(dim=(2, 3))).all()


def test_what_is_unknown_teaches_nothing() -> None:
    logits = torch.zeros(2, 3, requires_grad=True)
    wanted = torch.tensor([[1.0, torch.nan, 0.0], [torch.nan, torch.nan, torch.nan]])
    train.masked_loss(logits, wanted).backward()
    assert (logits.grad[torch.isnan(wanted)] == 0).all()
    assert (logits.grad[~torch.isnan(wanted)] != 0).all()
    assert train.masked_loss(torch.zeros(1, 3), torch.full((1, 3), torch.nan)) == 0


@pytest.mark.parametrize("held", [0.0, 1.0])
def test_some_steps_lower_the_loss(a_network: Network, held: float) -> None:
    torch.manual_seed(0)
    pixels = np.zeros((16, 64, 64), np.uint8)
    pixels[8:, 10:40, 10:40] = 220
    labels = torch.zeros(16, 3)
    labels[8:, 0] = 1
    labels[:, 2] = torch.nan
    optimizer = torch.optim.AdamW(a_network.parameters(), 1e-3)
    state = {
        "network": a_network,
        "optimizer": optimizer,
        "schedule": torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0),
        "averaged": torch.optim.swa_utils.AveragedModel(a_network),
    }
    drawn, shelf = np.array([*range(16), -3, -12]), shelf_of([], pixels, labels)
    part = list(train.batches((drawn, np.arange(18) % 2), 8))
    losses = [train.one_part(part, shelf, state, 64, gate_weight=0.3, held=held) for _ in range(5)]
    assert losses[-1] < losses[0]


def test_each_film_comes_in_the_look_that_was_drawn() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 64, 64), np.uint8)
    taken = shelf_of([], pixels, torch.zeros(6, 3)).take(np.array([4, 1, 5]), np.array([0, 1, 0]))
    assert np.array_equal(taken, np.stack([pixels[4], 255 - pixels[1], pixels[5]]))


def test_a_cut_training_goes_on_where_it_was(a_network: Network, tmp_path: Path) -> None:
    optimizer = torch.optim.AdamW(a_network.parameters(), 1e-3)
    state = {"network": a_network, "optimizer": optimizer}
    train.save(tmp_path / "fold-0.part", state, done=3)
    expected = a_network.gate.weight.detach().clone()
    nn.init.zeros_(a_network.gate.weight)
    assert train.load(tmp_path / "fold-0.part", state) == 3
    assert torch.equal(a_network.gate.weight, expected)


@pytest.mark.parametrize("in_two_looks", [False, True])
def test_an_epoch_never_draws_a_film_of_the_fold_left_out(*, in_two_looks: bool) -> None:
    films = [a_film(i) for i in range(900)] + [a_film(i, "tb_lundis", "not_frontal") for i in range(9)]
    shelf = shelf_of(films, np.zeros((0, 8, 8), np.uint8), torch.zeros(0, 3), negatives=500)
    drawn, looks = pictures.draw(shelf, seed=(1, 0), in_two_looks=in_two_looks)
    of_films = np.where(drawn < 0, -1 - drawn, drawn)
    assert {films[i].fold for i in of_films if i < len(films)} == {0, 2, 3, 4}
    assert (looks == 0).mean() == pytest.approx(0 if in_two_looks else 0.5, abs=0.1)
    again = pictures.draw(shelf, seed=(1, 0), in_two_looks=in_two_looks)
    assert np.array_equal(drawn, again[0])
    assert np.array_equal(looks, again[1])


def test_every_epoch_has_its_side() -> None:
    assert Recipe(stages=((160, 2), (224, 1))).sides == [160, 160, 224]


def test_a_film_in_two_looks_is_held_to_one_answer() -> None:
    plain = torch.tensor([[1.0, 2.0], [0.0, 4.0], [9.0, 9.0]])
    changed = torch.tensor([[0.0, 2.0], [0.0, 1.0], [0.0, 0.0]])
    counted = torch.tensor([True, True, False])
    assert train.apart(torch.cat([plain, changed]), of=counted) == pytest.approx((1 + 9) / 4)
    assert train.apart(torch.cat([plain, changed]), of=torch.zeros(3, dtype=torch.bool)) == 0


def test_a_recipe_that_begins_with_another_says_when_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"models\.train mobile --fold 3"):
        train.taught_before(tmp_path, RECIPES["steady"], 3)


def test_a_network_taught_on_is_the_average_of_what_it_was_and_became() -> None:
    before, after = ({"w": torch.full((2,), value), "n": torch.tensor(count)} for value, count in ((1.0, 3), (2.0, 9)))
    found = train.half_way(before, after)
    assert found["w"].tolist() == [1.5, 1.5]
    assert found["n"] == 9


def test_both_views_of_a_film_are_cut_and_turned_alike() -> None:
    torch.manual_seed(0)
    film = torch.rand(4, 1, 64, 64) * 2 - 1
    seen = train.augment(torch.cat([film, film], dim=1), torch.tensor([False, True, False, False]), 48)
    assert seen.shape == (4, 2, 48, 48)
    assert (seen[:, 0] - seen[:, 1]).abs().mean() < 0.1  # grain
    assert (seen[0] - seen[2]).abs().mean() > 0.3


@torch.no_grad()
def test_networks_that_begin_alike_answer_together_as_each_by_itself() -> None:
    torch.manual_seed(0)
    members = [Network(labels=len(data.LABELS), classes=5).eval() for _ in range(3)]
    members[2].features[:FROZEN].load_state_dict(members[0].features[:FROZEN].state_dict())
    together = Ensemble(members, [64, 64, 64])
    assert together.begun_by == [0, 1, 0]
    assert Ensemble(members, [64, 64, 32]).begun_by == [0, 1, 2]
    films = torch.randn(2, 1, 64, 64)
    for member, said in zip(members, together.each(films), strict=True):
        assert torch.equal(said[2], member(films)[2])


def test_a_kernel_in_whole_steps_is_nearly_itself() -> None:
    kernels = torch.randn(8, 3, 3, 3) * torch.logspace(-3, 3, 8)[:, None, None, None]
    steps, width = in_steps(kernels)
    assert steps.abs().amax() == STEPS
    assert torch.equal(steps, steps.round())
    assert ((steps * width - kernels).abs() <= width / 2 * 1.001).all()
