"""All pictures that an epoch may draw from, with what each teaches: films, drawn negatives, films with a pasted lesion.

It must never know a network that reads; lungs for pasting come from segment.py.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from models import data, teacher
from models.gallery import Gallery, open_gallery
from models.paste import has_lungs, paste
from models.recipes import Recipe
from models.segment import open_thorax

# films an epoch draws from each origin; None = all of them. The origins with true contrasts weigh most.
QUOTAS = {
    "nih": None, "covid_radiography_lundis": 150, "covid_chestxray_ieee8023": 100, "tb_lundis": 60,
    "wingspan_ctr": 100, "hannover_covid": 30, data.CHILDREN: 60,
}  # fmt: skip
LATERALS, NEGATIVES, TURNED = 30, 150, 100
NEGATIVES_DRAWN = 1500  # synthetic pictures in the cache
PASTED_DRAWN = 1200
LOOKS = 9  # of each film in the gallery, the film itself included; an epoch shows one of the others
PASTED = ("pneumothorax", "nodule", "mass", "pleural_effusion")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Pictures (n, side, side) uint8, their labels (n, labels) and gate classes (n,).

    Films lie first, in the order of labels.csv, then ``negatives`` drawn pictures, then ``pasted`` films.
    """

    films: Sequence[data.Film]
    pixels: Sequence[NDArray[np.uint8]]
    labels: Tensor
    gates: Tensor
    negatives: int
    pasted: int
    gallery: Gallery | None = None

    def take(self, index: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures at ``index``, (len(index), side, side)."""
        first, second = self.pixels
        return np.stack([first[i] if i < len(first) else second[i - len(first)] for i in index])


def fill(folder: Path, work: Path, recipe: Recipe) -> Shelf:
    """The shelf for ``recipe``; pictures are made once and kept in ``work``. One that is to be steady has a gallery."""
    films = data.mask_confounded(data.read_films(folder))
    pixels = data.cache(folder, films, n_negatives=NEGATIVES_DRAWN, path=work / "films.u8")
    taught = teacher.soften(films, folder, weight=recipe.teacher)
    labels = [taught, np.full((NEGATIVES_DRAWN, taught.shape[1]), np.nan, np.float32)]
    gates = [data.GATE_CLASSES.index(film.gate) for film in films]
    gates += [data.GATE_CLASSES.index("not_a_chest")] * NEGATIVES_DRAWN
    pasted = np.empty((0, *pixels.shape[1:]), np.uint8)
    if recipe.pasted:
        pasted, more = paste_into(films, pixels, work)
        labels.append(more)
        gates += [data.GATE_CLASSES.index("frontal")] * len(pasted)
    gallery = open_gallery(films, (pixels, pasted), work, count=LOOKS) if recipe.steady else None
    return Shelf(
        films=films,
        pixels=(pixels, pasted),
        labels=torch.from_numpy(np.concatenate(labels)),
        gates=torch.tensor(gates),
        negatives=NEGATIVES_DRAWN,
        pasted=len(pasted),
        gallery=gallery,
    )


def paste_into(
    films: Sequence[data.Film], pixels: NDArray[np.uint8], work: Path
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Training films without a finding, of the hospital whose labels we learn, with one drawn in; their labels."""
    abnormal = data.LABELS.index(data.ABNORMAL)
    here = [i for i, film in enumerate(films) if film.split == "train" and data.origin(film.source) == "nih"]
    normal = [i for i in here if films[i].labels[abnormal] == 0]
    chance, kept = np.random.default_rng(7), work / "pasted.npz"
    if kept.exists():
        stored = np.load(kept)
        return stored["pixels"], stored["labels"]
    thorax, drawn, labels = open_thorax(work / "thorax.pt"), [], []
    for number in tqdm(range(PASTED_DRAWN), "paste lesions", mininterval=5):
        place, name = normal[chance.integers(len(normal))], PASTED[number % len(PASTED)]
        film = pixels[place].astype(np.float32) / 255
        with torch.inference_mode():
            masks = thorax(torch.from_numpy((film - data.MEAN) / data.STD)[None, None])[0].numpy()
        if not has_lungs(masks):
            continue
        drawn.append((paste(film, masks, name, chance) * 255 + 0.5).astype(np.uint8))
        row = films[place].labels.copy()
        row[[data.LABELS.index(name), abnormal]] = 1
        labels.append(row)
    np.savez(kept, pixels=np.stack(drawn), labels=np.stack(labels))
    return np.stack(drawn), np.stack(labels)


def draw(shelf: Shelf, *, pasted: int, seed: tuple[int, int]) -> NDArray[np.int64]:
    """Shuffled indices into the shelf; a negative number -1 - i asks for film i turned round or upside down."""
    chance = np.random.default_rng(seed)
    films = shelf.films
    train = [i for i, film in enumerate(films) if film.split == "train"]
    lateral = [i for i in train if films[i].gate == "not_frontal"]
    drawn = [chance.choice(lateral, LATERALS), chance.choice(shelf.negatives, NEGATIVES, replace=False) + len(films)]
    drawn.append(-1 - chance.choice([i for i in train if i not in set(lateral)], TURNED, replace=False))
    for name, quota in QUOTAS.items():
        here = [i for i in train if data.origin(films[i].source) == name and films[i].gate != "not_frontal"]
        drawn.append(chance.permutation(here)[:quota])
    if pasted:
        drawn.append(chance.choice(shelf.pasted, pasted, replace=False) + len(films) + shelf.negatives)
    return chance.permutation(np.concatenate(drawn).astype(np.int64))
