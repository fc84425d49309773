"""A name, typed once: by the page to the machine's worklist, by the film back to the page, on a real station."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid
from pynetdicom import AE
from pynetdicom.sop_class import ModalityPerformedProcedureStep

from tests.factories import film_file, until
from tests.peers.dcmtk import echoscu, run, storescu
from tests.peers.machine import Machine, command_pdu, dataset_pdus, status_of
from tests.peers.station import AE_TITLE, StationPeer
from tests.xray_triage.bundles import make_bundle
from xray_triage.simulation import phantom

CARD = "079155012345||NGUYỄN THỊ BƯỞI|31121955|Nữ|Xã Thạnh An, Cần Giờ, Hồ Chí Minh|01012021"
WORKLIST = "1.2.840.10008.5.1.4.31"
MACHINE = "DX1"


@pytest.fixture(scope="module")
def a_station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StationPeer]:
    folder = tmp_path_factory.mktemp("registration")
    bundle = make_bundle(folder / "bundle", logits={"pneumothorax": -3.0, "pleural_effusion": -3.0, "abnormal": -2.0})
    station = StationPeer(
        folder / "station",
        bundle=bundle,
        more=f'[registration]\nprefix = "79012"\nstation_ae_title = "{MACHINE}"',
    )
    station.start()
    yield station
    assert station.stop() == 0


@pytest.fixture
def desk(a_station: StationPeer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {a_station.token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{a_station.web_port}", headers=headers, timeout=30) as client:
        yield client


def register(desk: httpx.Client, **fields: str) -> str:
    sent = desk.post("/orders", data={"patient_name": "Trần Văn Đức", "form_key": "k", **fields})
    assert sent.status_code == 303, sent.text
    return sent.headers["location"].rpartition("=")[2]


def worklist(station: StationPeer, folder: Path, *keys: str, character_set: str = "ISO_IR 192") -> list[Dataset]:
    """What findscu sees of the worklist."""
    folder.mkdir(exist_ok=True)
    asked = (
        f"0008,0005={character_set}", "0010,0010", "0010,0020", "0010,0030", "0010,0040", "0008,0050", "0020,000D",
        "0032,1060", "0040,1001", f"0040,0100[0].0040,0001={MACHINE}", "0040,0100[0].0008,0060=DX",
        "0040,0100[0].0040,0002", "0040,0100[0].0040,0007", "0040,0100[0].0040,0009", *keys,
    )  # fmt: skip
    words = [word for key in asked for word in ("-k", key)]
    done = run("findscu", "-W", "-aet", MACHINE, "-aec", AE_TITLE, "-X", "-od", str(folder), *words,
               "127.0.0.1", str(station.dicom_port))  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("*.dcm"))]


def film_of(item: Dataset, path: Path) -> Dataset:
    """The film that a machine takes of a worklist's entry: its names, and a phantom's pixels."""
    made = phantom.dataset(phantom.render(seed=3, rows=700, columns=600))
    for keyword in (
        "PatientName",
        "PatientID",
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "StudyInstanceUID",
    ):
        setattr(made, keyword, getattr(item, keyword))
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    film_file(path, made)
    return made


def state_of(desk: httpx.Client, number: str) -> str:
    found = re.search(rf'id="order-{number}".*?class="state \w+">([^<]+)<', desk.get("/orders").text, re.DOTALL)
    assert found is not None
    return found[1]


def test_a_card_becomes_an_entry_a_film_and_a_case(a_station: StationPeer, desk: httpx.Client, tmp_path: Path) -> None:
    filled = desk.post("/orders/card", data={"card": CARD}).text
    values = dict(re.findall(r'<input id="(\w+)"[^>]*?value="([^"]*)"', filled, re.DOTALL))
    number = register(desk, **values, patient_sex="F", reason="Ho kéo dài 3 tuần")
    assert re.fullmatch(r"79012\d{10}", number)

    (item,) = worklist(a_station, tmp_path / "found", "0040,1002")
    assert (str(item.PatientName), item.PatientID) == ("NGUYỄN THỊ BƯỞI", "079155012345")
    assert (item.AccessionNumber, item.PatientBirthDate, item.PatientSex) == (number, "19551231", "F")
    assert item.ReasonForTheRequestedProcedure == "Ho kéo dài 3 tuần"
    (plain,) = worklist(a_station, tmp_path / "plain", character_set="ISO_IR 100")
    assert str(plain.PatientName) == "NGUYEN THI BUOI"

    machine = AE(MACHINE)
    machine.add_requested_context(ModalityPerformedProcedureStep)
    association = machine.associate("127.0.0.1", a_station.dicom_port, ae_title=AE_TITLE)
    assert association.is_established
    begun, worked_for = Dataset(), Dataset()
    worked_for.StudyInstanceUID, worked_for.AccessionNumber = item.StudyInstanceUID, number
    begun.ScheduledStepAttributesSequence = [worked_for]
    begun.PerformedProcedureStepStatus = "IN PROGRESS"
    assert association.send_n_create(begun, ModalityPerformedProcedureStep, "2.25.77")[0].Status == 0x0000
    assert state_of(desk, number) == "đang chụp"

    film = film_of(item, tmp_path / "film.dcm")
    assert storescu(a_station.dicom_port, tmp_path / "film.dcm", called=AE_TITLE, calling=MACHINE).returncode == 0
    until(lambda: film.SOPInstanceUID in a_station.images())
    ended = Dataset()
    ended.PerformedProcedureStepStatus = "COMPLETED"
    assert association.send_n_set(ended, ModalityPerformedProcedureStep, "2.25.77")[0].Status == 0x0000
    association.release()

    assert state_of(desk, number) == "đã chụp"
    case = next(each for each in a_station.get("/api/cases") if each["accession_number"] == number)
    assert case["patient"] == {"id": "079155012345", "name": "NGUYỄN THỊ BƯỞI", "sex": "F", "birth_date": "1955-12-31"}
    assert case["study_instance_uid"] == item.StudyInstanceUID
    assert worklist(a_station, tmp_path / "after") == []


def test_a_film_alone_closes_its_order_without_a_word_of_the_machine(
    a_station: StationPeer, desk: httpx.Client, tmp_path: Path
) -> None:
    number = register(desk, form_key="alone")
    (item,) = worklist(a_station, tmp_path / "found", f"0008,0050={number}")
    item.StudyInstanceUID = "2.25.4711"  # a machine that makes its own, and writes no accents
    item.PatientName = "TRAN^VAN^DUC"
    film_of(item, tmp_path / "film.dcm")
    assert storescu(a_station.dicom_port, tmp_path / "film.dcm", called=AE_TITLE, calling=MACHINE).returncode == 0
    until(lambda: state_of(desk, number) == "đã chụp")
    (name,) = [case["patient"]["name"] for case in a_station.get("/api/cases") if case["accession_number"] == number]
    assert name == "Trần Văn Đức"


def test_what_was_registered_survives_a_power_cut(a_station: StationPeer, desk: httpx.Client, tmp_path: Path) -> None:
    numbers = [register(desk, form_key=str(count)) for count in range(3)]
    a_station.kill()
    a_station.start()
    assert register(desk, form_key="2") == numbers[2]
    found = {item.AccessionNumber for item in worklist(a_station, tmp_path / "found")}
    assert found >= set(numbers)
    numbers.append(register(desk, form_key="after"))
    assert len(set(numbers)) == 4


def test_many_forms_at_once_and_hostile_queries_between_them(a_station: StationPeer, desk: httpx.Client) -> None:
    def ask(_: int) -> int:
        with Machine(a_station.dicom_port) as machine:
            machine.associate(((WORKLIST, "1.2.840.10008.1.2.1"),), called=AE_TITLE, calling=MACHINE)
            machine.say(
                command_pdu(0x0020, WORKLIST, dataset_type=0) + dataset_pdus(b"\x40\0\0\1SQ\0\0" + b"\xff" * 400)
            )
            return status_of(machine.hear())[0]

    with ThreadPoolExecutor(8) as pool:
        numbers = pool.map(lambda count: register(desk, form_key=f"m{count // 2}"), range(40))
        assert set(pool.map(ask, range(8))) == {0xC000}
        assert len(set(numbers)) == 20
    assert echoscu(a_station.dicom_port, called=AE_TITLE).returncode == 0


def test_a_text_that_is_no_card_is_answered_in_words(desk: httpx.Client) -> None:
    for text in ("", CARD[:30], "'; DROP TABLE film_order; --", "<script>alert(1)</script>", "x" * 10_240,
                 CARD.replace("31121955", "32131955")):  # fmt: skip
        answer = desk.post("/orders/card", data={"card": text})
        assert answer.status_code == 422
        assert 'role="alert"' in answer.text
        assert "<script>alert" not in answer.text
