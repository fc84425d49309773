"""Films that are no chest, for the gate's tests: a blank, a test pattern, a hand. Knows no model."""

import numpy as np

from xray_triage.simulation.phantom.paint import Canvas, add_tubes, blur, noise, resize
from xray_triage.simulation.phantom.render import Phantom

NON_CHESTS = ("blank", "test_pattern", "limb")
_WORKING_PX = 700

# Finger, then wrist bones in hand units (0..1 of the film): knots of x, y, radius.
_RAYS = (
    ((0.42, 0.72), (0.24, 0.62), (0.14, 0.52), (0.07, 0.44)),
    ((0.43, 0.68), (0.36, 0.44), (0.31, 0.26), (0.285, 0.16), (0.27, 0.09)),
    ((0.49, 0.67), (0.48, 0.42), (0.475, 0.22), (0.472, 0.11), (0.47, 0.04)),
    ((0.55, 0.68), (0.59, 0.45), (0.625, 0.27), (0.645, 0.17), (0.66, 0.10)),
    ((0.60, 0.71), (0.69, 0.52), (0.75, 0.39), (0.785, 0.31), (0.81, 0.25)),
)


def non_chest(kind: str, *, seed: int = 0, rows: int = 1024, columns: int = 1024) -> Phantom:
    """``blank``, ``test_pattern`` or ``limb`` (a hand); ValueError for another kind."""
    rng = np.random.default_rng([seed, 9])
    makers = {"blank": (_blank, ""), "test_pattern": (_test_pattern, ""), "limb": (_limb, "HAND")}
    if kind not in makers:
        raise ValueError(f"no phantom is called {kind}; there are {', '.join(NON_CHESTS)}")
    image = resize(makers[kind][0](rng), rows, columns)
    image += 0.005 * rng.standard_normal((rows, columns), dtype=np.float32)
    spacing_mm = 240 / min(rows, columns)
    return Phantom(
        image=np.clip(image, 0, 1), lesions=(), body=None, part=makers[kind][1], pixel_spacing_mm=spacing_mm, seed=seed
    )


def _blank(rng: np.random.Generator) -> Canvas:
    return np.full((_WORKING_PX, _WORKING_PX), rng.uniform(0.02, 0.06), dtype=np.float32)


def _test_pattern(_: np.random.Generator) -> Canvas:
    row, column = np.mgrid[0:_WORKING_PX, 0:_WORKING_PX].astype(np.float32) / _WORKING_PX
    steps = np.floor(column * 11) / 11
    bars = (np.sin(2 * np.pi * column * np.floor(4 + row * 40)) > 0).astype(np.float32)
    rings = (np.hypot(row - 0.5, column - 0.5) * 30 % 1 < 0.08).astype(np.float32)
    return np.asarray(np.maximum(np.where(row < 0.3, steps, np.where(row > 0.75, bars, 0.35)), rings), dtype=np.float32)


def _limb(rng: np.random.Generator) -> Canvas:
    shape = (_WORKING_PX, _WORKING_PX)
    flesh, bone = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.float32)
    shift = rng.normal(0, 0.008, 2)
    lines = [(np.array(ray) + shift) * _WORKING_PX for ray in _RAYS]
    for line in lines:
        start, end = line[:-1].astype(np.float32), line[1:].astype(np.float32)
        wide = np.full((len(start), 2), 0.042 * _WORKING_PX, dtype=np.float32)
        add_tubes(flesh, start, end, wide)
        for first, last in zip(start, end, strict=True):
            _phalanx(bone, first, last)
    palm = np.array([[0.44, 0.62], [0.57, 0.62], [0.51, 0.76], [0.50, 1.05]], dtype=np.float32) * _WORKING_PX
    add_tubes(
        flesh, palm[:-1], palm[1:], np.array([[0.14, 0.14], [0.14, 0.12], [0.12, 0.10]], dtype=np.float32) * _WORKING_PX
    )
    wrist = np.array(
        [[0.43, 0.77], [0.49, 0.75], [0.55, 0.76], [0.60, 0.78], [0.46, 0.81], [0.53, 0.81]], dtype=np.float32
    )
    for place in (wrist + shift).astype(np.float32) * _WORKING_PX:
        _tube(bone, place, place + np.float32(3), 0.028)
    for x, r in ((0.455, 0.038), (0.565, 0.030)):
        _tube(bone, np.array([x, 0.88]) * _WORKING_PX, np.array([x, 1.1]) * _WORKING_PX, r)
    depth = np.minimum(blur(flesh, 5), 0.2 * _WORKING_PX) / _WORKING_PX
    bone *= 1 + 0.08 * noise(rng, shape, 9, 2)
    return np.asarray(1 - np.exp(-(3.2 * depth + 7.5 * blur(bone, 1.2) / _WORKING_PX)), dtype=np.float32)


def _phalanx(bone: Canvas, first: Canvas, last: Canvas) -> None:
    """A bone with thick ends and a joint's gap before and after it."""
    gap = (last - first) * np.float32(0.06)
    middle = (first + last) / 2
    _tube(bone, first + gap, middle, 0.022, 0.013)
    _tube(bone, middle, last - gap, 0.013, 0.019)


def _tube(bone: Canvas, start: Canvas, end: Canvas, radius: float, last: float | None = None) -> None:
    r = np.array([[radius, radius if last is None else last]], dtype=np.float32) * _WORKING_PX
    start, end = np.asarray(start, np.float32)[None], np.asarray(end, np.float32)[None]
    add_tubes(bone, start, end, r, wall=0.006 * _WORKING_PX, core=0.45)
