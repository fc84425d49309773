"""How networks come to see a film in the workshop: outlines first, then the film normalised by them, as at a station.

The twin, in PyTorch, of xray_triage.reading.runtime.Session.look. It must never know what the networks answer.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models import data
from models.ensemble import as_stored
from models.segment import Thorax, open_thorax
from xray_triage.reading.normalisation import Energies, as_read

BATCH = 16


class Sight:
    """Prepared films (n, 1, side, side), in -1..1 -> those films as they are read, and masks (n, 3, any, any)."""

    def __init__(self, thorax: Thorax, energies: Energies) -> None:
        self.thorax, self.energies = thorax, energies

    @torch.no_grad()
    def plain(self, films: Tensor) -> tuple[Tensor, Tensor]:
        """The films as they are, for networks that learned so, and masks."""
        return films, torch.cat([self.thorax(part) for part in films.split(BATCH)])

    def __call__(self, films: Tensor) -> tuple[Tensor, Tensor]:
        _, masks = self.plain(films)
        spec = data.served_spec(films.shape[-1])
        pairs = zip(films.numpy()[:, None], masks.numpy(), strict=True)
        read = [as_read(film, mask, spec, self.energies)[0] for film, mask in pairs]
        return torch.from_numpy(np.concatenate(read)), masks


def open_sight(work: Path) -> Sight:
    """With the outlines of segment.py, as a bundle stores them, and the energies that gallery.py left in ``work``."""
    thorax = as_stored(open_thorax(work / "thorax.pt"))
    return Sight(thorax, read_energies(work / "energies.json"))


def read_energies(path: Path) -> Energies:
    stored = json.loads(path.read_text())
    return Energies(**stored | {"bands": tuple(stored["bands"])})


def write_energies(energies: Energies, path: Path) -> None:
    path.write_text(json.dumps(asdict(energies), indent=1) + "\n")


def lungs_in(masks: NDArray[np.float32]) -> NDArray[np.float32]:
    """The chance of either lung (n, any, any) of masks (n, 3, any, any)."""
    return masks[:, :2].max(axis=1)
