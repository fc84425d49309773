"""A tiny real bundle for tests: a genuine ONNX graph, manifest and golden film, written in milliseconds."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from xray_triage.reading.bundle import (
    COMPANION_FOLDER,
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    OUTLINES_FILE,
    sha256_of,
)
from xray_triage.reading.normalisation import Energies, as_read
from xray_triage.reading.pixels import InputSpec, prepare

CELLS = 8  # the activation maps are CELLS x CELLS
LOGITS = {"pneumothorax": -3.0, "pleural_effusion": -3.0, "cardiomegaly": 3.0, "abnormal": 2.0}
SPEC = InputSpec(size=64, mean=0.0, std=1.0)
ENERGIES = Energies(bands=(0.004, 0.014, 0.02, 0.027, 0.045), spread=0.09, level=0.5)


def make_bundle(
    folder: Path,
    *,
    logits: Mapping[str, float] = LOGITS,
    gate: Mapping[str, float] | None = None,
    withheld: Sequence[str] = (),
    threshold: float = 0.5,
    activation_maps: bool = True,
    masks: NDArray[np.float32] | None = None,
    normalised: bool = False,
    **changes: Any,
) -> Path:
    """Write a bundle into ``folder`` and give it back.

    Every label's activation map is the film itself in 8 x 8 cells, so the heat is where the film is bright; its logit
    is the given one plus a tenth of the film's mean brightness. ``gate`` maps classes to their fixed logits
    (``{"frontal": -2, "rotated": 2}`` refuses every film). ``masks`` (3, h, w) are drawn on every film, whatever it
    shows; ``normalised``: by a graph of their own, so that the film is normalised first. ``changes`` overwrite
    manifest keys after all is right.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model, golden = folder / MODEL_FILE, folder / GOLDEN_FILE
    onnx.save(_graph(logits, gate, masks, normalised=normalised), model)
    film = np.linspace(0, 255, 96 * 80).reshape(96, 80).round().astype(np.uint8)
    Image.fromarray(film).save(golden)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    eaten = {"films": prepare(film.astype(np.float32) / 255, SPEC)}
    if normalised:
        assert masks is not None
        onnx.save(_outlines(masks), folder / OUTLINES_FILE)
        eaten = {"films": as_read(eaten["films"], masks, SPEC, ENERGIES)[0], "masks": masks[None]}
    answer = session.run(["logits"], eaten)[0][0]
    manifest = {
        "format": 1,
        "name": "test-bundle",
        "version": "1.0.0",
        "licence": "Apache-2.0",
        "model_sha256": sha256_of(model),
        "input": {"size": SPEC.size, "mean": SPEC.mean, "std": SPEC.std},
        "outputs": {
            "logits": "logits",
            "activation_maps": "cams" if activation_maps else None,
            "gate": "gate_logits" if gate else None,
            "masks": "masks" if masks is not None else None,
        },
        "outlines": {"sha256": sha256_of(folder / OUTLINES_FILE), "energies": asdict(ENERGIES)} if normalised else None,
        "labels": [
            {
                "name": name,
                "calibration": {"scale": 1.0, "offset": 0.0},
                "threshold": threshold,
                "sensitivity": 0.8,
                "specificity": 0.9,
                "auc": 0.9,
                "auc_interval": [0.85, 0.94],
                "withheld": "measured too weak" if name in withheld else None,
            }
            for name in logits
        ],
        "gate": {"classes": list(gate), "minimum_frontal": 0.5} if gate else None,
        "golden": {
            "file": GOLDEN_FILE,
            "sha256": sha256_of(golden),
            "probabilities": {
                name: float(1 / (1 + np.exp(-value))) for name, value in zip(logits, answer, strict=True)
            },
            "tolerance": 0.01,
        },
        "training": {},
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest | changes), encoding="utf-8")
    (folder / "MODEL_CARD.md").write_text("# A bundle for tests\n", encoding="utf-8")
    return folder


def spoil_on_films(folder: Path, how: Literal["nan", "hang"]) -> Path:
    """Make a bundle's graph answer NaN, or come to no end, on every film but the golden one; its hash stays right."""
    path = folder / MODEL_FILE
    model = onnx.load(path)
    nodes, stored = model.graph.node, model.graph.initializer
    golden = prepare(np.asarray(Image.open(folder / GOLDEN_FILE), np.float32) / 255, SPEC)
    constants = {
        "golden_mean": np.array(golden.mean(), np.float32),
        "near": np.array(1e-3, np.float32),
        "nan": np.array(np.nan, np.float32),
        "zero_added": np.array(0, np.float32),
        "never": np.array(1 << 62, np.int64),
        "no_turn": np.array(0, np.int64),
        "go_on": np.array(True),
    }
    stored.extend(numpy_helper.from_array(value, name) for name, value in constants.items())
    nodes.extend(
        [
            helper.make_node("ReduceMean", ["films"], ["film_mean"], keepdims=0),
            helper.make_node("Sub", ["film_mean", "golden_mean"], ["away"]),
            helper.make_node("Abs", ["away"], ["distance"]),
            helper.make_node("Greater", ["distance", "near"], ["is_film"]),
        ]
    )
    if how == "nan":
        nodes.append(helper.make_node("Where", ["is_film", "nan", "zero_added"], ["more"]))
    else:
        nodes.append(helper.make_node("Where", ["is_film", "never", "no_turn"], ["turns"]))
        nodes.append(helper.make_node("Loop", ["turns", "go_on", "zero_added"], ["more"], body=_one_turn()))
    next(one for one in nodes if "logits" in one.output).output[0] = "sound"
    nodes.append(helper.make_node("Add", ["sound", "more"], ["logits"]))
    onnx.save(_checked(model.graph), path)
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest | {"model_sha256": sha256_of(path)}), encoding="utf-8")
    return folder


