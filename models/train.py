"""Train the networks of a recipe, on two CPU cores or a GPU: ``python -m models.train RECIPE``.

One page, no framework. A network for each fold, taught by the films of the others, so that every film is judged by one
network that never saw it. Every quarter of an epoch ends in a checkpoint; started again, it goes on from there.
"""

import argparse
import json
import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from models import backbone, data, pictures, recipes
from models.gallery import LOOKS
from models.network import FROZEN, Network
from models.pictures import Shelf
from models.recipes import RECIPES, Recipe, weights
from xray_triage.assessment.figures import auc

QUARTERS = 4  # of an epoch
Drawn = tuple[NDArray[np.int64], NDArray[np.int64]]  # as of pictures.draw
Weights = dict[str, Tensor]


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES, help="see recipes.py")
    parser.add_argument("--fold", type=int, choices=range(data.FOLDS), help="only the network without this fold")
    parser.add_argument(
        "--films", type=Path, default=Path("../shared/data/cxr"), help="folder with labels.csv, images/"
    )
    parser.add_argument("--init", type=Path, default=Path("../shared/data/init"), help="folder of ImageNet weights")
    parser.add_argument("--work", type=Path, default=Path("work"), help="cache, and a folder for each recipe")
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--gate-weight", type=float, default=0.3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="1 when two recipes are trained beside each other")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    for fold in range(data.FOLDS) if options.fold is None else [options.fold]:
        (out,) = weights(options.work, [options.recipe], recipes.fold(fold))
        if not out.exists():
            train(options, fold, out)


