"""ONNX Runtime itself: opens a bundle's graph and runs films through it. The only module that imports it.

It must never know what the answers mean (onnx_classifier.py does), nor which runtime is best
here (loading.py tries them).
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from xray_triage.reading.bundle import Bundle, BundleError
from xray_triage.reading.classifier import ModelFailed
from xray_triage.reading.pixels import Image

CPU, OPENVINO = "CPUExecutionProvider", "OpenVINOExecutionProvider"
# In the order of their promise. TensorRT is left out: it builds an engine for minutes when a model is new to a machine,
# which would keep the reader from its films (and over its loading limit); a site that wants it names it.
AUTOMATIC = ("CUDAExecutionProvider", OPENVINO, CPU)
THREADS = (1, 2, 4)
RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    *(one for one in vars(ort_errors).values() if isinstance(one, type) and issubclass(one, Exception)),
    MemoryError,
    RuntimeError,
    ValueError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What computes: ONNX Runtime's providers, the first before the others, and the threads of one film.

    ``milliseconds``: what the golden film took when this runtime was tried; None before.
    """

    providers: tuple[str, ...] = (CPU,)
    threads: int = 1
    milliseconds: float | None = None

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' if self.threads > 1 else ''}"
        took = [] if self.milliseconds is None else [f"{self.milliseconds:.0f} ms"]
        return ", ".join([*self.providers, threads, *took])


def candidates(wanted: Sequence[str], threads: int) -> list[Runtime]:
    """The runtimes to try for what station.toml asks, the most promising provider first, few threads before many.

    ``wanted`` is ``auto``, or ONNX Runtime's names, also short (``cuda``), which are then used together, as named.
    ``threads`` 0 stands for one, two or four, as far as this process has cores. Raises BundleError.
    """
    counts = (threads,) if threads else tuple(n for n in THREADS if n <= len(os.sched_getaffinity(0)))
    available = onnxruntime.get_available_providers()
    sets = [(name,) for name in AUTOMATIC if name in available] if "auto" in wanted else [_named(wanted, available)]
    return [
        Runtime(providers=providers, threads=count)
        for providers in sets
        for count in (counts if providers[0] in (CPU, OPENVINO) else counts[:1])
    ]


def _named(wanted: Sequence[str], available: Sequence[str]) -> tuple[str, ...]:
    full = {name.lower().removesuffix("executionprovider"): name for name in available}
    full |= {name.lower(): name for name in available}
    for short in wanted:
        if short.lower() not in full:
            raise BundleError(f"[model] providers: {short!r} is not there; this machine has {', '.join(available)}")
    return tuple(full[short.lower()] for short in wanted) or (CPU,)


class Session:
    """A bundle's graph on one runtime. Raises BundleError when it does not open or is not as the manifest says."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.runtime = runtime
        self._session = _open(bundle, runtime)
        named = bundle.manifest.outputs
        self._outputs = [name for name in (named.logits, named.activation_maps, named.gate, named.masks) if name]
        missing = set(self._outputs) - {output.name for output in self._session.get_outputs()}
        if missing:
            raise BundleError(f"{bundle.model_path} has no output {min(missing)!r}, which the manifest names")
        self._input = _input_of(bundle, self._session)

    def run(self, films: Image) -> dict[str, NDArray[Any]]:
        """Every output that the manifest names, by its name there. Raises ModelFailed."""
        try:
            values = self._session.run(self._outputs, {self._input: films})
        except RUNTIME_ERRORS as error:
            raise ModelFailed(f"ONNX Runtime failed: {_line(error)}") from error
        return dict(zip(self._outputs, values, strict=True))


def _open(bundle: Bundle, runtime: Runtime) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The station's other process needs the cores between two layers more than we need the microseconds.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    own = [{"num_of_threads": str(runtime.threads)} if name == OPENVINO else {} for name in runtime.providers]
    try:
        session = onnxruntime.InferenceSession(
            bundle.model_path, options, providers=list(runtime.providers), provider_options=own, enable_fallback=0
        )
    except RUNTIME_ERRORS as error:
        raise BundleError(f"{bundle.model_path} cannot be loaded: {_line(error)}") from error
    absent = set(runtime.providers) - set(session.get_providers())
    if absent:  # its libraries are not on this machine; ONNX Runtime would go on without a word
        raise BundleError(f"[model] providers: {min(absent)} does not start on this machine; are its libraries there?")
    return session


def _input_of(bundle: Bundle, session: onnxruntime.InferenceSession) -> str:
    """The name of the one input, which must take the films that the manifest speaks of."""
    spec, inputs = bundle.manifest.input, session.get_inputs()
    film = (1, spec.channels, spec.size, spec.size)
    shape = [side if isinstance(side, int) else None for side in inputs[0].shape] if inputs else []
    takes = len(shape) == len(film) and all(side in (None, want) for side, want in zip(shape, film, strict=True))
    if len(inputs) != 1 or inputs[0].type != "tensor(float)" or not takes:
        found = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs) or "nothing"
        raise BundleError(f"{bundle.model_path} takes {found}; the manifest promises one film of {list(film)}")
    name: str = inputs[0].name
    return name


def _line(error: Exception) -> str:
    """Its words without ONNX Runtime's source file, line and C++ signature."""
    return re.sub(r"/\S*onnxruntime/\S+:\d+ .*?\) (?=\S)", "", " ".join(str(error).split()))[:400]
