"""Open a PyTorch checkpoint of somebody else's without running anything in it: its weights and what stands beside them.

A released TorchXRayVision DenseNet is a pickle of the whole model object, in the format of PyTorch before 1.6, which
``torch.load(weights_only=True)`` refuses. So the unpickler here finds no class but those that make up tensors, and
empty stand-ins for the layers ("Restricting Globals" in Python's documentation of pickle); any other name stops it.
"""

import collections
import json
import pickle
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch import _utils as rebuild


class CheckpointError(Exception):
    """This file cannot be imported; the message is one line that says why."""


class StandIn:
    """What a pickled object becomes: its attributes, and no behaviour."""

    dump_patches = False  # PyTorch asks every class of an old file

    def __init__(self, *_: Any) -> None:
        """Takes what the real class would have been made from, and forgets it."""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, Mapping):
            self.__dict__.update(state)


REBUILT = ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
REAL = {
    "collections.OrderedDict": collections.OrderedDict,
    "builtins.set": set,
    "__builtin__.set": set,
    "torch.Size": torch.Size,
    "torch.nn.parameter.Parameter": torch.nn.Parameter,
    **{f"torch._utils.{name}": getattr(rebuild, name) for name in REBUILT},
    **{f"torch.{kind}Storage": getattr(torch, f"{kind}Storage") for kind in STORAGES},
}
EMPTY = {
    "torch.nn.modules": (
        "container.Sequential", "conv.Conv2d", "batchnorm.BatchNorm2d", "activation.ReLU", "pooling.MaxPool2d",
        "pooling.AvgPool2d", "pooling.AdaptiveAvgPool2d", "linear.Linear", "dropout.Dropout",
    ),
    "torch.nn.parallel": ("data_parallel.DataParallel", "distributed.DistributedDataParallel"),
    "torch.nn.backends.thnn": ("_get_thnn_function_backend",),
    "torchxrayvision.models": ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition", "ResNet"),
    "torchvision.models.densenet": ("DenseNet", "_DenseBlock", "_DenseLayer", "_Transition"),
    "torchvision.models.resnet": ("ResNet", "Bottleneck"),
    "numpy": ("ndarray", "dtype"),
    "numpy.core.multiarray": ("_reconstruct", "scalar"),
    "numpy._core.multiarray": ("_reconstruct", "scalar"),  # of numpy 2
    "_codecs": ("encode",),
}  # fmt: skip
STAND_INS = {f"{module}.{name}" for module, names in EMPTY.items() for name in names}
BROKEN = (
    pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError, MemoryError,
)  # fmt: skip
DTYPES = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64}
WRAPPED_IN = ("state_dict", "model_state_dict", "model")
PREFIXES = ("module.", "model.")  # of a parallel wrapper, of TorchXRayVision's own ResNet


