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

    ``begins_with``: the recipe whose network is taught on, of which the average of what it was and what it becomes is
    kept; None: one that knows ImageNet alone. ``held``: what it costs that a film's logits in two looks differ, times
    the square; above 0 every film is seen in two looks at once.
    ``teacher``: how much of a label is a published network's word, where there is one (teacher.py). ``average``: how
    much of the weights' moving average is kept at a step.
    """

    stages: tuple[tuple[int, int], ...]
    begins_with: str | None = None
    held: float = 0.0
    batch: int = 32
    rate: float = 1e-3
    teacher: float = 0.7
    average: float = 0.99
    seed: int = 1

    @property
    def sides(self) -> list[int]:
        """Of every epoch."""
        return [side for side, epochs in self.stages for _ in range(epochs)]


RECIPES = {  # in the order in which they are trained
    "mobile": Recipe(stages=((160, 12), (224, 12))),
    "steady": Recipe(begins_with="mobile", stages=((224, 8),), held=1.0, rate=5e-4, average=0.995, seed=2),
}
SHIPPED = ("steady",)  # whose networks answer together


def chain(name: str) -> list[str]:
    """The recipes that one after the other make a network, this one last."""
    before = RECIPES[name].begins_with
    return [*(chain(before) if before else []), name]
