"""The consultation's round trip: asked at a real station, answered in a real Orthanc, with DICOMweb and without it."""

import io
import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pydicom
import pytest
from highdicom.sr import ContainerContentItem, EnhancedSR, RelationshipTypeValues, TextContentItem
from pydicom.sr.coding import Code
from pydicom.uid import generate_uid

from tests.factories import film_file, until
from tests.peers.dcmtk import dciodvfy, storescu
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE, StationPeer
from tests.scenarios.conftest import MakeStation
from tests.xray_triage.bundles import make_bundle
from xray_triage.simulation import phantom

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
        try:
            station.start()
            yield station, pacs
        finally:
            status = station.stop()
        assert status == 0


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
    until(lambda: of(station, dataset.StudyInstanceUID))
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
    until(lambda: consultation(station, case)["state"] == "sent")


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
    words = ["--text", "Không tràn khí.\nTheo dõi.", "--author", "BS Trần Văn Đức", "--verified"]
    for seed in (11, 21, 31):  # one of three: the machine may be busy
        case = a_case(station, tmp_path, seed=seed)
        ask(station, case)
        sent_at = reply(station, case, *words)
        until(lambda case=case: texts(station, case))  # type: ignore[misc]
        took_seconds = time.monotonic() - sent_at
        if took_seconds < POLL_SECONDS + 1:
            break
    assert took_seconds < POLL_SECONDS + 1
    found = consultation(station, case)
    assert found["state"] == "answered"
    assert found["answered_at"]
    assert found["answer"]["text"] == "Kết luận\n  Không tràn khí.\n  Theo dõi."
    assert (found["answer"]["author"], found["answer"]["verified"]) == ("BS Trần Văn Đức", True)
    assert found["problem"] is None

    reply(station, case, "--text", "Bổ sung: chụp lại sau 2 tuần.")
    until(lambda: len(texts(station, case)) == 2)
    assert "Bổ sung" in texts(station, case)[1]
    assert consultation(station, case)["answer"]["verified"] is False

    for made in (pydicom.dcmread(io.BytesIO(pacs.download(one))) for one in pacs.of_study(case["study_instance_uid"])):
        if made.get("Manufacturer") == "Reading workstation":
            assert dciodvfy(film_file(tmp_path / f"{made.SOPInstanceUID}.dcm", made)) == []


def test_a_report_of_another_makers_program_is_the_answer_and_its_script_is_text(
    station: StationPeer, pacs: OrthancPeer, tmp_path: Path
) -> None:
    case = a_case(station, tmp_path, seed=12)
    ask(station, case)
    said = "<script>alert('x')</script> Không tràn khí & ổn"
    made = EnhancedSR(
        evidence=[pydicom.dcmread(tmp_path / "12.dcm")],
        content=a_finding(said),
        series_number=7,
        series_instance_uid=generate_uid(),
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="Third party",
        is_complete=True,
        is_verified=True,
        verifying_observer_name="Phạm^Minh",
        verifying_organization="BV",
    )
    made.SpecificCharacterSet = "ISO_IR 192"
    stored = storescu(pacs.dicom_port, film_file(tmp_path / "third.dcm", made), called="ORTHANC")
    assert stored.returncode == 0
    until(lambda: texts(station, case))
    answer = consultation(station, case)["answer"]
    assert (answer["text"], answer["author"], answer["verified"]) == (f"Mô tả: {said}", "Phạm Minh", True)
    _, page = station.fetch(f"/cases/{case['case_id']}")
    assert b"<script>alert(" not in page


def a_finding(text: str) -> ContainerContentItem:
    root = ContainerContentItem(name=Code("18748-4", "LN", "Diagnostic Imaging Report"))
    finding = TextContentItem(
        name=Code("121071", "DCM", "Finding"), value=text, relationship_type=RelationshipTypeValues.CONTAINS
    )
    root.ContentSequence = [finding]
    return root


