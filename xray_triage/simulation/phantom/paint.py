"""Brushes: blurs, smooth noise and round tubes on a float32 canvas. Knows numpy and Pillow, no anatomy and no DICOM."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Canvas = NDArray[np.floating[Any]]  # float32 in practice; numpy's stubs widen it
Points = NDArray[np.floating[Any]]


def resize(canvas: Canvas, rows: int, columns: int, method: Image.Resampling = Image.Resampling.BICUBIC) -> Canvas:
    """Resample to (rows, columns); bicubic may overshoot the input's range a little."""
    return np.array(Image.fromarray(np.asarray(canvas, dtype=np.float32)).resize((columns, rows), method))


def blur(canvas: Canvas, sigma_px: float) -> Canvas:
    """Gaussian blur, edges repeated. A wide one works on a reduced copy: nobody sees the difference."""
    rows, columns = canvas.shape
    factor = int(sigma_px / 2)
    if factor > 1:
        small = resize(canvas, max(2, rows // factor), max(2, columns // factor), Image.Resampling.BOX)
        return resize(blur(small, sigma_px / factor), rows, columns)
    reach = max(1, int(np.ceil(3 * sigma_px)))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma_px, 1e-3)) ** 2)
    taps /= taps.sum()
    for axis in (0, 1):
        pad = [(0, 0), (0, 0)]
        pad[axis] = (reach, reach)
        padded = np.pad(canvas, pad, mode="edge")
        size = canvas.shape[axis]
        canvas = np.zeros_like(canvas)
        for offset, tap in enumerate(taps):
            canvas += np.float32(tap) * (
                padded[offset : offset + size] if axis == 0 else padded[:, offset : offset + size]
            )
    return canvas


def noise(rng: np.random.Generator, shape: tuple[int, int], size_px: float, octaves: int = 3) -> Canvas:
    """Smooth noise of about unit deviation; ``size_px`` is the width of its largest blobs, each octave half as wide."""
    field = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        step = max(1.0, size_px / 2**octave)
        grid = rng.standard_normal((int(shape[0] / step) + 3, int(shape[1] / step) + 3), dtype=np.float32)
        field += resize(grid, *shape) * np.float32(0.6**octave)
    return field


def smoothstep(value: Canvas, low: float, high: float) -> Canvas:
    """0 below ``low``, 1 above ``high``, an S between."""
    t: Canvas = np.clip((value - np.float32(low)) / np.float32(high - low), 0, 1)
    return t * t * (3 - 2 * t)


def add_tubes(
    canvas: Canvas,
    start: Points,
    end: Points,
    radius: Points,
    *,
    weight: Points | float = 1.0,
    wall: float | None = None,
    core: float = 1.0,
) -> None:
    """Add to ``canvas`` the chords, in pixels, through round tubes; where tubes of one call meet the longest counts.

    ``start`` and ``end`` are (n, 2) as (x, y) pixels, ``radius`` is (n, 2) at both ends, ``weight`` (n) multiplies the
    chord. With a ``wall`` in pixels the inside counts only ``core``.
    """
    reach = np.ceil(np.abs(end - start).max(axis=1) / 2 + radius.max(axis=1)).astype(int) + 1
    middle = (start + end) / 2
    low = np.maximum((middle - reach[:, None]).min(axis=0).astype(int) - 1, 0)
    high = np.minimum((middle + reach[:, None]).max(axis=0).astype(int) + 2, canvas.shape[::-1])
    if (high <= low).any():
        return
    window = (int(high[1] - low[1]), int(high[0] - low[0]))
    weights = np.broadcast_to(np.asarray(weight, dtype=np.float32), len(start))
    walls = [(0.0, 1.0)] if wall is None else [(0.0, 1.0), (wall, core - 1)]
    layers = [np.zeros(window, dtype=np.float32) for _ in walls]
    smaller = 0
    for size in (6, 10, 16, 26, 42, 70, 120, 10_000):
        chosen = np.flatnonzero((reach > smaller) & (reach <= size))
        smaller = size
        for part in np.array_split(chosen, max(1, len(chosen) * (2 * min(size, 200)) ** 2 // 1_000_000)):
            if len(part):
                _stamp(layers, [w for w, _ in walls], start[part] - low, end[part] - low, radius[part], weights[part])
    for layer, (_, share) in zip(layers, walls, strict=True):
        canvas[low[1] : high[1], low[0] : high[0]] += np.float32(share) * layer


def _stamp(
    layers: list[Canvas], walls: list[float], start: Points, end: Points, radius: Points, weight: Points
) -> None:
    """Draw many short tubes at once, each in its own square window, onto one layer per wall."""
    rows, columns = layers[0].shape
    reach = int(np.ceil((np.abs(end - start).max(axis=1) / 2 + radius.max(axis=1)).max())) + 1
    offsets = np.arange(-reach, reach + 1)
    centre = np.rint((start + end) / 2).astype(int)
    x = (centre[:, 0, None] + offsets)[:, None, :]
    y = (centre[:, 1, None] + offsets)[:, :, None]
    run = (end - start).astype(np.float32)[:, :, None, None]
    dx = (x - start[:, 0, None, None]).astype(np.float32)
    dy = (y - start[:, 1, None, None]).astype(np.float32)
    length2 = np.maximum(run[:, 0] ** 2 + run[:, 1] ** 2, np.float32(1e-6))
    along = np.clip((dx * run[:, 0] + dy * run[:, 1]) / length2, 0, 1)
    distance2 = (dx - along * run[:, 0]) ** 2 + (dy - along * run[:, 1]) ** 2
    r = (radius[:, 0, None, None] + (radius[:, 1] - radius[:, 0])[:, None, None] * along).astype(np.float32)
    on_canvas = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
    place = np.broadcast_to(y * columns + x, r.shape)
    for layer, wall in zip(layers, walls, strict=True):
        inner2 = np.maximum(r - np.float32(wall), 0) ** 2
        inside = on_canvas & (inner2 > distance2)
        chord = 2 * np.sqrt((inner2 - distance2)[inside]) * np.broadcast_to(weight[:, None, None], r.shape)[inside]
        np.maximum.at(layer.reshape(-1), place[inside], chord)
