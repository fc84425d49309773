"""A TorchXRayVision checkpoint becomes a bundle that the station trusts; a bad one becomes one line, no bundle."""

import argparse
import copy
import errno
import json
import os
import pickle
import sys
import time
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from torch import nn

from models import foreign, torchxrayvision
from models.checkpoint import CheckpointError, open_checkpoint
from models.fitting import unmeasured
from models.releases import OUTPUTS, RELEASES, published, recognised
from tests.peers.verbs import run
from xray_triage.model.importing import import_checkpoint
from xray_triage.model.limits import lacking
from xray_triage.model.selection import SHIPPED_DEFAULT, SHIPPED_FOLDER
from xray_triage.reading.bundle import Bundle, load_bundle
from xray_triage.reading.findings import Findings, NotReadable
from xray_triage.reading.onnx_classifier import OnnxClassifier, verify
from xray_triage.reading.radiograph import Radiograph
from xray_triage.simulation import phantom

pytestmark = pytest.mark.workshop
THRESHOLDS = [0.1 + 0.02 * index for index in range(17)] + [float("nan")]


@pytest.fixture(scope="module")
def densenet() -> nn.Module:
    """A network as TorchXRayVision builds it, untrained."""
    torch.manual_seed(0)
    network = torchvision.models.densenet121(num_classes=len(OUTPUTS))
    network.features.conv0 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    network.register_buffer("op_threshs", torch.tensor(THRESHOLDS))
    return network.eval()


