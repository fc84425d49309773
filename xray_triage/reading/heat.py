"""Where on the film: a network's activation maps -> heat over the film, and boxes. Numpy only; knows no model."""

import numpy as np
from numpy.typing import NDArray

from xray_triage.reading.findings import Box
from xray_triage.reading.pixels import Image, Placement, as_image, resize

LONGEST_SIDE = 128  # of a heat map, in its own pixels
SHOWN_ABOVE = 0.5  # share of the peak that still belongs to the finding


def over_film(activation: Image, film: tuple[int, ...], placement: Placement, size: int) -> Image | None:
    """One activation map (h, w) over the network's input -> float32 0..1 over the whole ``film``, peak 1.

    ``film``: its height and width in the pixels of ``placement``, which says where it lies in the input, a square of
    ``size``. None where nothing on the film is active.
    """
    fine = resize(np.maximum(activation, 0), LONGEST_SIDE, LONGEST_SIDE)
    scale = LONGEST_SIDE / max(film)
    rows, inside_rows = _sampled(film[0], scale, placement.film[1::2], placement.input[1::2], size)
    columns, inside_columns = _sampled(film[1], scale, placement.film[0::2], placement.input[0::2], size)
    heat = fine[np.ix_(rows, columns)] * np.outer(inside_rows, inside_columns)
    peak = float(heat.max())
    return as_image(heat / peak) if peak > 0 else None


def _sampled(
    pixels: int, scale: float, film: tuple[int, ...], network_input: tuple[int, ...], size: int
) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """For every heat pixel along one axis: which pixel of the fine map shows it, and whether the network saw it."""
    count = max(1, round(pixels * scale))
    on_film = (np.arange(count) + 0.5) * pixels / count
    in_input = (on_film - film[0]) * network_input[1] / film[1] + network_input[0]
    seen = (on_film >= film[0]) & (on_film < film[0] + film[1])
    return np.clip(in_input * LONGEST_SIDE / size, 0, LONGEST_SIDE - 1).astype(np.intp), seen


def box_of(heat: Image, rows: int, columns: int) -> Box:
    """The box, in pixels of a film of ``rows`` × ``columns``, around the peak and all that hangs together with it."""
    hot = heat >= SHOWN_ABOVE * heat.max()
    inside = _connected(hot, np.unravel_index(int(heat.argmax()), heat.shape))
    down, across = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    top, bottom = (round(edge * rows / heat.shape[0]) for edge in (down[0], down[-1] + 1))
    left, right = (round(edge * columns / heat.shape[1]) for edge in (across[0], across[-1] + 1))
    return Box(x=left, y=top, width=max(1, right - left), height=max(1, bottom - top))


def _connected(mask: NDArray[np.bool_], seed: tuple[np.intp, ...]) -> NDArray[np.bool_]:
    """The part of ``mask`` that hangs together with ``seed``: grown by one pixel until it stays."""
    region = np.zeros_like(mask)
    region[seed] = True
    while True:
        grown = region.copy()
        grown[1:] |= region[:-1]
        grown[:-1] |= region[1:]
        grown[:, 1:] |= region[:, :-1]
        grown[:, :-1] |= region[:, 1:]
        grown &= mask
        if np.array_equal(grown, region):
            return region
        region = grown
