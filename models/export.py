"""Write the bundle: its two ONNX graphs, its manifest and its golden film: ``python -m models.export``.

The one takes prepared films (n, 1, size, size) and draws the masks; the other takes these films normalised, and the
masks, and answers logits, activation maps and gate logits. What was measured on test films is added by evaluate.py;
until then the manifest has no figures.
"""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from models import data
from models.ensemble import Ensemble, in_steps, open_ensemble
from models.recipes import ALL, fold, weights
from models.sight import open_sight
from xray_triage.reading.bundle import GOLDEN_FILE, MANIFEST_FILE, MODEL_FILE, OUTLINES_FILE, load_bundle, sha256_of
from xray_triage.reading.normalisation import Energies
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.reading.pixels import InputSpec, prepare
from xray_triage.simulation.phantom import render

OUTPUTS = {"logits": "logits", "activation_maps": "cams", "gate": "gate_logits", "masks": "masks"}
ANSWERS = ("logits", "cams", "gate_logits")  # of model.onnx; the masks are outlines.onnx's
PARITY = 1e-4
TOLERANCE = 0.01
LICENCE = "Apache-2.0"
ORGANS = {"cardiomegaly": 1, "hernia": 2, data.ABNORMAL: 2}  # heart, heart and lungs; all others lie in the lungs
LARGE = 512  # numbers: a kernel with more is stored in whole steps


class Served(nn.Module):
    """The networks as the station runs them: maps count from the threshold, the gate has a sense of distance.

    ``zero`` (labels,) is each label's logit at its threshold. Maps are given above it, so that a film that is positive
    has a place above 0, and only what speaks for the finding is seen as heat; and only where the organ is that the
    finding lies in, for so wide a field of view also lights up beside it.

    A picture whose features lie farther than ``limit`` from all training films is ``not_a_chest``, whatever the gate's
    own head thinks of it: what nobody drew as a negative must be refused too.
    """

    STEEPNESS, CAP = 10.0, 2.0
    FINE = 16  # places of the outlines to one place of a map

    def __init__(self, ensemble: Ensemble, near: dict[str, np.ndarray], zero: np.ndarray) -> None:
        super().__init__()
        self.ensemble = ensemble
        for name, array in {**near, "zero": zero}.items():
            self.register_buffer(name, torch.from_numpy(np.asarray(array, np.float32)))
        self.register_buffer("organs", torch.tensor([ORGANS.get(name, 0) for name in data.LABELS]))

    def forward(self, films: Tensor, masks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        logits, maps, gate, features = self.ensemble(films, masks)
        excess = (self.distance(features) / self.limit - 1).clamp(-self.CAP, self.CAP)
        frontal, not_frontal, rotated, not_a_chest, child = gate.split(1, dim=1)
        not_a_chest = torch.maximum(not_a_chest, frontal + self.STEEPNESS * excess.unsqueeze(1))
        gate = torch.cat([frontal, not_frontal, rotated, not_a_chest, child], dim=1)
        maps = maps - self.zero[:, None, None]
        maps = maps.clamp(max=0) + maps.clamp(min=0) * self.regions(masks, maps.shape[-1])
        return logits, maps, gate

    def regions(self, masks: Tensor, side: int) -> Tensor:
        """Where each label's organ is, 0..1 (n, labels, side, side), a place wider than drawn; all 1 where none is."""
        lungs, heart = masks[:, :2].amax(dim=1), masks[:, 2]
        organs = torch.stack([lungs, heart, torch.maximum(lungs, heart)], dim=1)
        fine = functional.interpolate(organs, size=(side * self.FINE,) * 2, mode="bilinear", align_corners=False)
        coarse = functional.max_pool2d(fine, self.FINE)
        seen = (coarse.amax(dim=(2, 3), keepdim=True) > 0.5).float()
        return (coarse * seen + 1 - seen)[:, self.organs]

    def distance(self, features: Tensor) -> Tensor:
        """As calibrate.distance: (n, 1280) -> (n,)."""
        away = features - self.middle
        along = away @ self.directions.T
        beside = away - along @ self.directions
        return ((along**2 / self.variances).sum(1) + (beside**2).sum(1) / self.rest) / features.shape[1]


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--work", type=Path, default=Path("work"), help="where calibrate.py and segment.py left their files"
    )
    parser.add_argument("--of", default=ALL, choices=[ALL, *map(fold, range(data.FOLDS))], help="whose networks")
    parser.add_argument("--bundle", type=Path, default=Path("xray_triage/model/bundles/station-5"))
    parser.add_argument("--version", default="5.0.0")
    options = parser.parse_args()
    found = json.loads((options.work / options.of / "calibration.json").read_text())
    served = assemble(options.work, options.of, found)
    options.bundle.mkdir(parents=True, exist_ok=True)
    spec, sight = data.served_spec(found["side"]), open_sight(options.work)
    model, outlines = options.bundle / MODEL_FILE, options.bundle / OUTLINES_FILE
    films = grainy(spec)
    read, masks = sight(films)
    write_graph(sight.thorax, outlines, {"films": films}, ["masks"])
    write_graph(served, model, {"films": read, "masks": masks}, list(ANSWERS))
    check_parity(sight.thorax, outlines, {"films": films})
    check_parity(served, model, {"films": read, "masks": masks})
    write_manifest(options.bundle, options.version, spec, found, sight.energies)
    load_bundle(options.bundle)
    size = model.stat().st_size + outlines.stat().st_size
    print(f"{options.bundle}: {size / 1e6:.1f} MB, sha256 {sha256_of(model)}")


