"""Measure a bundle on films it never saw, and write what came out into it: ``python -m models.evaluate``.

Runs the bundle's ONNX file as a station does, on the test split, beside CheXNet on the same films. Writes
evaluation.json and MODEL_CARD.md and puts the figures, and what is withheld and why, into manifest.json.
"""

import argparse
import copy
import csv
import functools
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import pydicom
from numpy.typing import NDArray

from models import card, data, negatives
from xray_triage.assessment import figures
from xray_triage.reading.bundle import Bundle, load_bundle
from xray_triage.reading.findings import NotReadable
from xray_triage.reading.pixels import prepare, resize
from xray_triage.reading.radiograph import Admission, admit

FEWEST_POSITIVES = 15
HINTS = (
    "BodyPartExamined", "AnatomicRegionSequence", "ViewPosition", "ViewCodeSequence", "PatientAge", "PatientBirthDate",
    "PatientOrientation", "StudyDescription", "SeriesDescription", "ProtocolName", "PerformedProcedureStepDescription",
    "RequestedProcedureDescription", "AcquisitionDeviceProcessingDescription", "PatientSpeciesDescription",
)  # fmt: skip
BY_SOURCE = {
    "tuberculosis": "the only films with and without it from one source are told apart by that source's looks",
    "covid19": "its films and the films without it come from different hospitals",
}
Answers = tuple[NDArray[np.float64], NDArray[np.float64]]  # probabilities (n, labels), gate probabilities (n, classes)


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--dicom", type=Path, default=Path("../shared/data/dicom"), help="real files with index.csv")
    parser.add_argument("--bundle", type=Path, default=Path("models/bundles/station-1"))
    parser.add_argument("--log", type=Path, default=Path("work/station-1/log.jsonl"), help="what train.py wrote")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    station = Station(load_bundle(options.bundle), threads=options.threads)
    everything = data.mask_confounded(data.read_films(options.films))
    films = [film for film in everything if film.split == "test"]
    pixels = data.served(options.films, films, station.bundle.manifest.input)
    probabilities, gate = station.answer(pixels)
    measured = {
        "model_sha256": station.bundle.identity.sha256,
        "splits": splits(everything),
        "labels": {name: label_figures(station, name, probabilities, films) for name in data.LABELS},
        "abnormal_by_source": by_source(probabilities, films),
        "chexnet": beside_chexnet(probabilities, films, data.read_references(options.films)),
        "alarms": alarms(station, probabilities, films),
        "gate": gate_figures(station, gate, pixels, films),
        "dicom": dicom_files(station, options.dicom),
        "laterals_trained": sum(film.split == "train" and film.gate == "not_frontal" for film in everything),
        "milliseconds": milliseconds(station, pixels[:1]),
        "training": [json.loads(line) for line in options.log.read_text().splitlines()] if options.log.exists() else [],
    }
    (options.bundle / "evaluation.json").write_text(json.dumps(measured, indent=1) + "\n")
    put_into_manifest(options.bundle / "manifest.json", measured)
    bundle = load_bundle(options.bundle)
    (options.bundle / "MODEL_CARD.md").write_text(card.write(bundle.manifest, measured))
    print((options.bundle / "MODEL_CARD.md").read_text())


