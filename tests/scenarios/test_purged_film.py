"""From the commitment of a real Orthanc to the purge of a film, and back: the film is fetched when it is looked at."""

import io
from pathlib import Path
from typing import Any

import pydicom

from tests.factories import film_file, until
from tests.peers.dcmtk import storescu
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE, StationPeer
from tests.scenarios.conftest import MakeStation
from tests.xray_triage.bundles import make_bundle
from xray_triage.simulation import phantom


def case_of(station: StationPeer) -> dict[str, Any]:
    (case,) = station.get("/api/cases")
    return dict(case)


def test_a_film_that_orthanc_committed_goes_from_the_disk_and_is_fetched_when_looked_at(
    tmp_path: Path, make_station: MakeStation
) -> None:
    with OrthancPeer.start(tmp_path / "pacs", dicomweb=True) as pacs:
        station = make_station(pacs=pacs, bundle=make_bundle(tmp_path / "bundle"))
        pacs.introduce(AE_TITLE, station.dicom_port)
        text = station.config_path.read_text("utf-8").replace("[retention]\n", "[retention]\nkeep_days = 0\n")
        station.config_path.write_text(f'{text}url = "{pacs.dicomweb_url}"\n', "utf-8")
        station.start()
        dataset = phantom.dataset(phantom.render(seed=7, rows=700, columns=600))
        path = film_file(tmp_path / "film.dcm", dataset)
        assert storescu(station.dicom_port, path, called=AE_TITLE).returncode == 0

        until(lambda: station.get("/api/cases") and all(one["committed_at"] for one in case_of(station)["deliveries"]))
        assert case_of(station)["film"] == "here"
        station.kill()
        station.start()  # a purge is due at the start, and once a minute
        until(lambda: case_of(station)["film"] == "at the PACS")
        assert str(dataset.SOPInstanceUID) in pacs.sop_instance_uids()
        spool = station.folder / "data" / "spool"
        assert not [one for one in spool.rglob("*") if one.is_file() and one.stat().st_size > path.stat().st_size // 2]

        of = f"/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        _, body = station.fetch(f"{of}/instances/{dataset.SOPInstanceUID}?accept=application/dicom")
        assert pydicom.dcmread(io.BytesIO(body)).PixelData == dataset.PixelData
        assert station.stop() == 0