def assemble(work: Path, which: str, found: dict) -> nn.Module:
    """All that model.onnx holds, out of the files that the earlier steps left in ``work``."""
    ensemble = open_ensemble(weights(work, found["recipes"], which), heart_weight=found["heart_weight"])
    near = dict(np.load(work / which / "distance.npz"))
    zero = np.array([raw_threshold(label) for label in found["labels"].values()])
    return Served(ensemble, near, zero).eval()


def raw_threshold(label: dict) -> float:
    """The logit at which this label's calibrated probability is its threshold."""
    return float((np.log(label["threshold"] / (1 - label["threshold"])) - label["offset"]) / label["scale"])


def write_graph(network: nn.Module, path: Path, takes: Mapping[str, Tensor], answers: Sequence[str]) -> None:
    """The ONNX file of ``network``; ``takes`` are examples of its inputs (n, ...) by name."""
    lengths = [torch.export.Dim("n"), *[torch.export.Dim.DYNAMIC] * (len(takes) - 1)]
    program = torch.onnx.export(
        network,
        tuple(takes.values()),
        input_names=list(takes),
        output_names=list(answers),
        dynamic_shapes=[{0: length} for length in lengths],
        opset_version=18,
        dynamo=True,
        verbose=False,
    )
    program.save(path, external_data=False)
    narrow(path)
    forget_sources(path)
    onnx.checker.check_model(path)


def narrow(path: Path) -> None:
    """Store kernels as the whole steps that ensemble.as_stored left, widened again when the graph is loaded."""
    model = onnx.load(path)
    for index, tensor in enumerate(model.graph.initializer):
        kernels = torch.from_numpy(numpy_helper.to_array(tensor).copy())
        if kernels.dtype != torch.float32 or kernels.dim() != 4 or kernels.numel() <= LARGE:
            continue
        steps, width = in_steps(kernels)
        if not torch.allclose(steps * width, kernels, rtol=1e-5, atol=0):
            continue
        stored = numpy_helper.from_array(steps.numpy().astype(np.int8), f"{tensor.name}_steps")
        widths = numpy_helper.from_array(width.numpy(), f"{tensor.name}_width")
        cast = helper.make_node("Cast", [stored.name], [f"{tensor.name}_cast"], f"cast_{index}", to=TensorProto.FLOAT)
        widen = helper.make_node("Mul", [cast.output[0], widths.name], [tensor.name], f"widen_{index}")
        tensor.CopyFrom(stored)
        model.graph.initializer.append(widths)
        model.graph.node.insert(0, widen)
        model.graph.node.insert(0, cast)
    onnx.save(model, path)


