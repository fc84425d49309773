"""TorchXRayVision's releases as facts: which outputs a file has, in which order, and its operating thresholds.

From torchxrayvision 1.5.7 (Apache-2.0), models.py, ``model_urls`` (labels, op_threshs, input_resolution). A threshold
of None belongs to an output that this release was not trained for.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isclose, isnan, log

LICENCE = "Apache-2.0 as TorchXRayVision; the terms of the films it was trained on are their makers'"
OUTPUTS = (
    "Atelectasis", "Consolidation", "Infiltration", "Pneumothorax", "Edema", "Emphysema",
    "Fibrosis", "Effusion", "Pneumonia", "Pleural_Thickening", "Cardiomegaly", "Nodule",
    "Mass", "Hernia", "Lung Lesion", "Fracture", "Lung Opacity", "Enlarged Cardiomediastinum",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """``file`` is how the released file's name begins; ``op_threshs`` are of OUTPUTS, as published.

    ``twice``: they were taken of answers that had gone through the sigmoid twice. TorchXRayVision's calibration
    (scripts/model_calibrate.py) asks a network for probabilities and takes them for logits, so all of these lie over
    one half. Held against probabilities, as its own package does, they would hardly ever call a finding.
    """

    file: str
    op_threshs: tuple[float | None, ...]
    twice: bool = False

    @property
    def cut_offs(self) -> list[float | None]:
        """The thresholds of probabilities."""
        undo = (lambda twice: log(twice / (1 - twice))) if self.twice else float
        return [None if value is None else undo(value) for value in self.op_threshs]


RELEASES: Mapping[str, Release] = {
    "densenet121-res224-all": Release(
        file="nih-pc-chex-mimic_ch-google-openi-kaggle-densenet121",
        op_threshs=(
            0.07422872, 0.038290843, 0.09814756, 0.0098118475, 0.023601074, 0.0022490358,
            0.010060724, 0.103246614, 0.056810737, 0.026791653, 0.050318155, 0.023985857,
            0.01939503, 0.042889766, 0.053369623, 0.035975814, 0.20204692, 0.05015312,
        ),
    ),
    "densenet121-res224-nih": Release(
        file="nih-densenet121",
        op_threshs=(
            0.039117552, 0.0034529066, 0.11396341, 0.0057298196, 0.00045666535, 0.0018880932,
            0.012037827, 0.038744126, 0.0037213727, 0.014730946, 0.016149804, 0.054241467,
            0.037198864, 0.0004403434, None, None, None, None,
        ),
    ),
    "densenet121-res224-pc": Release(
        file="pc-densenet121",
        op_threshs=(
            0.031012505, 0.013347598, 0.081435576, 0.001262615, 0.002587246, 0.0035944257,
            0.0023071, 0.055412333, 0.044385884, 0.042766232, 0.043258056, 0.037629247,
            0.005658899, 0.0091741895, None, 0.026507627, None, None,
        ),
    ),
    "densenet121-res224-chex": Release(
        file="chex-densenet121",
        op_threshs=(
            0.1988969, 0.05710573, None, 0.0531293, 0.1435217, None,
            None, 0.27212676, 0.07749717, None, 0.19712369, None,
            None, None, 0.09932402, 0.09273402, 0.3270967, 0.10888247,
        ),
    ),
    "densenet121-res224-rsna": Release(
        file="kaggle-densenet121",
        op_threshs=(
            None, None, None, None, None, None,
            None, None, 0.13486601, None, None, None,
            None, None, None, None, 0.13511065, None,
        ),
    ),
    "densenet121-res224-mimic_nb": Release(
        file="mimic_nb-densenet121",
        op_threshs=(
            0.08558747, 0.011884617, None, 0.0040595434, 0.010733786, None,
            None, 0.118761964, 0.022924708, None, 0.06358637, None,
            None, None, 0.022143636, 0.017476924, 0.1258702, 0.014020768,
        ),
    ),
    "densenet121-res224-mimic_ch": Release(
        file="mimic_ch-densenet121",
        op_threshs=(
            0.09121389, 0.010573786, None, 0.005023008, 0.003698257, None,
            None, 0.08001232, 0.037242252, None, 0.05006329, None,
            None, None, 0.019866971, 0.03823637, 0.11303808, 0.0069147074,
        ),
    ),
    "resnet50-res512-all": Release(
        file="pc-nih-rsna-siim-vin-resnet50",
        twice=True,
        op_threshs=(
            0.51570356, 0.50444704, 0.53787947, 0.50723547, 0.5025118, 0.5035252,
            0.5038076, 0.51862943, 0.5078151, 0.50724894, 0.5056339, 0.510706,
            0.5053923, 0.5020846, None, 0.5080557, 0.5138526, None,
        ),
    ),
}  # fmt: skip


def recognised(file_name: str) -> str | None:
    """The release whose files are named like this one, or None."""
    found = [name for name, release in RELEASES.items() if file_name.startswith(release.file)]
    return found[0] if found else None


def published(op_threshs: Sequence[float]) -> str | None:
    """The release that has these thresholds, or None."""
    for name, release in RELEASES.items():
        pairs = zip(op_threshs, release.op_threshs, strict=False)
        alike = [isnan(own) if theirs is None else isclose(own, theirs, rel_tol=1e-5) for own, theirs in pairs]
        if len(op_threshs) == len(release.op_threshs) and all(alike):
            return name
    return None


def our_name(theirs: str) -> str:
    """How findings.py calls one of OUTPUTS, if it knows it."""
    return {"effusion": "pleural_effusion"}.get(theirs.lower(), theirs.lower())