def _one_turn() -> onnx.GraphProto:
    """The body of a loop that changes nothing."""
    names = {"turn": TensorProto.INT64, "go": TensorProto.BOOL, "before": TensorProto.FLOAT}
    given = [helper.make_tensor_value_info(name, kind, []) for name, kind in names.items()]
    told = [helper.make_tensor_value_info(name, kind, []) for name, kind in (("on", TensorProto.BOOL), ("after", 1))]
    nodes = [helper.make_node("Identity", ["go"], ["on"]), helper.make_node("Identity", ["before"], ["after"])]
    return helper.make_graph(nodes, "turn", given, told)


def give_companion(folder: Path, *, energies: Energies | None = None, **made: Any) -> Path:
    """Put a bundle ``made`` so into the bundle in ``folder``, as its companion."""
    inside = make_bundle(folder / COMPANION_FOLDER, **made)
    manifest = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
    manifest["companion"] = {
        "model_sha256": sha256_of(inside / MODEL_FILE),
        "energies": asdict(energies) if energies else None,
    }
    (folder / MANIFEST_FILE).write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def _graph(
    logits: Mapping[str, float],
    gate: Mapping[str, float] | None,
    masks: NDArray[np.float32] | None,
    *,
    normalised: bool,
) -> onnx.ModelProto:
    count, cell = len(logits), [SPEC.size // CELLS] * 2
    constants = {
        "ones": np.ones((count, 1, 1, 1), np.float32),
        "bias": np.array([list(logits.values())], np.float32),
        "tenth": np.array(0.1, np.float32),
        "axes": np.array([2, 3], np.int64),
    }
    nodes = [
        helper.make_node("AveragePool", ["films"], ["cells"], kernel_shape=cell, strides=cell),
        helper.make_node("Conv", ["cells", "ones"], ["cams"]),
        helper.make_node("ReduceMean", ["cams", "axes"], ["means"], keepdims=0),
        helper.make_node("Mul", ["means", "tenth"], ["little"]),
        helper.make_node("Add", ["little", "bias"], ["logits"]),
    ]
    outputs = [
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, count]),
        helper.make_tensor_value_info("cams", TensorProto.FLOAT, [1, count, CELLS, CELLS]),
    ]
    if gate:
        constants["gate_bias"] = np.array([list(gate.values())], np.float32)
        constants["nothing"] = np.array(0, np.float32)
        constants["first"] = np.array([0], np.int64)
        nodes += [
            helper.make_node("Gather", ["logits", "first"], ["one"], axis=1),
            helper.make_node("Mul", ["one", "nothing"], ["zero"]),
            helper.make_node("Add", ["zero", "gate_bias"], ["gate_logits"]),
        ]
        outputs.append(helper.make_tensor_value_info("gate_logits", TensorProto.FLOAT, [1, len(gate)]))
    inputs = [_films()]
    if masks is not None and normalised:
        inputs.append(_masks(masks))
    elif masks is not None:
        constants["drawn"] = masks[None].astype(np.float32)
        nodes.append(helper.make_node("Identity", ["drawn"], ["masks"]))
        outputs.append(_masks(masks))
    stored = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    return _checked(helper.make_graph(nodes, "tiny", inputs, outputs, stored))


def _outlines(masks: NDArray[np.float32]) -> onnx.ModelProto:
    """These masks on every film, whatever it shows."""
    stored = [numpy_helper.from_array(masks[None].astype(np.float32), "drawn")]
    nodes = [helper.make_node("Identity", ["drawn"], ["masks"])]
    return _checked(helper.make_graph(nodes, "outlines", [_films()], [_masks(masks)], stored))


def _films() -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("films", TensorProto.FLOAT, [1, 1, SPEC.size, SPEC.size])


def _masks(masks: NDArray[np.float32]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info("masks", TensorProto.FLOAT, [1, *masks.shape])


def _checked(graph: onnx.GraphProto) -> onnx.ModelProto:
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model
