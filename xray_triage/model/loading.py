"""The model that may be trusted, on the runtime that is best here, or why there is none. Knows no film, no database."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import structlog

from dicom_router.clock import Clock, SystemClock
from xray_triage.config.station import Config
from xray_triage.model.selection import chosen_folder
from xray_triage.reading.bundle import Bundle, BundleError, Manifest, load_bundle
from xray_triage.reading.onnx_classifier import ModelFailed, OnnxClassifier, golden_film, verify
from xray_triage.reading.runtime import Runtime, candidates

TRIES, TRY_SECONDS = 8, 0.3  # the golden film is read so often on one runtime, or as often as this lasts
WORTH = 0.85  # of the time of a runtime with fewer threads or more promise, to be taken in its place

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class AiState:
    """A classifier that may be trusted, or the one line that says why AI is off."""

    classifier: OnnxClassifier | None = None
    problem: str | None = None


def load_classifier(config: Config) -> AiState:
    """The chosen bundle, loaded and proven on its golden film; never raises on a bad bundle."""
    try:
        return AiState(classifier=prove_bundle(config, chosen_folder(config)))
    except BundleError as error:
        log.error("AI is off", problem=str(error))
        return AiState(problem=str(error))


def prove_bundle(config: Config, folder: Path, *, clock: Clock | None = None) -> OnnxClassifier:
    """The bundle in ``folder``, on the best runtime that gives its golden film's answers. Raises BundleError."""
    bundle = load_bundle(folder)
    open_on = partial(OnnxClassifier, bundle, thresholds=config.model.thresholds)
    runtimes = candidates(config.model.providers, config.model.threads)
    return open_on(runtime=choose_runtime(bundle, open_on, runtimes, clock=clock or SystemClock()))


def choose_runtime(
    bundle: Bundle, open_on: Callable[..., OnnxClassifier], runtimes: Sequence[Runtime], *, clock: Clock
) -> Runtime:
    """The first of ``runtimes`` that is right, or a later one that is worth it.

    Each in its turn, never two at once, reads the golden film; where a provider fails or answers otherwise it is passed
    over. Its time is the least of a few, for that is what the machine can do when nothing else is going on. The front
    process needs the cores too, so more threads must earn themselves. Raises BundleError when none is right.
    """
    best: Runtime | None = None
    passed_over: dict[tuple[str, ...], str] = {}
    for runtime in runtimes:
        if runtime.providers in passed_over:
            continue
        try:
            milliseconds = _try(bundle, open_on(runtime=runtime), clock)
        except BundleError as error:
            passed_over[runtime.providers] = str(error)
            continue
        if best is None or best.milliseconds is None or milliseconds < WORTH * best.milliseconds:
            best = replace(runtime, milliseconds=milliseconds)
    if best is None:
        raise BundleError([*passed_over.values()][-1])
    for providers, problem in passed_over.items():
        log.warning("runtime passed over", providers=", ".join(providers), problem=problem)
    return best


def _try(bundle: Bundle, classifier: OnnxClassifier, clock: Clock) -> float:
    """Milliseconds of the golden film. Raises BundleError when the answers are not those of the manifest."""
    film = golden_film(bundle)
    try:
        verify(bundle, classifier)
        times: list[float] = []
        while len(times) < TRIES and sum(times) < TRY_SECONDS:
            started = clock.monotonic()
            classifier.probabilities(film)
            times.append(clock.monotonic() - started)
    except ModelFailed as error:
        raise BundleError(f"{bundle.folder}: {error}") from error
    return 1000 * min(times)


def idle_thresholds(config: Config, manifest: Manifest) -> Mapping[str, str]:
    """Labels with a threshold in station.toml that does nothing, and why: the bundle does not show them."""
    withheld = {label.name: label.withheld for label in manifest.labels if label.withheld}
    return {name: withheld[name] for name in config.model.thresholds if name in withheld}
