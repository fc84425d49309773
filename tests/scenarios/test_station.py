"""The whole station as its users meet it: ``serve`` in its own process, storescu before it, Orthanc behind it."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest

from tests.factories import film_file, until
from tests.peers.dcmtk import dciodvfy, dsrdump, storescu
from tests.peers.orthanc import OrthancPeer
from tests.peers.station import AE_TITLE, StationPeer
from tests.scenarios.conftest import MakeStation
from tests.xray_triage.bundles import make_bundle
from xray_triage.simulation import phantom

FILMS = 40
URGENT = {"pneumothorax": 3.0, "pleural_effusion": -3.0, "abnormal": 2.0}
MAKES = {"1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.11.1"}
REQUEST = "1.2.840.10008.5.1.4.1.1.88.59"


@pytest.fixture(scope="module")
def a_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_bundle(tmp_path_factory.mktemp("bundle") / "urgent", logits=URGENT)


@pytest.fixture
def a_station(make_station: MakeStation, own_orthanc: OrthancPeer, a_bundle: Path) -> Iterator[StationPeer]:
    """A running station that sends to ``own_orthanc``."""
    station = make_station(pacs=own_orthanc, bundle=a_bundle)
    station.start()
    yield station
    station.stop()


@pytest.fixture(scope="module")
def some_films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Forty films of forty studies; the pixels of a few phantoms."""
    folder = tmp_path_factory.mktemp("films")
    pictures = [phantom.dataset(phantom.render(seed=seed, rows=700, columns=600)) for seed in range(4)]
    paths = []
    for number in range(FILMS):
        dataset = pictures[number % len(pictures)]
        dataset.StudyInstanceUID, dataset.SeriesInstanceUID = f"2.25.7{number:05}1", f"2.25.7{number:05}2"
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = f"2.25.7{number:05}3"
        dataset.PatientName = f"Nguyễn^Thị^Số {number}"
        paths.append(film_file(folder / f"{number:02}.dcm", dataset))
    return paths


def send(station: StationPeer, *films: Path) -> int:
    return storescu(station.dicom_port, *films, called=AE_TITLE).returncode


def uid_of(path: Path) -> str:
    return str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID)


def in_study(pacs: OrthancPeer, study_instance_uid: str) -> list[pydicom.Dataset]:
    return [pydicom.dcmread(_stream(pacs, instance)) for instance in pacs.of_study(study_instance_uid)]


def _stream(pacs: OrthancPeer, instance: str) -> pydicom.filebase.DicomBytesIO:
    return pydicom.filebase.DicomBytesIO(pacs.download(instance))


def test_a_film_comes_out_as_six_objects_of_one_study(
    a_station: StationPeer, own_orthanc: OrthancPeer, some_films: list[Path], tmp_path: Path
) -> None:
    film = pydicom.dcmread(some_films[0])
    assert send(a_station, some_films[0]) == 0
    until(lambda: len(own_orthanc.of_study(film.StudyInstanceUID)) == 6)
    objects = in_study(own_orthanc, film.StudyInstanceUID)
    assert {str(made.SOPClassUID) for made in objects} == {film.SOPClassUID, REQUEST, *MAKES}
    for made in objects:
        assert str(made.PatientName) == str(film.PatientName)
        path = film_file(tmp_path / f"{made.SOPInstanceUID}.dcm", made)
        assert dciodvfy(path) == []
        if made.Modality in ("SR", "KO"):
            assert "Pneumothorax" in dsrdump(path) or made.Modality == "KO"
    (original,) = [made for made in objects if made.SOPInstanceUID == film.SOPInstanceUID]
    assert np.array_equal(original.pixel_array, film.pixel_array)
    (case,) = a_station.get("/api/cases")
    assert case["priority"] == "urgent"
    until(a_station.is_done)
    states = {delivery["what"]: delivery["state"] for delivery in a_station.get("/api/cases")[0]["deliveries"]}
    assert states == dict.fromkeys(("original", "sr", "sc", "gsps", "request", "request_sc"), "acknowledged")


def test_two_power_cuts_in_the_middle_of_forty_films_lose_nothing(
    a_station: StationPeer, own_orthanc: OrthancPeer, some_films: list[Path]
) -> None:
    kept: set[str] = set()
    pending = list(some_films)
    for cut_after in (12, 26, FILMS):
        while pending and len(kept) < cut_after:
            film = pending.pop(0)
            assert send(a_station, film) == 0
            kept.add(uid_of(film))
        if cut_after < FILMS:
            a_station.kill()
            a_station.start()
    assert len(kept) == FILMS
    until(lambda: a_station.images().keys() == kept)
    assert {image["status"] for image in a_station.images().values()} == {"read"}
    until(a_station.is_done)
    uids = own_orthanc.sop_instance_uids()
    assert len(uids) == len(set(uids)) == FILMS * 6
    assert kept <= set(uids)


