"""From path lengths to a film: attenuation, scatter, the detector's noise, and a processing station's display curve."""

import numpy as np

from xray_triage.phantom.body import Frame
from xray_triage.phantom.paint import Canvas, blur, resize
from xray_triage.phantom.soft import Paths

SOFT_PER_CM, LUNG_PER_CM, BONE_PER_CM = 0.205, 0.052, 0.50  # about 100 kVp, after the grid
SCATTER = 0.05


def attenuation(paths: Paths, lung_density: float) -> Canvas:
    """Line integral through the body; ``lung_density`` 1 is an average breath."""
    aerated = SOFT_PER_CM - LUNG_PER_CM * lung_density
    return np.asarray(
        SOFT_PER_CM * np.maximum(paths.soft - paths.air, 0)
        - aerated * np.maximum(paths.lung - paths.vessel, 0)
        + BONE_PER_CM * paths.bone,
        dtype=np.float32,
    )


def expose(line_integral: Canvas, frame: Frame) -> Canvas:
    """What the processing station sees: log signal with veiling scatter, 0 in the open beam."""
    primary = np.exp(-line_integral)
    veil = blur(np.minimum(primary, 0.35), 2.5 * frame.px_per_cm)
    return np.asarray(-np.log((primary + SCATTER * veil) / (1 + SCATTER * 0.35)), dtype=np.float32)


def develop(log_signal: Canvas, frame: Frame) -> Canvas:
    """Display curve with some latitude compression, 0..1, dense bright."""
    broad = blur(log_signal, 1.8 * frame.px_per_cm)
    detail = log_signal - broad
    fine = log_signal - blur(log_signal, 0.12 * frame.px_per_cm)
    picture = 0.86 * broad + 1.08 * detail + 0.5 * fine
    inner = picture[picture.shape[0] // 10 : -picture.shape[0] // 10, picture.shape[1] // 6 : -picture.shape[1] // 6]
    low, high = np.quantile(inner[::4, ::4], (0.02, 0.985))
    value = (picture - low) / (high - low)
    return np.asarray(1 / (1 + np.exp(-4.0 * (value - 0.46))), dtype=np.float32)


def collimate(picture: Canvas, rng: np.random.Generator) -> Canvas:
    """Black out a narrow, uneven border, as the tube's shutters do."""
    rows, columns = picture.shape
    top, bottom, left, right = (int(side) for side in rng.uniform(0, 0.012, 4) * min(rows, columns))
    shut = np.zeros_like(picture)
    shut[top : rows - bottom, left : columns - right] = 1
    return picture * blur(shut, 1.5)


def enlarge(picture: Canvas, rows: int, columns: int, rng: np.random.Generator) -> Canvas:
    """To the detector's matrix, with quantum noise: stronger where few quanta came through."""
    large = resize(picture, rows, columns)
    grain = rng.standard_normal((rows, columns), dtype=np.float32)
    large += grain * (np.float32(0.006) * (0.5 + large))
    return np.clip(large, 0, 1, out=large)
