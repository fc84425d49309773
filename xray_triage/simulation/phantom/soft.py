"""Soft tissue and air: trunk, shoulders, lungs, heart, great vessels, as path lengths. Knows no grey values."""

from dataclasses import dataclass

import numpy as np

from xray_triage.simulation.phantom.body import Body, Frame
from xray_triage.simulation.phantom.paint import Canvas, blur, noise, smoothstep


@dataclass(slots=True, kw_only=True)
class Paths:
    """What a ray crosses on its way to each pixel, in centimetres; lesions change it in place.

    ``soft`` is the whole body as if solid; ``lung`` is the part of it that is aerated lung, ``air`` the part that is
    free air, ``vessel`` the blood inside the lung, ``bone`` the bone beyond soft tissue in centimetres of compact bone.
    """

    soft: Canvas
    lung: Canvas
    air: Canvas
    vessel: Canvas
    bone: Canvas


def ellipsoid(frame: Frame, x: float, z: float, across: float, down: float, depth: float, degrees: float = 0) -> Canvas:
    """Chord through an ellipsoid of these half axes, its ``across`` axis turned clockwise by ``degrees``."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    dx, dz = frame.x - np.float32(x), frame.z - np.float32(z)
    u, v = (dx * cos + dz * sin) / across, (dz * cos - dx * sin) / down
    return np.asarray(np.float32(2 * depth) * np.sqrt(np.maximum(1 - u * u - v * v, 0)), dtype=np.float32)


def lung_outer_edge(body: Body, z: Canvas) -> Canvas:
    """|x| of the lateral lung border at height z."""
    widest = body.dome_right
    rise: Canvas = np.clip((widest - z) / (widest - body.apex), 0, 1)
    return np.float32(4.6) + np.float32(body.lung_half_width - 4.6) * (1 - rise**2.5) ** np.float32(0.46)


def dome_height(body: Body, frame: Frame) -> Canvas:
    """z of the diaphragm's silhouette at each pixel's x; the right one is the picture's left."""
    top = np.where(frame.x < 0, body.dome_right, body.dome_left).astype(np.float32)
    out = (np.abs(frame.x) - 6.6) / np.float32(body.lung_half_width - 6.6)
    lateral = 4.9 * np.maximum(out, 0) ** np.float32(2.4)
    medial = 0.8 * np.minimum(np.maximum(-out * 1.6, 0), 1) ** 2
    return top + lateral + medial


def lungs(body: Body, frame: Frame) -> Canvas:
    """Depth of the pleural space at each pixel, heart and mediastinum not yet taken out."""
    distance, z = np.abs(frame.x), frame.z
    rise = np.clip((body.dome_right - z) / (body.dome_right - body.apex), 0, 1)
    depth = np.float32(19.0) * np.sqrt(np.maximum(1 - rise**2.4, 0))
    outward = (distance - 4.6) / np.maximum(lung_outer_edge(body, z) - 4.6, 1e-3)
    apical = np.clip((body.apex + 5.0 - z) / 5.0, 0, 1)
    inner_edge = 4.6 - 3.4 * np.sqrt(np.maximum(1 - apical**2.2, 0))
    inward = (4.6 - distance) / np.maximum(4.6 - inner_edge, 1e-3)
    profile = np.where(outward > 0, 1 - np.maximum(outward, 0) ** 2.4, 1 - np.maximum(inward, 0) ** 4)
    depth = depth * np.sqrt(np.maximum(profile, 0)) * (z > body.apex)
    below = np.maximum(z - dome_height(body, frame), 0)
    return np.asarray(depth * np.maximum(1 - (below / 4.6) ** np.float32(0.24), 0), dtype=np.float32)


# Height z, and |x| of the border there: aortic window, pulmonary trunk, left ventricle; vena cava, right atrium.
LEFT_BORDER = (
    (6, 9, 13.2, 14.4, 15.6, 17, 19, 21, 23, 25, 26.6, 28, 30),
    (1.7, 2.3, 2.6, 3.4, 4.0, 4.8, 6.3, 7.7, 8.6, 8.9, 8.2, 6.4, 3),
)
RIGHT_BORDER = ((6, 8, 12, 15, 17, 19, 21, 23, 25, 27, 30), (1.6, 2.0, 2.5, 2.7, 3.1, 3.9, 4.5, 4.6, 4.1, 3.3, 2.8))


