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
from models.network import Network, mean

HEART = data.LABELS.index("cardiomegaly")
Answers = tuple[Tensor, Tensor, Tensor, Tensor]
Net = TypeVar("Net", bound=nn.Module)


class Ensemble(nn.Module):
    """Logits (n, labels), maps (n, labels, h, w), gate logits (n, classes), features (n, 1280) of films with masks.

    Each network sees the film at the side it was trained at; the input's is ``side``, that of the first, whose features
    are given. ``heart_weight`` is what a heart as broad as the chest adds to the logit of cardiomegaly over one half as
    broad, in halves.
    """

    def __init__(self, members: Sequence[Network], sides: Sequence[int]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.sides = tuple(sides)
        self.register_buffer("heart_weight", torch.zeros(()))
        self.register_buffer("heart", functional.one_hot(torch.tensor(HEART), len(data.LABELS)).float())

    @property
    def side(self) -> int:
        return self.sides[0]

    def forward(self, films: Tensor, masks: Tensor) -> Answers:
        said = [self._answer(member, films, side) for member, side in zip(self.members, self.sides, strict=True)]
        logits, maps, gates, features = zip(*said, strict=True)
        size = max(each.shape[-1] for each in maps)
        maps = [each if each.shape[-1] == size else _to(each, size) for each in maps]
        broad = self.heart_weight * (breadth(masks) - 0.5)
        return _mean_of(logits) + broad[:, None] * self.heart, _mean_of(maps), _mean_of(gates), features[0]

    def describe(self, films: Tensor) -> Tensor:
        """The features alone, as in the answers."""
        return mean(self.members[0].features(films))

    def _answer(self, member: Network, films: Tensor, side: int) -> Answers:
        features = member.features(films if side == self.side else _to(films, side))
        logits, maps, gate = member.heads(features)
        return logits, maps, gate, mean(features)


def breadth(masks: Tensor) -> Tensor:
    """How broad the heart is against the chest, 0..1 (n,), out of probabilities (n, 3, h, w): a smooth ratio.

    Not the ratio that the doctor sees (reading/thorax.py), but one that a graph computes without a threshold.
    """
    across = masks.amax(dim=2)
    return across[:, 2].sum(1) / across.amax(dim=1).sum(1).clamp(min=1e-3)


def _to(maps: Tensor, side: int) -> Tensor:
    return functional.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)


def _mean_of(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(tensors)).mean(dim=0)


def open_ensemble(checkpoints: Sequence[Path], *, heart_weight: float = 0.0) -> Ensemble:
    """The averaged weights of each checkpoint of train.py, in evaluation mode, as the bundle stores them."""
    members, sides = [], []
    for checkpoint in checkpoints:
        stored = torch.load(checkpoint, weights_only=True, map_location="cpu")
        recipe, weights = stored["recipe"], stored["averaged"]
        member = Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES), backbone=recipe["backbone"])
        member.load_state_dict({key.removeprefix("module."): value for key, value in weights.items() if "." in key})
        members.append(member)
        sides.append(recipe["side"])
    ensemble = as_stored(Ensemble(members, sides))
    ensemble.heart_weight.fill_(heart_weight)
    return ensemble


@torch.no_grad()
def as_stored(network: Net) -> Net:
    """Batch norms folded into their convolutions, weights rounded to float16: the file holds them so, in half the size.

    Done before anything is measured, so that every figure is that of the file.
    """
    network.eval()
    for module in network.modules():
        children = list(module.named_children()) if isinstance(module, nn.Sequential) else []
        for (name, convolution), (next_name, norm) in pairwise(children):
            if isinstance(convolution, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(convolution, norm))
                setattr(module, next_name, nn.Identity())
    for weights in network.parameters():
        if weights.dim() > 1:
            weights.copy_(weights.half())
    return network
