"""Turn the trained networks' logits into probabilities and operating points: ``python -m models.calibrate``.

Each film is asked of the networks that it did not teach. What is shipped, all networks together, is calibrated by all
these answers, and a fold's networks by the answers to the other folds' films, so that what is measured with them
was neither learned nor calibrated on the films it is measured on; but for tuberculosis and COVID-19, whose films judge
in one fold only. One set of films serves both Platt's scaling and the thresholds: a rising map keeps the order of
films, so it cannot flatter a threshold found by rank.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from models import data, recipes
from models.ensemble import HEART, Ensemble, breadth, open_ensemble
from models.recipes import ALL, SHIPPED, chain, weights
from models.sight import open_sight
from xray_triage.assessment import figures

Array = NDArray[np.float32]
Labels = dict[str, dict]  # as of operating_point, by name
Look = Callable[[Tensor], tuple[Tensor, Tensor]]  # as models.sight.Sight
URGENT = ("pneumothorax", "edema")  # they ring: few false alarms first
NIH = [name for name in data.LABELS if name not in data.MEASURED_ON]  # labels whose films judge in every fold
# Few should be missed: WHO asks 90 % sensitivity of TB screening. As many of `abnormal` would mark two films of three.
SCREENED = {data.ABNORMAL: 0.85, "tuberculosis": 0.90}
SPECIFICITY_URGENT, SPECIFICITY = 0.95, 0.90
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
    sight, everything = open_sight(options.work), data.mask_confounded(data.read_films(options.films))
    asked = [ask(number, everything, sight, options) for number in range(data.FOLDS)]
    films, logits, breadths = [film for fold in asked for film in fold.films], *joined(asked)
    together = logits.mean(axis=1)
    weight = heart_weight(together[:, HEART], breadths, films)
    together[:, HEART] += weight * (breadths - 0.5)
    labels = operating_points(together, films)
    found = {
        "recipes": list(options.recipes),
        "side": data.CACHE_SPEC.size,
        "heart_weight": weight,
        "films": len(films),
        "alone": {
            name: told(logits[:, i], films) | effort(options.work, [name]) for i, name in enumerate(options.recipes)
        }
        | {"+".join(options.recipes): told(together, films) | effort(options.work, options.recipes)},
    }
    leave(options.work / ALL, found | {"labels": labels}, asked[0].near, [asked[0].limit])  # the first network's
    for number, one in enumerate(asked):
        by_others = labels_without(number, together, films, labels)
        others = [each.limit for each in asked if each is not one]
        leave(options.work / recipes.fold(number), found | {"labels": by_others}, one.near, others)
    for name, label in labels.items():
        shown = "  ".join(f"{key} {value:.3f}" for key, value in label.items() if isinstance(value, float))
        print(f"{name:20s}{shown}")
    print("\n".join(f"{name}: {json.dumps(figures)}" for name, figures in found["alone"].items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a fold's networks answered to its films: ``logits`` (films, networks, labels), ``breadths`` (films,).

    ``near`` is what belongs here by what taught them, ``limit`` how far from it the fold's own films lie.
    """

    films: Sequence[data.Film]
    logits: Array
    breadths: Array
    near: dict[str, Array]
    limit: float


def ask(number: int, everything: Sequence[data.Film], sight: Look, options: argparse.Namespace) -> Asked:
    ensemble = open_ensemble(weights(options.work, options.recipes, recipes.fold(number)))
    films = [film for film in data.judging(everything) if film.fold == number]
    logits, _, features, breadths = answers(ensemble, sight, served(films, options.films))
    near = normal_features(described(ensemble, sight, taught(everything, number, options.films)))
    frontal = np.array([film.gate == "frontal" for film in films])
    limit = float(np.quantile(distance(features[frontal], near), ACCEPTED) * 1.05)
    return Asked(films=films, logits=logits, breadths=breadths, near=near, limit=limit)


def served(films: Sequence[data.Film], folder: Path) -> Tensor:
    return torch.from_numpy(data.served(folder, films, data.served_spec(data.CACHE_SPEC.size)))


def taught(everything: Sequence[data.Film], without: int, folder: Path) -> Tensor:
    """Some of the adults' frontal films that taught a fold's networks."""
    adults = [film for film in everything if film.fold != without and film.gate == "frontal"]
    return served(adults[::8], folder)


def joined(asked: Sequence[Asked]) -> tuple[Array, Array]:
    return np.concatenate([one.logits for one in asked]), np.concatenate([one.breadths for one in asked])


def leave(folder: Path, found: dict, near: dict[str, Array], limits: Sequence[float]) -> None:
    """What export.py needs of these networks."""
    folder.mkdir(exist_ok=True)
    (folder / "calibration.json").write_text(json.dumps(found, indent=1))
    np.savez(folder / "distance.npz", **near, limit=np.float32(np.mean(limits)))


def told(logits: Array, films: Sequence[data.Film]) -> dict[str, float]:
    """Mean AUC of the fourteen labels of the NIH on its films, and on those that CheXNet answered too."""
    return {"auc": mean_auc(logits, films), "same_films": mean_auc(logits, films, lambda film: film.reference)}


def mean_auc(logits: Array, films: Sequence[data.Film], counts: Callable[[data.Film], bool] = lambda _: True) -> float:
    here = np.array([counts(film) and film.gate == "frontal" and data.origin(film.source) == "nih" for film in films])
    truth = np.stack([film.labels for film in films])
    areas = []
    for i in (data.LABELS.index(name) for name in data.FOURTEEN):
        known = here & ~np.isnan(truth[:, i])
        areas.append(figures.auc(logits[known, i], truth[known, i]))
    return float(np.mean(areas))


def effort(work: Path, names: Sequence[str]) -> dict[str, float]:
    """Minutes of training, of all folds, from ImageNet on."""
    logs = [work / each / "log.jsonl" for each in dict.fromkeys(each for name in names for each in chain(name))]
    lines = [json.loads(line) for log in logs for line in log.read_text().splitlines()]
    return {"minutes": round(sum(line["seconds"] for line in lines) / 60)}


@torch.no_grad()
def answers(ensemble: Ensemble, sight: Look, films: Tensor) -> tuple[Array, Array, Array, Array]:
    """Logits (n, networks, labels), gate logits (n, classes), mean features (n, 1280), breadths of the heart (n,).

    ``films`` (n, 1, side, side) are prepared; ``sight`` makes of them what the networks read.
    """
    parts = []
    for batch in films.split(32):
        read, masks = sight(batch)
        said = ensemble.each(read.contiguous(memory_format=torch.channels_last))
        _, _, gate, features = ensemble.together(said, masks)
        parts.append((torch.stack([logits for logits, *_ in said], dim=1), gate, features, breadth(masks)))
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


def operating_points(logits: Array, films: Sequence[data.Film], names: Sequence[str] = data.LABELS) -> Labels:
    return {name: operating_point(name, logits[:, data.LABELS.index(name)], films) for name in names}


def labels_without(number: int, logits: Array, films: Sequence[data.Film], labels: Labels) -> Labels:
    """What a fold's networks are measured with: probabilities by the other folds' answers, cut-offs of ``labels``."""
    others = np.array([film.fold != number for film in films])
    found = operating_points(logits[others], [film for film in films if film.fold != number], NIH)
    return labels | {name: label | {"threshold": labels[name]["threshold"]} for name, label in found.items()}


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
    if (least := SCREENED.get(name)) is not None:
        return f"sensitivity {least:.2f}", figures.threshold_at_sensitivity(probability, truth, least)
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
