"""The network learns, its loss knows what is unknown, and an epoch draws what it may."""

import argparse
import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from models import data, pictures, train
from models.network import Network, mean, pool
from models.pictures import Shelf
from models.recipes import Recipe

pytestmark = pytest.mark.workshop


@pytest.fixture
def a_network() -> Network:
    torch.manual_seed(0)
    return Network(labels=3, classes=5)


def shelf_of(films: list[data.Film], pixels: np.ndarray, labels: torch.Tensor, *, negatives: int = 0) -> Shelf:
    gates = torch.zeros(len(labels), dtype=torch.long)
    return Shelf(films=films, pixels=(pixels, pixels[:0]), labels=labels, gates=gates, negatives=negatives, pasted=0)


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


def test_some_steps_lower_the_loss(a_network: Network) -> None:
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
    options = argparse.Namespace(batch=8, gate_weight=0.3)
    epoch, shelf = np.array([*range(16), -3, -12]), shelf_of([], pixels, labels)
    losses = [train.one_part(train.batches(epoch, 8), shelf, state, Recipe(side=64), options, look=1) for _ in range(5)]
    assert losses[-1] < losses[0]


def test_an_answer_that_moves_with_the_look_costs() -> None:
    plain = torch.randn(4, 3)
    assert train.restlessness(torch.cat([plain, plain])) == 0
    assert train.restlessness(torch.cat([plain, plain + 2])) == pytest.approx(4)


class TwoLooks:
    """A gallery whose look 1 is the film inverted."""

    count = 2

    def __init__(self, pixels: np.ndarray) -> None:
        self.pixels = pixels

    def take(self, index: np.ndarray, look: int) -> np.ndarray:
        return self.pixels[index] if look == 0 else 255 - self.pixels[index]


def test_with_a_gallery_each_film_is_seen_as_it_is_and_in_another_look() -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (6, 64, 64), np.uint8)
    shelf = replace(shelf_of([], pixels, torch.zeros(6, 3)), gallery=TwoLooks(pixels))
    seen = train.views(shelf, np.array([4, 1]), look=1)
    assert np.array_equal(seen, np.concatenate([pixels[[4, 1]], 255 - pixels[[4, 1]]]))


def test_views_of_a_film_move_alike_and_the_guides_is_the_last() -> None:
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 255, (6, 64, 64), np.uint8)
    shelf = replace(shelf_of([], pixels, torch.zeros(6, 3)), gallery=TwoLooks(pixels))
    over = train.layers(shelf, np.array([4, 1]), look=1, guided=True)
    assert torch.equal(over[:, 0], over[:, 2])  # the gallery's look 0 is the film itself
    assert torch.allclose(over[:, 0], -over[:, 1], atol=1e-6)
    first, _, last = train.augment(over, torch.zeros(2, dtype=torch.bool), 64).split(1, dim=1)
    assert (first - last).abs().mean() < 0.05 < first.std()  # the grain differs


def test_a_guided_network_keeps_to_what_it_answered_before(a_network: Network) -> None:
    """On films that say nothing by themselves, an answer that was changed comes back."""
    torch.manual_seed(0)
    pixels = np.random.default_rng(0).integers(0, 255, (16, 64, 64), np.uint8)
    guide = copy.deepcopy(a_network).eval().requires_grad_(False)
    nn.init.constant_(a_network.findings.bias, 3.0)
    optimizer = torch.optim.SGD([a_network.findings.bias], 4.0)
    state = {
        "network": a_network,
        "optimizer": optimizer,
        "schedule": torch.optim.lr_scheduler.ConstantLR(optimizer, 1.0),
        "averaged": torch.optim.swa_utils.AveragedModel(a_network),
    }
    shelf = replace(shelf_of([], pixels, torch.full((16, 3), torch.nan)), gallery=TwoLooks(pixels))
    options, recipe = argparse.Namespace(gate_weight=0.0), Recipe(side=64, steady=0.0, kept=1.0)
    losses = [
        train.one_part(train.batches(np.arange(16), 8), shelf, state, recipe, options, look=1, guide=guide)
        for _ in range(4)
    ]
    assert losses[0] > 1
    assert losses[-1] < losses[0] / 4


def test_batch_norms_settle_on_what_the_network_will_read(a_network: Network) -> None:
    pixels = np.full((40, 64, 64), 200, np.uint8)
    labels = np.zeros(len(data.LABELS), np.float32)
    film = data.Film(image="", source="nih14_512", group="", split="train", labels=labels, gate="frontal")
    shelf = replace(shelf_of([film] * 40, pixels, torch.zeros(40, 3)), gallery=TwoLooks(pixels))
    before = a_network.features[0][1].running_var.clone()
    train.settle(a_network, shelf, 64)
    assert not torch.equal(a_network.features[0][1].running_var, before)
    assert a_network.features[0][1].momentum == 0.1


def test_a_cut_training_goes_on_where_it_was(a_network: Network, tmp_path: Path) -> None:
    optimizer = torch.optim.AdamW(a_network.parameters(), 1e-3)
    state = {"network": a_network, "optimizer": optimizer}
    train.save(tmp_path / "checkpoint.pt", state, done=3, recipe=Recipe())
    expected = a_network.gate.weight.detach().clone()
    nn.init.zeros_(a_network.gate.weight)
    assert train.load(tmp_path / "checkpoint.pt", state) == 3
    assert torch.equal(a_network.gate.weight, expected)


def test_an_epoch_never_draws_a_film_of_another_split() -> None:
    def film(number: int, source: str, gate: str) -> data.Film:
        split = ("train", "calibration", "test")[number % 3]
        labels = np.zeros(len(data.LABELS), np.float32)
        return data.Film(image="", source=source, group="", split=split, labels=labels, gate=gate)

    films = [film(i, "nih14_512", "frontal") for i in range(900)] + [
        film(i, "tb_lundis", "not_frontal") for i in range(9)
    ]
    shelf = shelf_of(films, np.zeros((0, 8, 8), np.uint8), torch.zeros(0, 3), negatives=500)
    drawn = pictures.draw(shelf, pasted=0, seed=(1, 0))
    of_films = np.where(drawn < 0, -1 - drawn, drawn)
    assert all(films[i].split == "train" for i in of_films if i < len(films))
    assert np.array_equal(drawn, pictures.draw(shelf, pasted=0, seed=(1, 0)))
