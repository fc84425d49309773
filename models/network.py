"""MobileNetV2 with two heads: findings with their activation maps, and what kind of picture this is.

It must never know files of films or labels.csv. Input (n, 1, h, w), in -1..1, dense tissue bright.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torchvision.models import mobilenet_v2

FEATURES = 1280
SHARPNESS = 4.0  # of the pooling: 0 would be the mean over the map, infinity its maximum


class Network(nn.Module):
    """Returns logits (n, labels), activation maps (n, labels, h / 32, w / 32) and gate logits (n, classes).

    The finding head is a 1 x 1 convolution, so that a logit is pooled from its own map (log-mean-exp, Pinheiro and
    Collobert, CVPR 2015): where the map is high is why the logit is high.
    """

    def __init__(self, *, labels: int, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = mobilenet_v2(weights=None).features
        stem = nn.Conv2d(1, 32, 3, stride=2, padding=1, bias=False)
        self.features[0][0] = stem
        self.dropout = nn.Dropout(dropout)
        self.findings = nn.Conv2d(FEATURES, labels, 1)
        self.gate = nn.Linear(FEATURES, classes)
        nn.init.zeros_(self.findings.weight)

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.heads(self.features(films))

    def heads(self, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The three answers from features (n, 1280, h, w)."""
        maps = self.findings(self.dropout(features)).float()
        return pool(maps), maps, self.gate(self.dropout(mean(features))).float()


def mean(features: Tensor) -> Tensor:
    """(n, c, h, w) -> (n, c)."""
    return features.mean(dim=(2, 3))


def pool(maps: Tensor) -> Tensor:
    """Log-mean-exp over the last two dimensions, between mean and maximum."""
    places = maps.shape[2] * maps.shape[3]
    return (torch.logsumexp(maps.flatten(2) * SHARPNESS, dim=2) - float(np.log(places))) / SHARPNESS


def convolutions(features: nn.Module) -> Iterable[tuple[nn.Conv2d, nn.BatchNorm2d]]:
    """Every convolution with the batch norm after it, in the order in which a film meets them."""
    modules = [module for module in features.modules() if isinstance(module, nn.Conv2d | nn.BatchNorm2d)]
    for convolution, norm in zip(modules[::2], modules[1::2], strict=True):
        assert isinstance(convolution, nn.Conv2d)
        assert isinstance(norm, nn.BatchNorm2d)
        yield convolution, norm


@torch.no_grad()
def start_from_folded(network: Network, weights: Path, films: Tensor) -> None:
    """Put ImageNet weights whose batch norm is folded away into ``network``.

    Batch norm comes back from what ``films`` (n, 1, h, w) make each convolution answer: running mean and variance are
    the answer's, scale and shift undo them, so that in evaluation the network equals the folded one and training
    starts with sound statistics. The three colours of the stem become one, for a gray film is the same in each.
    """
    folded = [torch.from_numpy(array.astype(np.float32)) for array in np.load(weights).values()]
    hooks = []
    for (convolution, norm), kernel, bias in zip(
        convolutions(network.features), folded[:-2:2], folded[1:-2:2], strict=True
    ):
        convolution.weight.copy_(kernel.sum(dim=1, keepdim=True) if kernel.shape[1] == 3 else kernel)
        hooks.append(convolution.register_forward_hook(_settle(norm, bias)))
    network.eval()
    network.features(films)
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
