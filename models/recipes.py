"""The ways of training that were tried, by name; train.py follows one of them.

The table of what each came to stands in the model card.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """``side`` of the input in pixels, ``teacher`` the weight of soft targets, ``pasted`` drawn lesions an epoch.

    ``steady``, where above 0: films are normalised, and each is shown twice at a time, as it is and in a look by chance
    (looks.py); this much weighs the square of the difference of the two answers. ``kept`` weighs the square of what
    both differ by from the answer of the network that this one starts from, shown the same film not normalised.
    ``average``: see train.py. ``blend``: half way, weight by weight, to the end of this other recipe (Wortsman et al.,
    Robust fine-tuning of zero-shot models, CVPR 2022: what a network knew and what it learned after, together).

    ``start`` is ``imagenet``; ``self-supervised``: that, then training films without labels (pretrain.py); or another
    recipe, from whose end this one goes on.
    """

    backbone: str = "mobilenet_v2"
    side: int = 224
    start: str = "imagenet"
    teacher: float = 0.0
    pasted: int = 0
    epochs: int = 7
    rate: float = 6e-4
    seed: int = 1
    steady: float = 0.0
    kept: float = 0.0
    average: float = 0.995
    blend: str = ""


RECIPES = {
    "plain": Recipe(),
    "teacher": Recipe(teacher=0.7),
    "lite0": Recipe(backbone="efficientnet_lite0", teacher=0.7, epochs=10),
    "films": Recipe(teacher=0.7, start="self-supervised"),
    "pasted": Recipe(start="plain", teacher=0.7, pasted=250, epochs=8, rate=4e-4),
    "320": Recipe(start="pasted", side=320, teacher=0.7, pasted=250, epochs=3, rate=3e-4),
    "320-settled": Recipe(start="320", side=320, epochs=0, steady=0.3),
    "lite0-settled": Recipe(backbone="efficientnet_lite0", start="lite0", epochs=0, steady=0.3),
    "teacher-settled": Recipe(start="teacher", epochs=0, steady=0.3),
    "lite0-kept": Recipe(
        backbone="efficientnet_lite0", start="lite0", teacher=0.7, epochs=1, rate=2e-4, steady=0.3, kept=0.3,
        average=0.98,
    ),
    "teacher-kept": Recipe(start="teacher", teacher=0.7, epochs=1, rate=2e-4, steady=0.3, kept=0.3, average=0.98),
    "320-kept": Recipe(start="320", side=320, teacher=0.7, epochs=1, rate=2e-4, steady=0.3, kept=0.3, average=0.98),
    "lite0-blended": Recipe(backbone="efficientnet_lite0", start="lite0", epochs=0, steady=0.3, blend="lite0-kept"),
    "teacher-blended": Recipe(start="teacher", epochs=0, steady=0.3, blend="teacher-kept"),
    "320-blended": Recipe(start="320", side=320, epochs=0, steady=0.3, blend="320-kept"),
}  # fmt: skip
# The networks whose mean a bundle holds, chosen on the calibration films.
SHIPPED = ("320-blended", "lite0-blended")
