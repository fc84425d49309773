"""The ways of training that were tried, by name; train.py follows one of them.

The table of what each came to stands in the model card.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """``side`` of the input in pixels, ``teacher`` the weight of soft targets, ``pasted`` drawn lesions an epoch.

    ``start`` is ``imagenet`` or ``films``: ImageNet, then self-supervised on all training films (pretrain.py).
    """

    backbone: str = "mobilenet_v2"
    side: int = 224
    start: str = "imagenet"
    teacher: float = 0.0
    pasted: int = 0
    epochs: int = 7
    rate: float = 6e-4
    seed: int = 1


RECIPES = {
    "plain": Recipe(),
    "teacher": Recipe(teacher=0.7),
    "lite0": Recipe(backbone="efficientnet_lite0", teacher=0.7),
    "films": Recipe(teacher=0.7, start="films"),
    "pasted": Recipe(teacher=0.7, pasted=250),
    "lite0-288": Recipe(backbone="efficientnet_lite0", side=288, teacher=0.7, seed=2),
}
SHIPPED = ("lite0", "teacher")  # the networks whose mean the bundle holds, chosen on the calibration films