class TensorsOnly(pickle.Unpickler):
    """Knows the parts of tensors and empty stand-ins for layers, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in STAND_INS:
            return StandIn
        if full not in REAL:
            raise CheckpointError(
                f"the checkpoint holds {full}, which no such model needs; nothing in it was run. "
                "Save its state_dict() alone where it comes from, and import that"
            )
        return REAL[full]


class Checkpoint:
    """``weights`` by name; ``labels`` and ``op_threshs`` (one number an output) when the file has them, else None."""

    def __init__(self, weights: Mapping[str, Tensor], labels: list[str] | None) -> None:
        weights = dict(weights)
        thresholds = weights.pop("op_threshs", None)
        for prefix in PREFIXES:
            if all(name.startswith(prefix) for name in weights):
                weights = {name.removeprefix(prefix): tensor for name, tensor in weights.items()}
        self.weights = {name: t for name, t in weights.items() if not name.endswith("num_batches_tracked")}
        self.labels = labels
        self.op_threshs = None if thresholds is None else [float(value) for value in thresholds.flatten()]


def open_checkpoint(path: Path) -> Checkpoint:
    """Raises CheckpointError: no checkpoint, foreign classes in it, no tensors, numbers that are none."""
    loaded, labels = load(path), None
    if isinstance(loaded, StandIn):
        named = (loaded.__dict__.get(name) for name in ("pathologies", "targets"))
        labels = next(([str(name) for name in names] for names in named if isinstance(names, list)), None)
        loaded = dict(tensors(loaded))
    if isinstance(loaded, Mapping):
        loaded = next((loaded[name] for name in WRAPPED_IN if isinstance(loaded.get(name), Mapping)), loaded)
    if not isinstance(loaded, Mapping) or not loaded or not all(isinstance(t, Tensor) for t in loaded.values()):
        raise CheckpointError(f"{path} holds no weights by name: give a state dict, or the whole model's pickle")
    spoilt = next((n for n, t in loaded.items() if n != "op_threshs" and not torch.isfinite(t.float()).all()), None)
    if spoilt is not None:
        raise CheckpointError(f"{path} is spoilt: {spoilt} holds something that is no number")
    return Checkpoint(loaded, labels)


def load(path: Path) -> Any:
    """What the file holds, tensors and stand-ins. PyTorch's own reader, with TensorsOnly as its only unpickler."""
    if path.suffix == ".safetensors":
        return safetensors(path)
    if tarfile.is_tarfile(path) or (zipfile.is_zipfile(path) and is_script(path)):
        raise CheckpointError(f"{path} is a PyTorch archive of another kind: give a state dict, or the model's pickle")
    unpickler = ModuleType("tensors_only")
    unpickler.Unpickler = TensorsOnly
    unpickler.load = lambda file, **options: TensorsOnly(file, **options).load()
    try:
        with warnings.catch_warnings(action="ignore"):  # that the source of a class is another than when it was saved
            return torch.load(path, map_location="cpu", weights_only=False, pickle_module=unpickler)
    except BROKEN as error:
        raise CheckpointError(f"{path} is no PyTorch checkpoint, or a damaged one ({type(error).__name__})") from error


def safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file of Hugging Face: eight bytes, the length of the header; the header in JSON; the numbers."""
    content = path.read_bytes()
    try:
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        header.pop("__metadata__", None)
        return {name: _tensor(content[start:], **entry) for name, entry in header.items()}
    except (ValueError, TypeError, KeyError, AttributeError, RuntimeError) as error:
        raise CheckpointError(f"{path} is no safetensors file, or a damaged one ({type(error).__name__})") from error


def _tensor(content: bytes, *, dtype: str, shape: Sequence[int], data_offsets: Sequence[int]) -> Tensor:
    begin, end = data_offsets
    if not 0 <= begin <= end <= len(content):
        raise ValueError("beyond the end of the file")
    if begin == end:
        return torch.zeros(shape, dtype=DTYPES[dtype])
    return torch.frombuffer(bytearray(content[begin:end]), dtype=DTYPES[dtype]).reshape(shape)


def is_script(path: Path) -> bool:
    """Whether a zip file is TorchScript: a program, not weights. Raises CheckpointError when its sums do not hold.

    PyTorch does not look at them: it would take weights that a bad disk or a cut download has changed.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
            names = archive.namelist()
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, *BROKEN) as error:
        raise CheckpointError(f"{path} is damaged ({type(error).__name__}): fetch it again") from error
    if damaged is not None:
        raise CheckpointError(f"{path} is damaged (the checksum of {damaged} does not hold): fetch it again")
    return any(name.endswith("/constants.pkl") for name in names)


def tensors(part: StandIn, name: str = "") -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers of a pickled module and of all inside it, named as in its state dict."""
    state: dict[str, Any] = part.__dict__
    for kind in ("_parameters", "_buffers"):
        yield from ((name + key, tensor) for key, tensor in state.get(kind, {}).items() if tensor is not None)
    for key, inside in state.get("_modules", {}).items():
        if isinstance(inside, StandIn):
            yield from tensors(inside, f"{name}{key}.")
