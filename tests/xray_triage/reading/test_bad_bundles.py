"""A bundle that cannot be trusted turns AI off with one clear line, whatever is wrong with it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.xray_triage.bundles import make_bundle
from xray_triage.config.station import Config
from xray_triage.model.loading import load_classifier
from xray_triage.reading.bundle import sha256_of

Change = Callable[[onnx.ModelProto], None]


def problem_of(folder: Path) -> str:
    """Why AI is off with this bundle."""
    ai = load_classifier(Config.model_validate({"model": {"bundle": str(folder), "threads": 1}}))
    assert ai.classifier is None
    assert ai.problem is not None
    assert "\n" not in ai.problem
    assert "c++" not in ai.problem.lower()
    assert "::" not in ai.problem
    return ai.problem


def rehash(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["model_sha256"] = sha256_of(folder / "model.onnx")
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")


def node(model: onnx.ModelProto, output: str) -> onnx.NodeProto:
    return next(one for one in model.graph.node if output in one.output)


def weights(name: str, value: np.ndarray) -> Change:
    def change(model: onnx.ModelProto) -> None:
        (old,) = (one for one in model.graph.initializer if one.name == name)
        old.CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))

    return change


def one_label_less(model: onnx.ModelProto) -> None:
    weights("bias", np.zeros((1, 3)))(model)
    weights("ones", np.ones((3, 1, 1, 1)))(model)
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_value = 3


def masks(shape: list[int], value: float) -> Change:
    """Masks of one value come out, promised as ``organs``."""

    def change(model: onnx.ModelProto) -> None:
        fixed = numpy_helper.from_array(np.full(shape, value, np.float32), "fixed")
        model.graph.initializer.append(fixed)
        model.graph.node.append(helper.make_node("Identity", ["fixed"], ["organs"]))
        model.graph.output.append(helper.make_tensor_value_info("organs", TensorProto.FLOAT, shape))

    return change


def flat_maps(model: onnx.ModelProto) -> None:
    """The activation maps come as one line each."""
    model.graph.initializer.append(numpy_helper.from_array(np.array([1, 4, 64], np.int64), "line"))
    node(model, "cams").output[0] = "square"
    node(model, "means").input[0] = "square"
    model.graph.node.insert(2, helper.make_node("Reshape", ["square", "line"], ["cams"]))
    del model.graph.output[1].type.tensor_type.shape.dim[3:]
    model.graph.output[1].type.tensor_type.shape.dim[2].dim_value = 64


def another_name(model: onnx.ModelProto) -> None:
    node(model, "logits").output[0] = "answers"
    model.graph.output[0].name = "answers"


def another_masks(model: onnx.ModelProto) -> None:
    node(model, "masks").output[0] = "organs"
    model.graph.output[0].name = "organs"


def unknown_operator(model: onnx.ModelProto) -> None:
    node(model, "cells").op_type = "QuantumPool"


def foreign_operator(model: onnx.ModelProto) -> None:
    model.opset_import.append(helper.make_opsetid("com.example", 1))
    node(model, "cells").domain = "com.example"


def newer_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 99


def newer_format(model: onnx.ModelProto) -> None:
    model.ir_version = 99


def larger_films(model: onnx.ModelProto) -> None:
    for place, side in ((2, 96), (3, 96)):
        model.graph.input[0].type.tensor_type.shape.dim[place].dim_value = side


def byte_films(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.elem_type = TensorProto.UINT8
    model.graph.node.insert(0, helper.make_node("Cast", ["films"], ["numbers"], to=TensorProto.FLOAT))
    node(model, "cells").input[0] = "numbers"


def second_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("age", TensorProto.FLOAT, [1, 4]))
    node(model, "little").input[1] = "age"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (one_label_less, r"array of \(1, 3\), expected \(1, 4\)"),
        (another_name, "no output 'logits', which the manifest names"),
        (flat_maps, r"array of \(1, 4, 64\), expected"),
        (weights("bias", np.full((1, 4), np.nan)), "no number"),
        (weights("bias", np.full((1, 4), np.inf)), "no number"),
        (weights("ones", np.full((4, 1, 1, 1), np.nan)), "no number"),
        (weights("bias", np.full((1, 4), 0.1)), "on the golden film .* should be"),
        (unknown_operator, "cannot be loaded: .*QuantumPool"),
        (foreign_operator, "cannot be loaded: .*com.example"),
        (newer_opset, "cannot be loaded: .*[Oo]pset"),
        (newer_format, "cannot be loaded: .*IR version"),
        (larger_films, r"takes films: tensor\(float\) \[1, 1, 96, 96\]; the manifest promises .*\[1, 1, 64, 64\]"),
        (byte_films, r"takes films: tensor\(uint8\)"),
        (second_input, r"takes films: .*, age: "),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_graph_that_is_not_as_its_manifest_says_turns_ai_off(tmp_path: Path, change: Change, said: str) -> None:
    folder = make_bundle(tmp_path)
    model = onnx.load(folder / "model.onnx")
    change(model)
    onnx.save(model, folder / "model.onnx")
    rehash(folder)
    problem = problem_of(folder)
    assert str(folder) in problem
    assert re.search(said, problem), problem


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (masks([1, 2, 8, 8], 0.5), r"array of \(1, 2, 8, 8\), expected \(1, 3, None, None\)"),
        (masks([3, 8, 8], 0.5), r"array of \(3, 8, 8\)"),
        (masks([1, 3, 8, 8], 1.2), "masks lie between 1.2 and 1.2, expected 0 to 1"),
        (masks([1, 3, 8, 8], -0.5), "expected 0 to 1"),
        (masks([1, 3, 8, 8], np.nan), "no number"),
        (lambda model: None, "no output 'organs'"),
    ],
)
def test_masks_that_are_none_turn_ai_off(tmp_path: Path, change: Change, said: str) -> None:
    outputs = {"logits": "logits", "activation_maps": "cams", "gate": None, "masks": "organs"}
    folder = make_bundle(tmp_path, outputs=outputs)
    model = onnx.load(folder / "model.onnx")
    change(model)
    onnx.save(model, folder / "model.onnx")
    rehash(folder)
    assert re.search(said, problem_of(folder))


def with_outlines(folder: Path) -> Path:
    return make_bundle(folder, masks=np.full((3, 8, 8), 0.5, np.float32), normalised=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (weights("drawn", np.full((1, 3, 8, 8), np.nan)), "outlines came as .* no number"),
        (weights("drawn", np.full((1, 3, 8, 8), 1.5)), "masks lie between 1.5 and 1.5, expected 0 to 1"),
        (another_masks, "no output 'masks', which the manifest names"),
        (larger_films, r"outlines.onnx takes films: tensor\(float\) \[1, 1, 96, 96\]; the manifest promises"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_outlines_that_are_none_turn_ai_off(tmp_path: Path, change: Change, said: str) -> None:
    folder = with_outlines(tmp_path)
    model = onnx.load(folder / "outlines.onnx")
    change(model)
    onnx.save(model, folder / "outlines.onnx")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["outlines"]["sha256"] = sha256_of(folder / "outlines.onnx")
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    problem = problem_of(folder)
    assert re.search(said, problem), problem


def test_a_graph_that_takes_no_masks_where_outlines_are_promised_turns_ai_off(tmp_path: Path) -> None:
    folder = with_outlines(tmp_path)
    model = onnx.load(folder / "model.onnx")
    del model.graph.input[1]
    onnx.save(model, folder / "model.onnx")
    rehash(folder)
    assert re.search(r"model.onnx takes films: .* promises one film of .* and masks", problem_of(folder))


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, -1])
def test_a_truncated_graph_turns_ai_off_even_under_a_right_hash(tmp_path: Path, kept: float) -> None:
    folder = make_bundle(tmp_path)
    whole = (folder / "model.onnx").read_bytes()
    (folder / "model.onnx").write_bytes(whole[: int(kept * len(whole)) if 0 < kept < 1 else int(kept)])
    rehash(folder)
    assert str(folder) in problem_of(folder)


def test_a_wrong_hash_turns_ai_off(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "model.onnx").write_bytes((folder / "model.onnx").read_bytes() + b" ")
    assert "sha256" in problem_of(folder)


def test_a_golden_film_that_is_no_picture_turns_ai_off(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    (folder / "golden.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["golden"]["sha256"] = sha256_of(folder / "golden.png")
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "golden.png is no readable picture" in problem_of(folder)


def test_a_label_that_the_graph_does_not_have_turns_ai_off(tmp_path: Path) -> None:
    folder = make_bundle(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    manifest["labels"].append(manifest["labels"][0] | {"name": "nodule"})
    manifest["golden"]["probabilities"]["nodule"] = 0.5
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    assert "(1, 4), expected (1, 5)" in problem_of(folder)
