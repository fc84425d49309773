"""Puts a phantom together: body, soft tissue, bones, vessels, lesions, film. The same seed gives the same film."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from xray_triage.simulation.phantom.body import FIELD_CM, Body, Frame, draw_body
from xray_triage.simulation.phantom.bones import bones
from xray_triage.simulation.phantom.film import add_marker, attenuation, collimate, develop, enlarge, expose
from xray_triage.simulation.phantom.lesions import LESIONS, Lesion, Scene, add_lesion
from xray_triage.simulation.phantom.paint import Canvas, noise, smoothstep
from xray_triage.simulation.phantom.soft import (
    Paths,
    airways_and_gas,
    chest_wall,
    dome_height,
    lungs,
    mediastinum,
    trunk,
)
from xray_triage.simulation.phantom.vessels import vessels

WORKING_PX = 900
PLATE_CM = (43, 35)  # as most films of a chest are taken, upright


@dataclass(frozen=True, slots=True, kw_only=True)
class Phantom:
    """A synthetic film: ``image`` is float32 (rows, columns), 0..1, dense bright; boxes are in its pixels.

    ``body`` is None for what is no chest; ``part`` is the BodyPartExamined, empty when there is none.
    """

    image: Canvas
    lesions: tuple[Lesion, ...]
    body: Body | None
    part: str = "CHEST"
    pixel_spacing_mm: float
    seed: int


def render(*, seed: int = 0, findings: Sequence[str] = (), rows: int = 1024, columns: int = 1024) -> Phantom:
    """A frontal (PA) chest film. With the same seed the person is the same, with or without findings.

    Raises ValueError for a finding that has no lesion here; names are those of ``findings.KINDS``.
    """
    unknown = sorted(set(findings) - set(LESIONS))
    if unknown:
        raise ValueError(f"no phantom lesion is called {', '.join(unknown)}; there are {', '.join(sorted(LESIONS))}")
    body = draw_body(np.random.default_rng([seed, 0]), findings)
    reduction = min(1.0, WORKING_PX / min(rows, columns))
    frame = Frame(body, (round(rows * reduction), round(columns * reduction)))
    paths, pleural, heart = _anatomy(body, frame, np.random.default_rng([seed, 1]))
    lesions = []
    for name in dict.fromkeys(findings):
        rng = np.random.default_rng([seed, 2, list(LESIONS).index(name)])
        scene = Scene(body=body, frame=frame, paths=paths, pleural=pleural, heart=heart, rng=rng)
        lesions.append(add_lesion(name, scene, 1 / reduction))
    rng = np.random.default_rng([seed, 3])
    picture = develop(expose(attenuation(paths, body.lung_density), frame), frame)
    add_marker(picture, frame, rng)
    image = enlarge(collimate(picture, rng), rows, columns, rng)
    return Phantom(
        image=image,
        lesions=tuple(lesions),
        body=body,
        pixel_spacing_mm=FIELD_CM * 10 / min(rows, columns),
        seed=seed,
    )


def columns_of(rows: int) -> int:
    """How many columns an upright film of so many rows has."""
    tall, wide = PLATE_CM
    return round(rows * wide / tall)


def _anatomy(body: Body, frame: Frame, rng: np.random.Generator) -> tuple[Paths, Canvas, Canvas]:
    """The healthy body's paths, the pleural space's depth and the heart's."""
    pleural = lungs(body, frame)
    heart, behind = mediastinum(body, frame)
    # Under the dome only the recess behind heart and liver holds air: the heart must not show through the liver.
    covered = heart * (1 - smoothstep(frame.z - dome_height(body, frame), 0, 2))
    left_over = pleural - covered - behind
    lung = (
        0.5 * (left_over + np.hypot(left_over, 3.0)) * smoothstep(pleural, 0, 3)
    )  # rounded: no hard edge along the spine
    lung = np.minimum(lung, pleural) * (1 + 0.022 * noise(rng, frame.shape, 1.0 * frame.px_per_cm, 4))
    soft = trunk(body, frame) + chest_wall(body, frame, rng)
    soft *= 1 + 0.012 * noise(rng, frame.shape, 3 * frame.px_per_cm, 4)
    paths = Paths(
        soft=soft,
        lung=lung,
        air=airways_and_gas(body, frame, rng),
        vessel=np.minimum(2.0 * vessels(body, frame, rng) * np.clip(1 - heart / 9, 0.2, 1), 0.7 * lung),
        bone=bones(body, frame, rng),
    )
    return paths, pleural, heart
