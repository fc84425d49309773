"""The model that may be trusted, or the reason why there is none. Knows bundles; no film, no database."""

from dataclasses import dataclass
from pathlib import Path

import structlog

from xray_triage.config import Config
from xray_triage.reading.bundle import BundleError, load_bundle
from xray_triage.reading.classifier import Classifier
from xray_triage.reading.onnx_classifier import ModelFailed, OnnxClassifier, verify
from xray_triage.shelf import chosen_folder

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AiState:
    """A classifier that may be trusted, or the one line that says why AI is off."""

    classifier: Classifier | None = None
    problem: str | None = None


def load_classifier(config: Config) -> AiState:
    """The chosen bundle, loaded and proven on its golden film; never raises on a bad bundle."""
    try:
        return AiState(classifier=prove_bundle(config, chosen_folder(config)))
    except BundleError as error:
        log.error("AI is off", problem=str(error))
        return AiState(problem=str(error))


def prove_bundle(config: Config, folder: Path) -> OnnxClassifier:
    """Load the bundle in ``folder`` and run its golden film. Raises BundleError with one line."""
    bundle = load_bundle(folder)
    try:
        classifier = OnnxClassifier(
            bundle,
            thresholds=config.model.thresholds,
            providers=config.model.providers,
            threads=config.model.threads,
        )
        verify(bundle, classifier)
    except ModelFailed as error:
        raise BundleError(f"{folder}: {error}") from error
    return classifier
