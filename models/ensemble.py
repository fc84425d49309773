"""Several trained networks that answer as one: the mean of their logits, maps and gate logits.

It must never know files of films. Input (n, 1, h, w), in -1..1, dense tissue bright, normalised, and masks (n, 3, any,
any) of lungs and heart.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models import data
from models.network import FROZEN, Network, mean

HEART = data.LABELS.index("cardiomegaly")
STEPS = 127  # that a weight may be of its kernel's widest, either way
Answers = tuple[Tensor, Tensor, Tensor, Tensor]
Net = TypeVar("Net", bound=nn.Module)


class Ensemble(nn.Module):
    """Logits (n, labels), maps (n, labels, h, w), gate logits (n, classes), features (n, 1280) of films with masks.

    Each network sees the film at the side it was trained at; the features are the first one's. The parts that no
    training moved are computed once for all networks of one side that have them alike. ``heart_weight`` is what a heart
    as broad as the chest adds to the logit of cardiomegaly over one half as broad, in halves.
    """

    def __init__(self, members: Sequence[Network], sides: Sequence[int]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.sides = tuple(sides)
        self.begun_by = begun_by(members, sides)
        self.register_buffer("heart_weight", torch.zeros(()))
        self.register_buffer("heart", functional.one_hot(torch.tensor(HEART), len(data.LABELS)).float())

    def forward(self, films: Tensor, masks: Tensor) -> Answers:
        return self.together(self.each(films), masks)

    def each(self, films: Tensor) -> list[Answers]:
        """What every network answers by itself."""
        begun: list[Tensor] = []
        answers = []
        for number, (member, side, first) in enumerate(zip(self.members, self.sides, self.begun_by, strict=True)):
            begun.append(begun[first] if first < number else member.features[:FROZEN](_to(films, side)))
            features = member.features[FROZEN:](begun[number])
            answers.append((*member.heads(features), mean(features)))
        return answers

    def together(self, said: Sequence[Answers], masks: Tensor) -> Answers:
        """Their answers as one."""
        logits, maps, gates, features = zip(*said, strict=True)
        size = max(each.shape[-1] for each in maps)
        maps = [_to(each, size) for each in maps]
        broad = self.heart_weight * (breadth(masks) - 0.5)
        return _mean_of(logits) + broad[:, None] * self.heart, _mean_of(maps), _mean_of(gates), features[0]

    def describe(self, films: Tensor) -> Tensor:
        """The features alone, as in the answers."""
        return mean(self.members[0].features(_to(films, self.sides[0])))


def begun_by(members: Sequence[Network], sides: Sequence[int]) -> list[int]:
    """For each network the first one whose frozen parts do for it too: itself, if no other's are like its own."""
    frozen = [member.features[:FROZEN].state_dict() for member in members]

    def alike(one: int, other: int) -> bool:
        a, b = frozen[one], frozen[other]
        return sides[one] == sides[other] and a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)

    return [next(first for first in range(number + 1) if alike(first, number)) for number in range(len(members))]


def breadth(masks: Tensor) -> Tensor:
    """How broad the heart is against the chest, 0..1 (n,), out of probabilities (n, 3, h, w): a smooth ratio.

    Not the ratio that the doctor sees (reading/thorax.py), but one that a graph computes without a threshold.
    """
    across = masks.amax(dim=2)
    return across[:, 2].sum(1) / across.amax(dim=1).sum(1).clamp(min=1e-3)


def _to(maps: Tensor, side: int) -> Tensor:
    if maps.shape[-1] == side:
        return maps
    return functional.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)


def _mean_of(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).mean(dim=0)


def open_ensemble(files: Sequence[Path], *, heart_weight: float = 0.0) -> Ensemble:
    """The networks in ``files`` of train.py and average.py, in evaluation mode, as the bundle stores them."""
    members, sides = [], []
    for file in files:
        stored = torch.load(file, weights_only=True, map_location="cpu")
        member = Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES))
        member.load_state_dict(stored["weights"])
        members.append(member)
        sides.append(stored["recipe"]["stages"][-1][0])
    ensemble = as_stored(Ensemble(members, sides))
    ensemble.heart_weight.fill_(heart_weight)
    return ensemble


@torch.no_grad()
def as_stored(network: Net) -> Net:
    """Batch norms folded into their convolutions, kernels rounded: export.py stores them so, in a quarter of the size.

    Done before anything is measured, so that every figure is that of the file.
    """
    network.eval()
    for module in network.modules():
        children = list(module.named_children()) if isinstance(module, nn.Sequential) else []
        for (name, convolution), (next_name, norm) in pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, next_name, nn.Identity())
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            steps, width = in_steps(module.weight)
            module.weight.copy_(steps * width)
    return network


def in_steps(kernels: Tensor) -> tuple[Tensor, Tensor]:
    """Each channel's kernel (channels, ...) in whole steps, -127 to 127, and how wide a step is (channels, 1, ...)."""
    width = kernels.abs().flatten(1).amax(dim=1).clamp(min=1e-9) / STEPS
    width = width.reshape(-1, *[1] * (kernels.dim() - 1))
    return (kernels / width).round(), width
