"""Films as a network reads them, normalised, each as it is and in looks drawn by chance; made when first asked for.

The files in ``work`` are shared by all trainings, also by those that run at one time. It must never know labels.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from models import data, looks
from models.ensemble import as_stored
from models.segment import open_thorax
from models.sight import BATCH, Sight, lungs_in, open_sight, write_energies
from xray_triage.reading.normalisation import Energies, measure, typical
from xray_triage.reading.pixels import prepare

Pictures = NDArray[np.uint8]
LOOKS = 5  # of each film, of which look 0 is the film itself
SHARE = 0.5  # of the way to the training films' energies: all of it costs networks more than it steadies them


class Gallery:
    """``pictures`` is what there is, (n, side, side), prepared and not normalised, each of it in LOOKS looks."""

    def __init__(self, pictures: Pictures, path: Path, sight: Sight) -> None:
        self._pictures, self._sight = pictures, sight
        n, side = len(pictures), pictures.shape[-1]
        self._films = _opened(path.with_suffix(".u8"), (LOOKS, n, side, side))
        self._made = _opened(path.with_suffix(".made"), (LOOKS, n))

    def take(self, index: NDArray[np.int64], look: int) -> Pictures:
        """The films at ``index``, (len(index), side, side)."""
        missing = np.unique(index[self._made[look, index] == 0])
        for part in (missing[start : start + BATCH] for start in range(0, len(missing), BATCH)):
            self._films[look, part] = self._drawn(part, look)
            self._made[look, part] = 1
        return self._films[look, index]

    def _drawn(self, index: NDArray[np.int64], look: int) -> Pictures:
        spec = data.served_spec(self._films.shape[-1])
        prepared = np.concatenate([prepare(self._looked(int(i), look), spec) for i in index])
        read, _ = self._sight(torch.from_numpy(prepared))
        return ((read[:, 0].numpy() * data.STD + data.MEAN) * 255 + 0.5).astype(np.uint8)

    def _looked(self, i: int, look: int) -> NDArray[np.float32]:
        film = self._pictures[i].astype(np.float32) / np.float32(255)
        return looks.at_random(film, np.random.default_rng((look, i))) if look else film


def _opened(path: Path, shape: tuple[int, ...]) -> Pictures:
    return np.memmap(path, np.uint8, "r+" if path.exists() else "w+", shape=shape)


def open_gallery(films: Sequence[data.Film], pictures: Pictures, work: Path) -> Gallery:
    """The gallery of all ``pictures``, of which the first are ``films``; sets in ``work`` what films are brought to."""
    if not (work / "energies.json").exists():
        write_energies(replace(reference(films, pictures, work), share=SHARE), work / "energies.json")
    return Gallery(pictures, work / f"gallery-{len(pictures)}", open_sight(work))


def reference(films: Sequence[data.Film], pictures: Pictures, work: Path) -> Energies:
    """The median over upright adults' films of the hospital whose labels teach most."""
    here = [i for i, film in enumerate(films) if film.gate == "frontal"]
    here = [i for i in here if data.origin(films[i].source) == "nih"][::5]
    taken = pictures[here].astype(np.float32) / np.float32(255)
    thorax = as_stored(open_thorax(work / "thorax.pt"))
    eaten = torch.from_numpy((taken - data.MEAN) / data.STD)[:, None].float()
    with torch.no_grad():
        lungs = lungs_in(torch.cat([thorax(part) for part in eaten.split(BATCH)]).numpy())
    return typical([measure(film, lung) for film, lung in zip(taken, lungs, strict=True)])