def test_the_machine_may_send_while_the_power_fails(
    a_station: StationPeer, own_orthanc: OrthancPeer, some_films: list[Path]
) -> None:
    """What was answered before the cut is there after it; what was not, the machine sends again."""
    sending = subprocess.Popen(
        ["storescu", "-v", "-aec", AE_TITLE, "127.0.0.1", str(a_station.dicom_port), *map(str, some_films)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    until(lambda: len(a_station.images()) >= 3)
    a_station.kill()
    said, _ = sending.communicate(timeout=60)
    answered = said.count("Received Store Response (Success)")
    a_station.start()
    until(lambda: len(a_station.images()) >= answered)
    assert {uid_of(film) for film in some_films[:answered]} <= a_station.images().keys()
    assert send(a_station, *some_films) == 0
    until(lambda: len(a_station.images()) == FILMS)
    until(a_station.is_done)
    uids = own_orthanc.sop_instance_uids()
    assert len(uids) == len(set(uids)) == FILMS * 6


def test_a_reader_killed_in_mid_work_is_started_again_and_reads_on(
    a_station: StationPeer, some_films: list[Path]
) -> None:
    (reader,) = [process for process in a_station.processes() if "xray_triage.reader.process" in process.cmdline()]
    assert send(a_station, *some_films[:6]) == 0
    reader.kill()
    assert send(a_station, *some_films[6:8]) == 0
    until(lambda: len(a_station.images()) == 8)
    assert {image["status"] for image in a_station.images().values()} == {"read"}
    assert a_station.status("/readyz") == 200


def test_a_station_without_its_model_keeps_and_forwards_and_says_that_ai_is_off(
    make_station: MakeStation, tmp_path: Path, own_orthanc: OrthancPeer, some_films: list[Path]
) -> None:
    station = make_station(pacs=own_orthanc, bundle=tmp_path / "nowhere")
    station.start(until="/healthz")
    until(lambda: "model" in {reason["name"] for reason in station.get("/readyz")["reasons"]})
    assert send(station, some_films[0]) == 0
    until(lambda: own_orthanc.instances() and station.is_done())
    (case,) = station.get("/api/cases")
    assert (case["priority"], case["images"][0]["reason"]) == ("not_read", "no_model")
    assert sorted(delivery["what"] for delivery in case["deliveries"]) == ["original", "sc", "sr"]
    assert station.status("/readyz") == 503
    assert "no model bundle at" in station.log()
    check = station.cli("check")
    assert check.returncode == 1
    assert station.stop() == 0


def test_one_flipped_bit_in_the_model_turns_ai_off(
    make_station: MakeStation, tmp_path: Path, a_bundle: Path, some_films: list[Path]
) -> None:
    folder = tmp_path / "flipped"
    folder.mkdir()
    for name in ("manifest.json", "golden.png", "model.onnx"):
        content = bytearray((a_bundle / name).read_bytes())
        if name == "model.onnx":
            content[len(content) // 2] ^= 1
        (folder / name).write_bytes(content)
    station = make_station(bundle=folder)
    station.start(until="/healthz")
    assert send(station, some_films[0]) == 0
    until(station.images)
    (image,) = station.images().values()
    assert image["reason"] == "no_model"
    assert station.stop() == 0


def test_a_pacs_that_is_away_at_the_start_gets_everything_later(
    make_station: MakeStation, own_orthanc: OrthancPeer, a_bundle: Path, some_films: list[Path]
) -> None:
    own_orthanc.stop()
    station = make_station(pacs=own_orthanc, bundle=a_bundle)
    station.start()
    assert send(station, *some_films[:3]) == 0
    until(lambda: len(station.images()) == 3)
    until(lambda: station.get("/api/queue")["destinations"])
    assert station.get("/api/queue")["destinations"][0]["reachable"] is False
    own_orthanc.restart()
    until(station.is_done)
    assert len(own_orthanc.instances()) == 18
    assert station.stop() == 0


def test_a_second_station_on_the_same_folder_says_so_and_stops(a_station: StationPeer) -> None:
    second = a_station.cli("serve")
    assert second.returncode == 1
    begun, said = second.stderr.splitlines()
    assert "station starting" in begun
    assert said.startswith("xray-triage: a station is running on")


def test_a_second_station_that_leads_to_the_same_spool_says_so_and_stops(
    make_station: MakeStation, a_station: StationPeer
) -> None:
    other = make_station()
    (other.folder / "data").mkdir()
    (other.folder / "data" / "spool").symlink_to(a_station.folder / "data" / "spool")
    assert other.launch().process.wait(60) == 1
    assert "xray-triage: a station is running on" in other.log()
    assert "data/spool already; stop it, or choose another data_dir" in other.log()


def test_a_copy_of_a_running_station_on_its_database_says_so_and_stops(
    make_station: MakeStation, postgres_url: str
) -> None:
    first, copy = make_station(), make_station()
    for station in (first, copy):
        text = station.config_path.read_text(encoding="utf-8")
        station.config_path.write_text(
            text.replace("[listener]", f'database = "{postgres_url}"\n[listener]', 1), encoding="utf-8"
        )
    first.start(until="/healthz")
    shutil.copytree(first.folder / "data", copy.folder / "data")
    assert copy.launch().process.wait(60) == 1
    assert "a station with a copy of this spool is running on the same database" in copy.log()
    first.kill()
    copy.start(until="/healthz")
    assert copy.stop() == 0


def test_a_taken_port_is_one_clear_line(make_station: MakeStation, a_station: StationPeer) -> None:
    other = make_station()
    other.config_path.write_text(
        other.config_path.read_text().replace(str(other.dicom_port), str(a_station.dicom_port)), encoding="utf-8"
    )
    process = other.launch().process
    assert process.wait(60) == 1
    assert "xray-triage: [listener] port" in other.log()


def test_an_unknown_machine_is_turned_away_and_the_known_one_served(
    make_station: MakeStation, a_bundle: Path, some_films: list[Path]
) -> None:
    station = make_station(bundle=a_bundle)
    text = station.config_path.read_text(encoding="utf-8")
    allow = 'allow = [{ae_title = "DX1", host = "127.0.0.1"}]'
    station.config_path.write_text(text.replace("[web]", f"{allow}\n[web]"), encoding="utf-8")
    station.start()
    stranger = storescu(station.dicom_port, some_films[0], called=AE_TITLE, calling="STRANGER")
    assert stranger.returncode != 0
    assert storescu(station.dicom_port, some_films[0], called=AE_TITLE, calling="DX1").returncode == 0
    until(lambda: len(station.images()) == 1)
    assert station.stop() == 0


def test_the_verbs_of_the_desk_speak_to_a_running_station(
    a_station: StationPeer, own_orthanc: OrthancPeer, some_films: list[Path], tmp_path: Path
) -> None:
    assert a_station.cli("import", str(some_films[0].parent)).returncode == 0
    until(lambda: len(a_station.images()) == FILMS)
    listed = a_station.cli("cases", "--json", "--limit", "3").stdout.splitlines()
    assert len(listed) == 3
    case = a_station.get("/api/cases")[0]
    asked = a_station.cli("consult", case["case_id"], "--question", "Có tràn khí không?")
    assert (asked.returncode, asked.stderr) == (0, "")
    again = a_station.cli("consult", case["case_id"], "--question", "Còn gì nữa không?")
    assert "open already" in again.stderr
    assert a_station.get(f"/api/cases/{case['case_id']}")["consultation"]["question"] == "Có tràn khí không?"
    out = tmp_path / "stick"
    out.mkdir()
    assert a_station.cli("export", case["case_id"], "--to", str(out)).returncode == 0
    assert len(list(out.rglob("*.dcm"))) == 8  # the automatic request and the doctor's
    assert a_station.cli("consult", "nothing", "--question", "?").returncode == 1
    trail = [json.loads(line) for line in a_station.cli("audit", "--json").stdout.splitlines()]
    noted = {(line["action"], line["subject"]) for line in trail if line["actor"].startswith("cli:")}
    assert {("listed", "cases"), ("consultation_asked", case["case_id"]), ("exported", case["case_id"])} <= noted
    assert a_station.cli("queue").returncode == 0
    until(a_station.is_done)
    assert len(own_orthanc.instances()) == FILMS * 6 + 2


def test_it_stops_when_asked_and_leaves_no_process(a_station: StationPeer) -> None:
    processes = a_station.processes()
    assert len(processes) >= 2
    assert a_station.stop() == 0
    until(lambda: not any(process.is_running() for process in processes))


def test_the_reader_stops_when_its_station_is_gone(a_station: StationPeer) -> None:
    front, *others = a_station.processes()
    front.kill()
    until(lambda: not any(process.is_running() for process in others))
    a_station.process.wait(60)
    a_station.start()
    assert a_station.status("/readyz") == 200


def test_the_module_and_the_command_are_the_same() -> None:
    said = subprocess.run(
        [sys.executable, "-m", "xray_triage.cli", "version"], capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("xray-triage ")
