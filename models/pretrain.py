"""Self-supervised start: learn to know a film again in another crop and exposure: ``python -m models.pretrain``.

Two views of a film must foretell each other (SimSiam: Chen and He, CVPR 2021). A batch holds films of one origin only,
so that the origin's looks tell nothing. Sees training films, no label.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from models import backbones, data
from models.network import mean
from models.train import FROZEN, augment, normalised, shrink_to

ZOOMS = (0.5, 1.0)


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--backbone", choices=backbones.NAMES, default="mobilenet_v2")
    parser.add_argument("--films", type=Path, default=Path("../shared/data/cxr"))
    parser.add_argument("--init", type=Path, default=Path("../shared/data/init"))
    parser.add_argument("--work", type=Path, default=Path("work"), help="holds the cache that train.py makes")
    parser.add_argument("--side", type=int, default=128)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=5e-4)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--threads", type=int, default=2)
    pretrain(parser.parse_args())


def pretrain(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    torch.manual_seed(1)
    device = torch.device(options.device)
    films = data.read_films(options.films)
    pixels = np.memmap(options.work / "films.u8", np.uint8, "r").reshape(-1, data.CACHE_SPEC.size, data.CACHE_SPEC.size)
    features = backbones.build(options.backbone)
    some = shrink_to(normalised(pixels[: len(films) : 41]), 224)
    backbones.start(features, options.backbone, folded=next(options.init.glob("mobilenet_v2*.npz")), films=some)
    features[:FROZEN].requires_grad_(False)
    twins = Twins(features).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW([p for p in twins.parameters() if p.requires_grad], options.rate, weight_decay=0.02)
    epochs = [list(batches(films, options.batch, seed=epoch)) for epoch in range(options.epochs)]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, options.rate, total_steps=sum(map(len, epochs)), pct_start=0.1
    )
    for number, epoch in enumerate(epochs, 1):
        twins.train()
        features[:FROZEN].eval()
        bar, total = tqdm(epoch, f"epoch {number}", mininterval=10), 0.0
        for count, batch in enumerate(bar, 1):
            seen, none = normalised(pixels[batch]).to(device), torch.zeros(len(batch), device=device)
            views = [augment(seen, none, options.side, zooms=ZOOMS) for _ in range(2)]
            with torch.autocast(device.type, torch.bfloat16):
                loss = twins(torch.cat(views).contiguous(memory_format=torch.channels_last))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
            bar.set_postfix(loss=f"{total / count:.4f}", refresh=False)
        print(f"epoch {number}: {total / len(epoch):.4f}", flush=True)
        torch.save(features.state_dict(), options.work / f"pretrained-{options.backbone}.pt")


def batches(films: Sequence[data.Film], size: int, *, seed: int) -> Iterator[NDArray[np.int64]]:
    """Every training film once, in batches of one origin, the batches shuffled."""
    chance, drawn = np.random.default_rng(seed), []
    for origin in sorted({data.origin(film.source) for film in films}):
        here = [i for i, film in enumerate(films) if film.split == "train" and data.origin(film.source) == origin]
        drawn += np.array_split(chance.permutation(here), max(1, math.ceil(len(here) / size)))
    return (np.sort(drawn[place]) for place in chance.permutation(len(drawn)))


class Twins(nn.Module):
    """The backbone, a projection and a prediction; answers the loss, -1 (views agree) to 1."""

    def __init__(self, features: nn.Module, width: int = 512) -> None:
        super().__init__()
        self.features = features
        self.projection = nn.Sequential(
            nn.Linear(backbones.FEATURES, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width, affine=False),
        )  # fmt: skip
        self.prediction = nn.Sequential(
            nn.Linear(width, width // 4, bias=False),
            nn.BatchNorm1d(width // 4),
            nn.ReLU(),
            nn.Linear(width // 4, width),
        )

    def forward(self, views: Tensor) -> Tensor:
        """``views`` (2 n, 1, h, w): the first half in one view, the second half the same films in the other."""
        places = self.projection(mean(self.features(views)))
        guesses, places = self.prediction(places).float(), places.detach().float()
        one, other = places.chunk(2)
        guessed_one, guessed_other = guesses.chunk(2)
        alike = functional.cosine_similarity(guessed_one, other) + functional.cosine_similarity(guessed_other, one)
        return -alike.mean() / 2


if __name__ == "__main__":
    main()
