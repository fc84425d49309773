"""Outline lungs and heart on a prepared film, and train the network that does it: ``python -m models.segment``.

Learns from the films with drawn outlines, then anew from these and its own outlines of films of other sources where its
looks at a film agree. It must know no finding. It is measured on the spared fold, which taught it nothing.
"""

import argparse
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from models import data
from xray_triage.reading import thorax
from xray_triage.reading.pixels import place, prepare, resize

SIDE = 192
ORGANS = ("left", "right", "heart")  # lungs by the picture's side: the picture's left is the patient's right
SWAPPED = (1, 0, 2)  # where each organ lies in a mirror image
DRAWN = "wingspan_ctr"
WIDTHS = (16, 32, 48, 80, 96)
SOURCE_SIDE = 256  # of the films in memory, before they are varied
Films = tuple[Tensor, Tensor]  # (n, 1, SOURCE_SIDE, SOURCE_SIDE) in -1..1, masks (n, 3, SIDE, SIDE) in 0..1
UNDRAWN = 160  # films of each other origin that are looked at for the second round
AGREEMENT = 0.93  # Dice of a look with the mean of the looks; where an organ has less, the film does not teach
AREAS = ((0.04, 0.35), (0.04, 0.35), (0.02, 0.22))  # of each organ, share of the film: beyond is no good outline


