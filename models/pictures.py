"""All pictures that an epoch may draw from, with what each teaches: films and drawn negatives.

It must never know a network that reads.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import data, teacher
from models.gallery import LOOKS, Gallery, open_gallery
from models.recipes import Recipe

# films an epoch draws from each origin; None = all of them. The origins with true contrasts weigh most.
QUOTAS = {
    "nih": None, "covid_radiography_lundis": 60, "covid_chestxray_ieee8023": 40, "tb_lundis": 30,
    "wingspan_ctr": 40, "hannover_covid": 15, data.CHILDREN: 40,
}  # fmt: skip
LATERALS, NEGATIVES, TURNED = 20, 80, 60
NEGATIVES_DRAWN = 1500  # synthetic pictures in the cache


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Pictures, their labels (n, labels) and gate classes (n,).

    Films lie first, in the order of labels.csv, then ``negatives`` drawn pictures. Films of fold ``without`` teach
    nothing.
    """

    films: Sequence[data.Film]
    gallery: Gallery
    labels: Tensor
    gates: Tensor
    negatives: int
    without: int

    def taught(self) -> list[int]:
        """Places of the films that may teach."""
        return [i for i, film in enumerate(self.films) if film.fold != self.without]

    def take(self, index: NDArray[np.int64], looks: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The pictures at ``index``, (len(index), side, side), each in its look."""
        taken = [(looks == look, self.gallery.take(index[looks == look], look)) for look in np.unique(looks)]
        pictures = np.empty((len(index), *taken[0][1].shape[1:]), np.uint8)
        for here, found in taken:
            pictures[here] = found
        return pictures


def fill(folder: Path, work: Path, recipe: Recipe, *, without: int) -> Shelf:
    """The shelf for ``recipe``; pictures are made once and kept in ``work``."""
    films = data.mask_confounded(data.read_films(folder))
    pixels = data.cache(folder, films, n_negatives=NEGATIVES_DRAWN, path=work / "films.u8")
    taught = teacher.soften(films, folder, weight=recipe.teacher, without=without)
    labels = [taught, np.full((NEGATIVES_DRAWN, taught.shape[1]), np.nan, np.float32)]
    gates = [data.GATE_CLASSES.index(film.gate) for film in films]
    gates += [data.GATE_CLASSES.index("not_a_chest")] * NEGATIVES_DRAWN
    return Shelf(
        films=films,
        gallery=open_gallery(films, pixels, work),
        labels=torch.from_numpy(np.concatenate(labels)),
        gates=torch.tensor(gates),
        negatives=NEGATIVES_DRAWN,
        without=without,
    )


def draw(shelf: Shelf, *, seed: tuple[int, int], in_two_looks: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Shuffled indices into the shelf, and the look of each: half of them as they are, half in one drawn by chance.

    ``in_two_looks``: half as many, all in a look by chance, for they are seen as they are, too. A negative index -1 - i
    asks for film i turned round or upside down.
    """
    chance = np.random.default_rng(seed)
    films, taught = shelf.films, shelf.taught()
    lateral = [i for i in taught if films[i].gate == "not_frontal"]
    drawn = [chance.choice(lateral, LATERALS), chance.choice(shelf.negatives, NEGATIVES, replace=False) + len(films)]
    drawn.append(-1 - chance.choice([i for i in taught if i not in set(lateral)], TURNED, replace=False))
    for name, quota in QUOTAS.items():
        here = [i for i in taught if data.origin(films[i].source) == name and films[i].gate != "not_frontal"]
        drawn.append(chance.permutation(here)[:quota])
    shuffled = chance.permutation(np.concatenate(drawn).astype(np.int64))
    if in_two_looks:
        shuffled = shuffled[: len(shuffled) // 2]
    looks = chance.integers(1, LOOKS, len(shuffled))
    return shuffled, looks if in_two_looks else np.where(chance.random(len(shuffled)) < 0.5, 0, looks)
