"""A backbone starts from ImageNet's weights, and answers features of the promised shape."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from models import backbone

pytestmark = pytest.mark.workshop


@pytest.fixture
def features() -> nn.Sequential:
    torch.manual_seed(0)
    return backbone.build()


@pytest.fixture
def folded_weights(tmp_path: Path, features: nn.Sequential) -> Path:
    """An npz as init/README.md describes it, with random weights and a stem of three colours."""
    chance, arrays = np.random.default_rng(0), {}
    for number, (convolution, _) in enumerate(backbone.convolutions(features)):
        shape = tuple(convolution.weight.shape)
        shape = (shape[0], 3, *shape[2:]) if number == 0 else shape
        kernel = chance.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape)
        arrays[f"{number:02d}.conv.weight"] = kernel.astype(np.float16)
        arrays[f"{number:02d}.conv.bias"] = chance.normal(0, 0.2, shape[0]).astype(np.float16)
    arrays["52.conv.weight"] = np.zeros((1001, 1280, 1, 1), np.float16)
    arrays["52.conv.bias"] = np.zeros(1001, np.float16)
    np.savez(tmp_path / "folded.npz", **arrays)
    return tmp_path / "folded.npz"


def folded_features(features: nn.Sequential, weights: Path, films: Tensor) -> Tensor:
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

    return through(features, films.expand(-1, 3, -1, -1))


def test_the_start_equals_the_folded_network(features: nn.Sequential, folded_weights: Path) -> None:
    films = torch.rand(6, 1, 96, 96) * 2 - 1
    backbone.start(features, folded_weights, films)
    others = torch.rand(3, 1, 96, 96) * 2 - 1
    with torch.no_grad():
        found, expected = features.eval()(others), folded_features(features, folded_weights, others)
    assert torch.allclose(found, expected, atol=1e-3, rtol=1e-3)


def test_features_are_of_the_promised_shape(features: nn.Sequential) -> None:
    with torch.no_grad():
        assert features.eval()(torch.zeros(1, 1, 64, 64)).shape == (1, backbone.FEATURES, 2, 2)
