"""A backbone with two heads: findings with their activation maps, and what kind of picture this is.

It must never know files of films or labels.csv. Input (n, 1, h, w), in -1..1, dense tissue bright.
"""

import numpy as np
import torch
from torch import Tensor, nn

from models import backbone
from models.backbone import FEATURES

FROZEN = 4  # of the features' parts: edges and blobs stay as ImageNet taught them, at half the time a step
SHARPNESS = 4.0  # of the pooling: 0 would be the mean over the map, infinity its maximum


class Network(nn.Module):
    """Returns logits (n, labels), activation maps (n, labels, h / 32, w / 32) and gate logits (n, classes).

    The finding head is a 1 x 1 convolution, so that a logit is pooled from its own map (log-mean-exp, Pinheiro and
    Collobert, CVPR 2015): where the map is high is why the logit is high.
    """

    def __init__(self, *, labels: int, classes: int, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = backbone.build()
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