class Station:
    """The bundle as a station runs it: ONNX Runtime on the CPU, one film at a time."""

    def __init__(self, bundle: Bundle, *, threads: int) -> None:
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads
        self.bundle = bundle
        self.session = onnxruntime.InferenceSession(bundle.model_path, settings, providers=["CPUExecutionProvider"])
        self.scale = np.array([label.calibration.scale for label in bundle.manifest.labels])
        self.offset = np.array([label.calibration.offset for label in bundle.manifest.labels])

    def run(self, film: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        return self.session.run(["logits", "gate_logits"], {self.session.get_inputs()[0].name: film})

    def answer(self, films: NDArray[np.float32]) -> Answers:
        pairs = [self.run(films[i : i + 1]) for i in range(len(films))]
        logits, gate = (np.concatenate(part).astype(np.float64) for part in zip(*pairs, strict=True))
        gate = np.exp(gate - gate.max(axis=1, keepdims=True))
        return 1 / (1 + np.exp(-(logits * self.scale + self.offset))), gate / gate.sum(axis=1, keepdims=True)

    def refuses(self, gate: NDArray[np.float64]) -> NDArray[np.bool_]:
        return gate[:, 0] < self.bundle.manifest.gate.minimum_frontal

    def kind(self, gate: NDArray[np.float64]) -> str:
        """The class the gate gives one picture: frontal, or its reason to refuse."""
        return "frontal" if not self.refuses(gate[None])[0] else data.GATE_CLASSES[1 + int(gate[1:].argmax())]


def splits(films: Sequence[data.Film]) -> dict[str, dict[str, int]]:
    return {
        source: {
            split: sum(f.source == source and f.split == split for f in films)
            for split in ("train", "calibration", "test")
        }
        for source in sorted({film.source for film in films})
    }


def label_figures(station: Station, name: str, probabilities: NDArray[np.float64], films: Sequence[data.Film]) -> dict:
    """AUC, sensitivity and specificity of one label, each with its interval, and its calibration error."""
    index = data.LABELS.index(name)
    counts = np.array([data.measures(name, film) and not np.isnan(film.labels[index]) for film in films])
    truth, scores = np.array([film.labels[index] for film in films])[counts], probabilities[counts, index]
    groups = [film.group for film, counted in zip(films, counts, strict=True) if counted]
    threshold = station.bundle.manifest.labels[index].threshold
    area = figures.interval(figures.auc, scores, truth, groups)
    found = {
        "origin": ", ".join(data.MEASURED_ON.get(name, ("nih",))),
        "films": len(truth),
        "positives": int(truth.sum()),
        "threshold": threshold,
        "auc": figures.auc(scores, truth),
        "auc_interval": area,
        "calibration_error": figures.calibration_error(scores, truth),
        "withheld": withheld(name, int(truth.sum()), area),
    }
    for figure in (figures.sensitivity, figures.specificity):
        at = functools.partial(figure, threshold=threshold)
        found |= {
            figure.__name__: at(scores, truth),
            f"{figure.__name__}_interval": figures.interval(at, scores, truth, groups),
        }
    return found


def withheld(name: str, positives: int, area: tuple[float, float]) -> str | None:
    """Why the doctor does not see this label; None shows it."""
    if name in BY_SOURCE:
        return BY_SOURCE[name]
    if positives < FEWEST_POSITIVES:
        return f"only {positives} test films show it: too few to say how good the answer is"
    if area[0] <= 0.5:
        return f"not better than chance on the test films (AUC {area[0]:.2f} to {area[1]:.2f})"
    return None


def by_source(probabilities: NDArray[np.float64], films: Sequence[data.Film]) -> dict[str, dict[str, float]]:
    """AUC of ``abnormal`` within each origin that shows both kinds."""
    index, found = data.LABELS.index(data.ABNORMAL), {}
    for name in sorted({data.origin(film.source) for film in films}):
        counts = np.array([data.origin(film.source) == name and not np.isnan(film.labels[index]) for film in films])
        truth = np.array([film.labels[index] for film in films])[counts]
        if 0 < truth.sum() < len(truth):
            found[name] = {
                "films": len(truth),
                "positives": int(truth.sum()),
                "auc": figures.auc(probabilities[counts, index], truth),
            }
    return found


def beside_chexnet(
    probabilities: NDArray[np.float64], films: Sequence[data.Film], said: dict[str, dict[str, float]]
) -> dict:
    """AUC per label, ours and the published CheXNet reproduction's, on the same films (its own test fold)."""
    same = [i for i, film in enumerate(films) if film.image in said]
    labels = {}
    for index, name in enumerate(data.LABELS):
        if not same or name not in said[films[same[0]].image]:
            continue
        truth = np.array([films[i].labels[index] for i in same])
        known = ~np.isnan(truth)
        theirs = np.array([said[films[i].image][name] for i in same])
        labels[name] = {
            "ours": figures.auc(probabilities[same, index][known], truth[known]),
            "chexnet": figures.auc(theirs[known], truth[known]), "positives": int(np.nansum(truth)),
        }  # fmt: skip
    means = (
        {who: float(np.mean([row[who] for row in labels.values()])) for who in ("ours", "chexnet")} if labels else {}
    )
    return {"films": len(same), "mean": means, "labels": labels}


def alarms(station: Station, probabilities: NDArray[np.float64], films: Sequence[data.Film]) -> dict[str, float]:
    """How many NIH test films without and with a finding get any shown finding, or an urgent one."""
    index = data.LABELS.index(data.ABNORMAL)
    truth = np.array([film.labels[index] if data.origin(film.source) == "nih" else np.nan for film in films])
    positive = probabilities >= np.array([label.threshold for label in station.bundle.manifest.labels])
    shown = [i for i, name in enumerate(data.LABELS) if name not in BY_SOURCE and name not in (data.ABNORMAL, "hernia")]
    urgent = [data.LABELS.index(name) for name in ("pneumothorax", "edema")]
    return {
        f"{what}_{who}": float(positive[:, columns].any(axis=1)[truth == value].mean())
        for what, columns in (("finding", shown), ("urgent", urgent), ("abnormal_score", [index]))
        for who, value in (("without", 0), ("with", 1))
    }


def gate_figures(
    station: Station, gate: NDArray[np.float64], pixels: NDArray[np.float32], films: Sequence[data.Film]
) -> dict:
    """Shares refused: adults' frontal films per source (should pass), and what should not pass."""
    refused, sources = station.refuses(gate), np.array([film.source for film in films])
    classes = np.array([film.gate for film in films])
    adult = classes == "frontal"
    upright = np.flatnonzero(adult)[::5]
    turned = [np.rot90(pixels[i : i + 1], turns, axes=(2, 3)) for i in upright for turns in (1, 2, 3)]
    torn_up = np.stack([as_cached(film) for film in pixels[adult][:100, 0]])
    drawn = [negatives.draw(torn_up, np.random.default_rng((99, i))) for i in range(200)]
    drawn = [prepare(picture, station.bundle.manifest.input) for picture in drawn]
    return {
        "adult_frontal": share(refused[adult]),
        "adult_frontal_by_source": {
            name: share(refused[adult & (sources == name)]) for name in sorted(set(sources[adult]))
        },
        "children": share(refused[classes == "child"]),
        "lateral": share(refused[classes == "not_frontal"]),
        "turned": share(station.refuses(station.answer(np.concatenate(turned))[1])),
        "drawn": share(station.refuses(station.answer(np.concatenate(drawn))[1])),
    }


def as_cached(film: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A prepared film (size, size) as negatives.draw wants it."""
    side = data.CACHE_SPEC.size
    return np.clip((resize(film, side, side) * data.STD + data.MEAN) * 255, 0, 255).astype(np.uint8)


def share(refused: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "films": len(refused),
        "refused": int(refused.sum()),
        "share": float(refused.mean()) if len(refused) else 0.0,
    }


def dicom_files(station: Station, folder: Path) -> list[dict]:
    """What becomes of each real DICOM file (none was trained on), and what the gate alone says of its pixels."""
    if not (folder / "index.csv").exists():
        return []
    found = []
    with (folder / "index.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            dataset = pydicom.dcmread(folder / row["file"])
            radiograph = admit(dataset, Admission())
            by_header = radiograph.reason.code if isinstance(radiograph, NotReadable) else None
            bare = admit(without_hints(dataset), Admission(minimum_age_years=0)) if by_header else radiograph
            line = {"file": row["file"], "truth": row["truth_visual"], "header": by_header}
            if isinstance(bare, NotReadable):
                found.append(line | {"gate": bare.reason.code, "frontal": None})
                continue
            gate = station.answer(prepare(bare.image, station.bundle.manifest.input))[1][0]
            found.append(line | {"gate": station.kind(gate), "frontal": round(float(gate[0]), 4)})
    return found


def without_hints(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """The same film with nothing in its header that says what it shows."""
    bare = copy.deepcopy(dataset)
    for keyword in HINTS:
        if keyword in bare:
            del bare[keyword]
    return bare


def milliseconds(station: Station, film: NDArray[np.float32]) -> dict[str, float]:
    times = []
    for _ in range(60):
        started = time.perf_counter()
        station.run(film)
        times.append((time.perf_counter() - started) * 1000)
    return {"best": min(times[10:]), "median": float(np.median(times[10:]))}


def put_into_manifest(path: Path, measured: dict) -> None:
    manifest = json.loads(path.read_text())
    for label in manifest["labels"]:
        row = measured["labels"][label["name"]]
        for name in ("sensitivity", "specificity", "auc"):
            label[name] = round(row[name], 4)
        label["auc_interval"] = [round(value, 4) for value in row["auc_interval"]]
        label["withheld"] = row["withheld"]
    manifest["training"] |= {"films_per_split": measured["splits"], "epochs": len(measured["training"])}
    path.write_text(json.dumps(manifest, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
