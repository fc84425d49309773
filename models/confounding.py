"""Does a network that tells tuberculosis read the lungs, or the film's source? ``python -m models.confounding``.

The one contrast from one source is tb_lundis' films TB.N against its films ``others``. Each condition takes something
away from both kinds; what is still told apart afterwards was told by what is left. It must train nothing for a station.
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from tqdm import tqdm

from models import backbone, data
from models.network import mean
from models.segment import Thorax, open_thorax
from xray_triage.assessment.figures import auc, interval
from xray_triage.reading.bundle import Bundle, load_bundle
from xray_triage.reading.pixels import resize
from xray_triage.reading.runtime import Runtime, Session

Picture = NDArray[np.float32]
NAME = "tuberculosis"
FOLDS = 5
GRAY = np.float32(0.5)  # what stands where a condition takes the film away
PROBE_SIDE = 224
MOST = 400  # films of a kind
CHANCE, HIGH, FEW = 0.60, 0.80, 0.15  # AUC that is near chance, AUC that is still high, share of NIH films above


def as_is(film: Picture, _: Picture) -> Picture:
    return film


def alike(film: Picture, lungs: Picture) -> Picture:
    """Cropped to the lungs, 128 pixels across, gray values equally often."""
    top, bottom, left, right = box(lungs, 0.03)
    small = resize(film[top:bottom, left:right], 128, 128)
    return resize(equalised(small, np.ones(small.shape, bool)), *film.shape)


def shrunk(film: Picture, _: Picture) -> Picture:
    """Through 96 pixels across and back."""
    return resize(resize(film, 96, 96), *film.shape)


def without_lungs(film: Picture, lungs: Picture) -> Picture:
    """A gray rectangle over lungs and all between them: an outline in gray would still show their shape."""
    top, bottom, left, right = box(lungs, 0.03)
    answer = film.copy()
    answer[top:bottom, left:right] = GRAY
    return answer


def lungs_only(film: Picture, lungs: Picture) -> Picture:
    return np.where(lungs > 0.5, film, GRAY)


def lungs_only_alike(film: Picture, lungs: Picture) -> Picture:
    """The lungs alone, through 96 pixels, their gray values equally often."""
    small = shrunk(film, lungs)
    return np.where(lungs > 0.5, equalised(small, lungs > 0.5), GRAY)


def rim(film: Picture, _: Picture) -> Picture:
    """Only a strip along the four edges, a twelfth of the film wide."""
    wide, answer = len(film) // 12, film.copy()
    answer[wide:-wide, wide:-wide] = GRAY
    return answer


CONDITIONS: Mapping[str, tuple[str, Callable[[Picture, Picture], Picture]]] = {
    "as_is": ("as the station reads it", as_is),
    "alike": ("cropped to the lungs, one resolution, gray values equalised", alike),
    "shrunk": ("shrunk to 96 px", shrunk),
    "without_lungs": ("without the lungs (gray rectangle over the chest)", without_lungs),
    "lungs_only": ("lungs only", lungs_only),
    "lungs_only_alike": ("lungs only, 96 px, gray values equalised", lungs_only_alike),
    "rim": ("only a strip along the edges", rim),
}


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--bundle", type=Path, default=Path("work/bundles/fold-0"))
    parser.add_argument("--thorax", type=Path, default=Path("work/thorax.pt"), help="what models.segment wrote")
    parser.add_argument(
        "--weights", type=Path, default=Path("../shared/data/init/mobilenet_v2_1.0_224_imagenet_folded.npz")
    )
    parser.add_argument("--out", type=Path, default=Path("work/confounding.json"))
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    measured = measure(options)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(measured, indent=1) + "\n")
    print(rows(measured))
    print(measured["withheld"] or "nothing speaks against showing it")


def measure(options: argparse.Namespace) -> dict:
    reader = Reader(load_bundle(options.bundle), options.threads)
    everything = data.read_films(options.films)
    films = contrast(everything)
    spec = reader.bundle.manifest.input
    pixels = data.served(options.films, films, spec)[:, 0] * spec.std + spec.mean
    lungs = outlines(open_thorax(options.thorax), pixels)
    probe = backbone.build()
    backbone.start(probe, options.weights, probed(pixels[:64]))
    conditions = {
        name: measure_condition(films, vary, pixels, lungs, probe, reader) for name, (_, vary) in CONDITIONS.items()
    }
    nih = [f for f in everything if f.fold == data.SPARED and f.gate == "frontal" and data.origin(f.source) == "nih"]
    scores = reader.answer(data.served(options.films, nih, spec))[:, reader.index]
    found = {
        "bundle": reader.bundle.identity.sha256,
        "films": {kind: int((truths(films) == truth).sum()) for kind, truth in (("tuberculosis", 1), ("others", 0))},
        "unseen": sum(film.fold == data.SPARED for film in films),
        "conditions": conditions,
        "nih": {"films": len(nih), "above": float((scores >= reader.threshold).mean())},
    }
    return found | {"withheld": withheld(found)}


def contrast(films: Sequence[data.Film]) -> list[data.Film]:
    """TB.N and ``others`` of tb_lundis, at most MOST of a kind, those that taught nothing first."""
    kinds = ("tb_lundis__TB.", "tb_lundis__others")
    chosen = [
        sorted((f for f in films if f.image.startswith(kind)), key=lambda f: f.fold != data.SPARED) for kind in kinds
    ]
    return [film for kind in chosen for film in kind[:MOST]]


def truths(films: Sequence[data.Film]) -> NDArray[np.float32]:
    return np.array([film.labels[data.LABELS.index(NAME)] for film in films])


class Reader:
    """The spared fold's bundle, asked for its labels' probabilities."""

    def __init__(self, bundle: Bundle, threads: int) -> None:
        labels = bundle.manifest.labels
        self.bundle, self.index = bundle, [label.name for label in labels].index(NAME)
        self.threshold = labels[self.index].threshold
        self.session = Session(bundle, Runtime(threads=threads))
        self.scale = np.array([label.calibration.scale for label in labels])
        self.offset = np.array([label.calibration.offset for label in labels])

    def answer(self, films: Picture) -> NDArray[np.float64]:
        """Prepared films (n, 1, size, size) -> probabilities (n, labels)."""
        name = self.bundle.manifest.outputs.logits
        logits = np.concatenate([self.session.run(film[None])[0][name] for film in films])
        return 1 / (1 + np.exp(-(logits.astype(np.float64) * self.scale + self.offset)))


@torch.no_grad()
def outlines(thorax: Thorax, pixels: Picture) -> Picture:
    """Probability of either lung (n, size, size) on films (n, size, size) in 0..1."""
    masks = torch.cat([thorax(part * 2 - 1)[:, :2].amax(1) for part in torch.from_numpy(pixels)[:, None].split(16)])
    return np.stack([resize(mask, *pixels.shape[1:]) for mask in masks.numpy()])


def measure_condition(
    films: Sequence[data.Film],
    vary: Callable[[Picture, Picture], Picture],
    pixels: Picture,
    lungs: Picture,
    probe: nn.Module,
    reader: Reader,
) -> dict[str, dict]:
    """AUC of a probe trained anew, cross-validated on all films, and of the bundle's score, on those it never saw."""
    varied = np.stack([vary(film, lung) for film, lung in zip(pixels, lungs, strict=True)]).astype(np.float32)
    truth = truths(films)
    groups, unseen = np.array([film.group for film in films]), np.array([film.fold == data.SPARED for film in films])
    spec = reader.bundle.manifest.input
    answers = reader.answer(((varied[unseen] - spec.mean) / spec.std)[:, None].astype(np.float32))
    scores = cross_validated(features(probe, probed(varied)), truth, groups)
    return {
        "probe": area(scores, truth, groups),
        "bundle": area(answers[:, reader.index], truth[unseen], groups[unseen]),
    }


