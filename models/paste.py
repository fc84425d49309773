"""Draw a lesion of known kind into a real film, for findings that too few films show.

Needs the lungs' and the heart's outlines (segment.py). It must never know files of films, labels.csv or a network.
Sizes are in centimetres, at THORAX_CM from the outer edge of one lung to that of the other.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from skimage.measure import label

from xray_triage.simulation.phantom.paint import blur, noise, resize, smoothstep

Picture = NDArray[np.float32]
Chance = np.random.Generator
THORAX_CM = 27.0
SMALLEST_LUNG = 0.03  # share of the film: less is no lung to draw into


@dataclass(frozen=True, slots=True, kw_only=True)
class Lung:
    """One lung: its outline (h, w) 0..1, its rectangle, and ``outward`` = -1 where its outer edge is on the left."""

    mask: Picture
    left: int
    top: int
    right: int
    bottom: int
    outward: int

    @property
    def inner(self) -> int:
        return self.right if self.outward < 0 else self.left

    def lateral(self, columns: Picture) -> Picture:
        """0 at its inner edge, 1 at its outer one."""
        return (columns - self.inner) * np.float32(self.outward / max(1, self.right - self.left))


@dataclass(frozen=True, slots=True, kw_only=True)
class Chest:
    """A film and what is where in it; ``air`` and ``tissue`` are its usual grays in the lungs and in the heart.

    ``below`` is lung that the diaphragm's domes hide: one centimetre and a half under the lungs' lower edges.
    """

    film: Picture
    lungs: tuple[Lung, ...]
    aerated: Picture
    heart: Picture
    below: Picture
    air: float
    tissue: float
    px_per_cm: float
    columns: Picture
    rows: Picture

    def lung(self, chance: Chance) -> Lung:
        return self.lungs[chance.integers(len(self.lungs))]

    def fill(self, share: Picture) -> Picture:
        """The film with this share (0..1) of the way to tissue; what is as bright already grows a little too."""
        span = self.tissue - self.air
        return self.film + share * np.maximum(self.tissue - self.film, np.float32(0.12 * span))


def paste(film: Picture, masks: Picture, name: str, chance: Chance) -> Picture:
    """``film`` (h, w) 0..1 with the finding ``name``, one of LESIONS, drawn into it; ``masks`` (3, any, any) 0..1.

    Raises ValueError when the masks show no two lungs (see has_lungs), KeyError for a finding it cannot draw.
    """
    draw = LESIONS[name]
    if not has_lungs(masks):
        raise ValueError(f"no lungs to draw {name} into")
    return np.clip(draw(look(film, masks), chance), 0, 1).astype(np.float32)


def has_lungs(masks: Picture) -> bool:
    """Whether both lungs of ``masks`` (3, h, w) are large enough to draw into."""
    return bool(((masks[:2] > 0.5).mean(axis=(1, 2)) >= SMALLEST_LUNG).all())


def largest(mask: Picture) -> Picture:
    """``mask`` without what does not hang together with its largest part."""
    parts = label(mask > 0.5)
    if parts.max() < 2:
        return mask
    keep = 1 + int(np.argmax(np.bincount(parts.ravel())[1:]))
    return np.where((parts == keep) | (parts == 0), mask, 0).astype(np.float32)


def look(film: Picture, masks: Picture) -> Chest:
    rows, columns = film.shape
    left, right, heart = (resize(largest(mask), rows, columns, Image.Resampling.BILINEAR) for mask in masks)
    lungs, aerated = (_lung(left, -1), _lung(right, 1)), np.maximum(left, right)
    px_per_cm = max(1.0, (lungs[1].right - lungs[0].left) / THORAX_CM)
    down = max(1, int(1.5 * px_per_cm))
    below = np.zeros_like(aerated)
    below[down:] = aerated[:-down] * (aerated[down:] < 0.5)
    air = float(np.median(film[(left > 0.5) | (right > 0.5)]))
    dense = film[heart > 0.5] if (heart > 0.5).any() else film[film > air]
    return Chest(
        film=film.astype(np.float32),
        lungs=lungs,
        aerated=aerated,
        heart=heart,
        below=below,
        air=air,
        tissue=max(float(np.median(dense)), air + 0.15),
        px_per_cm=px_per_cm,
        columns=np.arange(columns, dtype=np.float32)[None, :],
        rows=np.arange(rows, dtype=np.float32)[:, None],
    )


def _lung(mask: Picture, outward: int) -> Lung:
    columns, rows = np.flatnonzero((mask > 0.5).any(axis=0)), np.flatnonzero((mask > 0.5).any(axis=1))
    return Lung(
        mask=mask, left=int(columns[0]), right=int(columns[-1]), top=int(rows[0]), bottom=int(rows[-1]), outward=outward
    )


def _nodule(chest: Chest, chance: Chance) -> Picture:
    count = 1 if chance.random() < 0.65 else int(chance.integers(2, 6))
    return chest.fill(_rounds(chest, chance, count, (0.4, 1.4), (0.3, 0.65)))


def _mass(chest: Chest, chance: Chance) -> Picture:
    return chest.fill(_rounds(chest, chance, 1 if chance.random() < 0.85 else 2, (1.6, 3.8), (0.45, 0.85)))


def _rounds(
    chest: Chest, chance: Chance, count: int, radii_cm: tuple[float, float], densities: tuple[float, float]
) -> Picture:
    """Lumps within the lungs, now and then behind heart or diaphragm, as shares of the way to tissue."""
    share = np.zeros_like(chest.film)
    for x, y, seen in _spots(chest, chance, count):
        radius = chance.uniform(*radii_cm) * chest.px_per_cm
        lump = _lump(chest, chance, x, y, max(radius, 2.0))
        share = np.maximum(share, np.float32(seen * chance.uniform(*densities)) * lump)
    reach = blur(chest.aerated, 0.25 * chest.px_per_cm)
    behind = np.maximum(chest.heart, chest.below)
    return share * np.maximum(reach, 0.35 * behind)


def _spots(chest: Chest, chance: Chance, count: int) -> list[tuple[int, int, float]]:
    """Columns and rows of lesions' middles, and how much of each is seen there."""
    open_lung, hidden = (blur(chest.aerated, chest.px_per_cm) > 0.6), np.maximum(chest.heart, chest.below) > 0.5
    spots = []
    for _ in range(count):
        behind = chance.random() < 0.1
        region = hidden if behind else open_lung
        places = np.flatnonzero(region if region.any() else chest.aerated > 0.5)
        row, column = divmod(int(places[chance.integers(len(places))]), chest.film.shape[1])
        spots.append((column, row, 0.7 if behind else 1.0))
    return spots


