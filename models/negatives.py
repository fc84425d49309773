"""Pictures that are no upright frontal chest film, drawn by chance: they teach the input gate what to refuse.

Limbs, pelves, teeth, skulls and hands are cartoons; photographs come with scikit-image and pydicom. No network here.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import skimage
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from pydicom.data import get_testdata_file

Picture = NDArray[np.float32]  # (SIDE, SIDE), 0..1
Chance = np.random.Generator
SIDE = 320
PHOTOGRAPHS = (
    "astronaut.png", "brick.png", "camera.png", "cell.png", "chelsea.png", "clock_motion.png", "coffee.png",
    "coins.png", "grass.png", "gravel.png", "hubble_deep_field.jpg", "ihc.png", "moon.png", "motorcycle_left.png",
    "page.png", "phantom.png", "retina.jpg", "rocket.jpg", "text.png", "horse.png",
)  # fmt: skip
SLICES = ("CT_small.dcm", "MR_small.dcm", "examples_rgb_color.dcm")
ROWS, COLUMNS = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE


def draw(films: NDArray[np.uint8], chance: Chance) -> Picture:
    """One picture for the class ``not_a_chest``; ``films`` (n, SIDE, SIDE) uint8 are torn up for the mixed ones."""
    kinds: tuple[tuple[Callable[[Chance], Picture], float], ...] = (
        (noise, 1), (pattern, 1), (text_page, 1), (limb, 4), (pelvis, 4), (teeth, 4), (skull, 1.5), (hand, 1.5),
        (photograph, 4), (lambda c: mosaic(films, c), 3), (lambda c: detail(films, c), 3),
        (lambda c: collage(films, c), 1.5),
    )  # fmt: skip
    weights = np.array([weight for _, weight in kinds])
    picture = kinds[chance.choice(len(kinds), p=weights / weights.sum())][0](chance)
    if chance.random() < 0.15:
        picture = 1 - picture
    if chance.random() < 0.4:
        picture = picture + chance.normal(0, chance.uniform(0.01, 0.06), picture.shape)
    return np.clip(picture, 0, 1).astype(np.float32) ** np.float32(chance.uniform(0.6, 1.6))


def clouds(chance: Chance, coarse: int) -> Picture:
    """Smooth noise, 0..1: ``coarse`` random values a side, drawn large."""
    small = Image.fromarray(chance.random((coarse, coarse)).astype(np.float32))
    return np.asarray(small.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def noise(chance: Chance) -> Picture:
    if chance.random() < 0.3:
        return chance.random((SIDE, SIDE)).astype(np.float32)
    return clouds(chance, int(chance.integers(2, 80)))


def pattern(chance: Chance) -> Picture:
    """Gradients, bars, checkers, rings: what a test image or an empty exposure looks like."""
    angle, waves = chance.uniform(0, np.pi), chance.uniform(0.3, 25)
    along = np.cos(angle) * COLUMNS + np.sin(angle) * ROWS
    across = np.cos(angle) * ROWS - np.sin(angle) * COLUMNS
    choice = chance.integers(5)
    if choice == 0:
        return along - along.min()
    if choice == 1:
        return (np.sin(along * waves * 6.3) > 0).astype(np.float32)
    if choice == 2:
        return (np.sin(along * waves * 6.3) * np.sin(across * waves * 6.3) > 0).astype(np.float32)
    if choice == 3:
        return 0.5 + 0.5 * np.sin(np.hypot(ROWS - 0.5, COLUMNS - 0.5) * waves * 6.3)
    return np.full((SIDE, SIDE), chance.random(), np.float32) + 0.1 * clouds(chance, 4)


def text_page(chance: Chance) -> Picture:
    page = Image.new("L", (SIDE, SIDE), 0 if chance.random() < 0.5 else 255)
    ink, pen = 255 - page.getpixel((0, 0)), ImageDraw.Draw(page)
    font = ImageFont.load_default(size=int(chance.integers(8, 28)))
    for row in range(8, SIDE - 8, int(chance.integers(14, 40))):
        words = "".join(
            chance.choice(list("abcdefghiklmnopqrstuvxyzABCDEFGH     0123456789.:"), chance.integers(3, 50))
        )
        pen.text((chance.integers(4, 60), row), words, fill=ink, font=font)
    return np.asarray(page, np.float32) / 255


def tube(start: tuple[float, float], end: tuple[float, float], widths: tuple[float, float], *, bone: bool) -> Picture:
    """A thick line from (row, column) to (row, column), 0..1 of the frame: solid, or a bone with dense walls."""
    (r0, c0), (r1, c1) = start, end
    length = max(np.hypot(r1 - r0, c1 - c0), 1e-3)
    along = ((ROWS - r0) * (r1 - r0) + (COLUMNS - c0) * (c1 - c0)) / length**2
    aside = np.abs((ROWS - r0) * (c1 - c0) - (COLUMNS - c0) * (r1 - r0)) / length
    flare = 1 + 0.7 * np.clip(np.abs(2 * along - 1), 0, 1) ** 6  # the ends of a bone are wider
    width = (widths[0] + (widths[1] - widths[0]) * np.clip(along, 0, 1)) * (flare if bone else 1)
    inside = (
        np.clip((width - aside) * 60, 0, 1) * np.clip((along + 0.02) * 40, 0, 1) * np.clip((1.02 - along) * 40, 0, 1)
    )
    if not bone:
        return inside * np.sqrt(np.clip(1 - (aside / np.maximum(width, 1e-3)) ** 2, 0, 1)) ** 0.7
    walls = np.clip(aside / np.maximum(width, 1e-3), 0, 1) ** 4
    return inside * (0.45 + 0.55 * walls)


def ellipse(
    centre: tuple[float, float], radii: tuple[float, float], *, ring: float = 0.0, tilt: float = 0.0
) -> Picture:
    """A filled ellipse with soft edge, or with ``ring`` > 0 only its outline, so thick (share of the radius)."""
    row, column = ROWS - centre[0], COLUMNS - centre[1]
    row, column = row * np.cos(tilt) - column * np.sin(tilt), row * np.sin(tilt) + column * np.cos(tilt)
    distance = np.hypot(row / radii[0], column / radii[1])
    filled = np.clip((1 - distance) * 12, 0, 1)
    return filled if ring <= 0 else filled * np.clip((distance - 1 + ring) * 25, 0, 1)


def limb(chance: Chance) -> Picture:
    """One or two long bones in soft tissue, upright, lying or aslant, one or two limbs on the film."""
    picture = np.zeros((SIDE, SIDE), np.float32)
    for centre in ((0.5,), (0.28, 0.74))[chance.integers(2)]:
        lean = chance.normal(0, 0.1)
        top, bottom = (-0.05, centre + lean), (1.05, centre - lean)
        soft = chance.uniform(0.1, 0.24) * (1 if centre == 0.5 else 0.7)
        picture += chance.uniform(0.25, 0.5) * tube(top, bottom, (soft, soft * chance.uniform(0.6, 1.1)), bone=False)
        joint = chance.choice([-1.0, chance.uniform(0.15, 0.85)])
        for offset in chance.choice([0.0, 0.35, -0.35], chance.integers(1, 3), replace=False):
            thick = soft * chance.uniform(0.15, 0.32)
            shift = offset * soft * 1.2
            for start, end in ((-0.1, joint - 0.01), (joint + 0.01, 1.1)) if joint > 0 else ((-0.1, 1.1),):
                middle = centre + shift
                ends = (start, middle + lean * (1 - 2 * start)), (end, middle + lean * (1 - 2 * end))
                picture += chance.uniform(0.35, 0.7) * tube(*ends, (thick, thick), bone=True)
    picture = picture * (0.85 + 0.3 * clouds(chance, 12)) + chance.uniform(0, 0.1)
    return np.rot90(picture, chance.integers(2)) if chance.random() < 0.4 else picture


def pelvis(chance: Chance) -> Picture:
    """Soft tissue all over, an iliac wing or two, hip joints, femora; often cropped to one hip."""
    picture = (
        chance.uniform(0.2, 0.5) * (0.5 + clouds(chance, 5)) * ellipse((0.5, 0.5), (0.75, chance.uniform(0.45, 0.8)))
    )
    tilt, shift = chance.normal(0, 0.15), chance.normal(0, 0.06)
    zoom, off = (1.0, 0.0) if chance.random() < 0.5 else (chance.uniform(1.5, 2.2), chance.choice([-0.3, 0.3]))
    for side in (-1, 1):
        middle = 0.5 + side * 0.23 * zoom + off
        picture += 0.3 * ellipse((0.3 + shift, middle), (0.22 * zoom, 0.16 * zoom), ring=0.35, tilt=side * 0.5 + tilt)
        joint = (0.55 + shift, middle + side * 0.03 * zoom)
        picture += 0.35 * ellipse(joint, (0.07 * zoom, 0.07 * zoom), tilt=tilt)
        picture += 0.25 * ellipse(joint, (0.1 * zoom, 0.1 * zoom), ring=0.2)
        shaft = (joint[0] + 0.15 * zoom, joint[1] + side * 0.1 * zoom)
        picture += 0.45 * tube(joint, shaft, (0.045 * zoom, 0.05 * zoom), bone=True)
        picture += 0.55 * tube(shaft, (1.2, shaft[1] - side * 0.06), (0.05 * zoom, 0.05 * zoom), bone=True)
        picture += 0.25 * ellipse((0.72 + shift, 0.5 + side * 0.09 * zoom + off), (0.1 * zoom, 0.07 * zoom), ring=0.35)
    for row in np.arange(0.02, 0.4, 0.11):
        picture += 0.25 * ellipse((row + shift, 0.5 + off), (0.05, 0.07 * zoom))
    return picture * (0.8 + 0.4 * clouds(chance, 16))


def teeth(chance: Chance) -> Picture:
    """Two arcs of teeth with roots between two jaws: a panoramic film, or a part of it."""
    picture = 0.25 + 0.25 * clouds(chance, 6)
    bend, count, zoom = chance.uniform(-0.25, 0.35), int(chance.integers(8, 18)), chance.uniform(0.9, 1.6)
    middle = chance.uniform(0.42, 0.58)
    for column in np.linspace(0.5 - 0.42 * zoom, 0.5 + 0.42 * zoom, count):
        drop = middle + bend * ((column - 0.5) ** 2) * 2 + chance.normal(0, 0.005)
        broad = 0.42 * zoom / count * chance.uniform(0.75, 1.0)
        for side in (-1, 1):
            if chance.random() < 0.08:
                continue
            crown, root = (drop + side * 0.055, column), (drop + side * 0.17 * zoom, column + chance.normal(0, 0.008))
            picture += chance.uniform(0.3, 0.5) * ellipse(crown, (0.05, broad))
            picture += 0.25 * tube(crown, root, (broad * 0.75, broad * 0.35), bone=False)
    picture += 0.3 * ellipse((middle - 0.1, 0.5), (0.62, 0.55), ring=0.12)
    picture -= 0.2 * ellipse((middle - 0.33, 0.5), (0.1, 0.2))
    picture += 0.25 * ellipse((0.6, 0.5), (0.6, 0.06)) * chance.random()
    return picture


def skull(chance: Chance) -> Picture:
    centre, radii = (0.45, 0.5), (chance.uniform(0.36, 0.5), chance.uniform(0.28, 0.42))
    picture = 0.35 * ellipse(centre, radii) * (0.7 + 0.6 * clouds(chance, 10)) + 0.55 * ellipse(
        centre, radii, ring=0.08
    )
    for side in (-1, 1):
        picture += 0.3 * ellipse((0.55, 0.5 + side * 0.13), (0.07, 0.08), ring=0.25)
        picture -= 0.15 * ellipse((0.56, 0.5 + side * 0.13), (0.06, 0.07))
    picture += 0.3 * ellipse((0.8, 0.5), (0.12, 0.18), ring=0.3) + 0.2 * tube(
        (0.6, 0.5), (1.1, 0.5), (0.13, 0.15), bone=False
    )
    return picture


def hand(chance: Chance) -> Picture:
    picture = 0.25 * ellipse((0.7, 0.5), (0.24, 0.22)) * (0.7 + 0.5 * clouds(chance, 8))
    for finger in range(5):
        angle, reach = -0.6 + finger * 0.3 + chance.normal(0, 0.04), (0.3, 0.45, 0.5, 0.47, 0.38)[finger]
        base, tip = (
            (0.62, 0.38 + finger * 0.06),
            (0.62 - reach * np.cos(angle), 0.38 + finger * 0.06 + reach * np.sin(angle)),
        )
        picture += 0.25 * tube(base, tip, (0.045, 0.03), bone=False)
        for part in range(3):
            ends = [
                tuple(np.array(base) + (np.array(tip) - base) * share) for share in (part / 3 + 0.02, part / 3 + 0.31)
            ]
            picture += 0.45 * tube(ends[0], ends[1], (0.018, 0.014), bone=True)
    for _ in range(8):
        picture += 0.3 * ellipse((chance.uniform(0.7, 0.8), chance.uniform(0.38, 0.62)), (0.035, 0.03))
    return np.rot90(picture, chance.integers(4))


@cache
def _photographs() -> tuple[Picture, ...]:
    folder = Path(skimage.__file__).parent / "data"
    photographs = [np.asarray(Image.open(folder / name).convert("L"), np.float32) for name in PHOTOGRAPHS]
    for name in SLICES:
        pixels = pydicom.dcmread(str(get_testdata_file(name))).pixel_array.astype(np.float32)
        photographs.append(pixels if pixels.ndim == 2 else pixels.mean(axis=-1))
    return tuple((p - p.min()) / max(float(np.ptp(p)), 1e-6) for p in photographs)


def photograph(chance: Chance) -> Picture:
    whole = _photographs()[chance.integers(len(_photographs()))]
    side = int(min(whole.shape) * chance.uniform(0.4, 1))
    row, column = chance.integers(whole.shape[0] - side + 1), chance.integers(whole.shape[1] - side + 1)
    part = Image.fromarray(np.ascontiguousarray(whole[row : row + side, column : column + side]))
    turned = np.rot90(np.asarray(part.resize((SIDE, SIDE), Image.Resampling.BILINEAR)), chance.integers(4))
    return turned[:, ::-1] if chance.random() < 0.5 else turned


def _any_film(films: NDArray[np.uint8], chance: Chance) -> Picture:
    return films[chance.integers(len(films))].astype(np.float32) / 255


def mosaic(films: NDArray[np.uint8], chance: Chance) -> Picture:
    """A film cut in 2 x 2, 3 x 3 or 4 x 4 tiles and shuffled."""
    cuts = int(chance.integers(2, 5))
    side = SIDE // cuts
    film = _any_film(films, chance)[: side * cuts, : side * cuts]
    tiles = film.reshape(cuts, side, cuts, side).swapaxes(1, 2).reshape(-1, side, side)
    order = np.roll(chance.permutation(len(tiles)), 1)
    return tiles[order].reshape(cuts, cuts, side, side).swapaxes(1, 2).reshape(side * cuts, side * cuts)


def detail(films: NDArray[np.uint8], chance: Chance) -> Picture:
    """A small part of a film, enlarged: a shoulder, a belly, a piece of lung; turned by chance."""
    film, side = _any_film(films, chance), int(SIDE * chance.uniform(0.15, 0.4))
    row, column = chance.integers(SIDE - side, size=2)
    part = Image.fromarray(np.ascontiguousarray(film[row : row + side, column : column + side]))
    return np.rot90(np.asarray(part.resize((SIDE, SIDE), Image.Resampling.BICUBIC)), chance.integers(4))


def collage(films: NDArray[np.uint8], chance: Chance) -> Picture:
    """Several small films on one page: a screenshot, a printed sheet."""
    across = int(chance.integers(2, 4))
    side = SIDE // across
    page = np.full((SIDE, SIDE), chance.random(), np.float32)
    for row in range(across):
        for column in range(across):
            small = Image.fromarray(_any_film(films, chance)).resize((side - 4, side - 4))
            page[row * side : row * side + side - 4, column * side : column * side + side - 4] = np.asarray(small)
    return page
