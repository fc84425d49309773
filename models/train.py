"""Train one network by a recipe, on two CPU cores or a GPU: ``python -m models.train RECIPE``.

One page, no framework. Every quarter of an epoch ends in a checkpoint; started again, it goes on from there. It must
never see a film of the test split.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
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

from models import backbones, data, pictures
from models.network import Network
from models.pictures import Shelf
from models.recipes import RECIPES, Recipe
from xray_triage.assessment.figures import auc

QUARTERS = 4  # of an epoch
FROZEN = 4  # of the features' 19 parts: edges and blobs stay as ImageNet taught them, at half the time a step


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES, help="see recipes.py")
    parser.add_argument(
        "--films", type=Path, default=Path("../shared/data/cxr"), help="folder with labels.csv, images/"
    )
    parser.add_argument("--init", type=Path, default=Path("../shared/data/init"), help="folder of ImageNet weights")
    parser.add_argument("--work", type=Path, default=Path("work"), help="cache, and a folder for each recipe")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--gate-weight", type=float, default=0.3)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2, help="1 when others use the machine too")
    train(parser.parse_args())


def train(options: argparse.Namespace) -> None:
    recipe, device = RECIPES[options.recipe], torch.device(options.device)
    out = options.work / options.recipe
    out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(options.threads)
    torch.manual_seed(recipe.seed)
    shelf = pictures.fill(options.films, options.work, recipe)
    network = Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES), backbone=recipe.backbone)
    epochs = [pictures.draw(shelf, pasted=recipe.pasted, seed=(recipe.seed, i)) for i in range(recipe.epochs)]
    at_once = options.batch // (2 if shelf.gallery else 1)
    parts = [part for epoch in epochs for part in np.array_split(epoch, QUARTERS)]
    steps = sum(math.ceil(len(part) / at_once) for part in parts)
    network.features[:FROZEN].requires_grad_(False)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, recipe.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=max(1, steps), pct_start=0.15)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(recipe.average), use_buffers=True)
    state = {"network": network, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}
    guide = started_from(recipe, options, device) if recipe.kept else None

    network.to(device, memory_format=torch.channels_last)
    averaged.to(device)
    checkpoint = out / "checkpoint.pt"
    done = load(checkpoint, state) if checkpoint.exists() else 0
    started = time.monotonic()
    if done == 0:
        begin(network, recipe, options, shelf)
        averaged.module.load_state_dict(network.state_dict())
        save(checkpoint, state, done=0, recipe=recipe)
        note(out, {"epoch": 0, **judge(network, shelf, held_out(shelf), recipe.side)}, started)
    for number in range(done, len(parts)):
        torch.manual_seed(recipe.seed * 1000 + number)
        started, epoch = time.monotonic(), (number + 1) / QUARTERS
        part = batches(parts[number], at_once)
        loss = one_part(part, shelf, state, recipe, options, look=1 + number // QUARTERS, guide=guide)
        judged = judge(averaged.module, shelf, held_out(shelf), recipe.side) if epoch.is_integer() else {}
        save(checkpoint, state, done=number + 1, recipe=recipe)
        note(out, {"epoch": epoch, "loss": loss, **judged}, started)


def note(out: Path, line: dict, started: float) -> None:
    """One more line of the log: what came of an epoch, and the seconds that it took."""
    told = json.dumps(line | {"seconds": round(time.monotonic() - started)})
    with (out / "log.jsonl").open("a") as log:
        log.write(told + "\n")
    print(told, flush=True)


def begin(network: Network, recipe: Recipe, options: argparse.Namespace, shelf: Shelf) -> None:
    """Starting weights: ImageNet's, those that self-supervision left, or another recipe's averaged ones."""
    if recipe.start == "self-supervised":
        stored = torch.load(options.work / f"pretrained-{recipe.backbone}.pt", weights_only=True)
        network.features.load_state_dict(stored)
        return
    if recipe.start in RECIPES:
        network.load_state_dict(ended(options.work / recipe.start))
        if shelf.gallery:
            settle(network, shelf, recipe.side)
        if recipe.blend:
            network.load_state_dict(half_way(network.state_dict(), ended(options.work / recipe.blend)))
            settle(network, shelf, recipe.side)
        return
    some = np.flatnonzero(shelf.gates.numpy() == 0)[::37]
    folded = next(options.init.glob("mobilenet_v2*.npz"))
    films = shrink_to(normalised(shelf.take(some)), recipe.side)
    backbones.start(network.features, recipe.backbone, folded=folded, films=films.to(next(network.parameters()).device))


def ended(folder: Path) -> dict[str, Tensor]:
    """The averaged weights that a recipe left."""
    stored = torch.load(folder / "checkpoint.pt", weights_only=True)["averaged"]
    return {key.removeprefix("module."): value for key, value in stored.items() if "." in key}


def half_way(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Two networks' weights averaged; what is no weight (counts of batches) is the other's."""
    return {
        name: (one[name] + value.to(one[name].device)) / 2 if value.is_floating_point() else value
        for name, value in other.items()
    }


