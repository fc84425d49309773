"""The network starts as the folded one, learns, and its loss knows what is unknown."""

import argparse
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import data, train
from models.network import Network, convolutions, mean, pool, start_from_folded

pytestmark = pytest.mark.workshop


@pytest.fixture
def a_network() -> Network:
    torch.manual_seed(0)
    return Network(labels=3, classes=5)


@pytest.fixture
def folded_weights(tmp_path: Path, a_network: Network) -> Path:
    """An npz as init/README.md describes it, with random weights and a stem of three colours."""
    chance, arrays = np.random.default_rng(0), {}
    for number, (convolution, _) in enumerate(convolutions(a_network.features)):
        shape = tuple(convolution.weight.shape)
        shape = (shape[0], 3, *shape[2:]) if number == 0 else shape
        kernel = chance.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        arrays[f"{number:02d}.conv.weight"] = kernel.astype(np.float16)
        arrays[f"{number:02d}.conv.bias"] = chance.normal(0, 0.2, shape[0]).astype(np.float16)
    arrays["52.conv.weight"] = np.zeros((1001, 1280, 1, 1), np.float16)
    arrays["52.conv.bias"] = np.zeros(1001, np.float16)
    np.savez(tmp_path / "folded.npz", **arrays)
    return tmp_path / "folded.npz"


def folded_features(network: Network, weights: Path, films: Tensor) -> Tensor:
    """The folded network itself, of plain convolutions, fed with the gray film in all three colours."""
    pairs = [torch.from_numpy(array.astype(np.float32)) for array in np.load(weights).values()][:-2]
    kernels = iter(list(zip(pairs[::2], pairs[1::2], strict=True)))

    def through(module: nn.Module, value: Tensor) -> Tensor:
        if isinstance(module, nn.Conv2d):
            kernel, bias = next(kernels)
            return functional.conv2d(value, kernel, bias, module.stride, module.padding, groups=module.groups)
        if isinstance(module, nn.ReLU6):
            return functional.relu6(value)
        if isinstance(module, nn.BatchNorm2d):
            return value
        before = value
        for child in module.children():
            value = through(child, value)
        return before + value if getattr(module, "use_res_connect", False) else value

    return through(network.features, films.expand(-1, 3, -1, -1))


def test_the_start_equals_the_folded_network(a_network: Network, folded_weights: Path) -> None:
    films = torch.rand(6, 1, 96, 96) * 2 - 1
    start_from_folded(a_network, folded_weights, films)
    others = torch.rand(3, 1, 96, 96) * 2 - 1
    with torch.no_grad():
        found, expected = a_network.features(others), folded_features(a_network, folded_weights, others)
    assert torch.allclose(found, expected, atol=1e-3, rtol=1e-3)


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
    options = argparse.Namespace(batch=8, size=64, gate_weight=0.3)
    epoch = np.array([*range(16), -3, -12])
    losses = [
        train.one_epoch(epoch, pixels, labels, torch.zeros(16, dtype=torch.long), state, options) for _ in range(5)
    ]
    assert losses[-1] < losses[0]


def test_a_cut_training_goes_on_where_it_was(a_network: Network, tmp_path: Path) -> None:
    optimizer = torch.optim.AdamW(a_network.parameters(), 1e-3)
    state = {"network": a_network, "optimizer": optimizer}
    train.save(tmp_path / "checkpoint.pt", state, done=3, options=argparse.Namespace(size=64))
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
    drawn = train.draw_epoch(films, 500, seed=(1, 0))
    of_films = np.where(drawn < 0, -1 - drawn, drawn)
    assert all(films[i].split == "train" for i in of_films if i < len(films))
    assert np.array_equal(drawn, train.draw_epoch(films, 500, seed=(1, 0)))
