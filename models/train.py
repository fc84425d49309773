"""Train one network by a recipe, on two CPU cores or a GPU: ``python -m models.train RECIPE``.

One page, no framework. Every epoch ends in a checkpoint; started again, it goes on from there. It must never see a
film of the test split.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
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
    steps = sum(math.ceil(len(epoch) / options.batch) for epoch in epochs)
    network.features[:FROZEN].requires_grad_(False)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, recipe.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.rate, total_steps=steps, pct_start=0.15)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    state = {"network": network, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}

    network.to(device, memory_format=torch.channels_last)
    averaged.to(device)
    checkpoint = out / "checkpoint.pt"
    done = load(checkpoint, state) if checkpoint.exists() else 0
    if done == 0:
        begin(network, recipe, options, shelf)
        averaged.module.load_state_dict(network.state_dict())
    calibration = [i for i, film in enumerate(shelf.films) if film.split == "calibration"]
    held_out = np.array([i for i in calibration if data.origin(shelf.films[i].source) == "nih" or i % 5 == 0])
    for epoch in range(done, recipe.epochs):
        torch.manual_seed(recipe.seed * 1000 + epoch)
        started = time.monotonic()
        loss = one_epoch(epochs[epoch], shelf, state, recipe, options)
        scores = judge(averaged.module, shelf, held_out, recipe.side)
        save(checkpoint, state, done=epoch + 1, recipe=recipe)
        line = {"epoch": epoch + 1, "loss": loss, **scores, "seconds": round(time.monotonic() - started)}
        with (out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def begin(network: Network, recipe: Recipe, options: argparse.Namespace, shelf: Shelf) -> None:
    """Starting weights: ImageNet's, those that self-supervision left, or another recipe's averaged ones."""
    if recipe.start == "self-supervised":
        stored = torch.load(options.work / f"pretrained-{recipe.backbone}.pt", weights_only=True)
        network.features.load_state_dict(stored)
        return
    if recipe.start in RECIPES:
        stored = torch.load(options.work / recipe.start / "checkpoint.pt", weights_only=True)["averaged"]
        network.load_state_dict({key.removeprefix("module."): value for key, value in stored.items() if "." in key})
        return
    some = np.flatnonzero(shelf.gates.numpy() == 0)[::37]
    folded = next(options.init.glob("mobilenet_v2*.npz"))
    films = shrink_to(normalised(shelf.take(some)), recipe.side)
    backbones.start(network.features, recipe.backbone, folded=folded, films=films.to(next(network.parameters()).device))


def batches(epoch: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(epoch), size):
        yield epoch[start : start + size]


def one_epoch(
    epoch: NDArray[np.int64], shelf: Shelf, state: dict, recipe: Recipe, options: argparse.Namespace
) -> float:
    network, total = state["network"].train(), 0.0
    device = next(network.parameters()).device
    network.features[:FROZEN].eval()
    bar = tqdm(list(batches(epoch, options.batch)), mininterval=10)
    for count, batch in enumerate(bar, 1):
        turned = torch.from_numpy(batch < 0)
        index = np.where(batch < 0, -1 - batch, batch)
        films = augment(normalised(shelf.take(index)).to(device), turned.to(device), recipe.side)
        wanted, gate = shelf.labels[index].clone(), shelf.gates[index].clone()
        wanted[turned], gate[turned] = torch.nan, data.GATE_CLASSES.index("rotated")
        with torch.autocast(device.type, torch.bfloat16):
            logits, _, gate_logits = network(films.contiguous(memory_format=torch.channels_last))
        doors = functional.cross_entropy(gate_logits, gate.to(device))
        loss = masked_loss(logits, wanted.to(device)) + options.gate_weight * doors
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


def normalised(pixels: NDArray[np.uint8]) -> Tensor:
    """(n, h, w) uint8 -> (n, 1, h, w) in the network's range."""
    return ((torch.from_numpy(np.asarray(pixels)).float() / 255 - data.MEAN) / data.STD).unsqueeze(1)


def shrink_to(films: Tensor, size: int) -> Tensor:
    return functional.interpolate(films, size=(size, size), mode="bilinear", antialias=True, align_corners=False)


def augment(films: Tensor, turned: Tensor, size: int, *, zooms: tuple[float, float] = (0.79, 1.05)) -> Tensor:
    """Other crops, aspects, slants, mirror images, exposures, grain; ``turned`` ones by 90 to 270 degrees too.

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


@torch.no_grad()
def judge(network: nn.Module, shelf: Shelf, held_out: NDArray[np.int64], side: int) -> dict[str, float]:
    """Mean AUC over the fourteen labels of the NIH, and the gate's accuracy, on held-out films."""
    network.eval()
    device = next(network.parameters()).device
    answers, doors = [], []
    for batch in batches(held_out, 64):
        logits, _, gate = network(shrink_to(normalised(shelf.take(batch)), side).to(device))
        answers.append(logits.cpu())
        doors.append(gate.argmax(1).cpu())
    wanted, gates = np.stack([shelf.films[i].labels for i in held_out]), shelf.gates[held_out]
    answered, known = torch.cat(answers).numpy(), ~np.isnan(wanted)
    areas = {name: auc(answered[known[:, i], i], wanted[known[:, i], i]) for i, name in enumerate(data.LABELS)}
    fourteen = [areas[name] for name in data.LABELS if name not in (*data.MEASURED_ON, data.ABNORMAL)]
    hits = (torch.cat(doors) == gates).float().mean().item()
    return {"auc": round(float(np.nanmean(fourteen)), 4), "gate": round(hits, 4)} | {
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
