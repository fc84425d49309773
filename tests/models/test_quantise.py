"""The int8 variant is a bundle of its own, near the float one, with its last layers left float."""

import json
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from PIL import Image
from torch import nn

from models import export, quantise
from xray_triage.reading.bundle import load_bundle, sha256_of
from xray_triage.reading.onnx_classifier import OnnxClassifier, golden_film, verify
from xray_triage.simulation.phantom import render

pytestmark = pytest.mark.workshop
LABELS = ("pneumothorax", "cardiomegaly", "abnormal")
SIZE = 64


class Tiny(nn.Module):
    """A few convolutions, and a head a label; the gate from what they see."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = nn.Sequential(
            nn.Conv2d(1, 16, 3, 2), nn.ReLU6(), nn.Conv2d(16, 24, 3, 2), nn.ReLU6(), nn.Conv2d(24, 32, 1), nn.ReLU6()
        )
        self.head, self.gate = nn.Conv2d(32, len(LABELS), 1), nn.Linear(32, 2)

    def forward(self, films: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = self.trunk(films)
        maps = self.head(features)
        return maps.mean((2, 3)), maps, self.gate(features.mean((2, 3)))


@pytest.fixture(scope="module")
def a_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "tiny"
    folder.mkdir()
    program = torch.onnx.export(
        Tiny().eval(),
        (torch.zeros(2, 1, SIZE, SIZE),),
        input_names=["films"],
        output_names=["logits", "cams", "gate_logits"],
        dynamic_shapes={"films": {0: torch.export.Dim("n")}},
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    program.save(folder / "model.onnx", external_data=False)
    export.forget_sources(folder / "model.onnx")
    film = np.round(render(seed=1, rows=128, columns=128).image * 255).astype(np.uint8)
    Image.fromarray(film).save(folder / "golden.png")
    tenths = {"edges": [edge / 10 for edge in range(1, 10)], "shares": [0.1] * 10}
    manifest = {
        "format": 1, "name": "tiny", "version": "1", "licence": "Apache-2.0",
        "model_sha256": sha256_of(folder / "model.onnx"),
        "input": {"size": SIZE, "mean": 0.5, "std": 0.5},
        "outputs": {"logits": "logits", "activation_maps": "cams", "gate": "gate_logits"},
        "labels": [
            {"name": name, "threshold": 0.5, "auc": 0.9, "auc_interval": [0.8, 0.95], "reference": tenths}
            for name in LABELS
        ],
        "gate": {"classes": ["frontal", "not_a_chest"], "minimum_frontal": 0.5},
        "golden": {"sha256": sha256_of(folder / "golden.png"), "probabilities": dict.fromkeys(LABELS, 0.5)},
    }  # fmt: skip
    quantise.write(folder, manifest)
    said = OnnxClassifier(load_bundle(folder)).probabilities(golden_film(load_bundle(folder)))
    quantise.write(folder, manifest | {"golden": manifest["golden"] | {"probabilities": said}})  # type: ignore[operator]
    return folder


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Forty drawn films with and without what labels.csv says of them."""
    folder = tmp_path_factory.mktemp("films")
    (folder / "images").mkdir()
    rows = ["image,source,group,view,age,no_finding,pneumothorax,cardiomegaly"]
    for number in range(40):
        image = np.round(render(seed=number, rows=96, columns=96).image * 255).astype(np.uint8)
        Image.fromarray(image).save(folder / "images" / f"{number}.png")
        rows.append(f"{number}.png,nih14_512,{number},PA,47,{number % 2},{number // 2 % 2},{number // 4 % 2}")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module")
def int8(a_bundle: Path, films: Path) -> Path:
    to = a_bundle.with_name("tiny-int8")
    arguments = ["quantise", "--bundle", str(a_bundle), "--films", str(films), "--ranges-from", "12"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", arguments)
        quantise.main()
    return to


def test_it_is_a_bundle_of_its_own_and_knows_its_golden_film(a_bundle: Path, int8: Path) -> None:
    made, before = load_bundle(int8), load_bundle(a_bundle)
    assert made.identity.name == "tiny-int8"
    assert made.identity.sha256 != before.identity.sha256
    assert made.manifest.training["int8_of"] == {"name": "tiny", "sha256": before.identity.sha256}
    verify(made, OnnxClassifier(made))


def test_the_figures_of_the_float_model_are_not_its_own(int8: Path) -> None:
    for label in load_bundle(int8).manifest.labels:
        assert (label.auc, label.auc_interval) == (None, None)
        assert label.reference is not None
        assert label.reference.edges != tuple(edge / 10 for edge in range(1, 10))


def test_the_trunk_is_int8_and_the_last_layers_are_float(int8: Path) -> None:
    graph = onnx.load(int8 / "model.onnx").graph
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made_of = {node.output[0]: node for node in graph.node}
    convolutions = [node for node in graph.node if node.op_type == "Conv"]
    quantised = [
        made_of[node.input[1]].op_type == "DequantizeLinear" if node.input[1] in made_of else False
        for node in convolutions
    ]
    assert quantised == [True, True, True, False]
    assert {str(values.dtype) for values in weights.values() if values.size > 100} >= {"int8"}
    assert str(Path(quantise.__file__).parent.parent).encode() not in (int8 / "model.onnx").read_bytes()


def test_its_answers_are_near_and_the_comparison_says_how_near(a_bundle: Path, int8: Path) -> None:
    image = render(seed=77, rows=128, columns=128).image
    ours, theirs = (OnnxClassifier(load_bundle(folder)).probabilities(image) for folder in (a_bundle, int8))
    assert all(abs(ours[name] - theirs[name]) < 0.05 for name in LABELS)
    found = json.loads((int8 / "quantisation.json").read_text())
    assert found["largest_difference"] < 0.05
    assert found["model_sha256"]["int8"] == load_bundle(int8).identity.sha256
    assert set(found["labels"]) == set(LABELS)
    assert found["milliseconds"]["int8"]["1"] > 0


def test_nodes_may_be_kept_float(a_bundle: Path, tmp_path: Path) -> None:
    films = np.random.default_rng(0).normal(0, 1, (4, 1, SIZE, SIZE)).astype(np.float32)
    quantise.quantise(load_bundle(a_bundle), tmp_path / "model.onnx", films, quantise.METHODS["minmax"], keep=["conv"])
    graph = onnx.load(tmp_path / "model.onnx").graph
    assert not [tensor for tensor in graph.initializer if tensor.data_type == onnx.TensorProto.INT8]