@pytest.fixture(scope="module")
def a_state_dict(densenet: nn.Module, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "checkpoint.pt"
    torch.save(densenet.state_dict(), path)
    return path


@pytest.fixture(scope="module")
def station(a_state_dict: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A station's folder into whose data the checkpoint was imported, as the command does it."""
    folder = tmp_path_factory.mktemp("station")
    steps: list[str] = []
    bundle = folder / "data" / "bundles" / "xrv"
    said = import_checkpoint(
        a_state_dict, bundle, ["--licence", "Apache-2.0"], lambda done, total, what: steps.append(what)
    )
    assert said.startswith("xrv: densenet121; shows atelectasis, ")
    assert "Not proven on labelled films: a film without a mark is never taken to be normal." in said
    assert steps == ["writing the graph"]
    assert [path.name for path in bundle.parent.iterdir()] == ["xrv"]
    return folder


@pytest.fixture
def imported(station: Path) -> Bundle:
    return load_bundle(station / "data" / "bundles" / "xrv")


def options(checkpoint: Path, bundle: Path, **changes: object) -> argparse.Namespace:
    values = {"arch": None, "outputs": "", "weights": "", "licence": "", "labels": None, "films": None, "size": 0}
    return argparse.Namespace(checkpoint=checkpoint, bundle=bundle, where=[], ignore=[], **values | changes)


def test_the_bundle_is_whole_and_its_labels_and_thresholds_are_the_checkpoints(imported: Bundle) -> None:
    verify(imported, OnnxClassifier(imported))
    found = {label.name: label.threshold for label in imported.manifest.labels}
    assert found["pleural_effusion"] == pytest.approx(THRESHOLDS[OUTPUTS.index("Effusion")])
    assert "fracture" not in found
    assert len(found) == 15
    assert found["abnormal"] == 0.5
    assert (imported.manifest.licence, imported.manifest.input.size) == ("Apache-2.0", 224)
    card = (imported.folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Nothing was measured" in card
    assert "Not proven on labelled films" in card
    assert imported.manifest.training["origin"]["checkpoint"] == "checkpoint.pt"
    assert lacking(imported.manifest) == ["proven", "energies", "worth", "shown"]


def test_our_gate_and_outlines_are_lent_to_it(imported: Bundle) -> None:
    classifier = OnnxClassifier(imported)
    drawn = phantom.render(seed=3, rows=512, columns=512).image
    upright = classifier.classify(Radiograph(image=drawn, rows=512, columns=512))
    turned = classifier.classify(Radiograph(image=drawn[::-1, ::-1].copy(), rows=512, columns=512))
    assert isinstance(upright, Findings)
    assert upright.scores["cardiothoracic_ratio"] is not None
    assert isinstance(turned, NotReadable)
    ours = load_bundle(SHIPPED_FOLDER / SHIPPED_DEFAULT).manifest
    assert imported.companion is not None
    assert imported.companion.identity.sha256 == ours.model_sha256
    assert imported.manifest.cardiothoracic == ours.cardiothoracic


def test_without_films_abnormal_is_the_mean_of_its_labels(imported: Bundle) -> None:
    film = phantom.render(seed=3, rows=400, columns=400).image
    logits = OnnxClassifier(imported).see(film).logits
    rows = imported.manifest.labels
    above = [
        logit - np.log(label.threshold / (1 - label.threshold))
        for label, logit in zip(rows, logits, strict=True)
        if label.name != "abnormal" and not label.withheld
    ]
    assert logits[-1] == pytest.approx(np.mean(above), abs=1e-3 * np.abs(logits).max())


def test_the_stations_probabilities_are_the_networks_own(imported: Bundle, densenet: nn.Module) -> None:
    film = phantom.render(seed=3, rows=400, columns=500).image.astype(np.float32)
    film = (film - film.min()) / (film.max() - film.min())
    square = film[:, 50:450]
    small = torch.from_numpy(square)[None, None]
    small = nn.functional.interpolate(small, (224, 224), mode="bilinear", antialias=True)
    small = (small - small.min()) / (small.max() - small.min())
    with torch.no_grad():
        expected = torch.sigmoid(densenet((2 * small - 1) * 1024))[0]
    found = OnnxClassifier(imported).probabilities(film)
    for name, theirs in (("cardiomegaly", "Cardiomegaly"), ("pleural_effusion", "Effusion")):
        assert found[name] == pytest.approx(float(expected[OUTPUTS.index(theirs)]), abs=0.02)


def test_it_is_listed_verified_and_reads_films(station: Path) -> None:
    listed = [json.loads(line) for line in run("model", "list", "--json", folder=station).stdout.splitlines()]
    assert [row["name"] for row in listed if row["folder"].endswith("xrv")] == ["xrv"]
    assert run("model", "verify", "xrv", folder=station).returncode == 0
    film = (phantom.render(seed=2, rows=500, columns=500).image * 255).astype(np.uint8)
    Image.fromarray(film).save(station / "film.png")
    said = run(
        "read", "film.png", "--json", folder=station, XRAY_TRIAGE__MODEL__BUNDLE=str(station / "data/bundles/xrv")
    )
    (read,) = map(json.loads, said.stdout.splitlines())
    assert (read["status"], read["model"]["name"], len(read["findings"])) == ("read", "xrv", 14 + 2)  # and the groups


def test_a_second_import_of_the_name_changes_nothing(station: Path, a_state_dict: Path) -> None:
    bundle = station / "data" / "bundles" / "xrv"
    before = {path.name: path.stat().st_mtime_ns for path in bundle.iterdir()}
    with pytest.raises(CheckpointError, match="is there already"):
        torchxrayvision.make_bundle(options(a_state_dict, bundle))
    assert {path.name: path.stat().st_mtime_ns for path in bundle.iterdir()} == before


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "as before PyTorch 1.6"])
def test_a_pickle_of_the_whole_model_gives_the_same_weights(
    densenet: nn.Module, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, zipped: bool
) -> None:
    theirs = ModuleType("torchxrayvision.models")
    theirs.DenseNet = type("DenseNet", (type(densenet),), {"__module__": theirs.__name__})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchxrayvision", ModuleType("torchxrayvision"))
    monkeypatch.setitem(sys.modules, theirs.__name__, theirs)
    monkeypatch.setattr(densenet, "__class__", theirs.DenseNet)
    densenet.pathologies = list(OUTPUTS)  # type: ignore[assignment]
    with warnings.catch_warnings(action="ignore"):
        torch.save(densenet, tmp_path / "whole.pt", _use_new_zipfile_serialization=zipped)
    opened = open_checkpoint(tmp_path / "whole.pt")
    assert opened.labels == list(OUTPUTS)
    assert opened.op_threshs == pytest.approx(THRESHOLDS, nan_ok=True)
    expected = {n: t for n, t in densenet.state_dict().items() if not n.endswith(("num_batches_tracked", "op_threshs"))}
    assert opened.weights.keys() == expected.keys()
    assert all(torch.equal(opened.weights[name], tensor) for name, tensor in expected.items())


def test_a_safetensors_file_gives_the_same_weights(densenet: nn.Module, tmp_path: Path) -> None:
    header, numbers = {"__metadata__": {"format": "pt"}}, bytearray()
    weights = {name: tensor for name, tensor in densenet.state_dict().items() if name != "op_threshs"}
    for name, tensor in weights.items():
        begin, kind = len(numbers), {torch.float32: "F32", torch.int64: "I64"}[tensor.dtype]
        numbers += tensor.numpy().tobytes()
        header[name] = {"dtype": kind, "shape": list(tensor.shape), "data_offsets": [begin, len(numbers)]}  # type: ignore[dict-item]
    told = json.dumps(header).encode()
    path = tmp_path / "theirs.safetensors"
    path.write_bytes(len(told).to_bytes(8, "little") + told + numbers)
    opened = open_checkpoint(path)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in opened.weights.items())
    assert foreign.architecture(opened, None) == "densenet121"