def train(options: argparse.Namespace, fold: int, out: Path) -> None:
    recipe, device = RECIPES[options.recipe], torch.device(options.device)
    out.parent.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(recipe.seed)
    shelf = pictures.fill(options.films, options.work, recipe, without=fold)
    network = Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES))
    paired = recipe.held > 0
    epochs = [pictures.draw(shelf, seed=(recipe.seed, i), in_two_looks=paired) for i, _ in enumerate(recipe.sides)]
    parts = [part for epoch in epochs for part in zip(*(np.array_split(x, QUARTERS) for x in epoch), strict=True)]
    size = recipe.batch // 2 if paired else recipe.batch
    steps = sum(math.ceil(len(films) / size) for films, _ in parts)
    network.features[:FROZEN].requires_grad_(False)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, recipe.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps, pct_start=0.15)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True)
    state = {"network": network, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}

    network.to(device, memory_format=torch.channels_last)
    averaged.to(device)
    checkpoint = out.with_suffix(".part")
    done = load(checkpoint, state) if checkpoint.exists() else 0
    if done == 0:
        begin(network, recipe, options, shelf)
        averaged.module.load_state_dict(network.state_dict())
    for number in range(done, len(parts)):
        torch.manual_seed(recipe.seed * 1000 + number)
        started, side = time.monotonic(), recipe.sides[number // QUARTERS]
        part = list(batches(parts[number], size))
        loss = one_part(part, shelf, state, side, gate_weight=options.gate_weight, held=recipe.held)
        save(checkpoint, state, done=number + 1)
        note(out, {"fold": fold, "epoch": (number + 1) / QUARTERS, "side": side, "loss": loss}, started)
    if recipe.begins_with is not None:
        averaged.module.load_state_dict(
            half_way(taught_before(options.work, recipe, fold), averaged.module.state_dict())
        )
    started = time.monotonic()
    note(out, {"fold": fold, **judge(averaged.module, shelf, held_out(shelf), recipe.sides[-1])}, started)
    torch.save({"recipe": asdict(recipe), "weights": averaged.module.state_dict()}, out)
    checkpoint.unlink()


def note(out: Path, line: dict, started: float) -> None:
    """One more line of the recipe's log: what came of a part, and the seconds that it took."""
    told = json.dumps(line | {"seconds": round(time.monotonic() - started)})
    with (out.parent / "log.jsonl").open("a") as log:
        log.write(told + "\n")
    print(told, flush=True)


def begin(network: Network, recipe: Recipe, options: argparse.Namespace, shelf: Shelf) -> None:
    """Starting weights: those of the recipe before, or ImageNet's."""
    if recipe.begins_with is not None:
        network.load_state_dict(taught_before(options.work, recipe, shelf.without))
        return
    some = np.flatnonzero(shelf.gates.numpy() == 0)[::37]
    folded = next(options.init.glob("mobilenet_v2*.npz"))
    films = shrink_to(normalised(shelf.take(some, np.zeros_like(some))), recipe.sides[0])
    backbone.start(network.features, folded, films.to(next(network.parameters()).device))


def taught_before(work: Path, recipe: Recipe, fold: int) -> Weights:
    """What the recipe before made. Raises SystemExit where it has made nothing yet."""
    assert recipe.begins_with is not None
    (file,) = weights(work, [recipe.begins_with], recipes.fold(fold))
    if not file.exists():
        raise SystemExit(f"{file} is not there: first python -m models.train {recipe.begins_with} --fold {fold}")
    found: Weights = torch.load(file, weights_only=True)["weights"]
    return found


def half_way(before: Weights, after: Weights) -> Weights:
    """The average of the weights that a network had and has (Wortsman et al., CVPR 2022); counts are those it has."""
    return {
        name: (before[name].to(value) + value) / 2 if value.is_floating_point() else value
        for name, value in after.items()
    }


def batches(part: Drawn, size: int) -> Iterator[Drawn]:
    films, looks = part
    for start in range(0, len(films), size):
        yield films[start : start + size], looks[start : start + size]


def held_out(shelf: Shelf) -> NDArray[np.int64]:
    """Places of the films by which a network is judged, of the fold that did not teach it."""
    films = [(i, film) for i, film in enumerate(shelf.films) if film.fold == shelf.without]
    return np.array([i for i, film in films if data.origin(film.source) == "nih" or i % 5 == 0])


def one_part(
    part: Iterable[Drawn], shelf: Shelf, state: dict, side: int, *, gate_weight: float, held: float = 0.0
) -> float:
    """Some steps; the mean of their losses. ``held``: see Recipe."""
    network, total = state["network"].train(), 0.0
    device = next(network.parameters()).device
    network.features[:FROZEN].eval()
    bar = tqdm(part, mininterval=10)
    for count, (drawn, looks) in enumerate(bar, 1):
        index = np.where(drawn < 0, -1 - drawn, drawn)
        turned = torch.from_numpy(drawn < 0).to(device)
        views = [np.zeros_like(looks), looks] if held else [looks]
        films = torch.cat([normalised(shelf.take(index, view)) for view in views], dim=1).to(device)
        shown = augment(films, turned, side).transpose(0, 1).reshape(-1, 1, side, side)  # the views one after the other
        wanted, gate = shelf.labels[index].to(device), shelf.gates[index].to(device)
        wanted[turned], gate[turned] = torch.nan, data.GATE_CLASSES.index("rotated")
        with torch.autocast(device.type, torch.bfloat16):
            logits, _, gate_logits = network(shown.contiguous(memory_format=torch.channels_last))
        loss = masked_loss(logits, wanted.repeat(len(views), 1))
        loss = loss + gate_weight * functional.cross_entropy(gate_logits, gate.repeat(len(views)))
        if held:
            loss = loss + held * apart(logits, of=gate == data.GATE_CLASSES.index("frontal"))
        state["optimizer"].zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        state["optimizer"].step()
        state["schedule"].step()
        state["averaged"].update_parameters(network)
        total += loss.item()
        bar.set_postfix(loss=f"{total / count:.4f}", refresh=False)
    return round(total / count, 4)


def masked_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy over what is known; NaN = unknown teaches nothing. 0 when nothing is known."""
    known = ~torch.isnan(wanted)
    each = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(wanted), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def apart(logits: Tensor, *, of: Tensor) -> Tensor:
    """The mean square of what films' logits (2 n, labels) differ by in two looks; ``of`` (n,) are those that count."""
    first, second = logits.chunk(2)
    return ((first - second).square() * of[:, None]).sum() / (of.sum() * logits.shape[1]).clamp(min=1)


def normalised(pixels: NDArray[np.uint8]) -> Tensor:
    """(n, h, w) uint8 -> (n, 1, h, w) in the network's range."""
    return ((torch.from_numpy(np.asarray(pixels)).float() / 255 - data.MEAN) / data.STD).unsqueeze(1)


def shrink_to(films: Tensor, size: int) -> Tensor:
    return functional.interpolate(films, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def augment(films: Tensor, turned: Tensor, size: int, *, zooms: tuple[float, float] = (0.79, 1.05)) -> Tensor:
    """Other crops, aspects, slants, mirror images, exposures, grain; ``turned`` ones by 90 to 270 degrees too.

    ``films`` are (n, views, h, w), the views of a film alike but for grain. ``zooms``: which share of the film is seen
    across; over 1 shows a black rim.
    """
    n, chance = len(films), partial(torch.rand, device=films.device)
    normal = partial(torch.randn, device=films.device)
    angle = (chance(n) * 2 - 1) * math.radians(9) + turned * torch.randint(1, 4, (n,), device=films.device) * (
        math.pi / 2
    )
    zoom = zooms[0] + chance(n) * (zooms[1] - zooms[0])
    across, down = zoom * (1 + 0.07 * normal(n).clamp(-2, 2)), zoom
    mirror = torch.where(chance(n) < 0.5, -1.0, 1.0)
    move = (chance(2, n) * 2 - 1) * 0.07
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([mirror * across * cos, -down * sin, move[0]], 1),
        torch.stack([mirror * across * sin, down * cos, move[1]], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), [n, 1, size, size], align_corners=False)
    seen = (functional.grid_sample(films + 1, grid, padding_mode="zeros", align_corners=False) / 2).clamp(0, 1)
    gamma = torch.exp(0.2 * normal(n, 1, 1, 1))
    contrast, light = 1 + 0.12 * normal(n, 1, 1, 1), 0.05 * normal(n, 1, 1, 1)
    grain = chance(n, 1, 1, 1) * 0.03 * normal(*seen.shape)
    return ((seen**gamma - 0.5) * contrast + 0.5 + light + grain).clamp(0, 1) * 2 - 1


def judge(network: nn.Module, shelf: Shelf, films: NDArray[np.int64], side: int) -> dict[str, float]:
    """Mean AUC over the fourteen labels of the NIH, and the gate's accuracy, on held-out films.

    Also the AUC on these films in a look by chance, and by how much of the answers' spread they move there.
    """
    answered, doors = asked(network, shelf, films, side, look=0)
    changed, _ = asked(network, shelf, films, side, look=LOOKS - 1)
    moved = np.abs(changed - answered).mean(axis=0) / answered.std(axis=0)
    steady = {"auc_changed": scores(changed, doors, shelf, films)["auc"], "moved": round(float(moved.mean()), 4)}
    return steady | scores(answered, doors, shelf, films)


@torch.no_grad()
def asked(
    network: nn.Module, shelf: Shelf, films: NDArray[np.int64], side: int, *, look: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits (n, labels) and the gate's most probable class (n,)."""
    network.eval()
    device = next(network.parameters()).device
    answers, doors = [], []
    for part, looks in batches((films, np.full(len(films), look)), 64):
        logits, _, gate = network(shrink_to(normalised(shelf.take(part, looks)), side).to(device))
        answers.append(logits.cpu())
        doors.append(gate.argmax(1).cpu())
    return torch.cat(answers).numpy(), torch.cat(doors).numpy()


def scores(
    answered: NDArray[np.float32], doors: NDArray[np.int64], shelf: Shelf, films: NDArray[np.int64]
) -> dict[str, float]:
    wanted, gates = np.stack([shelf.films[i].labels for i in films]), shelf.gates[films].numpy()
    known = ~np.isnan(wanted)
    areas = {name: auc(answered[known[:, i], i], wanted[known[:, i], i]) for i, name in enumerate(data.LABELS)}
    fourteen = [areas[name] for name in data.FOURTEEN]
    return {"auc": round(float(np.nanmean(fourteen)), 4), "gate": round(float((doors == gates).mean()), 4)} | {
        name: round(area, 3) for name, area in areas.items()
    }


def save(path: Path, state: dict, *, done: int) -> None:
    half = path.with_suffix(".half")
    torch.save({name: part.state_dict() for name, part in state.items()} | {"done": done}, half)
    half.replace(path)


def load(path: Path, state: dict) -> int:
    stored = torch.load(path, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(stored[name])
    return stored["done"]


if __name__ == "__main__":
    main()
