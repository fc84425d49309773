"""A bundle's graph, run film by film as a station runs it, for what the station itself never asks: gates and times.

It must never know labels.csv.
"""

import time

import numpy as np
from numpy.typing import NDArray

from xray_triage.reading.bundle import Bundle
from xray_triage.reading.runtime import Runtime, Session

Films = NDArray[np.float32]  # prepared, (n, 1, size, size)


class Runs:
    """ONNX Runtime on the CPU, one film at a time."""

    def __init__(self, bundle: Bundle, *, threads: int) -> None:
        self.bundle, self.session = bundle, Session(bundle, Runtime(threads=threads))

    def gates(self, films: Films) -> NDArray[np.float64]:
        """Probabilities of the gate's classes, (n, classes)."""
        gate = self.bundle.manifest.outputs.gate
        logits = np.concatenate([self.session.run(film[None])[0][gate] for film in films])
        shares = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def refuses(self, gates: NDArray[np.float64]) -> NDArray[np.bool_]:
        return gates[:, 0] < self.bundle.manifest.gate.minimum_frontal

    def kind(self, gate: NDArray[np.float64]) -> str:
        """The class the gate gives one picture: frontal, or its reason to refuse."""
        classes = self.bundle.manifest.gate.classes
        return "frontal" if not self.refuses(gate[None])[0] else classes[1 + int(gate[1:].argmax())]

    def milliseconds(self, film: Films, rounds: int = 60) -> dict[str, float]:
        """Best and median of ``rounds`` runs of one film, outlines and normalisation too, the first ten left out."""
        times = []
        for _ in range(rounds):
            started = time.perf_counter()
            self.session.run(film)
            times.append((time.perf_counter() - started) * 1000)
        return {"best": min(times[10:]), "median": float(np.median(times[10:]))}
