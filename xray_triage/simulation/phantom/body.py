"""Who stands before the detector: the numbers one seed gives, and the mapping from body centimetres to pixels.

Body coordinates: x to the right of the picture (the patient's left), z downwards, both in centimetres of an average
adult; x = 0 is the midline, z = 0 lies about the upper edge of a 36 cm field whose lower edge lies below the diaphragm.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from xray_triage.simulation.phantom.paint import Canvas, Points

FIELD_CM = 36.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """One person's measures, in body centimetres unless said otherwise. ``dome_*`` is the top of each diaphragm."""

    female: bool
    age_years: int
    scale: float
    lung_half_width: float
    apex: float
    dome_right: float
    dome_left: float
    heart: float
    aorta: float
    fat: float
    breast: float
    shoulder_drop: float
    arm_out: float
    turn: float
    tilt: float
    spine_curve: float
    vessel: float
    lung_density: float


def draw_body(rng: np.random.Generator, findings: Sequence[str] = ()) -> Body:
    """Measures of a random adult; findings that change the build (a large heart, large lungs) change it here."""
    female = bool(rng.random() < 0.5)
    age = int(rng.integers(20, 78))
    build = float(np.clip(rng.normal(), -1.6, 1.8))
    dome = 25.6 + rng.normal(0, 0.7) - 0.4 * max(build, 0)
    body = Body(
        female=female,
        age_years=age,
        scale=float(np.clip(rng.normal(0.97 if female else 1.03, 0.035), 0.9, 1.1)),
        lung_half_width=13.6 + 0.4 * build + rng.normal(0, 0.3),
        apex=5.0 + rng.normal(0, 0.35),
        dome_right=dome,
        dome_left=dome + rng.uniform(0.7, 1.7),
        heart=float(np.clip(rng.normal(0.96, 0.05) + 0.0012 * (age - 45), 0.86, 1.06)),
        aorta=float(np.clip(0.9 + 0.006 * (age - 40) + rng.normal(0, 0.06), 0.75, 1.3)),
        fat=float(np.clip(1.0 + 0.5 * build, 0.4, 2.0)),
        breast=float(np.clip(1.0 + 0.4 * build + rng.normal(0, 0.3), 0.4, 1.7)) if female else 0.0,
        shoulder_drop=rng.normal(0, 0.7),
        arm_out=rng.uniform(0.0, 2.0),
        turn=rng.normal(0, 0.3),
        tilt=float(np.radians(rng.normal(0, 0.8))),
        spine_curve=rng.normal(0, 0.35),
        vessel=rng.uniform(0.9, 1.1),
        lung_density=rng.uniform(0.9, 1.15),
    )
    return _changed_by_findings(body, findings)


def _changed_by_findings(body: Body, findings: Sequence[str]) -> Body:
    if "cardiomegaly" in findings:
        body = replace(body, heart=body.heart * 1.36, vessel=body.vessel * 1.08)
    if "edema" in findings:
        body = replace(body, heart=body.heart * 1.12, vessel=body.vessel * 1.35)
    if "emphysema" in findings:
        body = replace(
            body,
            dome_right=body.dome_right + 2.4,
            dome_left=body.dome_left + 2.0,
            heart=body.heart * 0.84,
            vessel=body.vessel * 0.72,
            lung_density=body.lung_density * 0.6,
        )
    return body


class Frame:
    """Body centimetres to pixels of the working canvas, with the patient's size and slight tilt in it."""

    def __init__(self, body: Body, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.px_per_cm = min(shape) / FIELD_CM * body.scale
        self._cos, self._sin = float(np.cos(body.tilt)), float(np.sin(body.tilt))
        self._middle = np.array([0.0, FIELD_CM / 2 + 0.7], dtype=np.float32)
        column, row = np.meshgrid(np.arange(shape[1], dtype=np.float32), np.arange(shape[0], dtype=np.float32))
        across, down = (column - shape[1] / 2) / self.px_per_cm, (row - shape[0] / 2) / self.px_per_cm
        self.x: Canvas = across * self._cos + down * self._sin
        self.z: Canvas = -across * self._sin + down * self._cos + self._middle[1]

    def to_px(self, points: Points) -> Points:
        """(n, 2) of (x, z) in centimetres to (n, 2) of (column, row)."""
        x, z = (np.asarray(points, dtype=np.float32) - self._middle).T
        across, down = x * self._cos - z * self._sin, x * self._sin + z * self._cos
        return np.stack(
            [across * self.px_per_cm + self.shape[1] / 2, down * self.px_per_cm + self.shape[0] / 2], axis=1
        ).astype(np.float32)
