"""What many tests need: synthetic films, a free port, waiting with a deadline, the shared real films."""

import io
import os
import random
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import PYDICOM_ROOT_UID, UID, ExplicitVRLittleEndian, ImplicitVRLittleEndian

CR = UID("1.2.840.10008.5.1.4.1.1.1")
DX = UID("1.2.840.10008.5.1.4.1.1.1.1")

__all__ = [
    "CR",
    "DX",
    "ExplicitVRLittleEndian",
    "ImplicitVRLittleEndian",
    "StoppedClock",
    "film",
    "film_bytes",
    "film_file",
    "free_port",
    "shared_folder",
    "until",
]


def shared_folder() -> Path:
    """The folder of real films, which is never part of the project. Skips the test where there is none."""
    repository = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("XRAY_TRIAGE_SHARED") or repository.parent / "shared")
    if not (folder / "data").is_dir():
        pytest.skip(f"no real films at {folder}; set XRAY_TRIAGE_SHARED to the folder that holds data/")
    return folder


def until(condition: Callable[[], object], seconds: float = 120.0) -> None:
    """Wait until ``condition()`` is true; fail the test after ``seconds``, which are long: the machine may be busy."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not true within {seconds} s: {getattr(condition, '__name__', condition)}")
        time.sleep(0.01)


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago, and is none that the system gives to who connects."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", random.SystemRandom().randrange(15_000, 32_000)))
            return int(probe.getsockname()[1])


@dataclass
class StoppedClock:
    """A Clock that moves when told; ``time`` may be set to anything, also backwards."""

    time: datetime = datetime(2025, 6, 1, 8, 15, tzinfo=UTC)
    elapsed_seconds: float = 0.0

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.elapsed_seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.time += timedelta(seconds=seconds)
        self.elapsed_seconds += seconds


def new_uid() -> UID:
    """Never used before, and always 64 characters long, so that a film's bytes lie at the same places in every run."""
    return UID(f"{PYDICOM_ROOT_UID}{random.SystemRandom().randrange(10**37, 10**38)}")


def film(
    *,
    rows: int = 64,
    columns: int = 48,
    sop_class_uid: str = DX,
    sop_instance_uid: str = "",
    study_instance_uid: str = "",
    series_instance_uid: str = "",
    transfer_syntax_uid: str = ExplicitVRLittleEndian,
    patient_name: str = "Nguyễn^Văn^An",
    patient_id: str = "P0001",
    character_set: str = "ISO_IR 192",
    photometric: str = "MONOCHROME2",
    seed: int = 0,
    **attributes: object,
) -> Dataset:
    """A valid CR or DX film of 12 bits in 16 with deterministic noise, complete with file meta information.

    ``attributes`` are set last under their DICOM keywords (``PatientAge="003Y"``); None removes one.
    """
    dataset = Dataset()
    dataset.SpecificCharacterSet = character_set
    dataset.SOPClassUID = UID(sop_class_uid)
    dataset.SOPInstanceUID = UID(sop_instance_uid) if sop_instance_uid else new_uid()
    dataset.StudyInstanceUID = UID(study_instance_uid) if study_instance_uid else new_uid()
    dataset.SeriesInstanceUID = UID(series_instance_uid) if series_instance_uid else new_uid()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    _add_patient_and_study(dataset, patient_name=patient_name, patient_id=patient_id)
    _add_acquisition(dataset, digital=sop_class_uid != CR)
    _add_pixels(dataset, rows=rows, columns=columns, photometric=photometric, seed=seed)
    for keyword, value in attributes.items():
        if value is None:
            dataset.pop(keyword, None)
        else:
            setattr(dataset, keyword, value)
    return dataset


def film_bytes(dataset: Dataset) -> bytes:
    """The Part 10 file of ``dataset``."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def film_file(path: Path, dataset: Dataset) -> Path:
    """Write ``dataset`` as a Part 10 file and give its path back."""
    path.write_bytes(film_bytes(dataset))
    return path


def _add_patient_and_study(dataset: Dataset, *, patient_name: str, patient_id: str) -> None:
    dataset.PatientName = patient_name
    dataset.PatientID = patient_id
    dataset.PatientBirthDate = "19700131"
    dataset.PatientSex = "F"
    dataset.PatientAge = "055Y"
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20250601"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "081500"
    dataset.AccessionNumber = "A0001"
    dataset.ReferringPhysicianName = ""
    dataset.StudyID = "1"
    dataset.StudyDescription = "Chest"
    dataset.SeriesNumber = 1
    dataset.InstanceNumber = 1
    dataset.Manufacturer = "Phantom"


def _add_acquisition(dataset: Dataset, *, digital: bool) -> None:
    dataset.Modality = "DX" if digital else "CR"
    dataset.BodyPartExamined = "CHEST"
    dataset.ViewPosition = "PA"
    dataset.PatientOrientation = ["L", "F"]
    dataset.ImageType = ["ORIGINAL", "PRIMARY", ""]
    dataset.ImagerPixelSpacing = [0.143, 0.143]
    if not digital:
        return
    dataset.ImageLaterality = "U"
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.PixelIntensityRelationship = "LOG"
    dataset.PixelIntensityRelationshipSign = -1
    dataset.PresentationLUTShape = "IDENTITY"
    dataset.LossyImageCompression = "00"
    dataset.BurnedInAnnotation = "NO"
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = 0, 1, "US"
    dataset.AcquisitionContextSequence = []
    dataset.DetectorType = "DIRECT"
    dataset.PositionerType = ""
    dataset.AnatomicRegionSequence = [_code("51185008", "SCT", "Chest")]
    dataset.ViewCodeSequence = [_code("272479007", "SCT", "Posteroanterior projection")]
    dataset.ViewCodeSequence[0].ViewModifierCodeSequence = []


def _add_pixels(dataset: Dataset, *, rows: int, columns: int, photometric: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 4096, size=(rows, columns), dtype="u2")
    little_endian = dataset.file_meta.TransferSyntaxUID.is_little_endian
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = photometric
    if photometric == "MONOCHROME1" and "PresentationLUTShape" in dataset:
        dataset.PresentationLUTShape = "INVERSE"
    dataset.Rows, dataset.Columns = rows, columns
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.WindowCenter, dataset.WindowWidth = 2048, 4096
    dataset.add_new("PixelData", "OW", pixels.astype("<u2" if little_endian else ">u2").tobytes())


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = value, scheme, meaning
    return code
