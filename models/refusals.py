"""What a bundle's input gate lets through and what it refuses: good films, children, turned films, other things.

Part of evaluate.py. Pictures go through the graph as the station prepares them.
"""

import copy
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pydicom
import skimage.data
from numpy.typing import NDArray

from models import data, negatives
from models.runs import Runs
from xray_triage.reading.findings import NotReadable
from xray_triage.reading.pixels import InputSpec, prepare, resize
from xray_triage.reading.radiograph import Admission, admit

HINTS = (
    "BodyPartExamined", "AnatomicRegionSequence", "ViewPosition", "ViewCodeSequence", "PatientAge", "PatientBirthDate",
    "PatientOrientation", "StudyDescription", "SeriesDescription", "ProtocolName", "PerformedProcedureStepDescription",
    "RequestedProcedureDescription", "AcquisitionDeviceProcessingDescription", "PatientSpeciesDescription",
)  # fmt: skip


def measure(runs: Runs, pixels: NDArray[np.float32], films: Sequence[data.Film]) -> dict:
    """Shares refused: adults' frontal films per source (should pass), and what should not pass."""
    gate = runs.gates(pixels)
    refused, sources = runs.refuses(gate), np.array([film.source for film in films])
    classes = np.array([film.gate for film in films])
    adult = classes == "frontal"
    upright = np.flatnonzero(adult)[::5]
    turned = [np.rot90(pixels[i : i + 1], turns, axes=(2, 3)) for i in upright for turns in (1, 2, 3)]
    torn_up = np.stack([as_cached(film) for film in pixels[adult][:100, 0]])
    drawn = [negatives.draw(torn_up, np.random.default_rng((99, i))) for i in range(200)]
    drawn = [prepare(picture, runs.bundle.manifest.input) for picture in drawn]
    return {
        "adult_frontal": share(refused[adult]),
        "adult_frontal_by_source": {
            name: share(refused[adult & (sources == name)]) for name in sorted(set(sources[adult]))
        },
        "children": share(refused[classes == "child"]),
        "lateral": share(refused[classes == "not_frontal"]),
        "turned": share(runs.refuses(runs.gates(np.concatenate(turned)))),
        "drawn": share(runs.refuses(runs.gates(np.concatenate(drawn)))),
        "photographs": share(runs.refuses(runs.gates(np.concatenate(photographs(runs.bundle.manifest.input))))),
    }


def photographs(spec: InputSpec) -> list[NDArray[np.float32]]:
    """The photographs, pages and test pictures that come with scikit-image, in gray; nothing like them was drawn."""
    paths = sorted(Path(skimage.data.__file__).parent.glob("*.[pj][np]g"))
    return [prepare(data.open_film(path), spec) for path in paths]


def as_cached(film: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A prepared film (size, size) as negatives.draw wants it."""
    side = data.CACHE_SPEC.size
    return np.clip((resize(film, side, side) * data.STD + data.MEAN) * 255, 0, 255).astype(np.uint8)


def share(refused: NDArray[np.bool_]) -> dict[str, float]:
    return {
        "films": len(refused),
        "refused": int(refused.sum()),
        "share": float(refused.mean()) if len(refused) else 0.0,
    }


def dicom_files(runs: Runs, folder: Path) -> list[dict]:
    """What becomes of each real DICOM file (none was trained on), and what the gate alone says of its pixels."""
    if not (folder / "index.csv").exists():
        return []
    found = []
    with (folder / "index.csv").open(newline="") as file:
        for row in csv.DictReader(file):
            dataset = pydicom.dcmread(folder / row["file"])
            radiograph = admit(dataset, Admission())
            by_header = radiograph.reason.code if isinstance(radiograph, NotReadable) else None
            bare = admit(without_hints(dataset), Admission(minimum_age_years=0)) if by_header else radiograph
            line = {"file": row["file"], "truth": row["truth_visual"], "header": by_header}
            if isinstance(bare, NotReadable):
                found.append(line | {"gate": bare.reason.code, "frontal": None})
                continue
            gate = runs.gates(prepare(bare.image, runs.bundle.manifest.input))[0]
            found.append(line | {"gate": runs.kind(gate), "frontal": round(float(gate[0]), 4)})
    return found


def without_hints(dataset: pydicom.Dataset) -> pydicom.Dataset:
    """The same film with nothing in its header that says what it shows."""
    bare = copy.deepcopy(dataset)
    for keyword in HINTS:
        if keyword in bare:
            del bare[keyword]
    return bare
