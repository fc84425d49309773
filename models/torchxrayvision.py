"""A TorchXRayVision checkpoint -> a bundle: ``python -m models.torchxrayvision CHECKPOINT FOLDER``.

The network is torchvision's DenseNet-121 or ResNet-50 with one channel, which is what TorchXRayVision's files hold; no
code of theirs is used or run. What is not known of such a model stands on its card: nothing was measured.
"""

import argparse
import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torchvision
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from models.checkpoint import Checkpoint, CheckpointError, open_checkpoint
from models.export import PARITY, TOLERANCE, forget_sources, golden_film, raw_threshold
from models.releases import OUTPUTS, RELEASES, our_name, recognised
from xray_triage.reading.bundle import BundleError, load_bundle, sha256_of
from xray_triage.reading.findings import KINDS
from xray_triage.reading.onnx_classifier import OnnxClassifier, verify
from xray_triage.reading.pixels import InputSpec, prepare

SIZES = {"densenet121": 224, "resnet50": 512}  # pixels that the releases were trained at
FIRST = {"densenet121": "features.conv0.weight", "resnet50": "conv1.weight"}
LAST = {"densenet121": "classifier", "resnet50": "fc"}
TEMPLATE = Path(__file__).with_name("import.template.md")
UNKNOWN_THRESHOLD = 0.5
NO_THRESHOLD = "its training left no operating threshold for it"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """One output that becomes a label: its place in the checkpoint, our name, its threshold on sigmoid(logit)."""

    index: int
    name: str
    threshold: float
    withheld: str | None = None


class Served(nn.Module):
    """The network as the station runs it: films (n, 1, size, size) -> logits and activation maps of the kept outputs.

    The mean of a map is its logit; maps are given above the logit at the threshold, as in our own bundles.
    """

    def __init__(self, network: nn.Module, arch: str, outputs: list[Output]) -> None:
        super().__init__()
        self.body, last = body(network, arch), getattr(network, LAST[arch])
        kept = [output.index for output in outputs]
        zero = [raw_threshold({"threshold": output.threshold, "scale": 1.0, "offset": 0.0}) for output in outputs]
        self.register_buffer("weight", last.weight.detach()[kept])
        self.register_buffer("bias", last.bias.detach()[kept])
        self.register_buffer("zero", torch.tensor(zero, dtype=torch.float32))

    def forward(self, films: Tensor) -> tuple[Tensor, Tensor]:
        features = self.body(films)
        logits = functional.linear(features.mean((2, 3)), self.weight, self.bias)
        return logits, functional.conv2d(features, self.weight[:, :, None, None], self.bias - self.zero)