def area(scores: NDArray[np.float64], truth: NDArray[np.float32], groups: Sequence[str]) -> dict:
    return {"auc": auc(scores, truth), "interval": interval(auc, scores, truth, groups)}


def probed(pixels: Picture) -> torch.Tensor:
    """Films (n, h, w) in 0..1 as the probe eats them."""
    films = torch.from_numpy(pixels.astype(np.float32))[:, None] * 2 - 1
    return functional.interpolate(films, size=(PROBE_SIDE, PROBE_SIDE), mode="bilinear", align_corners=False)


@torch.no_grad()
def features(network: nn.Module, films: torch.Tensor) -> NDArray[np.float64]:
    """Frozen ImageNet features (n, 1280); a probe can do without the last bits of a float."""
    network.eval().to(memory_format=torch.channels_last)
    bar = tqdm(films.split(16), "features", mininterval=10)
    with torch.autocast("cpu", torch.bfloat16):
        parts = [mean(network(part.contiguous(memory_format=torch.channels_last))) for part in bar]
    return torch.cat(parts).double().numpy()


def cross_validated(
    found: NDArray[np.float64], truth: NDArray[np.floating], groups: Sequence[str]
) -> NDArray[np.float64]:
    """Out-of-fold scores of a logistic regression on ``found`` (n, features); folds go by group."""
    _, number = np.unique(groups, return_inverse=True)
    fold = np.random.default_rng(0).permutation(np.arange(number.max() + 1) % FOLDS)[number]
    scores = np.zeros(len(truth))
    for held_out in (fold == k for k in range(FOLDS)):
        middle, spread = found[~held_out].mean(axis=0), found[~held_out].std(axis=0) + 1e-6
        scaled = torch.from_numpy((found - middle) / spread)
        weights = logistic(scaled[~held_out], torch.from_numpy(truth[~held_out].astype(np.float64)))
        scores[held_out] = (scaled[held_out] @ weights[:-1] + weights[-1]).numpy()
    return scores


