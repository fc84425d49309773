"""Bones as bent tubes and plates with a compact shell: ribs, spine, clavicles, shoulder blades, upper arms."""

import numpy as np

from xray_triage.simulation.phantom.body import Body, Frame
from xray_triage.simulation.phantom.paint import Canvas, Points, add_tubes, blur, noise, smoothstep
from xray_triage.simulation.phantom.soft import lung_outer_edge

SHELL_CM = 0.08
SPONGY = 0.24  # centimetres of compact bone in one centimetre of spongy bone


def bones(body: Body, frame: Frame, rng: np.random.Generator) -> Canvas:
    """The whole skeleton of the view, in centimetres of compact bone."""
    thin = 1.1 - 0.004 * max(0, body.age_years - 40) - (0.08 if body.female else 0)
    total = spine(body, frame)
    for side in (-1, 1):
        add_ribs(total, body, frame, side, rng)
        add_clavicle(total, body, frame, side, rng)
        add_shoulder(total, body, frame, side)
    grain = 1 + 0.10 * noise(rng, frame.shape, 0.35 * frame.px_per_cm, octaves=2)
    return np.asarray(total * grain * thin, dtype=np.float32)


def add_bone(
    total: Canvas,
    frame: Frame,
    lines: list[Points],
    radii: list[Points],
    *,
    weight: Points | float = 1.0,
    wall: float = SHELL_CM,
) -> None:
    """Add hollow bones along ``lines``, each (n, 2) in cm with radii (n) in cm; ``weight`` (segments) scales depth."""
    ends = [frame.to_px(line) for line in lines]
    start, end = np.concatenate([line[:-1] for line in ends]), np.concatenate([line[1:] for line in ends])
    radius = np.concatenate([np.stack([r[:-1], r[1:]], axis=1) for r in radii]).astype(np.float32) * frame.px_per_cm
    add_tubes(
        total,
        start,
        end,
        radius,
        weight=np.asarray(weight) / frame.px_per_cm,
        wall=wall * frame.px_per_cm,
        core=SPONGY,
    )


def rib_line(body: Body, side: int, number: int, wobble: float = 0.0) -> tuple[Points, Points, Points]:
    """Points (n, 2), angle (n) from the spine round to the front, and how much each piece is seen end on (n)."""
    head = 3.7 + 2.24 * (number - 1) + 0.35 * (body.apex - 5) + wobble
    drop = float(np.interp(number, [1, 2, 3, 6, 8, 10, 12], [4.2, 5.8, 7.2, 9.6, 10.6, 9.5, 7.0]))
    last = float(np.interp(number, [1, 6, 8, 10, 11, 12], [150, 142, 132, 112, 90, 70]))
    theta = np.radians(np.linspace(5, last, 46)).astype(np.float32)
    z = head - 0.5 * np.sin(np.minimum(theta * 3, np.pi)) + drop * (1 - np.cos(theta)) / 2
    middle = np.array([head + drop / 2], dtype=np.float32)
    widest = float(lung_outer_edge(body, np.maximum(middle, body.apex + 0.6))[0]) + 0.42
    x = 1.6 + (widest - 1.6) * np.sin(theta) ** 0.92
    depth = 8.5 * min(1.0, widest / 12)
    dx, dy, dz = (widest - 1.6) * np.cos(theta), -depth * np.sin(theta), drop / 2 * np.sin(theta)
    seen = np.sqrt((dx**2 + dz**2) / (dx**2 + dy**2 + dz**2))
    return np.stack([side * x, z], axis=1).astype(np.float32), theta, 1 / np.maximum(seen, 0.42)


def add_ribs(total: Canvas, body: Body, frame: Frame, side: int, rng: np.random.Generator) -> None:
    """Twelve ribs of one side; the front end fades, for cartilage hardly shows."""
    for number in range(1, 13):
        line, theta, seen = rib_line(body, side, number, rng.normal(0, 0.10))
        degrees = np.degrees(theta)
        line[:, 0] += body.turn * np.clip((degrees - 90) / 60, 0, 1)
        height = (
            np.interp(degrees, [8, 25, 55, 90, 120, 150], [0.36, 0.54, 0.52, 0.30, 0.50, 0.64])
            + 0.02 * rng.normal()
            - 0.1 * (number >= 11)
        )
        weight = 0.62 * seen[1:] * np.interp(degrees[1:], [5, 30], [0.4, 1.0])
        if number < 11:
            weight *= np.interp(degrees[1:], [degrees[-1] - 16, degrees[-1]], [1.0, 0.15])
        add_bone(total, frame, [line], [height], weight=weight)