def main() -> None:
    """Read the command line and do the step; whatever is wrong is one line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("bundle", type=Path, help="folder to make; its name is the bundle's")
    parser.add_argument("--arch", choices=sorted(SIZES), help="default: as the names in the checkpoint say")
    parser.add_argument("--labels", default="", help="names of the outputs in their order, comma between")
    parser.add_argument("--weights", default="", help="the release it is; default: by its file name")
    parser.add_argument("--licence", default="unknown")
    options = parser.parse_args()
    try:
        make_bundle(options)
    except (CheckpointError, BundleError, OSError) as error:
        raise SystemExit(" ".join(str(error).split())) from error


def make_bundle(options: argparse.Namespace) -> None:
    """Write the bundle beside its place and rename it there when all is right, so that there is never half of it."""
    if options.bundle.exists():
        raise CheckpointError(f"{options.bundle} is there already; choose another name, or remove it")
    checkpoint = open_checkpoint(options.checkpoint)
    release = options.weights or recognised(options.checkpoint.name) or ""
    if release and release not in RELEASES:
        raise CheckpointError(f"unknown release {release!r}; known: {', '.join(RELEASES)}")
    arch = architecture(checkpoint, options.arch)
    network = load_network(checkpoint, arch)
    outputs = kept_outputs(checkpoint, getattr(network, LAST[arch]).out_features, options.labels, release)
    options.bundle.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=".importing-", dir=options.bundle.parent))
    try:
        spec = InputSpec(size=SIZES[arch], mean=0.5, std=0.5 / 1024, fit="crop", trim=False, percentiles=(0.0, 100.0))
        served = Served(network, arch, outputs).eval()
        write_graph(served, beside / "model.onnx", spec.size)
        worst = check_parity(network, [output.index for output in outputs], beside / "model.onnx", spec)
        write_manifest(beside, options, arch, spec, outputs, release)
        bundle = load_bundle(beside)
        verify(bundle, OnnxClassifier(bundle))
        beside.chmod(0o755)
        beside.rename(options.bundle)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    shown = ", ".join(output.name for output in outputs if not output.withheld)
    print(f"{options.bundle.name}: {arch}; shows {shown}. ONNX and PyTorch differ by {worst:.0e}.")
    if not known_thresholds(checkpoint, release):
        print(f"No operating thresholds are known: all stand at {UNKNOWN_THRESHOLD}. Set yours: [model] thresholds.")
    print("It has no input gate: what is no frontal chest film is refused by its header and pixels alone.")


def architecture(checkpoint: Checkpoint, wanted: str | None) -> str:
    """As the names of the weights say. Raises CheckpointError when they say another, or none."""
    found = next((arch for arch, first in FIRST.items() if first in checkpoint.weights), None)
    if found is None:
        raise CheckpointError(f"this is no {' and no '.join(FIRST)}: it has no {' and no '.join(FIRST.values())}")
    if wanted not in (None, found):
        raise CheckpointError(f"this is a {found}, not a {wanted}")
    return found


def load_network(checkpoint: Checkpoint, arch: str) -> nn.Module:
    """torchvision's network with one channel and these weights. Raises CheckpointError unless every one fits."""
    last = checkpoint.weights.get(f"{LAST[arch]}.weight")
    if last is None or last.ndim != 2:
        raise CheckpointError(f"this is no {arch}: it has no {LAST[arch]}.weight with one row an output")
    network: nn.Module = getattr(torchvision.models, arch)(num_classes=len(last))
    first = nn.Conv2d(1, 64, kernel_size=7, stride=2, padding=3, bias=False)
    if arch == "densenet121":
        network.features.conv0 = first
    else:
        network.conv1 = first
    expected = {n: t.shape for n, t in network.state_dict().items() if not n.endswith("num_batches_tracked")}
    for name in sorted({*expected, *checkpoint.weights}):
        ours, theirs = expected.get(name), getattr(checkpoint.weights.get(name), "shape", None)
        if ours != theirs:
            said = [f"{tuple(shape)}" if shape is not None else "nothing" for shape in (theirs, ours)]
            raise CheckpointError(f"this is no {arch} for films of one channel: {name} is {said[0]}, not {said[1]}")
    network.load_state_dict(dict(checkpoint.weights), strict=False)  # but for counters that nobody reads
    return network.eval()


def body(network: nn.Module, arch: str) -> nn.Module:
    """All up to the last feature maps, after their ReLU."""
    if arch == "densenet121":
        return nn.Sequential(network.features, nn.ReLU())
    return nn.Sequential(*list(network.children())[:-2])


def known_thresholds(checkpoint: Checkpoint, release: str) -> list[float | None] | None:
    """Per output: those of the file itself, else of the release; None where there are none at all."""
    if checkpoint.op_threshs is not None:
        return [None if np.isnan(value) else value for value in checkpoint.op_threshs]
    return list(RELEASES[release].op_threshs) if release else None