def forget_sources(path: Path) -> None:
    """Take out what the exporter notes of this machine (paths, stack traces): the same weights, the same file."""
    model = onnx.load(path)
    model.doc_string = ""
    for part in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.value_info,
        *model.graph.input,
        *model.graph.output,
    ):
        del part.metadata_props[:]
        part.doc_string = ""
    for function in model.functions:
        for part in (function, *function.node):
            del part.metadata_props[:]
            part.doc_string = ""
    onnx.save(model, path)


def check_parity(network: nn.Module, path: Path, takes: Mapping[str, Tensor]) -> None:
    """Raise when ONNX Runtime's answers differ from PyTorch's by more than PARITY."""
    with torch.no_grad():
        expected = network(*takes.values())
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found = session.run(None, {name: values.numpy() for name, values in takes.items()})
    names = [output.name for output in session.get_outputs()]
    pairs = zip(names, expected if isinstance(expected, tuple) else (expected,), found, strict=True)
    for name, ours, theirs in pairs:
        worst = float(np.abs(ours.numpy() - theirs).max())
        print(f"{name}: largest difference {worst:.1e}")
        if not worst <= PARITY:
            raise SystemExit(f"{name}: ONNX and PyTorch differ by {worst:.1e}, more than {PARITY}")


def grainy(spec: InputSpec) -> Tensor:
    """A drawn film as it is prepared, ever grainier: (4, 1, size, size)."""
    film = torch.from_numpy(prepare(golden_film(), spec))
    grain = torch.randn(4, 1, spec.size, spec.size, generator=torch.Generator().manual_seed(0))
    return (film + grain * torch.tensor([0, 0.05, 0.1, 0.2])[:, None, None, None]).clamp(-1, 1)


def golden_film(side: int = 384) -> np.ndarray:
    """A drawn chest with a pneumothorax, (side, side) float32 0..1 in steps of 1/255: no person's film."""
    phantom = render(seed=1, findings=("pneumothorax",), rows=side, columns=side)
    return (np.round(np.clip(phantom.image, 0, 1) * 255) / 255).astype(np.float32)


def write_manifest(bundle: Path, version: str, spec: InputSpec, found: dict, energies: Energies) -> None:
    """The manifest and the golden film, beside both graphs; its answers are asked as a station would ask."""
    golden, film = bundle / GOLDEN_FILE, golden_film()
    Image.fromarray(np.round(film * 255).astype(np.uint8)).save(golden)
    labels = [manifest_label(name, label) for name, label in found["labels"].items()]
    manifest = {
        "format": 1,
        "name": bundle.name,
        "version": version,
        "licence": LICENCE,
        "model_sha256": sha256_of(bundle / MODEL_FILE),
        "input": asdict(spec),
        "outputs": OUTPUTS,
        "outlines": {"sha256": sha256_of(bundle / OUTLINES_FILE), "energies": asdict(energies)},
        "labels": labels,
        "gate": {"classes": list(data.GATE_CLASSES), "minimum_frontal": 0.5},
        "golden": {
            "file": golden.name, "sha256": sha256_of(golden), "tolerance": TOLERANCE,
            "probabilities": dict.fromkeys(found["labels"], 0.5),
        },
        "training": {"recipes": found["recipes"], "calibration_films": found["films"]},
    }  # fmt: skip
    path = bundle / MANIFEST_FILE
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")
    said = OnnxClassifier(load_bundle(bundle)).probabilities(film)
    manifest["golden"]["probabilities"] = {name: round(value, 6) for name, value in said.items()}
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def manifest_label(name: str, label: dict) -> dict:
    calibration = {"scale": round(label["scale"], 6), "offset": round(label["offset"], 6)}
    return {
        "name": name, "calibration": calibration, "threshold": label["threshold"], "reference": label["reference"],
        "withheld": None,
    }  # fmt: skip


if __name__ == "__main__":
    main()
