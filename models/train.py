"""Train the first bundle's network on two CPU cores in under an hour: ``python -m models.train``.

One page, no framework. Every epoch ends in a checkpoint; started again, it goes on from there. It must never see a
film of the test split.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from models import data
from models.figures import auc
from models.network import Network, start_from_folded

# films an epoch draws from each origin; None = all of them. The origins with true contrasts weigh most.
QUOTAS = {
    "nih": None, "covid_radiography_lundis": 250, "covid_chestxray_ieee8023": 150, "tb_lundis": 120,
    "wingspan_ctr": 100, "hannover_covid": 30, data.CHILDREN: 90,
}  # fmt: skip
FROZEN = 4  # of the features' 19 parts: edges and blobs stay as ImageNet taught them, at half the time a step
LATERALS, NEGATIVES, TURNED = 50, 250, 150


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--films", type=Path, default=Path("../shared/data/cxr"), help="folder with labels.csv, images/"
    )
    parser.add_argument(
        "--weights", type=Path, default=Path("../shared/data/init/mobilenet_v2_1.0_224_imagenet_folded.npz")
    )
    parser.add_argument("--out", type=Path, default=Path("work/station-1"), help="checkpoint, cache and log")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, default=6e-4)
    parser.add_argument("--decay", type=float, default=0.02)
    parser.add_argument("--gate-weight", type=float, default=0.3)
    parser.add_argument("--negatives", type=int, default=1500, help="synthetic pictures in the cache")
    parser.add_argument("--threads", type=int, default=2, help="1 when others use the machine too")
    parser.add_argument("--seed", type=int, default=1)
    train(parser.parse_args())


def train(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    films = data.mask_confounded(data.read_films(options.films))
    pixels = data.cache(
        options.films, films, n_negatives=options.negatives, path=options.out / "films.u8", seed=options.seed
    )
    labels, gates = np.stack([film.labels for film in films]), [data.GATE_CLASSES.index(film.gate) for film in films]
    none = np.full((options.negatives, labels.shape[1]), np.nan, np.float32)
    labels = torch.from_numpy(np.concatenate([labels, none]))
    gates = torch.tensor([*gates, *[data.GATE_CLASSES.index("not_a_chest")] * options.negatives])

    network = Network(labels=labels.shape[1], classes=len(data.GATE_CLASSES))
    epochs = [draw_epoch(films, options.negatives, seed=(options.seed, epoch)) for epoch in range(options.epochs)]
    steps = sum(math.ceil(len(epoch) / options.batch) for epoch in epochs)
    network.features[:FROZEN].requires_grad_(False)
    learning = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(learning, options.rate, weight_decay=options.decay)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, total_steps=steps, pct_start=0.15)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.995), use_buffers=True)
    state = {"network": network, "averaged": averaged, "optimizer": optimizer, "schedule": schedule}

    checkpoint = options.out / "checkpoint.pt"
    done = load(checkpoint, state) if checkpoint.exists() else 0
    if done == 0:
        some = np.random.default_rng(options.seed).choice(np.flatnonzero(gates[: len(films)] == 0), 192, replace=False)
        start_from_folded(network, options.weights, shrink_to(normalised(pixels[np.sort(some)]), options.size))
        averaged.module.load_state_dict(network.state_dict())
    network.to(memory_format=torch.channels_last)
    held_out = [i for i, film in enumerate(films) if film.split == "calibration"]
    for epoch in range(done, options.epochs):
        torch.manual_seed(options.seed * 1000 + epoch)
        started = time.monotonic()
        loss = one_epoch(epochs[epoch], pixels, labels, gates, state, options)
        scores = judge(averaged.module, held_out, pixels, labels, gates, options.size)
        save(checkpoint, state, done=epoch + 1, options=options)
        line = {"epoch": epoch + 1, "loss": loss, **scores, "seconds": round(time.monotonic() - started)}
        with (options.out / "log.jsonl").open("a") as log:
            log.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)


def draw_epoch(films: Sequence[data.Film], negatives: int, *, seed: tuple[int, int]) -> NDArray[np.int64]:
    """Shuffled indices into the cache; a negative number -1 - i asks for film i turned round or upside down."""
    chance = np.random.default_rng(seed)
    train = [i for i, film in enumerate(films) if film.split == "train"]
    lateral = [i for i in train if films[i].gate == "not_frontal"]
    drawn = [chance.choice(lateral, LATERALS), chance.choice(negatives, NEGATIVES, replace=False) + len(films)]
    drawn.append(-1 - chance.choice([i for i in train if i not in set(lateral)], TURNED, replace=False))
    for name, quota in QUOTAS.items():
        here = [i for i in train if data.origin(films[i].source) == name and films[i].gate != "not_frontal"]
        drawn.append(chance.permutation(here)[:quota])
    return chance.permutation(np.concatenate(drawn).astype(np.int64))


def batches(epoch: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    for start in range(0, len(epoch), size):
        yield epoch[start : start + size]


def one_epoch(epoch, pixels, labels, gates, state, options) -> float:
    network, total = state["network"].train(), 0.0
    network.features[:FROZEN].eval()
    bar = tqdm(list(batches(epoch, options.batch)), mininterval=10)
    for count, batch in enumerate(bar, 1):
        turned = torch.from_numpy(batch < 0)
        index = np.where(batch < 0, -1 - batch, batch)
        films = augment(normalised(pixels[index]), turned, options.size)
        wanted, gate = labels[index].clone(), gates[index].clone()
        wanted[turned], gate[turned] = torch.nan, data.GATE_CLASSES.index("rotated")
        with torch.autocast("cpu", torch.bfloat16):
            logits, _, gate_logits = network(films.contiguous(memory_format=torch.channels_last))
        loss = masked_loss(logits, wanted) + options.gate_weight * functional.cross_entropy(gate_logits, gate)
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


def augment(films: Tensor, turned: Tensor, size: int) -> Tensor:
    """Other crops, aspects, slants, mirror images, exposures, grain; ``turned`` ones by 90 to 270 degrees too."""
    n = len(films)
    angle = (torch.rand(n) * 2 - 1) * math.radians(9) + turned * torch.randint(1, 4, (n,)) * (math.pi / 2)
    zoom = 0.92 + (torch.rand(n) * 2 - 1) * 0.13  # of the film seen across: 0.79 to 1.05, over 1 shows a black rim
    across, down = zoom * (1 + 0.07 * torch.randn(n).clamp(-2, 2)), zoom
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    move = (torch.rand(2, n) * 2 - 1) * 0.07
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([mirror * across * cos, -down * sin, move[0]], 1),
        torch.stack([mirror * across * sin, down * cos, move[1]], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), [n, 1, size, size], align_corners=False)
    seen = (functional.grid_sample(films + 1, grid, padding_mode="zeros", align_corners=False) / 2).clamp(0, 1)
    gamma = torch.exp(0.2 * torch.randn(n, 1, 1, 1))
    contrast, light = 1 + 0.12 * torch.randn(n, 1, 1, 1), 0.05 * torch.randn(n, 1, 1, 1)
    grain = torch.rand(n, 1, 1, 1) * 0.03 * torch.randn_like(seen)
    return ((seen**gamma - 0.5) * contrast + 0.5 + light + grain).clamp(0, 1) * 2 - 1


@torch.no_grad()
def judge(network: nn.Module, held_out: list[int], pixels, labels, gates, size: int) -> dict[str, float]:
    """Mean AUC over the labels, and the gate's accuracy, on the calibration split."""
    network.eval()
    answers, doors = [], []
    for batch in batches(np.array(held_out), 64):
        logits, _, gate = network(shrink_to(normalised(pixels[batch]), size))
        answers.append(logits)
        doors.append(gate.argmax(1))
    answered, wanted = torch.cat(answers), labels[held_out]
    known = ~torch.isnan(wanted)
    areas = {
        name: auc(answered[known[:, i], i].numpy(), wanted[known[:, i], i].numpy())
        for i, name in enumerate(data.LABELS)
    }
    hits = (torch.cat(doors) == gates[held_out]).float().mean().item()
    return {"auc": round(float(np.nanmean(list(areas.values()))), 4), "gate": round(hits, 4)} | {
        name: round(area, 3) for name, area in areas.items()
    }


def save(path: Path, state: dict, *, done: int, options: argparse.Namespace) -> None:
    half = path.with_suffix(".part")
    facts = {"done": done, "size": options.size, "options": {name: str(value) for name, value in vars(options).items()}}
    torch.save({name: part.state_dict() for name, part in state.items()} | facts, half)
    half.replace(path)


def load(path: Path, state: dict) -> int:
    stored = torch.load(path, weights_only=True)
    for name, part in state.items():
        part.load_state_dict(stored[name])
    return stored["done"]


if __name__ == "__main__":
    main()
