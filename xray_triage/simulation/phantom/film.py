"""From path lengths to a film: attenuation, scatter, the detector's noise, and a processing station's display curve."""

from typing import Any

import numpy as np

from xray_triage.simulation.phantom.body import Frame
from xray_triage.simulation.phantom.paint import Canvas, add_tubes, blur, resize
from xray_triage.simulation.phantom.soft import Paths

SOFT_PER_CM, LUNG_PER_CM, BONE_PER_CM = 0.205, 0.052, 0.60  # about 100 kVp, after the grid
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
    picture = 0.86 * broad + 1.08 * detail + 0.3 * fine
    inner = picture[picture.shape[0] // 10 : -picture.shape[0] // 10, picture.shape[1] // 6 : -picture.shape[1] // 6]
    low, high = np.quantile(inner[::4, ::4], (0.02, 0.993))
    open_beam, bright = _curve(-low / (high - low)), _curve(1.3)
    shade = _curve((picture - low) / (high - low))
    return np.asarray(np.clip((shade - open_beam) / (bright - open_beam), 0, 1), dtype=np.float32)


def _curve(value: Any) -> Any:
    """The S of a display: 0 is lung, 1 is belly."""
    return (1 + np.exp(-4.2 * (value - 0.42))) ** np.float32(-0.72)


def collimate(picture: Canvas, rng: np.random.Generator) -> Canvas:
    """Black out a narrow, uneven border, as the tube's shutters do."""
    rows, columns = picture.shape
    top, bottom, left, right = (int(side) for side in rng.uniform(0, 0.012, 4) * min(rows, columns))
    shut = np.zeros_like(picture)
    shut[top : rows - bottom, left : columns - right] = 1
    return picture * blur(shut, 1.5)


LETTER_R = ((0, 1.4), (0, 0), (0.62, 0), (0.85, 0.2), (0.85, 0.5), (0.62, 0.7), (0, 0.7), (0.5, 0.7), (0.9, 1.4))


def add_marker(picture: Canvas, frame: Frame, rng: np.random.Generator) -> None:
    """The lead R that the technician puts beside the patient's right shoulder, a little askew."""
    turn = np.radians(rng.normal(0, 4))
    turned = np.array(LETTER_R) @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    line = frame.to_px(turned + np.array([-16.0 + rng.uniform(0, 1.5), 2.2 + rng.uniform(0, 1.2)]))
    lead = np.zeros_like(picture)
    radius = np.full((len(line) - 1, 2), 0.11 * frame.px_per_cm, dtype=np.float32)
    add_tubes(lead, line[:-1], line[1:], np.maximum(radius, 0.8))
    np.maximum(picture, 0.96 * blur((lead > 0).astype(np.float32), 0.7), out=picture)


def enlarge(picture: Canvas, rows: int, columns: int, rng: np.random.Generator) -> Canvas:
    """To the detector's matrix, with quantum noise: stronger where few quanta came through."""
    large = resize(picture, rows, columns)
    grain = rng.standard_normal((rows, columns), dtype=np.float32)
    large += grain * (np.float32(0.006) * (0.5 + large))
    return np.clip(large, 0, 1, out=large)
