"""The interface of a classifier: ONNX Runtime at a station, anything else in a parity check."""

from collections.abc import Mapping
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

    def classify(self, radiograph: Radiograph, cut_offs: Mapping[str, float] | None = None) -> Findings | NotReadable:
        """What is on the film; NotReadable when the model's input gate says it is no upright frontal chest film.

        ``cut_offs`` were set for the machine that made it: they go before the bundle's, and behind those of
        station.toml, which the classifier was given. Raises ModelFailed.
        """
        ...
