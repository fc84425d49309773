"""Films that lie at the PACS alone: found, described, fetched back from a real Orthanc, and told of when it is away."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from pydicom.dataset import Dataset
from starlette.types import ASGIApp

from dicom_router.store.fetched import FetchedFiles
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from dicom_router.upper_layer.connection import Timeouts
from tests.factories import film, film_bytes
from tests.peers.orthanc import OrthancPeer, dicomweb_plugin, orthanc_program
from tests.xray_triage.desk import TestDesk, reading
from tests.xray_triage.web.conftest import bearer
from xray_triage.station.recall import Recall
from xray_triage.station.retention import Retention
from xray_triage.stores import READ_WORK

SMALL = b"\xff\xd8 a small picture"
QUICK = Timeouts(connect_seconds=5, answer_seconds=5)


@pytest.fixture
def a_film() -> Dataset:
    return film(seed=5, patient_name="Lê^Thị^Bình")


@pytest.fixture
def a_purged_desk(sqlite_desk: TestDesk, a_film: Dataset) -> TestDesk:
    """A desk whose only film was proved to be at the PACS, and went."""
    sqlite_desk.record(sqlite_desk.receive(a_film), a_film, reading())
    work = sqlite_desk.ledger.claim(READ_WORK)
    assert work
    with sqlite_desk.database.write() as connection:
        sqlite_desk.ledger.finish(connection, work)
    sqlite_desk.deliver()
    sqlite_desk.prove()
    assert Retention(sqlite_desk, keep_days=0, draw=lambda _image, _key: SMALL).run_once()
    return sqlite_desk


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[OrthancPeer]:
    if orthanc_program() is None or dicomweb_plugin() is None:
        pytest.skip("no Orthanc with DICOMweb here")
    with OrthancPeer.start(tmp_path / "orthanc", dicomweb=True) as pacs:
        yield pacs


Serve = Callable[[ASGIApp], str]


def recall_from(desk: TestDesk, url: str) -> Recall:
    return Recall(desk.spool, {"pacs": DicomwebArchive(url, clock=desk.clock, timeouts=QUICK)})


def browser(desk: TestDesk, serve: Serve, recall: Recall | None) -> httpx.Client:
    url = serve(desk.app(fetch=recall.fetch if recall else None))
    return httpx.Client(base_url=url, timeout=60, headers=bearer(desk))


def path_of(dataset: Dataset) -> str:
    return (
        f"/dicom-web/studies/{dataset.StudyInstanceUID}/series/{dataset.SeriesInstanceUID}"
        f"/instances/{dataset.SOPInstanceUID}"
    )


def availability(client: httpx.Client) -> str:
    (found,) = client.get("/dicom-web/studies?PatientName=le*").json()
    return str(found["00080056"]["Value"][0])


def test_it_is_found_and_described_by_its_header(a_purged_desk: TestDesk, a_film: Dataset, serve: Serve) -> None:
    with browser(a_purged_desk, serve, None) as client:
        assert availability(client) == "OFFLINE"
        (told,) = client.get(f"{path_of(a_film)}/metadata").json()
        assert told["00280010"]["Value"] == [a_film.Rows]
        refused = client.get(f"{path_of(a_film)}/frames/1")
        assert (refused.status_code, "lies at the PACS alone" in refused.text) == (404, True)
        assert client.get(f"{path_of(a_film)}/thumbnail").content == SMALL


def test_it_is_fetched_back_from_the_pacs_when_somebody_looks(
    a_purged_desk: TestDesk, a_film: Dataset, orthanc: OrthancPeer, serve: Serve
) -> None:
    orthanc.upload(film_bytes(a_film))
    with browser(a_purged_desk, serve, recall_from(a_purged_desk, orthanc.dicomweb_url)) as client:
        assert availability(client) == "NEARLINE"
        assert client.get(f"{path_of(a_film)}/thumbnail").content == SMALL  # which fetches nothing
        frame = client.get(f"{path_of(a_film)}/frames/1", headers={"Accept": "application/octet-stream"})
        assert frame.content == a_film.PixelData
        orthanc.stop()
        again = client.get(path_of(a_film), headers={"Accept": "application/dicom"})  # from the copy
        assert (again.status_code, again.content[-len(a_film.PixelData) :]) == (200, a_film.PixelData)
        rendered = client.get(f"{path_of(a_film)}/rendered")
        assert rendered.headers["Content-Type"] == "image/jpeg"
    assert list(a_purged_desk.spool.keys()) == []


def test_a_pacs_that_is_away_is_told_of_and_asked_again_later(
    a_purged_desk: TestDesk, a_film: Dataset, orthanc: OrthancPeer, serve: Serve
) -> None:
    orthanc.upload(film_bytes(a_film))
    with browser(a_purged_desk, serve, recall_from(a_purged_desk, orthanc.dicomweb_url)) as client:
        orthanc.stop()
        away = client.get(f"{path_of(a_film)}/frames/1")
        assert (away.status_code, "lies at the PACS" in away.text) == (503, True)
        assert away.headers["Retry-After"]
        orthanc.restart()
        assert client.get(f"{path_of(a_film)}/frames/1").status_code == 200


def test_a_pacs_that_lost_it_says_so(
    a_purged_desk: TestDesk, a_film: Dataset, orthanc: OrthancPeer, serve: Serve
) -> None:
    with browser(a_purged_desk, serve, recall_from(a_purged_desk, orthanc.dicomweb_url)) as client:
        gone = client.get(f"{path_of(a_film)}/frames/1")
        assert (gone.status_code, "does not give it" in gone.text) == (404, True)
    assert not a_purged_desk.spool.fetched.has(a_purged_desk.arrivals()[0].spooled.key)


def test_the_page_says_where_the_film_is(a_purged_desk: TestDesk, serve: Serve, orthanc: OrthancPeer) -> None:
    (case,) = a_purged_desk.casebook.cases()
    with browser(a_purged_desk, serve, None) as client:
        page = client.get(f"/cases/{case.case_id}").text
        assert "Phim ở PACS." in page
        assert 'id="viewer"' not in page
        assert f"/cases/{case.case_id}/picture/{case.images[0].sop_instance_uid}" in page
        assert client.get(f"/cases/{case.case_id}/picture/{case.images[0].sop_instance_uid}").content == SMALL
        assert client.get(f"/api/cases/{case.case_id}").json()["film"] == "at the PACS"
        assert client.get(f"/cases/{case.case_id}/print").status_code == 200
        assert "xray_triage_films_purged 1.0" in client.get("/metrics").text
    with browser(a_purged_desk, serve, recall_from(a_purged_desk, orthanc.dicomweb_url)) as client:
        page = client.get(f"/cases/{case.case_id}").text
        assert "Trạm lấy phim về để xem" in page
        assert 'id="viewer"' in page


def test_copies_stay_within_their_bound_and_the_oldest_goes_first(tmp_path: Path) -> None:
    copies = FetchedFiles(tmp_path / "fetched", largest_bytes=2500)
    for key in ("a", "b", "c"):
        with copies.put(key) as file:
            file.write(bytes(1000))
    assert [copies.has(key) for key in ("a", "b", "c")] == [False, True, True]
    with copies.put("d") as file:
        file.write(bytes(5000))  # larger than all: it is there while it is wanted
    assert [copies.has(key) for key in ("b", "c", "d")] == [False, False, True]


def test_a_copy_that_does_not_come_whole_is_none(tmp_path: Path) -> None:
    copies = FetchedFiles(tmp_path / "fetched")
    with pytest.raises(TypeError), copies.put("a") as file:
        file.writelines([bytes(1000), None])  # type: ignore[list-item] -- the second piece never comes
    assert not copies.has("a")
    assert list((tmp_path / "fetched").iterdir()) == []
    copies.drop_all()
