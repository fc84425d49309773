"""A real PACS as the client: Orthanc asks the station by QIDO-RS and fetches whole studies by WADO-RS."""

from pathlib import Path

import pytest
from pydicom.uid import ExplicitVRLittleEndian, JPEGLSLossless

from tests.factories import film_bytes
from tests.peers.orthanc import OrthancPeer, dicomweb_plugin, orthanc_program
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.web.conftest import bearer
from tests.xray_triage.web.dicomweb.films import film_in


@pytest.mark.skipif(orthanc_program() is None or dicomweb_plugin() is None, reason="no Orthanc with DICOMweb here")
def test_orthanc_finds_and_fetches_every_study(url: str, sqlite_desk: TestDesk, tmp_path: Path) -> None:
    films = [film_in(syntax) for syntax in (ExplicitVRLittleEndian, JPEGLSLossless)]
    for dataset in films:
        sqlite_desk.record(sqlite_desk.receive(dataset), dataset, reading())
    station = {"Url": f"{url}/dicom-web/", "HttpHeaders": bearer(sqlite_desk)}
    settings = {"DicomWeb": {"Enable": True, "Root": "/dicom-web/", "Servers": {"station": station}}}
    with OrthancPeer.start(tmp_path / "orthanc", dicomweb=True, settings=settings) as pacs:
        asked = {"Uri": "/studies", "Arguments": {"PatientName": "nguyen*"}}
        found = pacs.post_json("/dicom-web/servers/station/qido", asked)
        studies = [one["0020000D"]["Value"] for one in found]
        assert studies == [dataset.StudyInstanceUID for dataset in reversed(films)]
        wanted = {"Resources": [{"Study": study} for study in studies], "Synchronous": True}
        pacs.post_json("/dicom-web/servers/station/retrieve", wanted)
        assert len(pacs.instances()) == 4 * len(films)
        for dataset in films:
            assert pacs.download_by_uid(dataset.SOPInstanceUID) == film_bytes(dataset)