def _lump(chest: Chest, chance: Chance, x: float, y: float, radius: float) -> Picture:
    """What a slightly irregular ball absorbs: 1 in its middle, 0 from its edge on."""
    dx, dy = chest.columns - np.float32(x), (chest.rows - np.float32(y)) * np.float32(chance.uniform(0.8, 1.25))
    angle, edge = np.arctan2(dy, dx), np.ones_like(chest.film)
    for waves in range(2, 9):
        rough = chance.normal(0, 0.11) / (waves - 1) ** 0.7
        edge += np.float32(rough) * np.cos(waves * angle + np.float32(chance.uniform(0, 6.3)))
    inside = 1 - np.hypot(dx, dy) / (np.float32(radius) * np.maximum(edge, 0.4))
    power, soft = chance.uniform(0.35, 0.8), chance.uniform(0.04, 0.1) * chest.px_per_cm
    return blur(np.clip(inside * 1.6, 0, 1).astype(np.float32) ** np.float32(power), max(soft, 0.5))


def _pneumothorax(chest: Chest, chance: Chance) -> Picture:
    """The lung drawn in towards its root: beyond its fine edge darker, and no vessels."""
    lung, cm = chest.lung(chance), chest.px_per_cm
    large = chance.random() < 0.25
    wide = chance.uniform(0.35, 0.75) if large else chance.uniform(0.75, 0.94)
    tall = chance.uniform(0.55, 0.85) if large else chance.uniform(0.8, 0.95)
    outline = blur(lung.mask, 0.35 * cm)
    middle = lung.top + chance.uniform(0.65, 1.0) * (lung.bottom - lung.top)
    root = lung.inner - 0.12 * lung.outward * (lung.right - lung.left)
    drawn_in = _scaled(outline, (root, middle), (wide, tall)) + 0.05 * noise(chance, chest.film.shape, 5 * cm, 1)
    down, across = np.gradient(drawn_in)
    outside = (0.5 - drawn_in) / np.maximum(np.hypot(across, down), 0.02)  # pixels from the edge
    free = smoothstep(outside, -0.5, 1.0) * smoothstep(outline, 0.4, 0.75)
    dark = float(np.quantile(chest.film[lung.mask > 0.5], 0.03))
    empty = 0.4 * chest.film + 0.6 * blur(chest.film, max(0.5, 0.14 * cm))  # ribs stay, vessels fade
    deep = smoothstep(blur(lung.mask, 0.8 * cm), 0.4, 0.95)
    empty = empty - np.float32(chance.uniform(0.1, 0.45)) * deep * np.maximum(empty - dark, 0)
    collapsed = lung.mask * np.float32(chance.uniform(0.0, 0.12) / wide)
    film = chest.fill(np.minimum(collapsed, 0.5)) * (1 - free) + empty * free
    line = np.exp(-((outside / max(0.7, 0.07 * cm)) ** 2)) * smoothstep(outline, 0.5, 0.9)
    return film + np.float32(chance.uniform(0.12, 0.35) * (chest.tissue - chest.air)) * line


