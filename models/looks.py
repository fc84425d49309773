"""Looks that a film takes on between detector and us: what a machine's post-processing, an archive, a hand do to it.

Training draws of them by chance (``at_random``); ``MEMBERS`` are fixed ones, by which robustness.py measures. Films are
float32 (h, w), 0..1, dense bright, and so are the answers. It must never know labels, files or a network.
"""

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from xray_triage.reading.pixels import resize
from xray_triage.simulation.phantom.paint import blur

Film = NDArray[np.float32]
Chance = np.random.Generator
LETTERS = "LRPA"
CURVED, DEGRADED, CUT, FRAMED, LETTERED = 0.8, 0.6, 0.4, 0.15, 0.3  # how often training draws a change of each kind


def enhanced(film: Film, *, reach: float, amount: float) -> Film:
    """Unsharp masking: what is finer than ``reach`` (share of the height) comes ``amount`` times on top."""
    return film + np.float32(amount) * (film - blur(film, reach * len(film)))


def equalised(film: Film, *, reach: float, strength: float = 1.0) -> Film:
    """Local contrast made alike everywhere within ``reach``, mixed with the film by ``strength``."""
    sigma = reach * len(film)
    away = film - blur(film, sigma)
    spread = np.sqrt(np.maximum(blur(away**2, sigma), 0)) + np.float32(0.03)
    return film + np.float32(strength) * (np.float32(0.5) + np.float32(0.2) * away / spread - film)


def sigmoid(film: Film, *, slope: float, middle: float = 0.0) -> Film:
    """An S-shaped window around the median, moved by ``middle``."""
    return 1 / (1 + np.exp(-np.float32(slope) * (film - np.median(film) - np.float32(middle))))


def logarithm(film: Film, *, strength: float) -> Film:
    """What is dark drawn apart, as of a film whose values are still the detector's."""
    return np.log1p(np.float32(strength) * np.clip(film, 0, 1)) / np.float32(np.log1p(strength))


def bent(film: Film, *, gamma: float) -> Film:
    return np.clip(film, 0, 1) ** np.float32(gamma)


def blurred(film: Film, *, pixels: float) -> Film:
    return np.asarray(blur(film, pixels), np.float32)


def grainy(film: Film, chance: Chance, *, deviation: float) -> Film:
    return film + np.float32(deviation) * chance.standard_normal(film.shape, np.float32)


def compressed(film: Film, *, quality: int) -> Film:
    """Through a JPEG of 8 bits."""
    stored = io.BytesIO()
    _picture(film).save(stored, "JPEG", quality=quality)
    return np.asarray(Image.open(stored), np.float32) / np.float32(255)


def smaller(film: Film, *, scale: float) -> Film:
    return resize(film, max(1, round(film.shape[0] * scale)), max(1, round(film.shape[1] * scale)))


def cut(film: Film, *, left: float = 0.0, top: float = 0.0, right: float = 0.0, bottom: float = 0.0) -> Film:
    """Without these shares of its sides."""
    rows, columns = film.shape
    return film[int(top * rows) : rows - int(bottom * rows), int(left * columns) : columns - int(right * columns)]


def framed(film: Film, *, share: float, gray: float) -> Film:
    """With a border of one gray, as a collimator or a scanner leaves it."""
    return np.pad(film, round(share * min(film.shape)), constant_values=np.float32(gray))


def lettered(film: Film, chance: Chance) -> Film:
    """With a side letter and a line of digits, as a technician lays them or a machine burns them in."""
    picture, (rows, columns) = _picture(film), film.shape
    brush = ImageDraw.Draw(picture)
    for text, size in ((LETTERS[chance.integers(len(LETTERS))], 0.08), (str(chance.integers(10**8)), 0.03)):
        place = (float(chance.uniform(0.02, 0.8)) * columns, float(chance.choice((0.03, 0.06, 0.9))) * rows)
        brush.text(place, text, fill=int(chance.choice((0, 255))), font=ImageFont.load_default(max(6, size * rows)))
    return np.asarray(picture, np.float32) / np.float32(255)


