"""The pulmonary vessels: random trees that grow from the hila, fork, taper and end before the pleura."""

import numpy as np

from xray_triage.simulation.phantom.body import Body, Frame
from xray_triage.simulation.phantom.paint import Canvas, Points, add_tubes


def vessels(body: Body, frame: Frame, rng: np.random.Generator) -> Canvas:
    """Chord through blood in centimetres, as if the trees stood alone; the caller keeps what lies in the lung."""
    total = np.zeros(frame.shape, dtype=np.float32)
    for side in (-1, 1):
        for tree in _trunks(body, side):
            start, end, radius = _grow(tree, rng)
            radius *= body.vessel
            bent = (start + end) / 2 + rng.normal(0, 0.06, start.shape) * np.linalg.norm(
                end - start, axis=1, keepdims=True
            )
            middle = radius.mean(axis=1)
            first, second = np.stack([radius[:, 0], middle], axis=1), np.stack([middle, radius[:, 1]], axis=1)
            a, b, c = (frame.to_px(points[:, :2]) for points in (start, bent, end))
            r = np.concatenate([first, second]).astype(np.float32) * frame.px_per_cm
            fade = np.minimum(r.mean(axis=1) / 0.8, 1)
            seen = _seen_end_on(start, end)
            weight = np.concatenate([seen, seen]) * fade
            add_tubes(total, np.concatenate([a, b]), np.concatenate([b, c]), np.maximum(r, 0.8), weight=weight)
    return total / np.float32(frame.px_per_cm)


def _trunks(body: Body, side: int) -> list[tuple[Points, Points, float, int]]:
    """Root (x, z, y), direction, radius, generations of each lobar trunk."""
    z = 15.6 if side < 0 else 14.7
    x = side * (3.6 if side < 0 else 3.9) + body.turn / 2
    plan = [
        (0.0, -0.6, (0.45, -1.0, 0.1), 0.38, 9),
        (0.3, -0.3, (0.9, -0.65, 0.35), 0.34, 9),
        (0.3, 0.2, (1.0, -0.05, -0.5), 0.34, 9),
        (0.2, 0.6, (0.95, 0.55, -0.4), 0.36, 9),
        (0.1, 1.2, (0.40, 1.0, 0.3), 0.50, 10),
        (0.3, 2.2, (0.75, 0.9, 0.45), 0.40, 9),
        (-0.8, 3.6, (1.0, 0.5, 0.2), 0.40, 7),
        (-0.4, 2.6, (0.5, 1.0, -0.2), 0.34, 9),
    ]
    return [
        (np.array([x + side * dx, z + dz, 0.0]), np.array([side * v[0], v[1], v[2]]), radius, generations)
        for dx, dz, v, radius, generations in plan
    ]


def _grow(trunk: tuple[Points, Points, float, int], rng: np.random.Generator) -> tuple[Points, Points, Points]:
    """Segments (n, 3) to (n, 3) with radii (n, 2) in centimetres."""
    root, way, thick, generations = trunk
    position, direction, radius = root[None, :], (way / np.linalg.norm(way))[None, :], np.array([thick])
    length = 2.1
    starts, ends, radii = [], [], []
    for _ in range(generations):
        reach = length * rng.uniform(0.65, 1.3, len(position))
        end = position + direction * reach[:, None]
        thinner = radius * rng.uniform(0.82, 0.95, len(radius))
        starts.append(position)
        ends.append(end)
        radii.append(np.stack([radius, thinner], axis=1))
        outward = end - root
        outward /= np.maximum(np.linalg.norm(outward, axis=1, keepdims=True), 1e-3)
        children = []
        for share, spread in ((0.35, 0.30), (0.75, 0.62)):
            turned = direction + rng.normal(0, spread, direction.shape) + 0.16 * outward
            children.append(
                (end, turned / np.linalg.norm(turned, axis=1, keepdims=True), thinner * (1.02 - share * 0.36))
            )
        position = np.concatenate([child[0] for child in children])
        direction = np.concatenate([child[1] for child in children])
        radius = np.concatenate([child[2] for child in children])
        length *= 0.87
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(radii)


def _seen_end_on(start: Points, end: Points) -> Points:
    run = end - start
    seen = np.linalg.norm(run[:, :2], axis=1) / np.maximum(np.linalg.norm(run, axis=1), 1e-6)
    return np.asarray(1 / np.maximum(seen, 0.4), dtype=np.float32)