def test_a_pdf_of_fifty_megabytes_comes_and_goes_in_pieces(station: StationPeer, tmp_path: Path) -> None:
    case = a_case(station, tmp_path, seed=13)
    ask(station, case)
    document = b"%PDF-1.7\n" + np.random.default_rng(3).bytes(50 << 20)
    (tmp_path / "kết quả.pdf").write_bytes(document)
    front = station.processes()[0]
    before = front.memory_info().rss
    most = Peak(front)
    reply(station, case, "--pdf", str(tmp_path / "kết quả.pdf"))
    until(lambda: consultation(station, case)["answers"])
    answer = consultation(station, case)["answer"]
    assert (answer["kind"], answer["title"]) == ("pdf", "kết quả")
    headers, body = station.fetch(answer["file"])
    assert most.stop() - before < 30 << 20
    assert body == document + b"\0" * (len(document) % 2)
    assert headers["Content-Type"] == "application/pdf"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"].startswith("inline; filename=")


class Peak:
    """The most memory that a process takes while it is watched."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._most = 0
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> int:
        self._ends.set()
        self._thread.join()
        return self._most

    def _watch(self) -> None:
        while not self._ends.wait(0.02):
            self._most = max(self._most, self._process.memory_info().rss)


def test_a_power_cut_while_an_answer_comes_gives_one_answer(station: StationPeer, tmp_path: Path) -> None:
    case = a_case(station, tmp_path, seed=14)
    ask(station, case)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.7\n" + bytes(20 << 20))
    reply(station, case, "--pdf", str(tmp_path / "a.pdf"))
    spool = station.folder / "data" / "spool"
    files = set(spool.glob("??/*"))
    until(lambda: set(spool.glob("??/*")) - files or texts(station, case))  # kept, and perhaps not committed
    station.kill()
    station.start()
    until(lambda: consultation(station, case)["answers"])
    until(lambda: looks_since_answer(station, case) >= 1)
    assert len(consultation(station, case)["answers"]) == 1


def looks_since_answer(station: StationPeer, case: dict[str, Any]) -> int:
    with closing(sqlite3.connect(station.folder / "data" / "station.db")) as database:
        query = "SELECT polls FROM consultation JOIN 'case' ON sequence = case_sequence WHERE case_id = ?"
        return int(database.execute(query, [case["case_id"]]).fetchone()[0])


def test_two_doctors_at_once_ask_once(station: StationPeer, pacs: OrthancPeer, tmp_path: Path) -> None:
    case = a_case(station, tmp_path, seed=15)
    with ThreadPoolExecutor(6) as doctors:
        asked = list(
            doctors.map(
                lambda n: station.post(f"/api/cases/{case['case_id']}/consultation", question=f"Câu {n}?"), range(6)
            )
        )
    assert len({one["question"] for one in asked}) == 1
    until(lambda: consultation(station, case)["state"] == "sent")
    assert len(pacs.find("Series", StudyInstanceUID=case["study_instance_uid"], Modality="KO")) == 1


def test_a_pacs_that_is_down_when_asked_and_when_polled_loses_nothing(
    make_station: MakeStation, tmp_path: Path, own_orthanc: OrthancPeer, a_bundle: Path
) -> None:
    station = make_station(pacs=own_orthanc, bundle=a_bundle, more=f"[consultation]\npoll_seconds = {POLL_SECONDS}\n")
    station.start()
    case = a_case(station, tmp_path, seed=16)
    until(station.is_done)
    own_orthanc.kill()
    asked = station.post(f"/api/cases/{case['case_id']}/consultation", question=QUESTION)
    assert asked["state"] == "requested"
    until(lambda: consultation(station, case)["problem"])
    assert consultation(station, case)["state"] == "requested"
    own_orthanc.restart()
    until(lambda: consultation(station, case)["state"] == "sent")
    own_orthanc.kill()
    own_orthanc.restart()
    reply(station, case, "--text", "Đã xem.")
    until(lambda: texts(station, case))
    assert consultation(station, case)["problem"] is None
    assert station.stop() == 0
