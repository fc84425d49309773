"""A phantom as a DICOM object, as a station's X-ray machine would send it. Invents patients, never copies one."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    PYDICOM_IMPLEMENTATION_UID,
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
)

from xray_triage.simulation.phantom.render import Phantom

EXPOSED_AT = datetime(2025, 3, 10, 2, 30, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class PhantomPatient:
    """Who the film is said to show. ``birth_date`` is YYYYMMDD or empty."""

    patient_id: str
    name: str
    sex: str
    birth_date: str


PATIENTS = (
    PhantomPatient(patient_id="TA-0001", name="Nguyễn^Văn An", sex="M", birth_date="19610412"),
    PhantomPatient(patient_id="TA-0002", name="Trần^Thị Bưởi", sex="F", birth_date="19750923"),
    PhantomPatient(patient_id="TA-0003", name="Lê^Hoàng Đức", sex="M", birth_date="19880130"),
    PhantomPatient(patient_id="TA-0004", name="Phạm^Thị Hồng Nhung", sex="F", birth_date="19931108"),
    PhantomPatient(patient_id="TA-0005", name="Huỳnh^Tấn Phước", sex="M", birth_date="19550705"),
    PhantomPatient(patient_id="TA-0006", name="Võ^Thị Ánh Nguyệt", sex="F", birth_date="19680219"),
    PhantomPatient(patient_id="TA-0007", name="Đặng^Quốc Khánh", sex="M", birth_date="19790902"),
    PhantomPatient(patient_id="TA-0008", name="Bùi^Thị Thuỷ Tiên", sex="F", birth_date="20010616"),
    PhantomPatient(patient_id="TA-0009", name="Ngô^Gia Huy", sex="M", birth_date="19960328"),
    PhantomPatient(patient_id="TA-0010", name="Dương^Thị Lệ Quyên", sex="F", birth_date="19580811"),
)


def dataset(
    phantom: Phantom,
    *,
    patient: PhantomPatient | None = None,
    photometric: str = "MONOCHROME2",
    bits: int = 12,
    modality: str = "DX",
    study_instance_uid: str = "",
    seed: int | None = None,
    at: datetime = EXPOSED_AT,
) -> Dataset:
    """The phantom as a DX (PS3.3 A.26) or CR (A.2) object with file meta information, explicit little endian.

    ``seed`` (else the phantom's own) chooses one of ``PATIENTS`` of the body's sex and, together with time and pixels,
    the UIDs that are not given: the same film has the same UIDs.
    """
    if photometric not in ("MONOCHROME1", "MONOCHROME2"):
        raise ValueError(f"photometric is {photometric}: use MONOCHROME1 or MONOCHROME2")
    full = 2**bits - 1
    stored = np.round(phantom.image * full).astype("<u2")
    pixels = (full - stored if photometric == "MONOCHROME1" else stored).astype("<u2").tobytes()
    digest = hashlib.sha256(pixels).hexdigest()
    seed = phantom.seed if seed is None else seed
    patient = patient or _patient_for(phantom, seed)
    entropy = [digest, str(seed), patient.patient_id, at.isoformat(), modality]
    film = Dataset()
    _identify(film, patient, at, digest)
    film.SOPClassUID = DigitalXRayImageStorageForPresentation if modality == "DX" else ComputedRadiographyImageStorage
    film.SOPInstanceUID = _uid(*entropy, "instance")
    film.StudyInstanceUID = study_instance_uid or _uid(*entropy, "study")
    film.SeriesInstanceUID = _uid(film.SOPInstanceUID, "series")
    film.Modality = modality
    _picture(film, phantom.image.shape, photometric, bits)
    _describe(film, phantom, dx=modality == "DX")
    film.PixelData = pixels
    film.file_meta = FileMetaDataset()
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    film.file_meta.ImplementationClassUID = PYDICOM_IMPLEMENTATION_UID
    return film


def write(path: Path | str, phantom: Phantom, **options: object) -> Dataset:
    """Write ``dataset(phantom, **options)`` as a Part 10 file and return it."""
    film = dataset(phantom, **options)  # type: ignore[arg-type]  # same keywords as dataset()
    film.save_as(path, enforce_file_format=True)
    return film


def _uid(*entropy: str) -> UID:
    """The same words give the same UID, of the form 2.25.<128 bits> (PS3.5 B.2)."""
    return UID(f"2.25.{int.from_bytes(hashlib.sha256('|'.join(entropy).encode()).digest()[:16], 'big')}")


def _patient_for(phantom: Phantom, seed: int) -> PhantomPatient:
    sex = None if phantom.body is None else ("F" if phantom.body.female else "M")
    suitable = [patient for patient in PATIENTS if sex in (None, patient.sex)]
    return suitable[seed % len(suitable)]


def _identify(film: Dataset, patient: PhantomPatient, at: datetime, digest: str) -> None:
    """Patient, study and equipment, as a machine at a commune health station fills them."""
    film.SpecificCharacterSet = "ISO_IR 192"
    film.PatientID, film.PatientName = patient.patient_id, patient.name
    film.PatientSex, film.PatientBirthDate = patient.sex, patient.birth_date
    if patient.birth_date:
        age = (int(at.strftime("%Y%m%d")) - int(patient.birth_date)) // 10000
        film.PatientAge = f"{age:03d}Y"
    film.StudyDate = film.SeriesDate = film.AcquisitionDate = film.ContentDate = at.strftime("%Y%m%d")
    film.StudyTime = film.SeriesTime = film.AcquisitionTime = film.ContentTime = at.strftime("%H%M%S")
    film.TimezoneOffsetFromUTC = at.strftime("%z")
    film.StudyID, film.AccessionNumber = "1", digest[:10].upper()
    film.StudyDescription, film.SeriesDescription = "X-quang ngực thẳng", "PA"
    film.ReferringPhysicianName = ""
    film.SeriesNumber, film.InstanceNumber = 1, 1
    film.Manufacturer, film.ManufacturerModelName = "Phantom", "xray-triage phantom"
    film.InstitutionName = "Trạm y tế xã (phim giả lập)"
    film.DeviceSerialNumber, film.SoftwareVersions = "0", "1"


def _describe(film: Dataset, phantom: Phantom, *, dx: bool) -> None:
    """Body part, projection, geometry; for DX also what PS3.3 C.8.11 asks of the detector and the anatomy."""
    film.BodyPartExamined = phantom.part
    film.ViewPosition = "PA"
    film.PatientOrientation = ["L", "F"]
    film.ImagerPixelSpacing = [round(phantom.pixel_spacing_mm, 6)] * 2
    film.KVP, film.Exposure = "110", "4"
    film.BurnedInAnnotation = "NO"
    if not dx:
        return
    film.PixelIntensityRelationship = "LOG"
    film.PixelIntensityRelationshipSign = 1 if film.PhotometricInterpretation == "MONOCHROME1" else -1
    film.PresentationIntentType = "FOR PRESENTATION"
    film.ImageLaterality = "U"
    film.DetectorType, film.DetectorDescription = "SCINTILLATOR", ""
    film.DetectorID = film.DateOfLastDetectorCalibration = film.TimeOfLastDetectorCalibration = None
    film.PositionerType = "NONE"
    film.AcquisitionDeviceProcessingDescription = ""
    film.AcquisitionContextSequence = Sequence()
    region = ("85562004", "Hand") if phantom.part == "HAND" else ("51185008", "Chest")
    film.AnatomicRegionSequence = Sequence([_code(*region)])
    view = _code("399348003", "postero-anterior")
    view.ViewModifierCodeSequence = Sequence()
    film.ViewCodeSequence = Sequence([view])


def _picture(film: Dataset, shape: tuple[int, ...], photometric: str, bits: int) -> None:
    """Image pixel module (PS3.3 C.7.6.3), display window and what a number means."""
    film.ImageType = ["ORIGINAL", "PRIMARY"]
    film.SamplesPerPixel, film.PhotometricInterpretation = 1, photometric
    film.Rows, film.Columns = shape
    film.BitsAllocated, film.BitsStored, film.HighBit, film.PixelRepresentation = 16, bits, bits - 1, 0
    film.RescaleIntercept, film.RescaleSlope, film.RescaleType = "0", "1", "US"
    film.PresentationLUTShape = "INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"
    film.LossyImageCompression = "00"
    film.WindowCenter, film.WindowWidth = str(2 ** (bits - 1)), str(2**bits)


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "SCT", meaning
    return item
