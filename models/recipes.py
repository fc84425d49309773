"""How the networks of a bundle are trained, by name, and where they lie; train.py follows one, once for each fold."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.data import FOLDS

ALL = "all"  # networks together, as they are shipped


def fold(number: int) -> str:
    """What is called the networks that films of this fold did not teach."""
    return f"fold-{number}"


def weights(work: Path, recipes: Sequence[str], which: str) -> list[Path]:
    """The files of trained networks, a fold's or ALL: of each its ``weights`` and its ``recipe``."""
    folds = [fold(number) for number in range(FOLDS)] if which == ALL else [which]
    return [work / recipe / f"{each}.pt" for recipe in recipes for each in folds]


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """``stages``: at how many pixels a side, and for how many epochs; small films first teach as much in less time.

    ``teacher``: how much of a label is a published network's word, where there is one (teacher.py). ``average``: how
    much of the weights' moving average is kept at a step.
    """

    backbone: str
    stages: tuple[tuple[int, int], ...]
    batch: int = 32
    rate: float = 1e-3
    teacher: float = 0.7
    average: float = 0.99
    seed: int = 1

    @property
    def sides(self) -> list[int]:
        """Of every epoch."""
        return [side for side, epochs in self.stages for _ in range(epochs)]


RECIPES = {
    "mobile": Recipe(backbone="mobilenet_v2", stages=((160, 12), (224, 12))),
}
SHIPPED = tuple(RECIPES)  # whose networks answer together
