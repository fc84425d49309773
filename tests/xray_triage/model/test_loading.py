"""Which runtime reads: the best of those that give the golden film's answers."""

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import onnxruntime
import pytest
from structlog.testing import capture_logs

from dicom_router.clock import SystemClock
from tests.factories import StoppedClock
from tests.xray_triage.bundles import LOGITS, make_bundle
from xray_triage.config.station import Config
from xray_triage.model.loading import TRIES, choose_runtime, idle_thresholds, load_classifier, prove_bundle
from xray_triage.reading.bundle import Bundle, BundleError, load_bundle
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.reading.runtime import CPU, Runtime, candidates


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return load_bundle(make_bundle(tmp_path / "bundle"))


def config(folder: Path, **model: object) -> Config:
    return Config.model_validate({"model": {"bundle": str(folder)} | model})


class ScriptedClock(StoppedClock):
    """Every reading of a film takes the next of ``seconds``."""

    def __init__(self, seconds: Iterator[float]) -> None:
        super().__init__()
        self._seconds = seconds
        self._inside = False

    def monotonic(self) -> float:
        self.elapsed_seconds += next(self._seconds) if self._inside else 0
        self._inside = not self._inside
        return self.elapsed_seconds


def chosen(bundle: Bundle, seconds: dict[int, list[float]]) -> Runtime:
    """What is chosen when the golden film takes so long with so many threads."""
    clock = ScriptedClock(iter([second for times in seconds.values() for second in times]))
    runtimes = [Runtime(threads=count) for count in seconds]
    return choose_runtime(bundle, partial(OnnxClassifier, bundle), runtimes, clock=clock)


def test_more_threads_are_taken_only_when_they_are_worth_it(bundle: Bundle) -> None:
    assert chosen(bundle, {1: [0.020] * TRIES, 2: [0.018] * TRIES}).threads == 1
    assert chosen(bundle, {1: [0.020] * TRIES, 2: [0.012] * TRIES, 4: [0.011] * TRIES}).threads == 2


def test_a_busy_moment_decides_nothing(bundle: Bundle) -> None:
    runtime = chosen(bundle, {1: [0.020] * TRIES, 2: [0.012, *[0.02] * (TRIES - 2), 0.012]})
    assert (runtime.threads, runtime.milliseconds) == (2, pytest.approx(12))


def test_a_slow_machine_is_not_tried_for_long(bundle: Bundle) -> None:
    assert chosen(bundle, {1: [0.4], 2: [0.2, 0.2]}).threads == 2


def test_threads_are_tried_as_far_as_there_are_cores() -> None:
    cores = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(cores)})
        assert [runtime.threads for runtime in candidates(["cpu"], 0)] == [1]
    finally:
        os.sched_setaffinity(0, cores)
    assert candidates(["cpu"], 3) == [Runtime(threads=3)]


@pytest.mark.parametrize("name", ["cpu", "CPUExecutionProvider", "cpuexecutionprovider", "auto"])
def test_providers_have_short_names(name: str) -> None:
    assert candidates([name], 1)[-1] == Runtime(providers=(CPU,))


def test_a_provider_that_is_not_there_is_refused_by_its_name(bundle: Bundle) -> None:
    with pytest.raises(BundleError, match=r"'quantum' is not there; this machine has .*CPUExecutionProvider"):
        prove_bundle(config(bundle.folder, providers=["cpu", "quantum"]), bundle.folder)


def test_a_provider_that_does_not_start_or_answers_otherwise_is_passed_over_with_a_word(
    bundle: Bundle, tmp_path: Path
) -> None:
    absent, wrong, right = (Runtime(providers=(name,)) for name in ("Absent", "Wrong", CPU))
    other = load_bundle(make_bundle(tmp_path / "other", logits=dict.fromkeys(LOGITS, 1.0)))

    def open_on(runtime: Runtime) -> OnnxClassifier:
        if runtime == absent:
            raise BundleError("no such library")
        return OnnxClassifier(other if runtime == wrong else bundle)

    with capture_logs() as logs:
        runtime = choose_runtime(bundle, open_on, [absent, absent, wrong, right], clock=SystemClock())
    assert runtime.providers == (CPU,)
    assert [(line["event"], line["providers"]) for line in logs] == [
        ("runtime passed over", "Absent"),
        ("runtime passed over", "Wrong"),
    ]
    assert "golden film" in logs[1]["problem"]


def test_a_named_provider_without_its_libraries_is_refused(bundle: Bundle) -> None:
    absent = next(name for name in onnxruntime.get_all_providers() if name not in onnxruntime.get_available_providers())
    with pytest.warns(UserWarning, match=absent), pytest.raises(BundleError, match=f"{absent} does not start"):
        OnnxClassifier(bundle, runtime=Runtime(providers=(absent,)))


def test_the_chosen_runtime_is_told(bundle: Bundle) -> None:
    ai = load_classifier(config(bundle.folder, threads=2))
    assert ai.classifier is not None
    assert ai.classifier.runtime.startswith("CPUExecutionProvider, 2 threads, ")
    assert ai.classifier.runtime.endswith(" ms")


def test_without_a_right_runtime_ai_is_off_and_says_why(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["golden"]["probabilities"]["cardiomegaly"] = 0.5
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with capture_logs() as logs:
        ai = load_classifier(config(folder))
    assert ai.classifier is None
    assert ai.problem is not None
    assert "on the golden film cardiomegaly is 0.9" in ai.problem
    assert [line["event"] for line in logs] == ["AI is off"]


def test_a_threshold_of_a_withheld_label_is_known_to_do_nothing(tmp_path: Path) -> None:
    manifest = load_bundle(make_bundle(tmp_path, withheld=["cardiomegaly"])).manifest
    settings = config(tmp_path, thresholds={"cardiomegaly": 0.3, "pneumothorax": 0.4})
    assert idle_thresholds(settings, manifest) == {"cardiomegaly": "measured too weak"}
