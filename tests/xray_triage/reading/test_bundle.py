import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.xray_triage.bundles import make_bundle
from xray_triage.reading.bundle import BundleError, load_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "bundle")


def test_a_whole_bundle_is_loaded(bundle: Path) -> None:
    loaded = load_bundle(bundle)
    assert loaded.identity.name == "test-bundle"
    assert loaded.manifest.labels[0].name == "pneumothorax"
    assert loaded.model_path.is_file()


def complaint(folder: Path) -> str:
    with pytest.raises(BundleError) as raised:
        load_bundle(folder)
    message = str(raised.value)
    assert "\n" not in message
    return message


def change(folder: Path, *keys: str, to: Any) -> None:
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    inner = manifest
    for key in keys[:-1]:
        inner = inner[int(key) if key.isdigit() else key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(manifest))


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert "no such folder" in complaint(tmp_path / "nowhere")


@pytest.mark.parametrize("name", ["model.onnx", "manifest.json", "golden.png"])
def test_a_missing_file_is_named(bundle: Path, name: str) -> None:
    (bundle / name).unlink()
    assert name in complaint(bundle)


@pytest.mark.parametrize("name", ["model.onnx", "golden.png"])
def test_one_flipped_bit_is_noticed(bundle: Path, name: str) -> None:
    content = bytearray((bundle / name).read_bytes())
    content[len(content) // 2] ^= 1
    (bundle / name).write_bytes(content)
    assert "sha256" in complaint(bundle)
    assert name in complaint(bundle)


@pytest.fixture
def with_outlines(tmp_path: Path) -> Path:
    return make_bundle(tmp_path / "outlined", masks=np.full((3, 8, 8), 0.5, np.float32), normalised=True)


def test_a_bundle_may_have_outlines_and_one_of_the_old_kind_has_none(bundle: Path, with_outlines: Path) -> None:
    assert load_bundle(bundle).manifest.outlines is None
    outlines = load_bundle(with_outlines).manifest.outlines
    assert outlines is not None
    assert outlines.energies.level == 0.5


def test_outlines_that_lack_or_were_changed_are_named(with_outlines: Path) -> None:
    (with_outlines / "outlines.onnx").write_bytes((with_outlines / "outlines.onnx").read_bytes() + b" ")
    assert "outlines.onnx is damaged" in complaint(with_outlines)
    (with_outlines / "outlines.onnx").unlink()
    assert "outlines.onnx" in complaint(with_outlines)


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("outputs", "masks"), None, "outlines need outputs.masks"),
        (("outlines", "sha256"), "abc", "outlines.sha256"),
        (("outlines", "energies", "bands"), [0.1, 0.1], "5 bands"),
        (("outlines", "energies", "bands"), [0.1, 0.1, 0.1, 0.1, 0], "above 0"),
        (("outlines", "energies", "spread"), 0, "above 0"),
        (("outlines", "energies", "spread"), 1e999, "finite"),
        (("outlines", "energies", "level"), 1.5, "level"),
        (("outlines", "energies", "share"), 0, "share"),
        (("outlines", "energies", "share"), 1.1, "share"),
        (("outlines", "energies", "colour"), 1, "colour"),
        (("outlines", "energies"), {}, "energies"),
    ],
)
def test_wrong_outlines_are_refused_with_the_place(
    with_outlines: Path, keys: tuple[str, ...], value: Any, said: str
) -> None:
    change(with_outlines, *keys, to=value)
    message = complaint(with_outlines)
    assert said in message
    assert "manifest.json" in message


@pytest.mark.parametrize(
    ("keys", "value", "said"),
    [
        (("format",), 2, "format"),
        (("name",), "", "name"),
        (("licence",), None, "licence"),
        (("surprise",), 1, "surprise"),
        (("model_sha256",), "abc", "model_sha256"),
        (("input", "size"), 5, "size must be"),
        (("input", "size"), "large", "input"),
        (("input", "colour"), 1, "input"),
        (("input", "std"), 0, "std"),
        (("input", "fit"), "stretch", "fit"),
        (("input", "percentiles"), [99, 1], "percentiles"),
        (("labels",), [], "labels"),
        (("labels", "0", "name"), "headache", "headache"),
        (("labels", "0", "name"), "cardiomegaly", "twice"),
        (("labels", "0", "threshold"), 1.5, "threshold"),
        (("labels", "0", "calibration"), {"scale": 1e999}, "calibration"),
        (("golden", "probabilities"), {}, "golden"),
        (("golden", "file"), "../golden.png", "golden"),
        (("gate",), {"classes": ["frontal", "rotated"], "minimum_frontal": 0.5}, "gate"),
        (("outputs", "gate"), "gate_logits", "gate"),
    ],
)
def test_a_wrong_manifest_is_refused_with_the_place(bundle: Path, keys: tuple[str, ...], value: Any, said: str) -> None:
    change(bundle, *keys, to=value)
    message = complaint(bundle)
    assert said in message
    assert "manifest.json" in message


@pytest.mark.parametrize(
    "classes", [["frontal"], ["rotated", "not_frontal"], ["frontal", "teapot"], ["frontal", "frontal"]]
)
def test_a_gate_must_name_reasons_that_we_know(bundle: Path, classes: list[str]) -> None:
    change(bundle, "outputs", "gate", to="gate_logits")
    change(bundle, "gate", to={"classes": classes, "minimum_frontal": 0.5})
    assert "classes must be" in complaint(bundle)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff\xfe\x00", b'{"format": 1}'])
def test_a_manifest_of_rubbish_is_refused(bundle: Path, content: bytes) -> None:
    (bundle / "manifest.json").write_bytes(content)
    assert "manifest.json" in complaint(bundle)
