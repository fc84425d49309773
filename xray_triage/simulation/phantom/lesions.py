"""Lesions of known place, painted into a phantom's path lengths; one function per kind of finding."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xray_triage.reading.findings import Box
from xray_triage.simulation.phantom.body import Body, Frame
from xray_triage.simulation.phantom.paint import Canvas, add_tubes, blur, noise, smoothstep
from xray_triage.simulation.phantom.soft import Paths, dome_height, ellipsoid, lung_outer_edge

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Lesion:
    """One lesion: the finding's name and where it lies, in pixels of the film."""

    name: str
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What a lesion is painted into. ``pleural`` is the depth of the pleural space, ``heart`` that of the heart."""

    body: Body
    frame: Frame
    paths: Paths
    pleural: Canvas
    heart: Canvas
    rng: np.random.Generator

    def side(self) -> int:
        """-1 for the picture's left, the patient's right."""
        return -1 if self.rng.random() < 0.5 else 1

    def fill(self, share: Canvas) -> None:
        """Replace this share (0..1) of the aerated lung by tissue."""
        self.paths.lung *= 1 - np.clip(share, 0, 1)

    def fill_depth(self, depth: Canvas) -> None:
        """Replace lung by so many centimetres of tissue, as far as there is lung."""
        self.paths.lung -= np.minimum(depth, self.paths.lung)

    def noise(self, size_cm: float, octaves: int = 3) -> Canvas:
        return noise(self.rng, self.frame.shape, size_cm * self.frame.px_per_cm, octaves)

    def patch(self, x: float, z: float, across: float, down: float, ragged: float = 0.35) -> Canvas:
        """A ragged cloud, 1 in its middle, 0 outside."""
        rho2 = ((self.frame.x - x) / across) ** 2 + ((self.frame.z - z) / down) ** 2
        cloud = smoothstep(1.0 - rho2 + ragged * self.noise(min(across, down) * 0.8), -0.35, 1.25)
        cloud = blur(cloud, 0.3 * self.frame.px_per_cm)
        return np.asarray(cloud * (rho2 < 2.2) * (np.sign(self.frame.x) == np.sign(x)), dtype=np.float32)

    def lines(
        self, start: list[tuple[float, float]], end: list[tuple[float, float]], radius: float, depth: float
    ) -> Canvas:
        """Straight strands from point to point, in centimetres of tissue."""
        canvas = np.zeros(self.frame.shape, dtype=np.float32)
        a, b = self.frame.to_px(np.array(start)), self.frame.to_px(np.array(end))
        thick = np.full((len(start), 2), radius * self.frame.px_per_cm, dtype=np.float32)
        add_tubes(canvas, a, b, np.maximum(thick, 1.0), weight=depth / (2 * np.maximum(thick[:, 0], 1.0)))
        return canvas


def _pneumothorax(s: Scene) -> Mask:
    side, gap = s.side(), s.rng.uniform(1.3, 3.2)
    distance, z = s.frame.x * side, s.frame.z
    top = s.body.apex + 1.5 * gap
    shrunk = lung_outer_edge(s.body, np.maximum(z - 0.8 * gap, s.body.apex + 0.02))
    edge = shrunk - gap * np.interp(z, [5, 12, 20, 28], [1.0, 0.75, 0.5, 0.25]).astype(np.float32)
    inside = np.minimum(edge - distance, z - top - 0.10 * (distance - 4.6) ** 2)
    inside += 0.05 * s.noise(3.0, 1)
    free = (inside < 0) & (distance > 0) & (s.pleural > 0.3) & (z < dome_height(s.body, s.frame) + 1)
    s.paths.air += np.where(free, s.paths.lung, 0)
    s.paths.lung *= np.where(distance > 0, np.where(free, 0.0, 0.90), 1.0).astype(np.float32)
    s.paths.vessel *= ~free
    line = np.exp(-((inside / 0.05) ** 2)) * (distance > 0) * (s.pleural > 0.3) * (z < dome_height(s.body, s.frame))
    s.paths.soft += 0.55 * line.astype(np.float32)
    return free


def _pleural_effusion(s: Scene) -> Mask:
    side = s.side()
    distance = s.frame.x * side
    level = (s.body.dome_right if side < 0 else s.body.dome_left) + s.rng.uniform(-5.5, 0.5)
    out = np.clip((distance - 3.0) / (s.body.lung_half_width - 3.0), 0, 1.05)
    surface = level - 3.4 * out**3.0 + 0.15 * s.noise(2.5, 2)
    share = smoothstep((s.frame.z - surface).astype(np.float32), -0.9, 1.5) * (distance > 0)
    s.fill(0.97 * share)
    return (share > 0.35) & (s.pleural > 0.8)


def _cardiomegaly(s: Scene) -> Mask:
    return (s.heart > 0.5) & (s.frame.z > 13.5) & (s.frame.z < dome_height(s.body, s.frame) + 0.8)


def _consolidation(s: Scene, density: float = 0.62) -> Mask:
    side = s.side()
    x, z = side * s.rng.uniform(6.5, 9.0), s.rng.uniform(14.0, 22.5)
    cloud = s.patch(x, z, s.rng.uniform(3.0, 4.6), s.rng.uniform(2.6, 4.2))
    s.fill(density * np.minimum(1.3 * cloud, 1) * (1 - 0.10 * np.clip(s.noise(0.9), 0, 2)))
    return (cloud > 0.3) & (s.pleural > 0.5)


def _pneumonia(s: Scene) -> Mask:
    return _consolidation(s, density=0.42)


def _atelectasis(s: Scene) -> Mask:
    side = s.side()
    start, end = [], []
    base = s.body.dome_right if side < 0 else s.body.dome_left
    for step in range(int(s.rng.integers(2, 4))):
        x, z, slope = s.rng.uniform(5.0, 6.5), base - 1.6 - 1.7 * step + s.rng.normal(0, 0.2), s.rng.uniform(-0.3, 0.15)
        run = s.rng.uniform(4.0, 6.0)
        start.append((side * x, z))
        end.append((side * (x + run), z + slope * run))
    bands = s.lines(start, end, s.rng.uniform(0.22, 0.36), 3.6) * (s.pleural > 0)
    haze = s.patch(side * 8.0, base - 1.0, 4.5, 2.2)
    s.fill_depth(blur(bands, 0.06 * s.frame.px_per_cm))
    s.fill(0.35 * haze)
    return (bands > 0.3) | ((haze > 0.5) & (s.pleural > 1))


def _edema(s: Scene) -> Mask:
    share = np.zeros(s.frame.shape, dtype=np.float32)
    for side in (-1, 1):
        share = np.maximum(share, s.patch(side * 6.6, 17.5, 4.6, 7.0, ragged=0.22))
        z = np.sort(s.rng.uniform(20.5, 26.5, 14))
        edge = lung_outer_edge(s.body, z.astype(np.float32)) - 0.3
        start = [(side * float(e), float(v)) for e, v in zip(edge, z, strict=True)]
        s.fill_depth(
            s.lines(start, [(x - side * float(s.rng.uniform(1.0, 1.8)), v + 0.1) for x, v in start], 0.05, 0.9)
        )
    s.paths.vessel *= 1.25
    s.fill(0.55 * share * (1 - 0.15 * s.noise(1.0)))
    return (share > 0.4) & (s.pleural > 0.5)


def _round(s: Scene, radius: float, lobes: int) -> Mask:
    side = s.side()
    x, z = side * s.rng.uniform(5.8, 9.6), s.rng.uniform(9.5, 21.5)
    depth = ellipsoid(s.frame, x, z, radius, radius * s.rng.uniform(0.85, 1.1), radius * 1.15, s.rng.uniform(0, 90))
    for _ in range(lobes):
        angle = s.rng.uniform(0, 2 * np.pi)
        dx, dz = 0.55 * radius * np.cos(angle), 0.55 * radius * np.sin(angle)
        depth = np.maximum(depth, ellipsoid(s.frame, x + dx, z + dz, 0.65 * radius, 0.6 * radius, 0.8 * radius))
    depth = blur(depth.astype(np.float32), 0.05 * s.frame.px_per_cm)
    s.fill_depth(1.6 * depth)
    return depth > 0.35 * radius


def _nodule(s: Scene) -> Mask:
    return _round(s, s.rng.uniform(0.8, 1.4), 1)


def _mass(s: Scene) -> Mask:
    return _round(s, s.rng.uniform(2.0, 3.3), 5)


def _infiltration(s: Scene) -> Mask:
    side = s.side()
    zone = s.patch(side * s.rng.uniform(6.5, 8.5), s.rng.uniform(17.0, 22.5), 4.2, 4.2)
    texture = np.clip(0.5 + 0.45 * s.noise(0.9, 2), 0, 1)
    s.fill(0.48 * zone * texture)
    return (zone > 0.4) & (s.pleural > 0.5)


def _fibrosis(s: Scene) -> Mask:
    zone = np.zeros(s.frame.shape, dtype=np.float32)
    for side in (-1, 1):
        zone = np.maximum(zone, s.patch(side * (s.body.lung_half_width - 3.2), 22.5, 3.4, 5.5))
    net = 1 - smoothstep(np.minimum(np.abs(s.noise(0.7, 1)), np.abs(s.noise(0.5, 1))), 0.0, 0.35)
    s.fill(zone * (0.15 + 0.3 * blur(net, 0.03 * s.frame.px_per_cm)))
    return (zone > 0.4) & (s.pleural > 0.5)


def _emphysema(s: Scene) -> Mask:
    return s.pleural > 3.0


def _pleural_thickening(s: Scene) -> Mask:
    side = s.side()
    inside = lung_outer_edge(s.body, s.frame.z) - s.frame.x * side
    height = np.interp(s.frame.z, [8, 12, 22, 26], [0.2, 0.9, 1.1, 0.3]).astype(np.float32) + 0.12 * s.noise(2.0, 2)
    band = (
        smoothstep(height - inside, -0.2, 0.25)
        * (s.frame.z > 8)
        * (s.frame.z < 26.5)
        * (s.pleural > 0)
        * (s.frame.x * side > 4)
    )
    s.fill(0.85 * band)
    s.paths.soft += 0.5 * band
    return (band > 0.5) & (inside > 0)


def _hernia(s: Scene) -> Mask:
    x, z, size = s.rng.uniform(0.8, 2.4), s.body.dome_right - 2.6, s.rng.uniform(2.8, 3.6)
    depth = ellipsoid(s.frame, x, z, size, size * 0.9, size)
    gas = ellipsoid(s.frame, x, z, size - 0.35, size * 0.9 - 0.35, size - 0.6) * (s.frame.z < z - 0.1 * size)
    s.fill_depth(depth)
    s.paths.soft += 0.25 * depth
    s.paths.air += gas
    return depth > 0.5


def _tuberculosis(s: Scene) -> Mask:
    side = s.side()
    x, z = side * s.rng.uniform(5.8, 7.2), s.rng.uniform(9.8, 12.0)
    zone = s.patch(x, z, 3.4, 3.6, ragged=0.55)
    s.fill(0.62 * zone * np.clip(0.55 + 0.4 * s.noise(0.8, 2), 0.1, 1))
    for _ in range(26):
        radius = s.rng.uniform(0.14, 0.42)
        s.fill_depth(
            1.6 * ellipsoid(s.frame, x + s.rng.normal(0, 2.0), z + s.rng.normal(0, 2.1), radius, radius, radius)
        )
    hole, wall = s.rng.uniform(0.9, 1.4), 0.38
    cx, cz = x + side * 0.8, z - 0.4
    s.fill_depth(1.5 * ellipsoid(s.frame, cx, cz, hole + wall, hole + wall, hole + wall))
    s.paths.lung += 1.35 * ellipsoid(s.frame, cx, cz, hole, hole, hole)
    start = [(x + s.rng.normal(0, 1.4), z + s.rng.normal(0.5, 1.0)) for _ in range(7)]
    s.fill_depth(s.lines(start, [(side * 4.2, 14.6 + s.rng.normal(0, 0.5)) for _ in start], 0.07, 0.8))
    return (zone > 0.3) & (s.pleural > 0.5)


def _covid19(s: Scene) -> Mask:
    share = np.zeros(s.frame.shape, dtype=np.float32)
    for number in range(int(s.rng.integers(5, 8))):
        side = -1 if number % 2 else 1
        z = s.rng.uniform(15, 25)
        x = float(lung_outer_edge(s.body, np.array([z], dtype=np.float32))[0]) - s.rng.uniform(1.2, 3.2)
        share = np.maximum(share, s.patch(side * x, z, s.rng.uniform(1.6, 2.8), s.rng.uniform(1.8, 3.0), ragged=0.5))
    s.fill(0.5 * share * (1 - 0.2 * s.noise(0.7)))
    return (share > 0.35) & (s.pleural > 0.5)


LESIONS: Mapping[str, Callable[[Scene], Mask]] = {
    "pneumothorax": _pneumothorax,
    "pleural_effusion": _pleural_effusion,
    "cardiomegaly": _cardiomegaly,
    "consolidation": _consolidation,
    "atelectasis": _atelectasis,
    "edema": _edema,
    "nodule": _nodule,
    "mass": _mass,
    "infiltration": _infiltration,
    "fibrosis": _fibrosis,
    "emphysema": _emphysema,
    "pleural_thickening": _pleural_thickening,
    "pneumonia": _pneumonia,
    "hernia": _hernia,
    "tuberculosis": _tuberculosis,
    "covid19": _covid19,
}


def add_lesion(name: str, scene: Scene, magnification: float) -> Lesion:
    """Paint the lesion and tell its box; ``magnification`` is film pixels per working pixel."""
    rows, columns = np.nonzero(LESIONS[name](scene))
    if not len(rows):
        raise ValueError(f"{name} lies outside this film: use a larger field")
    left, top = int(columns.min() * magnification), int(rows.min() * magnification)
    width = int((columns.max() + 1) * magnification) - left
    height = int((rows.max() + 1) * magnification) - top
    return Lesion(name, Box(left, top, width, height))
