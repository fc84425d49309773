"""Turn the trained network's logits into probabilities and operating points: ``python -m models.calibrate``.

Reads the calibration split only (and training films for the gate's sense of distance). One split serves both Platt's
scaling and the thresholds: a rising map keeps the order of films, so it cannot flatter a threshold found by rank.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models import data
from models.ensemble import HEART, Ensemble, breadth, open_ensemble
from models.recipes import SHIPPED
from models.sight import open_sight
from xray_triage.assessment import figures

Array = NDArray[np.float32]
Look = Callable[[Tensor], tuple[Tensor, Tensor]]  # as models.sight.Sight
URGENT = ("pneumothorax", "edema")  # they ring: few false alarms first
SCREENED = (data.ABNORMAL, "tuberculosis")  # nobody should be missed: WHO asks 90 % sensitivity of TB screening
SPECIFICITY_URGENT, SPECIFICITY, SENSITIVITY = 0.95, 0.90, 0.90
DIRECTIONS = 192  # of the features' 1280, kept one by one; the rest shares one variance
ACCEPTED = 0.998  # of the adult frontal calibration films lie within the limit of distance


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "recipes", nargs="*", default=SHIPPED, help="whose networks answer together, the largest input first"
    )
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--work", type=Path, default=Path("work"), help="where train.py left its folders")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    folders = [options.work / recipe / "checkpoint.pt" for recipe in options.recipes]
    ensemble, sight = open_ensemble(folders), open_sight(options.work)
    films = data.mask_confounded(data.read_films(options.films))
    spec = data.served_spec(ensemble.side)

    held_out = [film for film in films if film.split == "calibration"]
    logits, _, features, breadths = answers(
        ensemble, sight, torch.from_numpy(data.served(options.films, held_out, spec))
    )
    weight = heart_weight(logits[:, HEART], breadths, held_out)
    logits[:, HEART] += weight * (breadths - 0.5)
    adults = [film for film in films if film.split == "train" and film.gate == "frontal"][::5]
    near = normal_features(described(ensemble, sight, torch.from_numpy(data.served(options.films, adults, spec))))
    frontal = np.array([film.gate == "frontal" for film in held_out])
    near["limit"] = np.float32(np.quantile(distance(features[frontal], near), ACCEPTED) * 1.05)
    np.savez(options.work / "distance.npz", **near)

    labels = {name: operating_point(name, logits[:, i], held_out) for i, name in enumerate(data.LABELS)}
    auc = float(np.mean([label["auc"] for name, label in labels.items() if name not in data.MEASURED_ON]))
    found = {
        "recipes": list(options.recipes),
        "side": ensemble.side,
        "heart_weight": weight,
        "mean_auc": auc,
        "labels": labels,
        "films": len(held_out),
        "adults": int(frontal.sum()),
    }
    (options.work / "calibration.json").write_text(json.dumps(found, indent=1))
    for name, label in labels.items():
        shown = "  ".join(f"{key} {value:.3f}" for key, value in label.items() if isinstance(value, float))
        print(f"{name:20s}{shown}")
    print(f"mean AUC {auc:.4f} at {ensemble.side} px; distance limit {near['limit']:.3f}")


@torch.no_grad()
def answers(ensemble: Ensemble, sight: Look, films: Tensor) -> tuple[Array, Array, Array, Array]:
    """Logits (n, labels), gate logits (n, classes), mean features (n, 1280), breadths of the heart (n,).

    ``films`` (n, 1, side, side) are prepared; ``sight`` makes of them what the networks read.
    """
    parts = []
    for batch in films.split(32):
        read, masks = sight(batch)
        logits, _, gate, features = ensemble(read.contiguous(memory_format=torch.channels_last), masks)
        parts.append((logits, gate, features, breadth(masks)))
    logits, gate, features, breadths = (torch.cat(part).numpy() for part in zip(*parts, strict=True))
    return logits, gate, features, breadths


@torch.no_grad()
def described(ensemble: Ensemble, sight: Look, films: Tensor) -> Array:
    """The mean features alone, (n, 1280)."""
    read = (sight(batch)[0].contiguous(memory_format=torch.channels_last) for batch in films.split(32))
    features: Array = torch.cat([ensemble.describe(films) for films in read]).numpy()
    return features


def heart_weight(logits: Array, breadths: Array, films: Sequence[data.Film]) -> float:
    """What the heart's breadth adds to the logit of cardiomegaly, by the likeliest mix of both; never under 0."""
    truth = np.array([film.labels[HEART] for film in films])
    counts = ~np.isnan(truth)
    found = np.stack([logits, breadths - 0.5, np.ones_like(logits)], axis=1)[counts].astype(np.float64)
    target, weights = torch.from_numpy(truth[counts]).double(), torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fit = functional.binary_cross_entropy_with_logits(torch.from_numpy(found) @ weights, target, reduction="sum")
        value = fit + 0.5 * (weights[0] - 1) ** 2 + 0.005 * weights[1] ** 2
        value.backward()
        return value

    optimizer.step(loss)
    own, broad, _ = weights.tolist()
    return max(0.0, broad) / max(own, 0.1)