@pytest.mark.parametrize("prefix", ["", "model.", "module."])
def test_a_resnet_is_known_by_its_names_and_answers_as_itself(tmp_path: Path, prefix: str) -> None:
    torch.manual_seed(1)
    network = torchvision.models.resnet50(num_classes=len(OUTPUTS))
    network.conv1 = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    torch.save({prefix + name: t for name, t in network.eval().state_dict().items()}, tmp_path / "resnet.pt")
    opened = open_checkpoint(tmp_path / "resnet.pt")
    arch = foreign.architecture(opened, None)
    assert arch == "resnet50"
    rows = unmeasured(foreign.kept_outputs(opened, len(OUTPUTS), "", "resnet50-res512-all"), len(OUTPUTS))
    heads, zero = [row.head for row in rows], [torchxrayvision.zero_of(row) for row in rows]
    served = foreign.Served(foreign.load_network(opened, arch), arch, heads, zero).eval()
    films = torch.randn(1, 1, 96, 96)
    with torch.no_grad():
        logits, maps = served(films)
        answers = network(films).numpy()
    expected = torch.from_numpy(np.stack([head(answers) for head in heads], axis=1)).float()
    assert torch.allclose(logits, expected, rtol=1e-4, atol=1e-5)
    over = expected - served.zero
    assert torch.allclose(maps.mean((2, 3)), over, rtol=1e-3, atol=1e-3)  # a positive film is hot somewhere


def test_a_release_is_known_by_its_file_name_and_brings_its_thresholds(densenet: nn.Module, tmp_path: Path) -> None:
    assert recognised("chex-densenet121-d121-tw-lr001-rot45-tr15-sc15-seed0-best.pt") == "densenet121-res224-chex"
    assert recognised("nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121-d121.pt") == "densenet121-res224-all"
    assert recognised("my.pt") is None
    assert all(len(release.op_threshs) == len(OUTPUTS) for release in RELEASES.values())
    torch.save({n: t for n, t in densenet.state_dict().items() if n != "op_threshs"}, tmp_path / "plain.pt")
    plain = open_checkpoint(tmp_path / "plain.pt")
    outputs = {o.name: o for o in foreign.kept_outputs(plain, 18, "", "densenet121-res224-chex")}
    assert outputs["pneumothorax"].threshold == 0.0531293
    assert outputs["hernia"].withheld == foreign.NO_THRESHOLD
    unknown = foreign.kept_outputs(plain, 18, "", "")
    assert {output.threshold for output in unknown} == {foreign.UNKNOWN_THRESHOLD}


def test_thresholds_that_went_through_the_sigmoid_twice_are_those_of_probabilities_again(tmp_path: Path) -> None:
    """The ResNet's: published ones lie over a half, and its package would hold them against probabilities."""
    release = RELEASES["resnet50-res512-all"]
    pairs = [(ours, theirs) for ours, theirs in zip(release.cut_offs, release.op_threshs, strict=True) if ours]
    assert len(pairs) == 16
    assert all(1 / (1 + np.exp(-ours)) == pytest.approx(theirs) for ours, theirs in pairs)
    assert 0.005 < min(ours for ours, _ in pairs) < max(ours for ours, _ in pairs) < 0.2
    own = [float("nan") if value is None else value for value in release.op_threshs]
    torch.save({"fc.weight": torch.zeros(18, 2), "op_threshs": torch.tensor(own)}, tmp_path / "renamed.pt")
    opened = open_checkpoint(tmp_path / "renamed.pt")
    assert published(opened.op_threshs or []) == "resnet50-res512-all"
    assert foreign.known_thresholds(opened, "") == release.cut_offs
    assert published([]) is None
    assert published([0.5] * 18) is None