def heart_border(body: Body, z: Canvas, side: int) -> Canvas:
    """|x| of the heart's and the great vessels' border at height z; ``side`` is -1 for the picture's left."""
    fine = np.linspace(4, 32, 280)
    rough = np.interp(fine, *(LEFT_BORDER if side > 0 else RIGHT_BORDER))
    border = np.convolve(np.pad(rough, 10, mode="edge"), np.hanning(21) / 10, "valid")
    grown = 1 + (body.heart - 1) * np.clip((fine - 13) / 5, 0, 1)
    sunk = fine + (body.dome_right - 25.6) * np.clip((fine - 12) / 12, 0, 1)
    return np.asarray(np.interp(z, sunk, border * grown), dtype=np.float32)


def mediastinum(body: Body, frame: Frame) -> tuple[Canvas, Canvas]:
    """Depth of what stands between the lungs: heart and great vessels before, spine and aorta behind."""
    z = frame.z
    x = frame.x - np.float32(body.turn)
    border = np.where(x > 0, heart_border(body, z, 1), heart_border(body, z, -1))
    deep = np.interp(z, [5, 10, 14, 18, 24, 29], [5.0, 6.0, 9.0, 13.5, 16.5, 15.0]).astype(np.float32)
    heart = deep * np.maximum(1 - np.abs(x / border) ** 2.2, 0) ** np.float32(0.62)
    hila = [
        0.55 * ellipsoid(frame, side * 4.1 + body.turn, low, 1.5, 2.5, 1.3 * body.vessel, side * -14)
        for side, low in ((-1, 16.4), (1, 15.5))
    ]
    knob = ellipsoid(frame, 1.7 + body.turn / 2, 11.9, 2.0 * body.aorta, 1.9 * body.aorta, 3.2)
    column = np.abs(frame.x) / np.float32(3.1)
    back = 10.0 * np.maximum(1 - column**2, 0) * smoothstep(z, -2, 7)
    down = (frame.x - (2.0 - 0.05 * (z - 12))) / np.float32(1.35 * body.aorta)
    aorta = 1.7 * np.sqrt(np.maximum(1 - down**2, 0)) * smoothstep(z, 10.5, 14.5)
    before = np.maximum.reduce([heart, knob, *(blur(hilum, 0.35 * frame.px_per_cm) for hilum in hila)])
    return before.astype(np.float32), (back + aorta).astype(np.float32)


def trunk(body: Body, frame: Frame) -> Canvas:
    """Depth of the whole body as if solid: neck, shoulders, arms, trunk, breasts."""
    distance, z = np.abs(frame.x), frame.z
    half = body.lung_half_width + 1.7 + 0.9 * body.fat
    side = half - 1.2 * smoothstep(z, 18, 30) + 0.8 * smoothstep(z, 30, 38)
    chest = (20.0 + 1.6 * body.fat) * np.maximum(1 - (distance / side) ** 2.7, 0) ** np.float32(0.42)
    top = np.interp(
        distance, [0, 4.6, 5.4, 6.4, 7.6, 9.2, 12, 16, 20, 24], [-30, -9, -3.4, -1.0, 0.5, 1.7, 3.1, 4.4, 6.4, 11]
    )
    depth_below_skin = z - (top + body.shoulder_drop * np.clip(distance / 16, 0, 1)).astype(np.float32)
    throat = 5.6 + 1.2 * smoothstep(z, -3, 4)
    neck = 10.5 * np.maximum(1 - (distance / throat) ** 2, 0) ** np.float32(0.7) * smoothstep(-z, -9, -3)
    girdle = 11.5 * np.sqrt(np.clip(depth_below_skin / 3.6, 0, 1))
    chest *= np.sqrt(np.clip(depth_below_skin / 8.0, 0, 1))
    chest *= (0.5 + 0.5 * smoothstep(z, -1, 20)) * smoothstep(z, -3, 5)
    fold = 15.5 + 0.5 * body.fat - 1.1 * np.abs(distance - half - 0.6)
    shoulders = girdle * np.sqrt(np.clip((fold - z) / 5.0, 0, 1))
    shift = distance - (20.6 + body.arm_out + 0.16 * (z - 10))
    arm = 9.5 * np.sqrt(np.maximum(1 - (shift / (4.6 + 0.4 * body.fat)) ** 2, 0)) * smoothstep(z, 6, 12)
    solid = np.maximum.reduce([chest, shoulders, neck, arm]).astype(np.float32)
    return blur(solid, 0.12 * frame.px_per_cm)