def normal_features(features: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Mean, main directions and variances of the features of films that belong here (probabilistic PCA)."""
    middle = features.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov((features - middle).T.astype(np.float64)))
    kept, rest = values[::-1][:DIRECTIONS], values[::-1][DIRECTIONS:]
    floor = float(rest.mean())
    return {
        "middle": middle,
        "directions": vectors[:, ::-1][:, :DIRECTIONS].T.astype(np.float32),
        "variances": np.maximum(kept, floor).astype(np.float32),
        "rest": np.float32(floor),
    }


def distance(features: NDArray[np.float32], near: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    """How far from the films that belong here: squared, per feature, about 1 for those."""
    away = features - near["middle"]
    along = away @ near["directions"].T
    beside = away - along @ near["directions"]
    total = (along**2 / near["variances"]).sum(1) + (beside**2).sum(1) / near["rest"]
    return total / features.shape[1]


def operating_point(name: str, logits: NDArray[np.float32], films: Sequence[data.Film]) -> dict[str, float | str]:
    """Calibration and threshold of one label, on the films that count for it."""
    index = data.LABELS.index(name)
    counts = np.array([data.measures(name, film) and not np.isnan(film.labels[index]) for film in films])
    truth = np.array([film.labels[index] for film in films])[counts]
    scale, offset = platt(logits[counts], truth)
    probability = 1 / (1 + np.exp(-(scale * logits[counts].astype(np.float64) + offset)))
    rule, threshold = cut_off(name, probability, truth)
    return {
        "scale": scale, "offset": offset, "threshold": round(threshold, 6), "rule": rule,
        "positives": int(truth.sum()), "films": len(truth), "auc": figures.auc(probability, truth),
        "reference": reference(probability),
        "sensitivity": figures.sensitivity(probability, truth, threshold),
        "specificity": figures.specificity(probability, truth, threshold),
    }  # fmt: skip


def cut_off(name: str, probability: NDArray[np.float64], truth: NDArray) -> tuple[str, float]:
    """By which rule a label's threshold is put, and where."""
    if name in SCREENED:
        return "sensitivity 0.90", figures.threshold_at_sensitivity(probability, truth, SENSITIVITY)
    wanted = SPECIFICITY_URGENT if name in URGENT else SPECIFICITY
    return f"specificity {wanted:.2f}", figures.threshold_at_specificity(probability, truth, wanted)


def reference(probability: NDArray[np.float64]) -> dict[str, list[float]]:
    """The ten shares of the films between the nine deciles of their probabilities, as the manifest keeps them."""
    edges = np.round(np.quantile(probability, np.arange(1, 10) / 10), 6)
    shares = np.bincount(np.searchsorted(edges, probability, side="right"), minlength=10) / len(probability)
    return {"edges": edges.tolist(), "shares": np.round(shares, 6).tolist()}


def platt(logits: NDArray[np.float32], truth: NDArray[np.float32]) -> tuple[float, float]:
    """Scale and offset so that sigmoid(scale * logit + offset) fits the frequency (Platt 1999, with his soft targets).

    A small pull to scale 1 keeps labels with few positives from extremes; the scale never falls below 0.1, for a
    probability must rise with its logit.
    """
    positives = truth.sum()
    soft = np.where(truth == 1, (positives + 1) / (positives + 2), 1 / (len(truth) - positives + 2))
    x, target = torch.from_numpy(logits).double(), torch.from_numpy(soft).double()
    weights = torch.tensor([1.0, 0.0], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        fit = torch.nn.functional.binary_cross_entropy_with_logits(weights[0] * x + weights[1], target, reduction="sum")
        value = fit + 0.5 * (weights[0] - 1) ** 2
        value.backward()
        return value

    optimizer.step(loss)
    scale, offset = weights.tolist()
    return max(scale, 0.1), offset


if __name__ == "__main__":
    main()
