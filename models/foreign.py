"""The network in a TorchXRayVision checkpoint, and as a station runs it. It must never know films or files.

It is torchvision's DenseNet-121 or ResNet-50 with one channel, which is what TorchXRayVision's files hold; no code of
theirs is used or run.
"""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from models.checkpoint import Checkpoint, CheckpointError
from models.releases import OUTPUTS, RELEASES, our_name, published
from xray_triage.reading.findings import KINDS
from xray_triage.reading.pixels import InputSpec

SIZES = {"densenet121": 224, "resnet50": 512}  # pixels that the releases were trained at
FIRST = {"densenet121": "features.conv0.weight", "resnet50": "conv1.weight"}
LAST = {"densenet121": "classifier", "resnet50": "fc"}
UNKNOWN_THRESHOLD = 0.5
NO_THRESHOLD = "its training left no operating threshold for it"
NAME_THEM = "name them in their order with --outputs, comma between, nothing for one to be passed over"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output that becomes a label: its place in the checkpoint, our name, its threshold on sigmoid(logit)."""

    index: int
    name: str
    threshold: float
    withheld: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """A label's logit as a mix of the network's outputs: ``outputs @ weights + bias``."""

    weights: NDArray[np.float64]  # one an output of the checkpoint
    bias: float = 0.0

    def __call__(self, outputs: NDArray) -> NDArray[np.float64]:
        mixed: NDArray[np.float64] = outputs.astype(np.float64) @ self.weights + self.bias
        return mixed


class Served(nn.Module):
    """The network as the station runs it: films (n, 1, size, size) -> logits and activation maps of some ``heads``.

    The mean of a map is its logit; maps are given above ``zero``, the logit at the threshold, as in our own bundles.
    """

    def __init__(self, network: nn.Module, arch: str, heads: list[Head], zero: list[float]) -> None:
        super().__init__()
        self.body, last = body(network, arch), getattr(network, LAST[arch])
        mixed = torch.tensor(np.array([head.weights for head in heads]), dtype=torch.float32)
        bias = torch.tensor([head.bias for head in heads], dtype=torch.float32)
        self.register_buffer("weight", mixed @ last.weight.detach())
        self.register_buffer("bias", mixed @ last.bias.detach() + bias)
        self.register_buffer("zero", torch.tensor(zero, dtype=torch.float32))

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(films)
        logits = functional.linear(features.mean((2, 3)), self.weight, self.bias)
        return logits, functional.conv2d(features, self.weight[:, :, None, None], self.bias - self.zero)


def input_of(arch: str, size: int = 0) -> InputSpec:
    """As TorchXRayVision prepares a film: the middle square, -1024 to 1024. ``size`` 0: that of the releases.

    Raises CheckpointError: no network can be told by its weights from one of another size, but not every size is one.
    """
    if size and not 32 <= size <= 2048:
        raise CheckpointError(
            f"an input of {size} pixels: must be 32 to 2048; leave --size out for that of the releases"
        )
    return InputSpec(
        size=size or SIZES[arch], mean=0.5, std=0.5 / 1024, fit="crop", trim=False, percentiles=(0.0, 100.0)
    )


def architecture(checkpoint: Checkpoint, wanted: str | None) -> str:
    """As the names of the weights say. Raises CheckpointError when they say another, or none."""
    found = next((arch for arch, first in FIRST.items() if first in checkpoint.weights), None)
    if found is None:
        expected, some = " or ".join(FIRST.values()), ", ".join([*checkpoint.weights][:2])
        raise CheckpointError(f"this is no {' and no '.join(FIRST)}: {expected} must be there, and it has {some}, …")
    if wanted not in (None, found):
        raise CheckpointError(f"this is a {found}, not a {wanted}")
    return found


def load_network(checkpoint: Checkpoint, arch: str) -> nn.Module:
    """torchvision's network with one channel and these weights. Raises CheckpointError unless every one fits."""
    last = checkpoint.weights.get(f"{LAST[arch]}.weight")
    if last is None or last.ndim != 2:
        raise CheckpointError(f"this is no {arch}: it has no {LAST[arch]}.weight with one row an output")
    network: nn.Module = getattr(torchvision.models, arch)(num_classes=len(last))
    first = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    if arch == "densenet121":
        network.features.conv0 = first
    else:
        network.conv1 = first
    expected = {n: t.shape for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    for name in sorted({*expected, *checkpoint.weights}):
        ours, theirs = expected.get(name), getattr(checkpoint.weights.get(name), "shape", None)
        if ours != theirs:
            said = [f"{tuple(shape)}" if shape is not None else "nothing" for shape in (theirs, ours)]
            raise CheckpointError(f"this is no {arch} for films of one channel: {name} is {said[0]}, not {said[1]}")
    network.load_state_dict(dict(checkpoint.weights), strict=False)  # but for counters that nobody reads
    return network.eval()


def body(network: nn.Module, arch: str) -> nn.Module:
    """All up to the last feature maps, after their ReLU."""
    if arch == "densenet121":
        return nn.Sequential(network.features, nn.ReLU())
    return nn.Sequential(*list(network.children())[:-2])


def known_thresholds(checkpoint: Checkpoint, release: str) -> list[float | None] | None:
    """Per output, of probabilities: those of the file itself, else of the release; None where there are none at all.

    Raises CheckpointError when those of the file are none.
    """
    own = checkpoint.op_threshs
    release = release if own is None else published(own) or ""
    if release or own is None:
        return RELEASES[release].cut_offs if release else None
    wrong = next((value for value in own if not (np.isnan(value) or 0 < value < 1)), None)
    if wrong is not None:
        raise CheckpointError(f"op_threshs holds {wrong:g}, which is no probability: save the checkpoint without it")
    return [None if np.isnan(value) else value for value in own]


def check_names(names: Sequence[str]) -> None:
    """Raise CheckpointError for a name that nobody knows: spelt wrong, a finding would be lost without a word."""
    known = {name.lower() for name in OUTPUTS} | {*KINDS, ""}
    strange = next((name for name in names if name.lower() not in known), None)
    if strange is not None:
        near = difflib.get_close_matches(strange, [*OUTPUTS, *KINDS], 1)
        meant = f"did you mean {near[0]!r}? " if near else ""
        raise CheckpointError(f"an output is called {strange!r}, which is unknown; {meant}{NAME_THEM}")


def kept_outputs(checkpoint: Checkpoint, count: int, named: str, release: str) -> list[Output]:
    """The outputs that findings.py has a name for. Raises CheckpointError when their names or thresholds do not fit."""
    names = [name.strip() for name in named.split(",")] if named else None
    names = names or checkpoint.labels or list(OUTPUTS)
    if len(names) != count:
        raise CheckpointError(f"{len(names)} names for {count} outputs: {NAME_THEM}")
    check_names(names)
    thresholds = known_thresholds(checkpoint, release) or [UNKNOWN_THRESHOLD] * count
    if len(thresholds) != count:
        raise CheckpointError(f"{len(thresholds)} op_threshs for {count} outputs: save the checkpoint without them")
    outputs = [
        Output(
            index=index,
            name=our_name(name),
            threshold=UNKNOWN_THRESHOLD if threshold is None else min(max(threshold, 1e-6), 1 - 1e-6),
            withheld=NO_THRESHOLD if threshold is None else None,
        )
        for index, (name, threshold) in enumerate(zip(names, thresholds, strict=True))
        if our_name(name) in KINDS
    ]
    kept = [output.name for output in outputs]
    if not kept or len(set(kept)) < len(kept):
        raise CheckpointError(f"of the outputs {', '.join(names)} none, or one twice, is a finding: {', '.join(KINDS)}")
    return outputs
