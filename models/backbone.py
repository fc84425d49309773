"""The feature extractor and where its ImageNet weights come from: MobileNetV2.

It is a Sequential, (n, 1, h, w) in -1..1 -> (n, 1280, h / 32, w / 32). It must never know labels or films' files.
"""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

FEATURES = 1280
Array = NDArray[np.float32]


def build() -> nn.Sequential:
    """An untrained backbone for gray films."""
    features = mobilenet_v2(weights=None).features
    features[0][0] = nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False)
    return features


def _gray(kernel: Tensor) -> Tensor:
    return kernel.sum(dim=1, keepdim=True) if kernel.shape[1] == 3 else kernel


def convolutions(features: nn.Module) -> Iterable[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Every convolution with the batch norm after it, in the order in which a film meets them."""
    modules = [module for module in features.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    for convolution, norm in zip(modules[::2], modules[1::2], strict=True):
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        yield convolution, norm


def start(features: nn.Sequential, weights: Path, films: Tensor) -> None:
    """Put ImageNet's weights into ``features``; the three colours of the stem become one, for gray is the same in each.

    ``weights`` is an .npz of kernel and bias by turns, batch norm folded away; the last two are a head's. ``films``
    (n, 1, h, w): see unfold.
    """
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
