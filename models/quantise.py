"""Make an int8 variant of a bundle, itself a bundle, and hold it against the float one: ``python -m models.quantise``.

Static quantisation (QDQ, weights per channel) with the ranges that training films give. A node is quantised only when a
convolution comes after it: the last layers, what they are pooled from and the gate's sense of distance stay float.

The figures of the float model are not those of this one and are left out: measure it (``python -m models.evaluate``).
"""

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from tqdm import tqdm

from models import data
from models.calibrate import reference
from xray_triage.assessment import figures
from xray_triage.reading.bundle import MANIFEST_FILE, MODEL_FILE, Bundle, load_bundle, sha256_of
from xray_triage.reading.onnx_classifier import OnnxClassifier, golden_film, verify
from xray_triage.reading.runtime import Runtime, Session

MEASURED = ("sensitivity", "specificity", "auc", "auc_interval", "calibration_error")
METHODS = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
Films = NDArray[np.float32]


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--bundle", type=Path, default=Path("xray_triage/model/bundles/station-3"), help="the float bundle"
    )
    parser.add_argument("--to", type=Path, help="where the int8 bundle goes (default: beside it, with -int8)")
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--ranges-from", type=int, default=200, help="so many training films give the ranges")
    parser.add_argument("--method", choices=METHODS, default="minmax", help="how ranges come of values")
    parser.add_argument(
        "--float", nargs="*", default=[], metavar="TEXT", help="keep nodes with TEXT in their name float"
    )
    parser.add_argument(
        "--full-range",
        action="store_true",
        help="weights of 8 bits, not 7: nearer to float, but other answers on a CPU without VNNI, whose sums saturate",
    )
    options = parser.parse_args()
    bundle, to = load_bundle(options.bundle), options.to or options.bundle.with_name(f"{options.bundle.name}-int8")
    films = [film for film in data.mask_confounded(data.read_films(options.films)) if film.gate == "frontal"]
    learned = [film for film in films if film.split == "train"]
    drawn = np.random.default_rng(0).permutation(len(learned))[: options.ranges_from]
    held_out = [film for film in films if film.split == "calibration"]
    ranges_from = data.served(options.films, [learned[i] for i in sorted(drawn)], bundle.manifest.input)
    to.mkdir(parents=True, exist_ok=True)
    quantise(bundle, to / MODEL_FILE, ranges_from, METHODS[options.method], options.float, options.full_range)
    write_manifest(bundle, to)
    found = compare(bundle, load_bundle(to), data.served(options.films, held_out, bundle.manifest.input), held_out)
    (to / "quantisation.json").write_text(json.dumps(found, indent=1) + "\n")
    show(found)
    verify(load_bundle(to), OnnxClassifier(load_bundle(to)))


class Prepared(CalibrationDataReader):
    """Prepared films, one by one as the graph reads them, as ONNX Runtime's quantiser asks for them."""

    def __init__(self, films: Films, bundle: Bundle, name: str) -> None:
        self._name, self._session = name, Session(bundle, Runtime())
        self._films: Iterator[Films] = iter(tqdm(films[:, None], "find ranges", mininterval=5))

    def get_next(self) -> dict[str, Films] | None:
        film = next(self._films, None)
        if film is None:
            return None
        read, beside, _ = self._session.look(film)
        return {self._name: read, **beside}