def started_from(recipe: Recipe, options: argparse.Namespace, device: torch.device) -> Network:
    """The network that this recipe goes on from, as it was, to be asked and not taught."""
    network = Network(labels=len(data.LABELS), classes=len(data.GATE_CLASSES), backbone=recipe.backbone)
    network.load_state_dict(ended(options.work / recipe.start))
    return network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def batches(epoch: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(epoch), size):
        yield epoch[start : start + size]


def held_out(shelf: Shelf) -> NDArray[np.int64]:
    """Places of the calibration films by which an epoch is judged: all of the NIH's, and some others."""
    films = [(i, film) for i, film in enumerate(shelf.films) if film.split == "calibration"]
    return np.array([i for i, film in films if data.origin(film.source) == "nih" or i % 5 == 0])


@torch.no_grad()
def settle(network: Network, shelf: Shelf, side: int) -> None:
    """Give the batch norms the statistics of normalised films, where others taught the weights."""
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    usual = norms[0].momentum
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all that follows
    some = np.array([i for i, film in enumerate(shelf.films) if film.split == "train" and film.gate == "frontal"][::17])
    device = next(network.train().parameters()).device
    for batch in batches(some, 32):
        network(shrink_to(normalised(views(shelf, batch, look=1)), side).to(device))
    for norm in norms:
        norm.momentum = usual


def views(shelf: Shelf, index: NDArray[np.int64], *, look: int) -> NDArray[np.uint8]:
    """The pictures at ``index``; with a gallery twice as many, first as they are, then in the look of that number."""
    if shelf.gallery is None:
        return shelf.take(index)
    return np.concatenate([shelf.gallery.take(index, 0), shelf.gallery.take(index, look)])


def layers(shelf: Shelf, index: NDArray[np.int64], *, look: int, guided: bool) -> Tensor:
    """(n, views, side, side) in the network's range: ``views`` of a film one over the other, so that they move alike.

    ``guided``: the film not normalised is the last.
    """
    seen = views(shelf, index, look=look)
    if guided:
        seen = np.concatenate([seen, shelf.take(index)])
    return torch.cat(normalised(seen).split(len(index)), dim=1)


def one_part(
    part: Iterable[NDArray[np.int64]],
    shelf: Shelf,
    state: dict,
    recipe: Recipe,
    options: argparse.Namespace,
    *,
    look: int,
    guide: Network | None = None,
) -> float:
    network, total = state["network"].train(), 0.0
    device = next(network.parameters()).device
    network.features[:FROZEN].eval()
    bar = tqdm(list(part), mininterval=10)
    for count, batch in enumerate(bar, 1):
        index = np.where(batch < 0, -1 - batch, batch)
        turned = torch.from_numpy(batch < 0).to(device)
        over = layers(shelf, index, look=look, guided=guide is not None).to(device)
        films = augment(over, turned, recipe.side).split(1, dim=1)
        shown = torch.cat(films[:-1] if guide else films).contiguous(memory_format=torch.channels_last)
        times = len(shown) // len(batch)
        wanted, gate = shelf.labels[index].to(device), shelf.gates[index].to(device)
        wanted[turned], gate[turned] = torch.nan, data.GATE_CLASSES.index("rotated")
        with torch.autocast(device.type, torch.bfloat16):
            logits, _, gate_logits = network(shown)
            held = guide(films[-1])[0] if guide else None
        doors = functional.cross_entropy(gate_logits, gate.repeat(times))
        loss = masked_loss(logits, wanted.repeat(times, 1)) + options.gate_weight * doors
        upright = ~turned.repeat(times)
        if times > 1:
            loss = loss + recipe.steady * restlessness(logits[upright])
        if held is not None:
            loss = loss + recipe.kept * (logits - held.repeat(times, 1))[upright].square().mean()
        state["optimizer"].zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        state["optimizer"].step()
        state["schedule"].step()
        state["averaged"].update_parameters(network)
        total += loss.item()
        bar.set_postfix(loss=f"{total / count:.4f}", refresh=False)
    return round(total / count, 4)