def spine(body: Body, frame: Frame) -> Canvas:
    """Vertebral bodies with discs between, pedicles, transverse and spinous processes."""
    heights = [-2.6]
    while heights[-1] < 42:
        heights.append(heights[-1] + float(np.interp(heights[-1], [-3, 4, 30, 40], [1.55, 2.1, 2.75, 3.2])))
    centres = np.array(heights)
    pitch = np.gradient(centres)
    half = np.interp(centres, [-3, 4, 14, 30, 40], [1.25, 1.6, 1.55, 2.0, 2.4])
    bend = body.spine_curve * np.sin(centres / 9.0)
    level = np.interp(frame.z, centres, np.arange(len(centres))).astype(np.float32)
    v = np.abs(level - np.rint(level)) * np.float32(2.3)
    x = (frame.x - np.interp(frame.z, centres, bend)) / np.interp(frame.z, centres, half)
    inside = np.maximum(1 - (x / (1 + 0.10 * v**2)) ** 2, 0) * (1 - smoothstep(v, 0.97, 1.05))
    thick = np.interp(frame.z, [0, 6], [0.3, 0.5])
    blocks = thick * np.sqrt(inside) * (1 + 0.5 * smoothstep(v, 0.7, 0.95))
    total = blur(blocks.astype(np.float32), 0.06 * frame.px_per_cm)
    rings, arms, tips = [], [], []
    for z, p, h, b in zip(centres, pitch, half, bend, strict=True):
        for side in (-1, 1):
            rings.append(np.array([[b + side * h * 0.62, z - 0.22 * p], [b + side * h * 0.64, z + 0.05 * p]]))
            arms.append(np.array([[b + side * h * 0.9, z - 0.1], [b + side * (h + 1.2), z - 0.35]]))
        tips.append(np.array([[b, z + 0.30 * p], [b, z + 0.75 * p]]))
    add_bone(total, frame, rings, [np.full(2, 0.33)] * len(rings), weight=0.4)
    add_bone(total, frame, arms, [np.array([0.42, 0.32])] * len(arms), weight=0.25)
    add_bone(total, frame, tips, [np.array([0.18, 0.28])] * len(tips), weight=0.6)
    return total


def _bent(points: Points, steps: int = 6) -> tuple[Points, Points]:
    """A smooth line through (n, 3) knots of x, z, radius: (m, 2) and (m)."""
    t = np.linspace(0, len(points) - 1, steps * len(points))
    fine = np.stack([np.interp(t, np.arange(len(points)), column) for column in points.T], axis=1)
    reach = steps // 2
    padded = np.pad(fine, ((reach, reach), (0, 0)), mode="reflect", reflect_type="odd")
    mean = np.ones(2 * reach + 1) / (2 * reach + 1)
    smooth = np.stack([np.convolve(column, mean, "valid") for column in padded.T], axis=1)
    return smooth[:, :2].astype(np.float32), smooth[:, 2].astype(np.float32)


def add_clavicle(total: Canvas, body: Body, frame: Frame, side: int, rng: np.random.Generator) -> None:
    """One collar bone, an S from the breast bone to the top of the shoulder."""
    lift = rng.normal(0, 0.25) + body.shoulder_drop * 0.5
    knots = [
        (1.7, 8.8, 0.62),
        (2.8, 8.4, 0.70),
        (6, 7.3, 0.56),
        (9, 6.2, 0.52),
        (12, 5.5, 0.58),
        (14.5, 5.2, 0.65),
        (16.6, 5.4, 0.75),
    ]
    line, radius = _bent(np.array([(side * x + body.turn, z + lift * x / 16, r) for x, z, r in knots]))
    add_bone(total, frame, [line], [radius], weight=0.75, wall=0.1)


def add_shoulder(total: Canvas, body: Body, frame: Frame, side: int) -> None:
    """Shoulder blade turned out of the lung, its spine and coracoid, and the upper arm."""
    out, down = 0.5 * body.arm_out + body.lung_half_width - 13.6, body.shoulder_drop
    swing = body.arm_out * 0.12

    def bone(knots: list[tuple[float, float, float]], weight: float = 1.0, wall: float = 0.1) -> None:
        line, radius = _bent(np.array([(side * (x + out), z + down, r) for x, z, r in knots]))
        add_bone(total, frame, [line], [radius], weight=weight, wall=wall)

    total += _blade(frame.x * side - np.float32(out), frame.z - np.float32(down))
    bone([(16.5, 10.0, 0.55), (16.2, 13.5, 0.42), (15.5, 17.6, 0.38), (15.0, 18.4, 0.3)], 0.5)
    bone([(11.7, 6.4, 0.2), (13.0, 11.5, 0.22), (14.8, 18.3, 0.25)], 0.35)
    bone([(12.3, 8.4, 0.25), (15.0, 6.6, 0.45), (17.6, 4.9, 0.6), (19.2, 5.4, 0.55)], 0.8)
    bone([(15.7, 7.6, 0.6), (14.8, 6.9, 0.55), (14.3, 7.9, 0.5)], 0.6)
    bone([(16.5, 7.6, 0.45), (16.8, 9.0, 0.5), (16.5, 10.4, 0.45)])
    arm = [
        (18.7, 8.0, 2.2),
        (18.9, 8.8, 2.3),
        (19.7, 10.8, 1.7),
        (20.4 + swing * 6, 14.0, 1.2),
        (21.6 + swing * 14, 22.0, 1.1),
    ]
    bone([*arm, (22.9 + swing * 24, 34.0, 1.1)], 0.55, 0.2)


BLADE = ((16.2, 7.4), (16.6, 11.0), (15.9, 17.4), (14.9, 18.6), (13.0, 11.5), (11.6, 6.2))


def _blade(x: Canvas, z: Canvas) -> Canvas:
    """A plate with the corners of ``BLADE``: not two millimetres of bone, soft at its rim."""
    inside = np.full(x.shape, 1e3, dtype=np.float32)
    for (x0, z0), (x1, z1) in zip(BLADE, [*BLADE[1:], BLADE[0]], strict=True):
        length = float(np.hypot(x1 - x0, z1 - z0))
        inside = np.minimum(inside, ((z - z0) * (x1 - x0) - (x - x0) * (z1 - z0)) / length)
    return 0.16 * smoothstep(inside, 0, 0.3)
