"""The X-ray machine of a scenario, by dcmtk: asks for its worklist and sends the film. Knows nothing of the station."""

from pathlib import Path

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from tests.factories import film_file
from tests.peers.dcmtk import run, storescu
from tests.peers.station import AE_TITLE, StationPeer
from xray_triage.simulation import phantom

TAKEN_OVER = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "AccessionNumber", "StudyInstanceUID")


def worklist(station: StationPeer, folder: Path, *keys: str) -> list[Dataset]:
    """What findscu sees."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.dcm"):
        old.unlink()
    asked = (
        "0008,0005=ISO_IR 192",
        "0010,0010",
        "0010,0020",
        "0010,0030",
        "0010,0040",
        "0008,0050",
        "0020,000D",
        "0032,1060",
        *keys,
    )
    words = [word for key in asked for word in ("-k", key)]
    address = ("127.0.0.1", str(station.dicom_port))
    done = run("findscu", "-W", "-aet", "DX1", "-aec", AE_TITLE, "-X", "-od", str(folder), *words, *address)
    assert done.returncode == 0, done.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("*.dcm"))]


def take_film(station: StationPeer, item: Dataset, folder: Path) -> Dataset:
    """A film of whom an item of the worklist names, which the station takes."""
    film = phantom.dataset(phantom.render(seed=3, rows=700, columns=600))
    for keyword in TAKEN_OVER:
        setattr(film, keyword, getattr(item, keyword))
    film.SOPInstanceUID = film.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    film_file(folder / "film.dcm", film)
    assert storescu(station.dicom_port, folder / "film.dcm", called=AE_TITLE, calling="DX1").returncode == 0
    return film