def _picture(film: Film) -> Image.Image:
    return Image.fromarray((np.clip(film, 0, 1) * 255 + 0.5).astype(np.uint8))


def at_random(film: Film, chance: Chance) -> Film:
    """The film in a look drawn by ``chance``; one in fourteen stays as it is."""
    if chance.random() < CUT:
        film = cut(film, **dict(zip(("left", "top", "right", "bottom"), chance.uniform(0, 0.06, 4), strict=True)))
    if chance.random() < CURVED:
        film = np.clip(_curve(film, chance), 0, 1)
    if chance.random() < DEGRADED:
        film = np.clip(_degraded(film, chance), 0, 1)
    if chance.random() < LETTERED:
        film = lettered(film, chance)
    if chance.random() < FRAMED:
        film = framed(film, share=chance.uniform(0.01, 0.1), gray=float(chance.choice((0, 0, 0, 1))))
    return np.asarray(film, np.float32)


def _curve(film: Film, chance: Chance) -> Film:
    kinds: tuple[Callable[[], Film], ...] = (
        lambda: enhanced(film, reach=float(np.exp(chance.uniform(-4.6, -2.3))), amount=chance.uniform(0.4, 2.5)),
        lambda: equalised(film, reach=float(np.exp(chance.uniform(-3, -1.6))), strength=chance.uniform(0.3, 1)),
        lambda: sigmoid(film, slope=chance.uniform(4, 12), middle=chance.uniform(-0.15, 0.15)),
        lambda: logarithm(film, strength=float(np.exp(chance.uniform(0, 4)))),
        lambda: bent(film, gamma=float(np.exp(chance.uniform(np.log(0.5), np.log(1.8))))),
    )
    return kinds[chance.integers(len(kinds))]()


def _degraded(film: Film, chance: Chance) -> Film:
    kinds: tuple[Callable[[Film], Film], ...] = (
        lambda each: blurred(each, pixels=chance.uniform(0.4, 2) * len(each) / 448),
        lambda each: grainy(each, chance, deviation=chance.uniform(0.005, 0.06)),
        lambda each: smaller(each, scale=chance.uniform(0.4, 1)),
        lambda each: compressed(each, quality=int(chance.integers(10, 95))),
    )
    for number in chance.permutation(len(kinds))[: chance.integers(1, 3)]:
        film = np.clip(kinds[number](film), 0, 1)
    return film


MEMBERS: Mapping[str, Callable[[Film, Chance], Film]] = {
    "edges enhanced": lambda film, _: enhanced(film, reach=1 / 40, amount=1.5),
    "fine edges enhanced": lambda film, _: enhanced(film, reach=1 / 120, amount=2.5),
    "contrast equalised locally": lambda film, _: equalised(film, reach=1 / 12),
    "contrast half equalised, narrowly": lambda film, _: equalised(film, reach=1 / 20, strength=0.5),
    "sigmoid window": lambda film, _: sigmoid(film, slope=8),
    "logarithmic": lambda film, _: logarithm(film, strength=9),
    "gamma 0.6": lambda film, _: bent(film, gamma=0.6),
    "gamma 1.6": lambda film, _: bent(film, gamma=1.6),
    "half the size": lambda film, _: smaller(film, scale=0.5),
    "blurred": lambda film, _: blurred(film, pixels=1.5 * len(film) / 448),
    "noise": lambda film, chance: grainy(film, chance, deviation=0.04),
    "JPEG quality 20": lambda film, _: compressed(film, quality=20),
    "JPEG quality 10": lambda film, _: compressed(film, quality=10),
    "6 % cut off": lambda film, _: cut(film, left=0.02, top=0.04, right=0.04, bottom=0.02),
    "framed, with letters": lambda film, chance: framed(lettered(film, chance), share=0.06, gray=0.0),
}
