"""Every bundle in the tree is whole, small, honest, and answers its golden film on this machine."""

import json
from pathlib import Path

import pytest

from models import data
from xray_triage.model.selection import SHIPPED_FOLDER
from xray_triage.reading.bundle import load_bundle
from xray_triage.reading.findings import KINDS, Findings, NotReadable
from xray_triage.reading.onnx_classifier import OnnxClassifier, verify
from xray_triage.reading.radiograph import Radiograph
from xray_triage.simulation.phantom import render

pytestmark = pytest.mark.workshop
FOLDERS = sorted(path.parent for path in SHIPPED_FOLDER.glob("*/manifest.json"))


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    found: Path = request.param
    return found


def test_there_is_a_bundle() -> None:
    assert FOLDERS


def test_the_bundle_is_whole_and_knows_its_golden_film(folder: Path) -> None:
    bundle = load_bundle(folder)
    assert bundle.model_path.stat().st_size < 20e6
    verify(bundle, OnnxClassifier(bundle))


def test_what_sources_betray_or_chance_explains_is_withheld(folder: Path) -> None:
    labels = {label.name: label for label in load_bundle(folder).manifest.labels}
    assert set(labels) <= {*KINDS, data.ABNORMAL}
    assert all(label.withheld for name, label in labels.items() if name in data.MEASURED_ON)
    for label in labels.values():
        assert label.auc_interval is not None
        assert label.withheld or label.auc_interval[0] > 0.5


def test_the_figures_belong_to_this_model(folder: Path) -> None:
    manifest = load_bundle(folder).manifest
    measured = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    assert measured["model_sha256"] == manifest.model_sha256
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert all(label.name in card for label in manifest.labels)


def test_a_drawn_chest_is_read_and_turned_it_is_not(folder: Path) -> None:
    classifier = OnnxClassifier(load_bundle(folder))
    image = render(seed=3, rows=512, columns=512).image
    upright = classifier.classify(Radiograph(image=image, rows=512, columns=512))
    turned = classifier.classify(Radiograph(image=image[::-1, ::-1].copy(), rows=512, columns=512))
    assert isinstance(upright, Findings)
    assert isinstance(turned, NotReadable)