def test_thresholds_that_are_no_probabilities_are_refused(tmp_path: Path) -> None:
    for value in (7.0, 0.0, float("inf")):
        torch.save({"fc.weight": torch.zeros(18, 2), "op_threshs": torch.full((18,), value)}, tmp_path / "odd.pt")
        with pytest.raises(CheckpointError, match=r"op_threshs holds .* save the checkpoint without it"):
            foreign.known_thresholds(open_checkpoint(tmp_path / "odd.pt"), "")


def test_an_output_with_a_misspelt_name_is_not_lost_without_a_word(densenet: nn.Module, tmp_path: Path) -> None:
    torch.save({n: t for n, t in densenet.state_dict().items() if n != "op_threshs"}, tmp_path / "plain.pt")
    plain = open_checkpoint(tmp_path / "plain.pt")
    names = ",".join(OUTPUTS)
    with pytest.raises(CheckpointError, match="'Efusion', which is unknown; did you mean 'Effusion'"):
        foreign.kept_outputs(plain, 18, names.replace("Effusion", "Efusion"), "")
    passed_over = foreign.kept_outputs(plain, 18, names.replace("Effusion", ""), "")
    assert "pleural_effusion" not in {output.name for output in passed_over}


def test_a_network_that_is_blind_or_answers_no_numbers_is_refused(densenet: nn.Module) -> None:
    spec = foreign.input_of("densenet121", 64)
    torchxrayvision.check_answers(densenet, spec)
    for spoil, why in (
        (lambda network: nn.init.zeros_(network.classifier.weight), "answers the same to every film"),
        (lambda network: network.features.norm5.running_var.fill_(-1), "no number"),
    ):
        network = copy.deepcopy(densenet)
        spoil(network)
        with pytest.raises(CheckpointError, match=why):
            torchxrayvision.check_answers(network, spec)


def test_a_place_without_right_or_room_is_told_before_any_film_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with (
        pytest.raises(CheckpointError, match=r"no bundle can be made in .*; see --to"),
        torchxrayvision.folder_beside(tmp_path / "file" / "xrv", 0),
    ):
        pytest.fail("there is no such folder")
    with (
        pytest.raises(CheckpointError, match=r"MB are free in .*: make room, or see --to"),
        torchxrayvision.folder_beside(tmp_path / "xrv", 10**18),
    ):
        pytest.fail("there is no such disk")
    with (
        pytest.raises(CheckpointError, match=r"no room is left in .*: make some and import again"),
        torchxrayvision.folder_beside(tmp_path / "xrv", 0),
    ):
        raise OSError(errno.ENOSPC, "")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_what_an_interrupted_import_left_goes_and_what_runs_stays(tmp_path: Path) -> None:
    for name, age in ((".importing-1-old", 100_000), (".importing-2-new", 60)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (time.time() - age,) * 2)

    def interrupted() -> None:
        with torchxrayvision.folder_beside(tmp_path / "xrv", 0) as beside:
            (beside / "half").write_bytes(b"")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.name for path in tmp_path.iterdir()] == [".importing-2-new"]


def test_names_must_fit_the_outputs(a_state_dict: Path, tmp_path: Path) -> None:
    for outputs, why in (
        ("Mass,Nodule", "2 names for 18 outputs: name them"),
        (",".join(["Fracture"] * 18), "is a finding"),
    ):
        with pytest.raises(CheckpointError, match=why):
            torchxrayvision.make_bundle(options(a_state_dict, tmp_path / "xrv", outputs=outputs))
    with pytest.raises(CheckpointError, match="unknown release"):
        torchxrayvision.make_bundle(options(a_state_dict, tmp_path / "xrv", weights="densenet"))
    for size in (16, 4096, -1):
        with pytest.raises(CheckpointError, match=f"an input of {size} pixels: must be 32 to 2048"):
            torchxrayvision.make_bundle(options(a_state_dict, tmp_path / "xrv", size=size))
    with pytest.raises(CheckpointError, match="a densenet121, not a resnet50"):
        torchxrayvision.make_bundle(options(a_state_dict, tmp_path / "xrv", arch="resnet50"))
    assert list(tmp_path.iterdir()) == []


