"""Where the bundle points against boxes that a radiologist drew (the pointing game). Part of evaluate.py.

The boxes taught nothing, and each film is asked of the bundle of its fold. It must never know a network.
"""

import csv
from collections.abc import Sequence
from pathlib import Path

from models import data
from xray_triage.reading.bundle import load_bundle
from xray_triage.reading.findings import Box, Findings
from xray_triage.reading.onnx_classifier import OnnxClassifier
from xray_triage.reading.radiograph import Radiograph, open_picture

FRAME = 512  # pixels of the frame in which the boxes are written, whatever the film's own size
NAMES = {"effusion": "pleural_effusion", "infiltrate": "infiltration"}


def measure(bundles: Sequence[Path], films: Path) -> dict[str, int]:
    """How many drawn boxes' findings the bundles mark with a box of its own, and how many middles lie in the drawn one.

    ``by_chance``: how many would if the middle lay anywhere on the film.
    """
    classifiers = [OnnxClassifier(load_bundle(bundle)) for bundle in bundles]
    found = {"drawn": 0, "marked": 0, "hit": 0, "by_chance": 0.0}
    with (films / "labels.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["boxes_xywh_512"]]
    for row in rows:
        classifier = classifiers[data.fold_of(row["group"])]
        radiograph = open_picture(films / "images" / row["image"])
        said = classifier.classify(radiograph) if isinstance(radiograph, Radiograph) else None
        findings = said.findings if isinstance(said, Findings) else ()
        marked = {each.kind.name: each.box for each in findings if each.positive}
        for name, drawn in boxes(row["boxes_xywh_512"]):
            found["drawn"] += 1
            if (box := marked.get(name)) is not None:
                found["marked"] += 1
                found["hit"] += holds_middle(drawn, box, radiograph)
                found["by_chance"] += drawn[2] * drawn[3] / FRAME**2
    return found


def boxes(text: str) -> list[tuple[str, tuple[float, ...]]]:
    """``Mass:104.6,220.0,73.1,97.5;...`` as label and x, y, width, height in the frame; only labels of ours."""
    parts = [part.split(":") for part in text.replace("|", ";").split(";")]
    named = [(NAMES.get(name.lower(), name.lower()), tuple(map(float, box.split(",")))) for name, box in parts]
    return [(name, box) for name, box in named if name in data.LABELS]


def holds_middle(drawn: tuple[float, ...], box: Box, radiograph: Radiograph) -> bool:
    x = (box.x + box.width / 2) / radiograph.columns * FRAME
    y = (box.y + box.height / 2) / radiograph.rows * FRAME
    left, top, width, height = drawn
    return left <= x <= left + width and top <= y <= top + height
