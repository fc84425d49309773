"""Films for the demonstration: synthetic ones, or the caller's files made ready to be sent."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

from dicom_router.dicom.instance import read_header
from dicom_router.dicom.part10 import encode_file
from dicom_router.errors import RouterError
from xray_triage.simulation import phantom
from xray_triage.station.media import picture_kind

PICTURES = frozenset({".png", ".jpg", ".jpeg"})
# (seed, findings): drawn lesions show how a case looks, not how good the model is; its card tells that.
PHANTOMS = ((3, ()), (1, ("pleural_effusion",)), (1, ("cardiomegaly",)), (1, ("edema",)))
PHANTOM_PX = 2000
PHONES = frozenset({"HEIC"})  # no film was ever kept so
HEAD_BYTES = 16
STRANGERS = {
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP archive or an office document",
    b"\xd0\xcf\x11\xe0": "an office document",
    b"Rar!": "an archive",
    b"7z\xbc\xaf": "an archive",
    b"<": "a web page",
    b"MZ": "a program",
}


class NoFilm(RouterError):
    """What was named holds no film."""


def gather(films: Sequence[Path], folder: Path) -> list[Path]:
    """DICOM files to send: ``films`` (folders opened, pictures wrapped), or phantoms when there are none.

    Raises NoFilm for a file that is none, and for a folder without any.
    """
    folder.mkdir()
    if not films:
        return [*_phantoms(folder), _limb(folder)]
    paths: list[Path] = []
    for film in films:
        inside = sorted(path for path in film.rglob("*") if path.is_file()) if film.is_dir() else [film]
        found = [path for path in inside if _may_be_film(path)]
        if not found:
            raise NoFilm(f"{film}: no film; give a DICOM file, a .png, a .jpg, or a folder with such")
        paths += [_wrap(path, folder) if path.suffix.lower() in PICTURES else path for path in found]
    return paths


def stranger(path: Path) -> str:
    """What a file is that surely is no film; empty where it may be one."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if not head:
        return "an empty file"
    if picture_kind(path) in PHONES:
        return f"a phone's photograph ({picture_kind(path)})"
    return next((what for start, what in STRANGERS.items() if head.startswith(start)), "")


def _may_be_film(path: Path) -> bool:
    if not path.is_file() or stranger(path):
        return False
    if path.suffix.lower() in PICTURES:
        return True
    try:
        with path.open("rb") as stream:
            return "SOPInstanceUID" in read_header(stream)
    except RouterError:
        return False


def _phantoms(folder: Path) -> list[Path]:
    paths = []
    for number, (seed, findings) in enumerate(PHANTOMS):
        path = folder / f"phantom-{'-'.join(findings) or 'normal'}.dcm"
        made = phantom.render(seed=seed, findings=findings, rows=PHANTOM_PX, columns=phantom.columns_of(PHANTOM_PX))
        phantom.write(path, made, seed=number, at=datetime.now(UTC))
        paths.append(path)
    return paths


def _limb(folder: Path) -> Path:
    path = folder / "phantom-limb.dcm"
    phantom.write(path, phantom.non_chest("limb"), seed=len(PHANTOMS), at=datetime.now(UTC))
    return path


def _wrap(picture: Path, folder: Path) -> Path:
    """A PNG or JPEG as a Secondary Capture of a digitised film, PS3.3 A.8.1, about a patient of that file's name."""
    with Image.open(picture) as opened:
        pixels = np.asarray(opened.convert("L"))
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    now = datetime.now(UTC)
    dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.SOPInstanceUID, dataset.StudyInstanceUID, dataset.SeriesInstanceUID = (generate_uid() for _ in range(3))
    dataset.StudyDate, dataset.StudyTime = now.strftime("%Y%m%d"), now.strftime("%H%M%S")
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.PatientName, dataset.PatientID = picture.stem[:60], picture.stem[:60]
    dataset.PatientBirthDate = dataset.PatientSex = dataset.AccessionNumber = dataset.StudyID = ""
    dataset.ReferringPhysicianName = ""
    dataset.Modality, dataset.ConversionType = "CR", "DF"
    dataset.SeriesNumber = dataset.InstanceNumber = 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.add_new("PixelData", "OB", pixels.tobytes())
    path = folder / f"{len(list(folder.iterdir())):03}-{picture.stem}.dcm"  # two folders may use the same names
    path.write_bytes(encode_file(dataset))
    return path