def chest_wall(body: Body, frame: Frame, rng: np.random.Generator) -> Canvas:
    """What lies on the trunk and shows over the lungs: pectoral muscles, breasts, folds of fat."""
    added = np.zeros(frame.shape, dtype=np.float32)
    for side in (-1, 1):
        added += 0.35 * ellipsoid(frame, side * 10.5, 13.0, 6.5, 6.0, 2.0 + 0.3 * body.fat, side * 35)
        if body.female:
            added += _breast(body, frame, side * (9.6 + 0.3 * body.breast), 24.6 + 1.0 * body.breast)
    return added * (1 + 0.04 * noise(rng, frame.shape, 2.5 * frame.px_per_cm))


def _breast(body: Body, frame: Frame, x: float, z: float) -> Canvas:
    """A drop: sharp lower border, fading upwards."""
    dz = frame.z - np.float32(z)
    outward = (frame.x - np.float32(x)) * np.sign(x)
    across = outward / (np.where(outward > 0, 5.6, 8.0) + body.breast)
    down = np.where(dz > 0, dz / 3.2, dz / 9.5)
    fading = np.where(dz > 0, 1, 1 - 0.7 * np.clip(-dz / 9.5, 0, 1) ** 2)
    drop = np.maximum(1 - across**2 - down**2, 0) ** np.float32(0.6)
    return np.asarray(2.5 * body.breast * drop * fading, dtype=np.float32)


def airways_and_gas(body: Body, frame: Frame, rng: np.random.Generator) -> Canvas:
    """Free air: trachea and main bronchi, stomach bubble, some bowel gas."""
    z = frame.z
    middle = frame.x - np.float32(body.turn / 2) - 0.25 * smoothstep(z, 9, 14)
    wave = 1 + 0.06 * np.sin(z * 5.2)
    trachea = 2.0 * np.sqrt(np.maximum(1 - (middle / (0.85 * wave)) ** 2, 0)) * smoothstep(-z, -15.2, -13.5)
    for side, slope, length in ((-1, 0.55, 4.0), (1, 0.95, 5.0)):
        along = (middle * side) / length
        centre = 13.9 + slope * (middle * side) * 1.1
        thick = 0.62 * (1 - 0.2 * along)
        bronchus = (
            1.1
            * np.sqrt(np.maximum(1 - ((z - centre) * 0.75 / thick) ** 2, 0))
            * (along > 0)
            * smoothstep(-along, -1, -0.5)
        )
        trachea = np.maximum(trachea, bronchus)
    gas = ellipsoid(
        frame, 6.4 + rng.normal(0, 0.8), body.dome_left + 2.6, rng.uniform(1.6, 3.0), rng.uniform(0.9, 1.5), 1.3, -8
    )
    for _ in range(int(rng.integers(1, 5))):
        x, low = rng.uniform(3, 12), body.dome_left + rng.uniform(4, 9)
        bowel = ellipsoid(frame, x, low, rng.uniform(0.8, 2.0), rng.uniform(0.6, 1.3), 0.9, rng.uniform(-60, 60))
        gas = np.maximum(gas, bowel)
    ragged = smoothstep(gas + 0.35 * noise(rng, frame.shape, 1.6 * frame.px_per_cm, 3), 0.1, 1.2)
    return np.asarray(trachea + blur(gas * ragged, 0.1 * frame.px_per_cm), dtype=np.float32)
