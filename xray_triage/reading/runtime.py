"""ONNX Runtime itself: opens a bundle's graph and runs films through it. The only module that imports it.

It must never know what the answers mean (onnx_classifier.py does), nor which runtime is best
here (loading.py tries them).
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from xray_triage.reading.bundle import Bundle, BundleError
from xray_triage.reading.classifier import ModelFailed
from xray_triage.reading.normalisation import Energies, as_read
from xray_triage.reading.pixels import Image, InputSpec

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
    """A bundle's graphs on one runtime. Raises BundleError when one does not open or is not as the manifest says."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        self.runtime, manifest = runtime, bundle.manifest
        named, self._outlines = manifest.outputs, _Outlines(bundle, runtime) if manifest.outlines else None
        drawn = [self._outlines.name] if self._outlines else []
        asked = (named.logits, named.activation_maps, named.gate, named.masks)
        answers = [name for name in asked if name and name not in drawn]
        self._graph = _Graph(bundle.model_path, runtime, manifest.input, drawn, answers)

    def run(self, film: Image) -> tuple[dict[str, NDArray[Any]], Energies | None]:
        """Every output that the manifest names, by its name there, for a prepared film, and the energies it came with.

        Those are None unless the manifest has outlines. Raises ModelFailed.
        """
        read, masks, came = self.look(film)
        return masks | self._graph.run(read, *masks.values()), came

    def look(self, film: Image) -> tuple[Image, dict[str, NDArray[Any]], Energies | None]:
        """The prepared film (1, channels, size, size) as model.onnx reads it, and by name what it is given beside it.

        That is the film itself and nothing, unless the manifest has outlines; last the energies it came with. Raises
        ModelFailed.
        """
        return self._outlines.look(film) if self._outlines else (film, {}, None)


class _Outlines:
    """The graph that draws lungs and heart, and the film normalised by them."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        wanted, name = bundle.manifest.outlines, bundle.manifest.outputs.masks
        if wanted is None or name is None:
            raise BundleError(f"{bundle.folder} has no outlines")
        self.name, self._spec, self._energies = name, bundle.manifest.input, wanted.energies
        self._graph = _Graph(bundle.outlines_path, runtime, self._spec, [], [name])

    def look(self, film: Image) -> tuple[Image, dict[str, NDArray[Any]], Energies]:
        answer = self._graph.run(film)
        masks = answer[self.name]
        if masks.ndim != 4 or not np.isfinite(masks).all():
            raise ModelFailed(f"the outlines came as an array of {masks.shape}, or as something that is no number")
        read, came = as_read(film, masks[0].clip(0, 1), self._spec, self._energies)
        return read, answer, came


class _Graph:
    """One ONNX file: takes a film, and beside it what ``beside`` names."""

    def __init__(
        self, path: Path, runtime: Runtime, spec: InputSpec, beside: Sequence[str], answers: Sequence[str]
    ) -> None:
        self._session, self._answers = _open(path, runtime), list(answers)
        missing = set(answers) - {output.name for output in self._session.get_outputs()}
        if missing:
            raise BundleError(f"{path} has no output {min(missing)!r}, which the manifest names")
        self._inputs = _inputs_of(path, self._session, spec, beside)

    def run(self, *values: NDArray[Any]) -> dict[str, NDArray[Any]]:
        try:
            answers = self._session.run(self._answers, dict(zip(self._inputs, values, strict=True)))
        except RUNTIME_ERRORS as error:
            raise ModelFailed(f"ONNX Runtime failed: {_line(error)}") from error
        return dict(zip(self._answers, answers, strict=True))


def _open(path: Path, runtime: Runtime) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = runtime.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # The station's other process needs the cores between two layers more than we need the microseconds.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    own = [{"num_of_threads": str(runtime.threads)} if name == OPENVINO else {} for name in runtime.providers]
    try:
        session = onnxruntime.InferenceSession(
            path, options, providers=list(runtime.providers), provider_options=own, enable_fallback=0
        )
    except RUNTIME_ERRORS as error:
        raise BundleError(f"{path} cannot be loaded: {_line(error)}") from error
    absent = set(runtime.providers) - set(session.get_providers())
    if absent:  # its libraries are not on this machine; ONNX Runtime would go on without a word
        raise BundleError(f"[model] providers: {min(absent)} does not start on this machine; are its libraries there?")
    return session


def _inputs_of(path: Path, session: onnxruntime.InferenceSession, spec: InputSpec, beside: Sequence[str]) -> list[str]:
    """The names of the inputs: first the film that the manifest speaks of, then those of ``beside``."""
    inputs = session.get_inputs()
    film = (1, spec.channels, spec.size, spec.size)
    shape = [side if isinstance(side, int) else None for side in inputs[0].shape] if inputs else []
    fits = len(shape) == len(film) and all(side in (None, want) for side, want in zip(shape, film, strict=True))
    names = [one.name for one in inputs]
    if not fits or names[1:] != list(beside) or any(one.type != "tensor(float)" for one in inputs):
        found = ", ".join(f"{one.name}: {one.type} {one.shape}" for one in inputs) or "nothing"
        more = "".join(f" and {name}" for name in beside)
        raise BundleError(f"{path} takes {found}; the manifest promises one film of {list(film)}{more}")
    return names


def _line(error: Exception) -> str:
    """Its words without ONNX Runtime's source file, line and C++ signature."""
    return re.sub(r"/\S*onnxruntime/\S+:\d+ .*?\) (?=\S)", "", " ".join(str(error).split()))[:400]
