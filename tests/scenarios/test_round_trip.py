"""The consultation's round trip: asked at a real station, answered in a real Orthanc, with DICOMweb and without it."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest

from tests.factories import film_file, until
from tests.peers.dcmtk import dciodvfy, storescu
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE, StationPeer
from tests.triage.bundles import make_bundle
from xray_triage import phantom

POLL_SECONDS = 1
QUIET = {"pneumothorax": -3.0, "pleural_effusion": -3.0, "abnormal": -2.0}
QUESTION = "Bóng mờ đáy phổi phải, có cần chuyển viện không?"


@pytest.fixture(scope="module")
def a_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "quiet", logits=QUIET)


@pytest.fixture(scope="module", params=["dicomweb", "dimse"])
def round_trip(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, a_bundle: Path
) -> Iterator[tuple[StationPeer, OrthancPeer]]:
    """A station before an Orthanc that has DICOMweb, and one before an Orthanc that has none."""
    folder = tmp_path_factory.mktemp(request.param)
    is_web = request.param == "dicomweb"
    with OrthancPeer.start(folder / "orthanc", dicomweb=is_web) as pacs:
        station = StationPeer(
            folder / "station", pacs=pacs, bundle=a_bundle, more=f"[consultation]\npoll_seconds = {POLL_SECONDS}\n"
        )
        if is_web:
            with station.config_path.open("a", encoding="utf-8") as config:
                config.write(f'url = "{pacs.dicomweb_url}"\n')
        station.start()
        yield station, pacs
        assert station.stop() == 0


@pytest.fixture
def station(round_trip: tuple[StationPeer, OrthancPeer]) -> StationPeer:
    return round_trip[0]


@pytest.fixture
def pacs(round_trip: tuple[StationPeer, OrthancPeer]) -> OrthancPeer:
    return round_trip[1]


def a_case(station: StationPeer, folder: Path, *, seed: int) -> dict[str, Any]:
    """A film comes in and is read."""
    dataset = phantom.dataset(phantom.render(seed=seed, rows=700, columns=600))
    dataset.PatientName, dataset.AccessionNumber = "Nguyễn^Thị^Bưởi", f"A{seed:05}"
    path = film_file(folder / f"{seed}.dcm", dataset)
    assert storescu(station.dicom_port, path, called=AE_TITLE).returncode == 0
    until(lambda: of(station, dataset.StudyInstanceUID), 30)
    return of(station, dataset.StudyInstanceUID)


def of(station: StationPeer, study: str) -> dict[str, Any]:
    cases = station.get("/api/cases?limit=1000")
    return next((case for case in cases if case["study_instance_uid"] == study), {})


def consultation(station: StationPeer, case: dict[str, Any]) -> dict[str, Any]:
    return dict(station.get(f"/api/cases/{case['case_id']}")["consultation"])


def ask(station: StationPeer, case: dict[str, Any]) -> None:
    """Ask, and wait until the PACS has the request."""
    asked = station.post(f"/api/cases/{case['case_id']}/consultation", question=QUESTION)
    assert asked["state"] == "requested"
    until(lambda: consultation(station, case)["state"] == "sent", 10)


def reply(station: StationPeer, case: dict[str, Any], *more: str) -> float:
    """Act the specialist by the verb; when the PACS had it."""
    said = station.cli("consult-reply", case["accession_number"], *more)
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith("0x0000")
    return time.monotonic()


def texts(station: StationPeer, case: dict[str, Any]) -> list[str]:
    return [answer["text"] for answer in consultation(station, case)["answers"]]


def test_an_answer_is_on_the_page_within_a_poll_and_its_addendum_after_it(
    station: StationPeer, pacs: OrthancPeer, tmp_path: Path
) -> None:
    case = a_case(station, tmp_path, seed=11)
    ask(station, case)
    sent_at = reply(station, case, "--text", "Không tràn khí.\nTheo dõi.", "--author", "BS Trần Văn Đức", "--verified")
    until(lambda: texts(station, case), 10)
    assert time.monotonic() - sent_at < POLL_SECONDS + 1
    found = consultation(station, case)
    assert found["state"] == "answered"
    assert found["answered_at"]
    assert found["answer"]["text"] == "Conclusions\n  Conclusion: Không tràn khí.\nTheo dõi."
    assert (found["answer"]["author"], found["answer"]["verified"]) == ("BS Trần Văn Đức", True)
    assert found["problem"] is None

    reply(station, case, "--text", "Bổ sung: chụp lại sau 2 tuần.")
    until(lambda: len(texts(station, case)) == 2, 10)
    assert "Bổ sung" in texts(station, case)[1]
    assert consultation(station, case)["answer"]["verified"] is False

    for made in (pydicom.dcmread(io.BytesIO(pacs.download(one))) for one in pacs.of_study(case["study_instance_uid"])):
        if made.get("Manufacturer") == "Reading workstation":
            assert dciodvfy(film_file(tmp_path / f"{made.SOPInstanceUID}.dcm", made)) == []
