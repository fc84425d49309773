"""A station whose disk has not one byte left: pages and films that are there are shown, and it says what is wrong."""

import urllib.error
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.disks import fill, small_disk
from tests.factories import film_file, until
from tests.peers.dcmtk import storescu
from tests.peers.station import AE_TITLE, StationPeer
from tests.xray_triage.bundles import make_bundle
from xray_triage.simulation import phantom

pytestmark = pytest.mark.slow

MEGABYTES = 24


@pytest.fixture
def a_station(tmp_path: Path) -> Iterator[StationPeer]:
    """With one film, read, on a disk of its own; its configuration and log lie elsewhere."""
    bundle = make_bundle(tmp_path / "bundle")
    with small_disk(tmp_path / "small", MEGABYTES) as disk:
        station = StationPeer(tmp_path / "station", bundle=bundle)
        text = station.config_path.read_text(encoding="utf-8")
        text = text.replace('data_dir = "data"', f'data_dir = "{disk}"').replace("reserve_gb = 0.1", "reserve_gb = 0")
        station.config_path.write_text(text, encoding="utf-8")
        station.start()
        path = film_file(tmp_path / "film.dcm", phantom.dataset(phantom.render(seed=1, rows=600, columns=500)))
        assert storescu(station.dicom_port, path, called=AE_TITLE).returncode == 0
        until(lambda: station.images() and station.is_done())
        yield station
        station.kill()


def look_at_everything(station: StationPeer) -> None:
    (case,) = station.get("/api/cases")
    assert case["images"][0]["status"] == "read"
    study = case["study_instance_uid"]
    for path in ("/", "/health", "/orders", "/figures", f"/cases/{case['case_id']}", f"/cases/{case['case_id']}/print"):
        try:
            headers, body = station.fetch(path)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.code}\n{station.log()[-3000:]}") from error
        assert headers.get_content_type() == "text/html", path
        assert body
    _, film = station.fetch(f"/dicom-web/studies/{study}")
    assert len(film) > 600 * 500


def test_films_that_are_there_are_shown_while_the_disk_is_full_and_after_a_start(
    a_station: StationPeer, tmp_path: Path
) -> None:
    filler = fill(tmp_path / "small")
    look_at_everything(a_station)
    told = a_station.get("/readyz")
    assert a_station.status("/readyz") == 503
    assert [reason["name"] for reason in told["reasons"] if reason["state"] == "bad"] == ["disk"]
    another = film_file(tmp_path / "another.dcm", phantom.dataset(phantom.render(seed=2, rows=600, columns=500)))
    assert "OutOfResources" in storescu(a_station.dicom_port, another, called=AE_TITLE).stderr

    for end in (a_station.stop, a_station.kill):
        end()
        fill(tmp_path / "small")
        a_station.start(until="/healthz")
        look_at_everything(a_station)
        assert a_station.status("/readyz") == 503

    filler.unlink()
    assert storescu(a_station.dicom_port, another, called=AE_TITLE).returncode == 0
    until(lambda: len(a_station.images()) == 2)
    until(lambda: a_station.status("/readyz") == 200)
