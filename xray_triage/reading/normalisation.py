"""One look for the films of every machine, before a network sees them: localised energies brought to a reference.

Philipsen et al., Localized energy-based normalization of medical images (IEEE TMI 2015; 34:1965): a film is split into
bands of detail, and what each holds within the lungs is made what it holds on the films that taught. That undoes what a
machine's post-processing did (edges enhanced, contrast equalised, curves bent) without knowing the machine. Numpy only.
It must never know how lungs are found, nor who reads the film.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xray_triage.reading.pixels import InputSpec, as_image

Film = NDArray[np.float32]

# Where one band ends and the next begins: standard deviations of Gaussians, on a film of 448 pixels. What is finer than
# the first is dropped: grain, the blocks of a JPEG, the last touch of an edge filter.
EDGES, EDGES_AT = (1.5, 2.0, 4.0, 8.0, 16.0, 32.0), 448
FINE = 2  # bands; what is coarser is measured on every second pixel
GAINS, SPREADS = (0.25, 4.0), (0.4, 2.5)  # by which one round may change a band, and what is coarser than all bands
ROUNDS = 2  # bands overlap: to change one changes its neighbours
RIM = 0.1  # of the side, by which a film is continued beyond each edge
MIDDLE, MIDDLE_WEIGHT = ((0.15, 0.8), (0.12, 0.88)), 0.02  # rows and columns that decide where no lung was found
LEAST = 1e-4

Spectrum = NDArray[np.complex64]
Weights = tuple[Film, Film]  # of the pixels of a film, and of one of half its side


@dataclass(frozen=True, slots=True, kw_only=True)
class Energies:
    """What a film in 0..1 holds within its lungs: the standard deviation of each band, from fine to coarse.

    ``spread`` and ``level`` are standard deviation and mean of what is coarser than all bands. A film that these are
    wanted of goes ``share`` of the way in each round (0..1; in logarithms, and straight for ``level``): its own
    energies tell something of the lungs too, not of the machine alone.
    """

    bands: tuple[float, ...]
    spread: float
    level: float
    share: float = 1.0


def as_read(prepared: Film, masks: Film, spec: InputSpec, wanted: Energies) -> tuple[Film, Energies]:
    """What the network reads: ``prepared`` (1, channels, side, side), as pixels.prepare makes it, normalised.

    ``masks`` (organs, any, any) are an outline network's answer to it, the two lungs first. Beside it the energies that
    the film came with.
    """
    came = prepared[0, 0] * np.float32(spec.std) + np.float32(spec.mean)
    film, found = normalise(came, masks[:2].max(axis=0), wanted)
    film = (film - np.float32(spec.mean)) / np.float32(spec.std)
    return np.repeat(film[None, None], prepared.shape[1], axis=1), found


def normalise(film: Film, lungs: Film, wanted: Energies) -> tuple[Film, Energies]:
    """``film`` (side, side) 0..1 with the energies that are ``wanted``, and those that it came with.

    ``lungs`` (any, any) is the chance of lung.
    """
    spectrum, weights = _spectrum(film), _weights_of(lungs, len(film))
    came = _energies(spectrum, weights)
    spectrum = _changed(spectrum, came, wanted, len(film))
    for _ in range(ROUNDS - 1):
        spectrum = _changed(spectrum, _energies(spectrum, weights), wanted, len(film))
    level = came.level + wanted.share * (wanted.level - came.level)
    return _squashed(_picture(spectrum, len(film)) + np.float32(level - _level(spectrum, weights))), came


def measure(film: Film, lungs: Film) -> Energies:
    """The energies of ``film`` as it is; both as for normalise."""
    return _energies(_spectrum(film), _weights_of(lungs, len(film)))


def typical(found: Sequence[Energies]) -> Energies:
    """The median of each energy over many films."""
    bands = np.median([each.bands for each in found], axis=0)
    spread, level = np.median([(each.spread, each.level) for each in found], axis=0)
    return Energies(bands=tuple(bands.tolist()), spread=float(spread), level=float(level))


def _changed(spectrum: Spectrum, found: Energies, wanted: Energies, side: int) -> Spectrum:
    """One round."""
    return spectrum * np.tensordot(_gains(found, wanted), _filters(len(spectrum), side), 1)


def _gains(found: Energies, wanted: Energies) -> Film:
    """By what each band, and what is coarser, is to be multiplied."""
    gains = [np.clip(want / max(have, LEAST), *GAINS) for want, have in zip(wanted.bands, found.bands, strict=True)]
    all_gains = np.array([*gains, np.clip(wanted.spread / max(found.spread, LEAST), *SPREADS)], np.float32)
    return as_image(all_gains ** np.float32(wanted.share))


def _squashed(film: Film) -> Film:
    """Any values -> 0..1: as they are in the middle, and bent where a hard limit would make the heart plain white."""
    return as_image(np.tanh(2 * film - 1) / 2 + np.float32(0.5))


def _energies(spectrum: Spectrum, weights: Weights) -> Energies:
    side = len(weights[0])
    fine = np.array([_picture(spectrum * each, side) for each in _filters(len(spectrum), side)[:FINE]])
    found = [*_moments(fine, weights[0]), *_moments(_coarse(spectrum, side, slice(FINE, None)), weights[1])]
    means, spreads = zip(*found, strict=True)
    return Energies(bands=spreads[:-1], spread=spreads[-1], level=means[-1])


def _level(spectrum: Spectrum, weights: Weights) -> float:
    ((level, _),) = _moments(_coarse(spectrum, len(weights[0]), slice(-1, None)), weights[1])
    return level


def _coarse(spectrum: Spectrum, side: int, bands: slice) -> Film:
    """These bands of a film of ``side``, (n, side // 2, side // 2)."""
    whole, half = len(spectrum), len(spectrum) // 2
    small = np.concatenate([spectrum[: half // 2], spectrum[whole - (half - half // 2) :]])[:, : half // 2 + 1]
    shares = np.float32((half / whole) ** 2) * _filters(half, side / 2)[bands]
    return _picture(small * shares, side // 2)


def _moments(films: Film, weights: Film) -> list[tuple[float, float]]:
    """Mean and standard deviation of each film (n, side, side) within the lungs."""
    flat, within = films.reshape(len(films), -1), weights.ravel()
    means = flat @ within
    spreads = np.sqrt(np.maximum((flat**2) @ within - means**2, 0))
    return list(zip(means.tolist(), spreads.tolist(), strict=True))


def _weights_of(lungs: Film, side: int) -> Weights:
    return _weights(lungs, side), _weights(lungs, side // 2)


def _weights(lungs: Film, side: int) -> Film:
    """How much each pixel of a film counts, 1 in all."""
    rows, columns = ((2 * np.arange(side) + 1) * length // (2 * side) for length in lungs.shape)
    weights = as_image(lungs)[np.ix_(rows, columns)]
    (top, bottom), (left, right) = MIDDLE
    weights[int(top * side) : int(bottom * side), int(left * side) : int(right * side)] += MIDDLE_WEIGHT
    return as_image(weights / weights.sum())


def _spectrum(film: Film) -> Spectrum:
    return np.fft.rfft2(np.pad(as_image(film), 2 * round(RIM * len(film) / 2), "edge")).astype(np.complex64, copy=False)


def _picture(spectra: Spectrum, side: int) -> Film:
    """The films (..., side, side) of their spectra."""
    rim = (spectra.shape[-2] - side) // 2
    films = as_image(np.fft.irfft2(spectra, (spectra.shape[-2],) * 2))
    return films[..., rim : rim + side, rim : rim + side]


@lru_cache(maxsize=8)
def _filters(whole: int, side: float) -> Film:
    """What each band, and at last what is coarser, lets through: (len(EDGES), rows, columns) over a spectrum.

    ``whole`` is the side of the film that the spectrum is of, rims included; ``side`` without them.
    """
    squares = np.fft.fftfreq(whole)[:, None] ** 2 + np.fft.rfftfreq(whole)[None] ** 2
    blurs = [np.exp(-2 * (np.pi * sigma * side / EDGES_AT) ** 2 * squares) for sigma in EDGES]
    return np.array([*(fine - coarse for fine, coarse in pairwise(blurs)), blurs[-1]], np.float32)