def restlessness(logits: Tensor) -> Tensor:
    """Mean square of what the answers to a film differ by, as it is and in another look: first half, second half."""
    plain, other = logits.chunk(2)
    return (plain - other).square().mean()


def masked_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Binary cross-entropy over what is known; NaN = unknown teaches nothing. 0 when nothing is known."""
    known = ~torch.isnan(wanted)
    each = functional.binary_cross_entropy_with_logits(logits, torch.nan_to_num(wanted), reduction="none")
    return (each * known).sum() / known.sum().clamp(min=1)


def normalised(pixels: NDArray[np.uint8]) -> Tensor:
    """(n, h, w) uint8 -> (n, 1, h, w) in the network's range."""
    return ((torch.from_numpy(np.asarray(pixels)).float() / 255 - data.MEAN) / data.STD).unsqueeze(1)


def shrink_to(films: Tensor, size: int) -> Tensor:
    return functional.interpolate(films, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def augment(films: Tensor, turned: Tensor, size: int, *, zooms: tuple[float, float] = (0.79, 1.05)) -> Tensor:
    """Other crops, aspects, slants, mirror images, exposures, grain; ``turned`` ones by 90 to 270 degrees too.

    ``films`` are (n, views, h, w); what is one over the other is changed alike, but for the grain.
    ``zooms``: which share of the film is seen across; over 1 shows a black rim.
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

    With a gallery: also the AUC on these films in a look by chance, and by how much of the answers' spread they move.
    """
    if shelf.gallery is None:
        answered, doors = asked(network, shelf.take, films, side)
        return scores(answered, doors, shelf, films)
    answered, doors = asked(network, partial(shelf.gallery.take, look=0), films, side)
    changed, _ = asked(network, partial(shelf.gallery.take, look=shelf.gallery.count - 1), films, side)
    moved = np.abs(changed - answered).mean(axis=0) / answered.std(axis=0)
    steady = {"auc_changed": scores(changed, doors, shelf, films)["auc"], "moved": round(float(moved.mean()), 4)}
    return steady | scores(answered, doors, shelf, films)


@torch.no_grad()
def asked(
    network: nn.Module, take: Callable[[NDArray[np.int64]], NDArray[np.uint8]], films: NDArray[np.int64], side: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Logits (n, labels) and the gate's most probable class (n,)."""
    network.eval()
    device = next(network.parameters()).device
    answers, doors = [], []
    for batch in batches(films, 64):
        logits, _, gate = network(shrink_to(normalised(take(batch)), side).to(device))
        answers.append(logits.cpu())
        doors.append(gate.argmax(1).cpu())
    return torch.cat(answers).numpy(), torch.cat(doors).numpy()


def scores(
    answered: NDArray[np.float32], doors: NDArray[np.int64], shelf: Shelf, films: NDArray[np.int64]
) -> dict[str, float]:
    wanted, gates = np.stack([shelf.films[i].labels for i in films]), shelf.gates[films].numpy()
    known = ~np.isnan(wanted)
    areas = {name: auc(answered[known[:, i], i], wanted[known[:, i], i]) for i, name in enumerate(data.LABELS)}
    fourteen = [areas[name] for name in data.LABELS if name not in (*data.MEASURED_ON, data.ABNORMAL)]
    return {"auc": round(float(np.nanmean(fourteen)), 4), "gate": round(float((doors == gates).mean()), 4)} | {
        name: round(area, 3) for name, area in areas.items()
    }


def save(path: Path, state: dict, *, done: int, recipe: Recipe) -> None:
    half = path.with_suffix(".part")
    facts = {"done": done, "recipe": asdict(recipe)}
    torch.save({name: part.state_dict() for name, part in state.items()} | facts, half)
    half.replace(path)


def load(path: Path, state: dict) -> int:
    stored = torch.load(path, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(stored[name])
    return stored["done"]


if __name__ == "__main__":
    main()
