"""The seam between a film and whatever reads it: ONNX Runtime at a station, anything else in a parity check."""

from typing import Protocol

from xray_triage.reading.findings import Findings, ModelIdentity, NotReadable
from xray_triage.reading.radiograph import Radiograph


class ModelFailed(Exception):
    """The model gave no answer that could be believed. The film is not read; the message is for the log."""


class Classifier(Protocol):
    """Reads one film. Keeps nothing between films; needs no lock, for one thread owns it."""

    @property
    def identity(self) -> ModelIdentity:
        """Which model speaks."""
        ...

    def classify(self, radiograph: Radiograph) -> Findings | NotReadable:
        """What is on the film; NotReadable when the model's input gate says it is no upright frontal chest film.

        Raises ModelFailed.
        """
        ...
