"""Phantom films with any header, for the tests of the reading room."""

import io

import numpy as np
import pydicom
from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

from xray_triage.reading.findings import NotReadable
from xray_triage.reading.radiograph import Admission, Radiograph, admit
from xray_triage.simulation import phantom

POLICY = Admission()
DRAWN = phantom.render(seed=3, rows=512, columns=480)


def film(**attributes: object) -> Dataset:
    """A phantom of 512 x 480 pixels; ``attributes`` are set last, None removes one."""
    dataset = phantom.dataset(DRAWN)
    for keyword, value in attributes.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            vr = "LO" if keyword in ("BodyPartExamined", "ViewPosition", "Modality") else dictionary_VR(keyword)
            dataset.add(pydicom.DataElement(tag_for_keyword(keyword), vr, value))  # type: ignore[arg-type]
    return dataset


def written(dataset: Dataset) -> Dataset:
    """What a reader gets: the same after a trip through a file."""
    buffer = io.BytesIO()
    pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    buffer.seek(0)
    return pydicom.dcmread(buffer)


def stored(dataset: Dataset) -> np.ndarray:
    return np.frombuffer(dataset.PixelData, "<u2").reshape(dataset.Rows, dataset.Columns)


def admitted(dataset: Dataset, policy: Admission = POLICY) -> Radiograph:
    radiograph = admit(dataset, policy)
    assert isinstance(radiograph, Radiograph), radiograph
    return radiograph


def refused(dataset: Dataset, policy: Admission = POLICY) -> str:
    answer = admit(dataset, policy)
    assert isinstance(answer, NotReadable)
    return answer.reason.code
