"""MONOCHROME1 or MONOCHROME2, the same film gets the same scores from the shipped model, whatever its window."""

from copy import deepcopy
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from tests.factories import shared_folder
from tests.xray_triage.films import admitted, film
from xray_triage.model.selection import SHIPPED_DEFAULT, SHIPPED_FOLDER
from xray_triage.reading.bundle import load_bundle
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.simulation import phantom

pytestmark = pytest.mark.slow

WINDOWS = {
    "none": {},
    "whole": {"WindowCenter": 2048, "WindowWidth": 4096},
    "narrow and low": {"WindowCenter": 700, "WindowWidth": 900},
    "beyond the values": {"WindowCenter": 3800, "WindowWidth": 9000},
    "odd": {"WindowCenter": 1777.3, "WindowWidth": 2001.7},
    "sigmoid": {"WindowCenter": 1900, "WindowWidth": 2500, "VOILUTFunction": "SIGMOID"},
    "exact": {"WindowCenter": 1900, "WindowWidth": 2500, "VOILUTFunction": "LINEAR_EXACT"},
    "two": {"WindowCenter": [1800, 2400], "WindowWidth": [3000, 800]},
}
BARE = {"WindowCenter": None, "WindowWidth": None, "VOILUTFunction": None}
every_window = pytest.mark.parametrize("window", WINDOWS.values(), ids=WINDOWS)
REAL = ("tb_lundis", "nih14_512", "covid_radiography_lundis", "wingspan_ctr")
REAL_DICOM = ("ivmartel__gdcm-CR-MONO1-10-chest.dcm", "udacity__test2.dcm", "udacity__test3.dcm")


@pytest.fixture(scope="module")
def model() -> OnnxClassifier:
    return OnnxClassifier(load_bundle(SHIPPED_FOLDER / SHIPPED_DEFAULT))


def twin(dataset: Dataset) -> Dataset:
    """The same film in the other photometric interpretation: stored values and window mirrored (PS3.3 C.11.2.1.2)."""
    other, highest = deepcopy(dataset), 2**dataset.BitsStored - 1
    values = np.frombuffer(dataset.PixelData, f"<u{dataset.BitsAllocated // 8}")
    other.PixelData = (highest - values).astype(values.dtype).tobytes()
    other.PhotometricInterpretation = {"MONOCHROME1": "MONOCHROME2", "MONOCHROME2": "MONOCHROME1"}[
        dataset.PhotometricInterpretation
    ]
    if "WindowCenter" in dataset:
        exact = dataset.get("VOILUTFunction") == "LINEAR_EXACT"
        centers = np.atleast_1d(np.array(dataset.WindowCenter, float))
        other.WindowCenter = [float(highest - center + (0 if exact else 1)) for center in centers]
    return other


def real_film(source: str, window: dict[str, object]) -> Dataset:
    """The first film of a source as a station's machine would send it: 12 bits in 16."""
    folder = shared_folder() / "data" / "cxr"
    lines = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    name = next(line.split(",")[0] for line in lines if line.split(",")[1] == source)
    with Image.open(folder / "images" / name) as picture:
        shades = np.asarray(picture.convert("L"), np.uint16)
    values = shades * 16 + (np.arange(shades.size, dtype=np.uint16).reshape(shades.shape) % 16)
    shape = {"Rows": shades.shape[0], "Columns": shades.shape[1], "PixelData": values.astype("<u2").tobytes()}
    return film(**(shape | BARE | window))


def assert_the_twins_are_one(model: OnnxClassifier, dataset: Dataset) -> None:
    first, second = admitted(dataset), admitted(twin(dataset))
    assert first.flags == second.flags
    scores = [model.probabilities(radiograph.image) for radiograph in (first, second)]
    differences = {name: abs(score - scores[1][name]) for name, score in scores[0].items()}
    assert max(differences.values()) <= 1e-3, differences


@every_window
def test_a_drawn_film(model: OnnxClassifier, window: dict[str, object]) -> None:
    assert_the_twins_are_one(model, film(**(BARE | window)))


@pytest.mark.parametrize("finding", ["pneumothorax", "pleural_effusion", None])
def test_a_drawn_film_as_the_phantom_writes_it(model: OnnxClassifier, finding: str | None) -> None:
    drawn = phantom.render(seed=9, findings=(finding,) if finding else (), rows=700, columns=600)
    scores = [
        model.probabilities(admitted(phantom.dataset(drawn, photometric=photometric)).image)
        for photometric in ("MONOCHROME1", "MONOCHROME2")
    ]
    assert all(abs(scores[0][name] - scores[1][name]) <= 1e-3 for name in scores[0])


@every_window
@pytest.mark.parametrize("source", REAL)
def test_a_real_film(model: OnnxClassifier, source: str, window: dict[str, object]) -> None:
    assert_the_twins_are_one(model, real_film(source, window))


@pytest.mark.parametrize("name", REAL_DICOM)
def test_a_real_dicom_file(model: OnnxClassifier, name: str) -> None:
    path: Path = shared_folder() / "data" / "dicom" / name
    assert_the_twins_are_one(model, pydicom.dcmread(path))