def quantise(
    bundle: Bundle,
    path: Path,
    films: Films,
    method: CalibrationMethod,
    keep: Sequence[str] = (),
    full_range: bool = False,
) -> None:
    """Write the int8 graph of ``bundle`` to ``path``; ``films`` (n, 1, size, size) give the ranges of its values."""
    with tempfile.TemporaryDirectory() as folder:
        folded = Path(folder) / MODEL_FILE
        quant_pre_process(str(bundle.model_path), str(folded), skip_symbolic_shape=True)
        model = onnx.load(folded)
        for number, node in enumerate(model.graph.node):
            node.name = node.name or f"node_{number}"
        onnx.save(model, folded)
        kept = [node.name for node in model.graph.node if any(text in node.name for text in keep)]
        quantize_static(
            str(folded),
            str(path),
            Prepared(films, bundle, model.graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            reduce_range=not full_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=method,
            nodes_to_exclude=[*last_layers(model), *kept],
        )


def last_layers(model: onnx.ModelProto) -> list[str]:
    """Names of the nodes with no convolution after them."""
    before_convolution: set[str] = set()  # values that a convolution comes of
    last = []
    for node in reversed(model.graph.node):  # ONNX keeps its nodes in order
        if before_convolution.isdisjoint(node.output):
            last.append(node.name)
        if node.op_type == "Conv" or not before_convolution.isdisjoint(node.output):
            before_convolution.update(node.input)
    return last


def write_manifest(bundle: Bundle, to: Path) -> None:
    """The manifest of ``bundle`` for the graph in ``to``: another name, its own hash and golden answers, no figures."""
    manifest = json.loads((bundle.folder / MANIFEST_FILE).read_text())
    manifest |= {"name": to.name, "model_sha256": sha256_of(to / MODEL_FILE), "cardiothoracic": None}
    for label in manifest["labels"]:
        for name in MEASURED:
            label.pop(name, None)
    origin = {"name": bundle.manifest.name, "sha256": bundle.manifest.model_sha256}
    manifest["training"] = manifest.get("training", {}) | {"int8_of": origin}
    shutil.copy(bundle.golden_path, to)
    if bundle.manifest.outlines is not None:
        shutil.copy(bundle.outlines_path, to)
    write(to, manifest)
    made = load_bundle(to)
    said = OnnxClassifier(made).probabilities(golden_film(made))
    manifest["golden"]["probabilities"] = {name: round(value, 6) for name, value in said.items()}
    write(to, manifest)
    (to / "MODEL_CARD.md").write_text(f"# {to.name}\n\nint8 variant of {bundle.manifest.name}; not measured yet.\n")


def write(to: Path, manifest: dict) -> None:
    (to / MANIFEST_FILE).write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


def compare(bundle: Bundle, int8: Bundle, pixels: Films, films: Sequence[data.Film]) -> dict:
    """Float against int8 on the same films; puts the histograms of the int8 answers into its manifest."""
    (ours, refused), (theirs, refused_now) = answers(bundle, pixels), answers(int8, pixels)
    labels = {}
    manifest = json.loads((int8.folder / MANIFEST_FILE).read_text())
    for index, label in enumerate(manifest["labels"]):
        place = data.LABELS.index(label["name"])
        counts = np.array([data.measures(label["name"], f) and not np.isnan(f.labels[place]) for f in films])
        truth = np.array([film.labels[place] for film in films])[counts]
        labels[label["name"]] = {
            "films": len(truth),
            "positives": int(truth.sum()),
            "auc_float": area(ours[counts, index], truth),
            "auc_int8": area(theirs[counts, index], truth),
            "largest_difference": float(np.abs(ours - theirs)[:, index].max()),
        }
        if label.get("reference") and counts.any():
            label["reference"] = reference(theirs[counts, index])
    write(int8.folder, manifest)
    return {
        "model_sha256": {"float": bundle.identity.sha256, "int8": int8.identity.sha256},
        "films": len(films),
        "largest_difference": float(np.abs(ours - theirs).max()),
        "mean_difference": float(np.abs(ours - theirs).mean()),
        "gate_differs": int((refused != refused_now).sum()),
        "labels": labels,
        "milliseconds": {
            name: {str(threads): milliseconds(each, pixels[:1], threads) for threads in (1, 2)}
            for name, each in (("float", bundle), ("int8", int8))
        },
        "bytes": {"float": bundle.model_path.stat().st_size, "int8": int8.model_path.stat().st_size},
    }


def area(scores: NDArray[np.float64], truth: NDArray[np.float32]) -> float | None:
    """AUC; None where films with the finding, or without it, lack."""
    return figures.auc(scores, truth) if 0 < truth.sum() < len(truth) else None


def answers(bundle: Bundle, films: Films) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Calibrated probabilities (n, labels), and whether the gate refuses (n,), each film alone as at a station."""
    session, manifest = Session(bundle, Runtime(threads=2)), bundle.manifest
    shown = tqdm(films[:, None], f"read with {manifest.name}", mininterval=5)
    said = [session.run(film)[0] for film in shown]
    logits = np.concatenate([one[manifest.outputs.logits] for one in said]).astype(np.float64)
    scale, offset = (
        np.array([getattr(label.calibration, part) for label in manifest.labels]) for part in ("scale", "offset")
    )
    refused = np.zeros(len(films), bool)
    if manifest.gate and manifest.outputs.gate:
        gate = np.concatenate([one[manifest.outputs.gate] for one in said]).astype(np.float64)
        shares = np.exp(gate - gate.max(axis=1, keepdims=True))
        frontal = (shares / shares.sum(axis=1, keepdims=True))[:, manifest.gate.classes.index("frontal")]
        refused = frontal < manifest.gate.minimum_frontal
    return 1 / (1 + np.exp(-(logits * scale + offset))), refused


def milliseconds(bundle: Bundle, film: Films, threads: int) -> float:
    """The least of 40 runs: what the machine can do when nothing else is going on."""
    session, times = Session(bundle, Runtime(threads=threads)), []
    for _ in range(40):
        started = time.perf_counter()
        session.run(film)
        times.append((time.perf_counter() - started) * 1000)
    return round(min(times), 2)


def show(found: dict) -> None:
    print(f"{'label':20s} {'films':>6s} {'positives':>9s} {'AUC float':>9s} {'int8':>7s} {'largest difference':>19s}")
    for name, row in found["labels"].items():
        areas = [float("nan") if area is None else area for area in (row["auc_float"], row["auc_int8"])]
        print(f"{name:20s} {row['films']:6d} {row['positives']:9d} {areas[0]:9.4f} {areas[1]:7.4f}", end="")
        print(f" {row['largest_difference']:19.3f}")
    known = [row for row in found["labels"].values() if row["auc_float"] is not None]
    for name in ("float", "int8"):
        times, area = found["milliseconds"][name], np.mean([row[f"auc_{name}"] for row in known]) if known else np.nan
        print(f"{name:5s} {found['bytes'][name] / 1e6:5.1f} MB, mean AUC {area:.4f},", end="")
        print(f" {times['1']} ms a film on 1 thread, {times['2']} ms on 2")
    print(f"{found['films']} films: mean difference of a probability {found['mean_difference']:.4f},", end="")
    print(f" largest {found['largest_difference']:.3f}; the gate decides otherwise on {found['gate_differs']}")


if __name__ == "__main__":
    main()