def _scaled(mask: Picture, centre: tuple[float, float], by: tuple[float, float]) -> Picture:
    """``mask`` made smaller about ``centre`` (x, y)."""
    (x, y), (wide, tall) = centre, by
    back = (1 / wide, 0, x - x / wide, 0, 1 / tall, y - y / tall)
    picture = Image.fromarray(mask).transform(mask.shape[::-1], Image.Transform.AFFINE, back, Image.Resampling.BILINEAR)
    return np.array(picture)


def _pleural_effusion(chest: Chest, chance: Chance) -> Picture:
    """Fluid from the costophrenic angle up, its surface rising towards the chest wall."""
    sides = chest.lungs if chance.random() < 0.3 else (chest.lung(chance),)
    film = chest.film
    for lung in sides:
        film = _with_fluid(chest, film, lung, chance)
    return film


def _with_fluid(chest: Chest, film: Picture, lung: Lung, chance: Chance) -> Picture:
    cm, height = chest.px_per_cm, lung.bottom - lung.top
    level = lung.bottom - chance.uniform(-0.03, 0.35) * height
    rise = chance.uniform(0.1, 0.25) * height
    out = np.clip(lung.lateral(chest.columns), 0, 1.05)
    surface = (
        level
        - rise * out ** np.float32(chance.uniform(2.0, 4.0))
        + 0.12 * cm * noise(chance, chest.film.shape, 3 * cm, 2)
    )
    deep = smoothstep(chest.rows - surface, -0.4 * cm, chance.uniform(0.8, 2.0) * cm)
    space = np.maximum(lung.mask, chest.below * (lung.lateral(chest.columns) > 0))
    share = deep * blur(space, 0.12 * cm) * np.float32(chance.uniform(0.85, 1.0))
    under = chest.film[(chest.below > 0.5) & (lung.lateral(chest.columns) > 0)]
    gray = float(np.quantile(under, 0.8)) if len(under) else chest.tissue
    fluid = gray + chance.uniform(-0.06, 0.06) + 0.25 * (chest.film - blur(chest.film, 0.8 * cm))
    return film + share * np.maximum(fluid - film, 0)


def _consolidation(chest: Chest, chance: Chance) -> Picture:
    """One to three ragged clouds of soft texture."""
    share, cm = np.zeros_like(chest.film), chest.px_per_cm
    rough = noise(chance, chest.film.shape, 2.5 * cm)
    for x, y, _ in _spots(chest, chance, int(chance.integers(1, 4))):
        across, down = chance.uniform(1.8, 4.5, 2) * cm
        away = ((chest.columns - np.float32(x)) / across) ** 2 + ((chest.rows - np.float32(y)) / down) ** 2
        cloud = smoothstep(1 - away + np.float32(chance.uniform(0.25, 0.5)) * rough, -0.35, 1.25) * (away < 2.2)
        share = np.maximum(share, np.float32(chance.uniform(0.35, 0.85)) * cloud)
    texture = 1 - 0.12 * np.clip(noise(chance, chest.film.shape, 0.9 * cm, 2), -1, 2)
    return chest.fill(np.clip(blur(share, 0.25 * cm) * texture, 0, 1) * blur(chest.aerated, 0.2 * cm))


LESIONS: Mapping[str, Callable[[Chest, Chance], Picture]] = {
    "nodule": _nodule,
    "mass": _mass,
    "pneumothorax": _pneumothorax,
    "pleural_effusion": _pleural_effusion,
    "consolidation": _consolidation,
}