def block(before: int, after: int) -> nn.Sequential:
    """Two 3 x 3 convolutions."""
    layers: list[nn.Module] = []
    for channels in (before, after):
        layers += [nn.Conv2d(channels, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
    return nn.Sequential(*layers)


class Thorax(nn.Module):
    """Films (n, 1, s, s) in -1..1, dense bright, of any side s -> probabilities (n, 3, 192, 192), in order of ORGANS.

    A U-Net (Ronneberger et al., MICCAI 2015) whose finest level is half of SIDE.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, WIDTHS[0], 5, stride=2, padding=2)
        self.down = nn.ModuleList(block(a, b) for a, b in zip((WIDTHS[0], *WIDTHS), WIDTHS, strict=False))
        self.up = nn.ModuleList(block(a + b, a) for a, b in zip(WIDTHS[-2::-1], WIDTHS[:0:-1], strict=True))
        self.last = nn.Conv2d(WIDTHS[0], len(ORGANS), 1)

    def forward(self, films: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(films))

    def logits(self, films: Tensor) -> Tensor:
        """The same before the sigmoid."""
        x = self.stem(resized(films, SIDE))
        passed: list[Tensor] = []
        for layers in self.down:
            x = layers(functional.max_pool2d(x, 2) if passed else x)
            passed.append(x)
        for layers, beside in zip(self.up, passed[-2::-1], strict=True):
            x = layers(torch.cat([beside, resized(x, beside.shape[-1])], dim=1))
        return resized(self.last(x), SIDE)


def resized(maps: Tensor, side: int) -> Tensor:
    return functional.interpolate(maps, size=(side, side), mode="bilinear", align_corners=False)


def open_thorax(path: Path) -> Thorax:
    """The trained network in ``path``, in evaluation mode."""
    network = Thorax()
    network.load_state_dict(torch.load(path, weights_only=True))
    return network.eval()


def main() -> None:
    """Read the command line and do the step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument(
        "--films", type=Path, default=Path("../shared/data/cxr"), help="with labels.csv, images/, masks/"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("work/thorax.pt"), help="beside it .json and, from the first round, .first.pt"
    )
    parser.add_argument("--steps", type=int, nargs=2, default=(700, 600), help="of the first and the second round")
    parser.add_argument("--batch", type=int, default=10)
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    everything = data.read_films(options.films)
    by_hand = drawn(options.films, [film for film in everything if film.fold != data.SPARED])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    first = options.out.with_suffix(".first.pt")
    if not first.exists():
        torch.save(train(Thorax(), [by_hand], options.steps[0], options).state_dict(), first)
    own = outlined(open_thorax(first), options.films, everything, options.seed)
    print(f"{len(by_hand[0])} films with drawn outlines, {len(own[0])} with outlines of the first round")
    network = train(open_thorax(first), [by_hand, own], options.steps[1], options)
    trim_heart(network, *by_hand)
    torch.save(network.state_dict(), options.out)
    measured = measure(network, *drawn(options.films, [film for film in everything if film.fold == data.SPARED]))
    options.out.with_suffix(".json").write_text(json.dumps(measured | {"own_outlines": len(own[0])}, indent=1) + "\n")
    print(json.dumps(measured, indent=1))


def drawn(folder: Path, films: Sequence[data.Film]) -> Films:
    """Those of ``films`` whose masks a person drew.

    The three are told by their place, the heart between the lungs, for one file has its numbers mixed up.
    """
    spec, pictures, masks = data.served_spec(SOURCE_SIDE), [], []
    for film in films:
        if film.source == DRAWN:
            picture = data.open_film(folder / "images" / film.image)
            pictures.append(prepare(picture, spec)[0])
            x, y, width, height = place(picture, spec).film
            classes = np.asarray(Image.open((folder / "masks" / film.image).with_suffix(".png")))
            cut = classes[y : y + height, x : x + width]
            organs = [resize((cut == number).astype(np.float32), SIDE, SIDE) for number in (1, 2, 3)]
            left, heart, right = sorted(organs, key=middle)
            masks.append([left, right, heart])
    return torch.from_numpy(np.stack(pictures)), torch.from_numpy(np.array(masks))


def middle(mask: NDArray[np.float32]) -> float:
    """The column in its middle."""
    return float(mask.sum(axis=0) @ np.arange(mask.shape[1]) / max(float(mask.sum()), 1e-6))


def outlined(network: Thorax, folder: Path, films: Sequence[data.Film], seed: int) -> Films:
    """Upright adults' training films of the other origins on which the network is sure, with its outlines."""
    chance = np.random.default_rng(seed)
    chosen: list[data.Film] = []
    for origin in sorted({data.origin(film.source) for film in films} - {DRAWN}):
        here = [f for f in films if f.fold != data.SPARED and f.gate == "frontal" and data.origin(f.source) == origin]
        chosen += [here[i] for i in chance.permutation(len(here))[:UNDRAWN]]
    pictures = torch.from_numpy(data.served(folder, chosen, data.served_spec(SOURCE_SIDE)))
    means, sure = zip(*(look(network, part) for part in pictures.split(16)), strict=True)
    kept = torch.cat(sure)
    return pictures[kept], torch.cat(means)[kept]


@torch.no_grad()
def look(network: Thorax, films: Tensor) -> tuple[Tensor, Tensor]:
    """Mean masks of four looks (as it is, mirrored, darker, closer) and whether they agree well enough, per film."""
    near, rim = films.shape[-1] // 16, SIDE // 16
    darker = ((films + 1) / 2) ** 1.5 * 2 - 1
    looks = [network(films), network(films.flip(3)).flip(3)[:, SWAPPED], network(darker)]
    average = torch.stack(looks).mean(0)
    overlaps = [dice(one, average) for one in looks]
    closer = resized(network(films[..., near:-near, near:-near]), SIDE - 2 * rim)
    overlaps.append(dice(closer, average[..., rim:-rim, rim:-rim]))
    agreed = torch.stack(overlaps).amin(0) >= AGREEMENT
    low, high = torch.tensor(AREAS).T
    area = (average > 0.5).float().mean(dim=(2, 3))
    return average, (agreed & (area > low) & (area < high)).all(dim=1)


def dice(one: Tensor, other: Tensor) -> Tensor:
    """Overlap of two masks (n, 3, h, w), cut at a half: (n, 3), 1 where both are empty."""
    a, b = one > 0.5, other > 0.5
    return (2 * (a & b).sum(dim=(2, 3)) + 1) / (a.sum(dim=(2, 3)) + b.sum(dim=(2, 3)) + 1)


def train(network: Thorax, lots: Sequence[Films], steps: int, options: argparse.Namespace) -> Thorax:
    """Every step takes as many films from each lot. The weights' moving average comes back, in evaluation mode."""
    network.train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), options.rate, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, options.rate, total_steps=steps, pct_start=0.1)
    averaged = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
    bar = tqdm(range(steps), "outline", mininterval=10)
    for _ in bar:
        chosen = [torch.randint(len(films), (options.batch // len(lots),)) for films, _ in lots]
        films = torch.cat([films[index] for (films, _), index in zip(lots, chosen, strict=True)])
        masks = torch.cat([masks[index] for (_, masks), index in zip(lots, chosen, strict=True)])
        seen, wanted = vary(films, masks)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network.logits(seen.contiguous(memory_format=torch.channels_last))
        loss = outline_loss(logits.float(), wanted)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        averaged.update_parameters(network)
        bar.set_postfix(loss=f"{loss.item():.3f}", refresh=False)
    answer = Thorax()
    answer.load_state_dict(averaged.module.state_dict())
    return answer.eval()


def outline_loss(logits: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy and a little of 1 - soft Dice (Milletari et al., 3DV 2016), organs alike.

    More of it draws what is uncertain too large, and the heart's lower corners are: it would bias the ratio.
    """
    shown = torch.sigmoid(logits)
    both = (shown * wanted).sum(dim=(2, 3))
    overlap = (2 * both + 50) / (shown.sum(dim=(2, 3)) + wanted.sum(dim=(2, 3)) + 50)
    return functional.binary_cross_entropy_with_logits(logits, wanted) + 0.1 * (1 - overlap.mean())


def vary(films: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Other crops, slants, mirror images, exposures, opacities, lines, resolutions: films and masks of side SIDE."""
    films, masks = moved(films, masks)
    lungs = masks[:, :2].sum(dim=1, keepdim=True).clamp(0, 1)
    films = films + (0.8 - films).clamp(min=0) * clouds(len(films)) * lungs
    films = overlaid(films)
    low, high = torch.quantile(films.flatten(1)[:, ::5], torch.tensor([0.01, 0.99]), dim=1)[:, :, None, None, None]
    films = ((films - low) / (high - low).clamp(min=0.05)).clamp(0, 1)
    kept = torch.rand(len(films)) < 0.3  # exposed as they were
    return torch.where(kept[:, None, None, None], films, exposed(films)) * 2 - 1, masks


def exposed(films: Tensor) -> Tensor:
    """Films in 0..1 with other curves, light from a side, grain, resolution."""
    gamma, slope, light = torch.randn(3, len(films), 1, 1, 1).unbind(0)
    lit, grainy = torch.rand(2, len(films), 1, 1, 1).unbind(0)
    films = (films ** torch.exp(0.4 * gamma) - 0.5) * (1 + 0.2 * slope) + 0.5 + 0.06 * light
    films = films + 0.25 * lit * (field(len(films), 3) - 0.5) + 0.04 * grainy * torch.randn_like(films)
    return torch.stack([degraded(film.clamp(0, 1)) for film in films])


def moved(films: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Affine views of both at side SIDE, films in 0..1; half of them mirrored, with the lungs' masks swapped."""
    n = len(films)
    angle, zoom = math.radians(8) * torch.randn(n).clamp(-2, 2), torch.exp(torch.empty(n).uniform_(-0.55, 0.15))
    across = zoom * torch.exp(0.1 * torch.randn(n).clamp(-2, 2))
    mirror = torch.where(torch.rand(n) < 0.5, -1.0, 1.0)
    roam = 0.06 + (1 - zoom).clamp(min=0) * 0.35
    move = (torch.rand(2, n) * 2 - 1) * roam
    cos, sin = torch.cos(angle), torch.sin(angle)
    rows = [
        torch.stack([mirror * across * cos, -zoom * sin, move[0]], 1),
        torch.stack([mirror * across * sin, zoom * cos, move[1]], 1),
    ]
    grid = functional.affine_grid(torch.stack(rows, 1), [n, 1, SIDE, SIDE], align_corners=False)
    films = functional.grid_sample((films + 1) / 2, grid, padding_mode="zeros", align_corners=False)
    masks = functional.grid_sample(masks, grid, padding_mode="zeros", align_corners=False)
    return films, torch.where(mirror[:, None, None, None] < 0, masks[:, SWAPPED], masks)


def field(n: int, coarse: int) -> Tensor:
    """Smooth noise (n, 1, SIDE, SIDE), 0..1."""
    rough = torch.rand(n, 1, coarse, coarse)
    return functional.interpolate(rough, size=(SIDE, SIDE), mode="bicubic", align_corners=False).clamp(0, 1)


def clouds(n: int) -> Tensor:
    """How much of the air is filled (n, 1, SIDE, SIDE): nothing on half the films, up to most of it on some."""
    amount = torch.where(torch.rand(n, 1, 1, 1) < 0.5, 0.0, torch.rand(n, 1, 1, 1) * 0.9)
    where = torch.rand(n, 1, 1, 1) * 0.8
    return amount * ((field(n, 9) * 0.5 + field(n, 4) * 0.5 - where) * 5).clamp(0, 1)


def overlaid(films: Tensor) -> Tensor:
    """Now and then a bright line or a plate over the film: lead, tube, letter, pacemaker."""
    n, across = len(films), torch.linspace(0, 1, SIDE)
    x, y = across[None, None, None, :], across[None, None, :, None]
    start, slope, bend, width = (torch.rand(4, n, 1, 1, 1)).unbind(0)
    line = (y - start - (slope - 0.5) * 2 * x - (bend - 0.5) * torch.sin(6 * x)).abs() < 0.002 + 0.008 * width
    line = torch.where(torch.rand(n, 1, 1, 1) < 0.5, line, line.transpose(2, 3))
    left, top, wide, tall = torch.rand(4, n, 1, 1, 1).unbind(0)
    plate = ((x - left).abs() < 0.01 + 0.1 * wide) & ((y - top).abs() < 0.01 + 0.1 * tall)
    films = torch.where(line & (torch.rand(n, 1, 1, 1) < 0.3), films + 0.4, films)
    return torch.where(plate & (torch.rand(n, 1, 1, 1) < 0.3), (torch.rand(n, 1, 1, 1) > 0.3).float(), films).clamp(
        0, 1
    )


def degraded(film: Tensor) -> Tensor:
    """One film (1, SIDE, SIDE), 0..1, through a lower resolution and JPEG, each now and then."""
    if torch.rand(()) < 0.4:
        film = resized(resized(film[None], int(torch.randint(56, SIDE, ()))), SIDE)[0]
    if torch.rand(()) < 0.4:
        buffer = io.BytesIO()
        picture = Image.fromarray((film[0].numpy() * 255).astype(np.uint8))
        picture.save(buffer, "JPEG", quality=int(torch.randint(15, 90, ())))
        film = torch.from_numpy(np.asarray(Image.open(buffer), np.float32) / 255)[None]
    return film


@torch.no_grad()
def trim_heart(network: Thorax, films: Tensor, masks: Tensor) -> None:
    """Lower the heart's logit by what makes the ratio's error least: a width runs from extreme to extreme, too wide."""
    bias = network.last.bias
    assert bias is not None
    free = bias[2].clone()
    errors = {}
    for lower in (0.0, 0.25, 0.5, 0.75, 1.0):
        bias[2] = free - lower
        errors[lower] = measure(network, films, masks)["ratio_error"]
    bias[2] = free - min(errors, key=lambda lower: errors[lower])


@torch.no_grad()
def measure(network: Thorax, films: Tensor, masks: Tensor) -> dict[str, float]:
    """Dice of each organ and the error of the cardiothoracic ratio, against drawn masks (n, 3, SIDE, SIDE).

    ``without_ratio`` counts the films whose masks the station would not measure; they are in no other figure of it.
    """
    answered = torch.cat([network(part) for part in films.split(16)])
    overlap = dice(answered, masks).mean(0).tolist()
    pairs = [(ratio(a.numpy()), ratio(b.numpy())) for a, b in zip(answered, masks, strict=True)]
    errors = [abs(ours - drawn) for ours, drawn in pairs if ours is not None and drawn is not None]
    return {
        "films": len(films),
        **{f"dice_{name}": value for name, value in zip(ORGANS, overlap, strict=True)},
        "ratio_error": float(np.mean(errors)) if errors else float("nan"),
        "worst_ratio_error": max(errors, default=float("nan")),
        "without_ratio": len(films) - len(errors),
    }


def ratio(masks: NDArray[np.float32]) -> float | None:
    """The cardiothoracic ratio as a station takes it from masks (3, h, w); None when it takes none."""
    found = thorax.measure(masks, thorax.organs_in(masks))
    return None if found is None else found.ratio


if __name__ == "__main__":
    main()
