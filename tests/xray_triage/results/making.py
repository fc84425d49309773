"""Readings, radiographs and headers to make results from."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from dicom_router.dicom.part10 import encode_file
from tests.factories import film, shared_folder
from xray_triage.reading.findings import (
    KINDS,
    REASONS,
    Box,
    Cardiothoracic,
    Finding,
    Findings,
    Line,
    ModelIdentity,
    NotReadable,
    Priority,
    Reading,
    TriageDecision,
)
from xray_triage.reading.radiograph import Radiograph
from xray_triage.results.make import ResultObject, make_results
from xray_triage.results.origin import Origin

MODEL = ModelIdentity(name="spine", version="0.1.0", sha256="c0ffee" * 10 + "beef")
STATION = "Trạm y tế xã Thạnh An"
WIDTHS = Cardiothoracic(
    heart=Line(left=62.0, right=150.0, row=190.5), thorax=Line(left=20.0, right=180.0, row=230.25)
)  # on a film of 300 x 200 pixels
AT = datetime(2025, 6, 1, 1, 20, 30, tzinfo=UTC)


def header(**attributes: object) -> Dataset:
    """The header of a synthetic film of 300 × 200 pixels."""
    uids = {"sop_instance_uid": "1.2.3.4", "study_instance_uid": "1.2.3", "series_instance_uid": "1.2.3.9"}
    dataset = film(rows=300, columns=200, **(uids | attributes))
    del dataset.PixelData
    return dataset


def real_films() -> list[Path]:
    return sorted((shared_folder() / "data" / "dicom").glob("*.dcm"))


def real_header(path: Path) -> Dataset:
    return pydicom.dcmread(path, stop_before_pixels=True)


def a_radiograph(rows: int = 300, columns: int = 200, *, seed: int | None = None) -> Radiograph:
    """A smooth film, or noise when a seed is given."""
    scale = min(1.0, 1024 / max(rows, columns))
    height, width = max(1, int(rows * scale)), max(1, int(columns * scale))
    if seed is None:
        image = np.add.outer(np.linspace(0, 0.5, height), np.linspace(0, 0.5, width)).astype(np.float32)
    else:
        image = np.random.default_rng(seed).random((height, width), np.float32)
    return Radiograph(image=image, rows=rows, columns=columns, pixel_spacing_mm=None, age_years=None, flags=())


def a_finding(name: str = "pneumothorax", probability: float = 0.93, box: Box | None = None) -> Finding:
    return Finding(kind=KINDS[name], probability=probability, threshold=0.5, box=box)


def a_reading(
    *findings: Finding, priority: Priority = Priority.URGENT, flags: tuple[str, ...] = (), heat: bool = True
) -> Reading:
    """What the model said; all labels under their threshold where no findings are given."""
    given = findings or tuple(a_finding(name, 0.1) for name in KINDS)
    heat_map = np.zeros((10, 10), np.float32)
    heat_map[6:9, 1:4] = 0.9
    return Reading(
        decision=TriageDecision(priority=priority, reasons=tuple(one.kind.name for one in given if one.positive)),
        findings=Findings(
            findings=given,
            scores={"abnormal": 0.97, "cardiothoracic_ratio": 0.55, "mass": 0.2},
            model=MODEL,
            heat_map=heat_map if heat else None,
            cardiothoracic=WIDTHS,
        ),
        flags=flags,
        model=MODEL,
    )


def a_full_reading() -> Reading:
    """Every label, two of them found, one of these located."""
    located = a_finding("pleural_effusion", 0.93, Box(x=10, y=200, width=80, height=60))
    rest = [a_finding(name, 0.1) for name in KINDS if name not in ("pleural_effusion", "cardiomegaly")]
    return a_reading(located, a_finding("cardiomegaly", 0.7), *rest, flags=("inverted",))


def not_read(code: str = "not_a_chest") -> Reading:
    return Reading(
        decision=TriageDecision(priority=Priority.NOT_READ, reasons=()),
        not_readable=NotReadable(reason=REASONS[code]),
    )


def an_origin(source: Dataset, *, model: ModelIdentity | None = MODEL) -> Origin:
    return Origin(source=source, model=model, station_name=STATION, at=AT)


def results(source: Dataset, reading: Reading, radiograph: Radiograph | None = None) -> list[ResultObject]:
    return list(make_results(source, reading, radiograph, station_name=STATION, at=AT))


def written(path: Path, dataset: Dataset) -> Path:
    path.write_bytes(encode_file(dataset))
    return path