def kept_outputs(checkpoint: Checkpoint, count: int, named: str, release: str) -> list[Output]:
    """The outputs that findings.py has a name for. Raises CheckpointError when their names or thresholds do not fit."""
    names = [name.strip() for name in named.split(",")] if named else None
    names = names or checkpoint.labels or list(OUTPUTS)
    if len(names) != count:
        raise CheckpointError(f"{len(names)} names for {count} outputs; name them in their order with --labels")
    thresholds = known_thresholds(checkpoint, release) or [UNKNOWN_THRESHOLD] * count
    if len(thresholds) != count:
        raise CheckpointError(f"{len(thresholds)} operating thresholds for {count} outputs")
    outputs = [
        Output(
            index=index,
            name=our_name(name),
            threshold=UNKNOWN_THRESHOLD if threshold is None else min(max(threshold, 1e-6), 1 - 1e-6),
            withheld=NO_THRESHOLD if threshold is None else None,
        )
        for index, (name, threshold) in enumerate(zip(names, thresholds, strict=True))
        if our_name(name) in KINDS
    ]
    kept = [output.name for output in outputs]
    if not kept or len(set(kept)) < len(kept):
        raise CheckpointError(f"of the outputs {', '.join(names)} none, or one twice, is a finding: {', '.join(KINDS)}")
    return outputs


def write_graph(served: nn.Module, path: Path, size: int) -> None:
    program = torch.onnx.export(
        served,
        (torch.zeros(2, 1, size, size),),
        input_names=["films"],
        output_names=["logits", "cams"],
        dynamic_shapes={"films": {0: torch.export.Dim("n")}},
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    program.save(path, external_data=False)
    forget_sources(path)
    onnx.checker.check_model(path)


def check_parity(network: nn.Module, kept: list[int], path: Path, spec: InputSpec) -> float:
    """The largest difference of ONNX Runtime's logits from PyTorch's own, by the size of the logits (at least 1).

    On noise and on the golden film. Raises CheckpointError when it is over PARITY.
    """
    chance = torch.Generator().manual_seed(0)
    noise = (torch.rand(2, 1, spec.size, spec.size, generator=chance) - spec.mean) / spec.std
    films = torch.cat([noise, torch.from_numpy(prepare(golden_film(), spec))])
    with torch.no_grad():
        expected = network(films).numpy()[:, kept]
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(["logits"], {"films": films.numpy()})[0]
    worst = float(np.abs(found - expected).max() / max(1.0, np.abs(expected).max()))
    if not worst <= PARITY:
        raise CheckpointError(f"ONNX and PyTorch differ by {worst:.1e}, more than {PARITY}: no bundle was made")
    return worst


def write_manifest(
    folder: Path, options: argparse.Namespace, arch: str, spec: InputSpec, outputs: list[Output], release: str
) -> None:
    film, model, golden = golden_film(), folder / "model.onnx", folder / "golden.png"
    Image.fromarray(np.round(film * 255).astype(np.uint8)).save(golden)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    logits = session.run(["logits"], {"films": prepare(film, spec)})[0][0].astype(np.float64)
    probabilities = 1 / (1 + np.exp(-np.clip(logits, -60, 60)))
    source = {
        "checkpoint": options.checkpoint.name,
        "checkpoint_sha256": sha256_of(options.checkpoint),
        "architecture": arch,
        "release": release or None,
    }
    manifest = {
        "format": 1,
        "name": options.bundle.name,
        "version": source["checkpoint_sha256"][:12],
        "licence": options.licence,
        "model_sha256": sha256_of(model),
        "input": {
            "size": spec.size, "channels": spec.channels, "mean": spec.mean, "std": spec.std,
            "fit": spec.fit, "trim": spec.trim, "percentiles": list(spec.percentiles),
        },
        "outputs": {"logits": "logits", "activation_maps": "cams"},
        "labels": [{"name": o.name, "threshold": o.threshold, "withheld": o.withheld} for o in outputs],
        "golden": {
            "file": golden.name, "sha256": sha256_of(golden), "tolerance": TOLERANCE,
            "probabilities": {o.name: float(p) for o, p in zip(outputs, probabilities, strict=True)},
        },
        "training": source,
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    rows = [f"| {o.name} | {o.threshold:.4g} | {'no: ' + o.withheld if o.withheld else 'yes'} |" for o in outputs]
    card = TEMPLATE.read_text(encoding="utf-8").format(
        name=options.bundle.name, licence=options.licence, rows="\n".join(rows), size=spec.size,
        **{**source, "release": release or "none that is known"},
    )  # fmt: skip
    (folder / "MODEL_CARD.md").write_text(card, encoding="utf-8")


if __name__ == "__main__":
    main()