class Harmful:
    """What a pickle may hold: a call that is made as it is opened."""

    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.witness),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_of_something_else_is_not_run(tmp_path: Path, zipped: bool) -> None:
    witness = tmp_path / "witness"
    torch.save({"weight": Harmful(witness)}, tmp_path / "bad.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match=r"holds posix.mkdir, .* nothing in it was run"):
        open_checkpoint(tmp_path / "bad.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Harmful(witness)))
    with pytest.raises(CheckpointError):
        open_checkpoint(tmp_path / "plain.pt")
    assert not witness.exists()


def bad_checkpoints(folder: Path, densenet: nn.Module) -> Iterator[tuple[str, Path]]:
    weights = densenet.state_dict()
    spoilt = weights | {"features.norm5.bias": torch.full((1024,), float("nan"))}
    coloured = weights | {"features.conv0.weight": torch.zeros(64, 3, 7, 7)}
    smaller = weights | {"features.conv0.weight": torch.zeros(64, 1, 3, 3)}
    less = {name: tensor for name, tensor in weights.items() if "denseblock4" not in name}
    for name, value in {
        "is spoilt: features.norm5.bias": spoilt,
        "conv0.weight is .64, 3, 7, 7.": coloured,
        "conv0.weight is .64, 1, 3, 3.": smaller,
        "denseblock4": less,
        "no densenet121 and no resnet50": {"layer.weight": torch.zeros(3)},
        "no weights by name": [1, 2],
        "classifier.weight": {"features.conv0.weight": torch.zeros(64, 1, 7, 7)},
    }.items():
        torch.save(value, folder / f"{len(list(folder.iterdir()))}.pt")
        yield name, max(folder.iterdir(), key=lambda path: int(path.stem))


def test_a_bad_checkpoint_is_one_line_and_leaves_nothing(densenet: nn.Module, tmp_path: Path) -> None:
    checkpoints, bundles = tmp_path / "checkpoints", tmp_path / "bundles"
    checkpoints.mkdir()
    for why, path in bad_checkpoints(checkpoints, densenet):
        with pytest.raises(CheckpointError, match=why) as told:
            torchxrayvision.make_bundle(options(path, bundles / "xrv"))
        assert "\n" not in str(told.value)
    assert not bundles.exists()


def test_what_is_no_checkpoint_is_said(tmp_path: Path, a_state_dict: Path) -> None:
    cut = a_state_dict.read_bytes()[:100_000]
    with zipfile.ZipFile(tmp_path / "script.zip", "w") as script:
        script.writestr("archive/constants.pkl", b"")
    lies = json.dumps({"weight": {"dtype": "F32", "shape": [2], "data_offsets": [0, 800]}}).encode()
    odd = json.dumps({"weight": {"dtype": "STRING", "shape": [2], "data_offsets": [0, 8]}}).encode()
    headed = [len(header).to_bytes(8, "little") + header + bytes(8) for header in (lies, odd, b"[1]", b"{")]
    for content in (b"", b"\xff" * 100, cut, *headed):
        (tmp_path / "bad.safetensors").write_bytes(content)
        with pytest.raises(CheckpointError, match="no safetensors file"):
            open_checkpoint(tmp_path / "bad.safetensors")
    for content, why in ((b"", "no PyTorch checkpoint"), (b"text", "no PyTorch checkpoint"), (cut, "no PyTorch")):
        (tmp_path / "bad.pt").write_bytes(content)
        with pytest.raises(CheckpointError, match=why):
            open_checkpoint(tmp_path / "bad.pt")
    changed = bytearray(a_state_dict.read_bytes())
    changed[len(changed) // 2] ^= 1
    (tmp_path / "changed.pt").write_bytes(changed)
    with pytest.raises(CheckpointError, match=r"is damaged \(the checksum of .*\): fetch it again"):
        open_checkpoint(tmp_path / "changed.pt")
    with pytest.raises(CheckpointError, match="of another kind"):
        open_checkpoint(tmp_path / "script.zip")


def test_the_command_tells_a_bad_checkpoint_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "bad.pt").write_bytes(b"no checkpoint")
    said = run("model", "import", "bad.pt", "--name", "xrv", folder=tmp_path)
    assert (said.returncode, said.stderr.count("\n")) == (1, 1), said.stderr
    assert "is no PyTorch checkpoint" in said.stderr
    assert run("model", "import", "bad.pt", "--name", "../xrv", folder=tmp_path).returncode == 2
    assert run("model", "import", "absent.pt", "--name", "xrv", folder=tmp_path).returncode == 2
    assert [path.name for path in tmp_path.iterdir()] == ["bad.pt"]