def logistic(found: torch.Tensor, truth: torch.Tensor, pull: float = 0.05) -> torch.Tensor:
    """Weights (features + 1,) of a logistic regression, both kinds alike heavy, pulled to 0 by ``pull``."""
    weights = torch.zeros(found.shape[1] + 1, dtype=torch.float64, requires_grad=True)
    heavy = torch.where(truth == 1, 0.5 / truth.mean(), 0.5 / (1 - truth.mean()))
    optimizer = torch.optim.LBFGS([weights], max_iter=100, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        logits = found @ weights[:-1] + weights[-1]
        fit = functional.binary_cross_entropy_with_logits(logits, truth, weight=heavy)
        value = fit + pull * (weights[:-1] ** 2).sum() / 2
        value.backward()
        return value

    optimizer.step(loss)
    return weights.detach()


def equalised(film: Picture, where: NDArray[np.bool_]) -> Picture:
    """Gray values of ``where`` replaced by their rank, 0..1; the rest as it was."""
    answer, values = film.copy(), film[where]
    ranks = np.empty(len(values), np.float32)
    ranks[np.argsort(values, kind="stable")] = np.linspace(0, 1, len(values), dtype=np.float32)
    answer[where] = ranks
    return answer


def box(lungs: Picture, margin: float) -> tuple[int, int, int, int]:
    """Top, bottom, left, right of both lungs and a margin; the middle of the film where none is seen."""
    side, seen = len(lungs), lungs > 0.5
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if len(rows) < side // 8 or len(columns) < side // 8:
        return side // 8, side - side // 8, side // 8, side - side // 8
    more = int(margin * side)
    return (
        max(0, int(rows[0]) - more), min(side, int(rows[-1]) + 1 + more),
        max(0, int(columns[0]) - more), min(side, int(columns[-1]) + 1 + more),
    )  # fmt: skip


def withheld(measured: Mapping) -> str | None:
    """Why tuberculosis must not be shown, in words and figures; None when the three tests are passed."""
    found, above = measured["conditions"], measured["nih"]["above"]
    reasons = []
    for who, name in (("a network trained anew", "probe"), ("this one's own score", "bundle")):
        blind, seeing = found["without_lungs"][name], found["lungs_only"][name]
        if blind["auc"] >= CHANCE and blind["interval"][0] > 0.5:
            reasons.append(f"{who} tells the two kinds of film apart without their lungs (AUC {blind['auc']:.2f})")
        if seeing["auc"] < HIGH:
            reasons.append(f"{who} does not tell them apart by the lungs alone (AUC {seeing['auc']:.2f})")
    if above > FEW:
        reasons.append(
            f"its threshold lets {above:.0%} of another hospital's films through, where none is known to show it"
        )
    return "; ".join(reasons) or None


def rows(measured: Mapping) -> str:
    """A markdown table for the model card: each condition, the AUC of the probe and of the bundle's score."""

    def cell(found: Mapping) -> str:
        low, high = found["interval"]
        return f"{found['auc']:.2f} ({low:.2f}–{high:.2f})"

    lines = [
        f"| {CONDITIONS[name][0]} | {cell(found['probe'])} | {cell(found['bundle'])} |"
        for name, found in measured["conditions"].items()
    ]
    return "\n".join(["| films | a probe trained anew | this bundle |", "|---|---|---|", *lines])


if __name__ == "__main__":
    main()
