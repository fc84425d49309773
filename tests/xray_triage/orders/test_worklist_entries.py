"""The station's own worklist as machines ask for it, by dcmtk: who is found, and whether every answer is valid."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import pydicom
import pytest
import sqlalchemy as sa
from pydicom import config
from pydicom.dataset import Dataset

from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.modality_worklist import Worklist
from dicom_router.store.database import Database
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.databases import open_in
from tests.factories import StoppedClock
from tests.peers.dcmtk import run
from tests.xray_triage.orders.conftest import registration
from xray_triage.orders.order import Order
from xray_triage.orders.orders import LONGEST_LIST, Orders
from xray_triage.orders.tables import film_order
from xray_triage.orders.worklist_entries import WorklistEntries

# PS3.4 table K.6-1: the return keys of type 1 and 2, and those of 1C whose condition always holds here.
TYPE_1 = ("PatientName", "PatientID", "StudyInstanceUID", "RequestedProcedureID", "RequestedProcedureDescription",
          "ScheduledProcedureStepSequence", "SpecificCharacterSet")  # fmt: skip
TYPE_1_OF_STEP = ("ScheduledStationAETitle", "ScheduledProcedureStepStartDate", "ScheduledProcedureStepStartTime",
                  "Modality", "ScheduledProcedureStepID", "ScheduledProcedureStepDescription")  # fmt: skip
TYPE_2 = (
    "AccessionNumber", "ReferringPhysicianName", "RequestingPhysician", "AdmissionID", "CurrentPatientLocation",
    "ReferencedPatientSequence", "PatientBirthDate", "PatientSex", "PatientWeight", "PatientState", "PregnancyStatus",
    "ConfidentialityConstraintOnPatientDataDescription", "MedicalAlerts", "Allergies", "SpecialNeeds",
    "ReferencedStudySequence", "RequestedProcedurePriority", "PatientTransportArrangements",
)  # fmt: skip
TYPE_2_OF_STEP = ("ScheduledPerformingPhysicianName", "ScheduledProcedureStepLocation", "PreMedication",
                  "RequestedContrastAgent")  # fmt: skip
TODAY, TOMORROW = (datetime(2025, 6, day, 3, tzinfo=UTC) for day in (1, 2))


@dataclass(frozen=True)
class House:
    port: int
    database: Database
    orders: dict[str, Order]

    def find(self, folder: Path, *keys: str, status: str = "Success") -> list[Dataset]:
        folder.mkdir(exist_ok=True)
        words = [word for key in keys for word in ("-k", key)]
        done = run("findscu", "-v", "-W", "-aet", "DX1", "-aec", "XRAYTRIAGE", "-X", "-od", str(folder), *words,
                   "127.0.0.1", str(self.port))  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert f"({status}" in done.stdout + done.stderr
        return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("*.dcm"))]

    def found(self, folder: Path, *keys: str) -> str:
        numbers = {item.AccessionNumber for item in self.find(folder, "0008,0050", *keys)}
        return "".join(name for name, order in self.orders.items() if order.accession_number in numbers)


@contextmanager
def opened(folder: Path) -> Iterator[House]:
    database = open_in(folder / "station.db")
    orders = Orders(database, clock=StoppedClock(), prefix="TA")
    people = {
        "a": registration(scheduled_at=TODAY, referring_physician="BS. Trần Mai", address="Xã Thạnh An " * 9),
        "b": registration(scheduled_at=TOMORROW, patient_name="Trần Thị Bưởi", citizen_number="001155000001"),
        "c": registration(scheduled_at=TODAY, patient_name="Lê Ô", citizen_number="", patient_birth_date=None,
                          patient_sex=None, reason=""),
    }  # fmt: skip
    made = {name: orders.register(who, form_key=name, registered_by="lan") for name, who in people.items()}
    listener = Listener(
        limits=ListenerLimits(ae_title="XRAYTRIAGE"), host="127.0.0.1", port=0,
        providers=(Echo(), Worklist(WorklistEntries(orders, ae_title="", station_name="Trạm y tế Thạnh An")),),
    )  # fmt: skip
    listener.start()
    yield House(listener.port, database, made)
    listener.stop()
    database.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with opened(tmp_path_factory.mktemp("worklist")) as open_house:
        yield open_house


def keys_of(keywords: tuple[str, ...], place: str = "") -> list[str]:
    return [f"{place}{keyword}" for keyword in keywords]


def test_every_answer_has_what_the_standard_asks_for(house: House, tmp_path: Path) -> None:
    step = "ScheduledProcedureStepSequence[0]."
    asked = [*keys_of((*TYPE_1[:-2], *TYPE_2)), *keys_of((*TYPE_1_OF_STEP, *TYPE_2_OF_STEP), step)]
    items = house.find(tmp_path / "found", "SpecificCharacterSet=ISO_IR 192", *asked)
    assert len(items) == len(house.orders)
    for path in (tmp_path / "found").glob("*.dcm"):
        dumped = run("dcmdump", path)
        assert (dumped.returncode, dumped.stderr) == (0, "")
    for item in items:
        with pytest.MonkeyPatch.context() as strict:
            strict.setattr(config.settings, "reading_validation_mode", config.RAISE)
            str(item)  # every value is parsed
        (step_item,) = item.ScheduledProcedureStepSequence
        missing = [name for name in TYPE_1 if not item.get(name)]
        missing += [name for name in TYPE_1_OF_STEP if not step_item.get(name)]
        missing += [name for name in TYPE_2 if name not in item]
        missing += [name for name in TYPE_2_OF_STEP if name not in step_item]
        assert missing == []


STEP = "0040,0100[0]."


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ((f"{STEP}0040,0002=20250601", f"{STEP}0008,0060=DX", f"{STEP}0040,0001=DX1"), "ac"),
        ((f"{STEP}0040,0002=20250601-20250602", f"{STEP}0008,0060=CR\\\\DX"), "abc"),
        ((f"{STEP}0040,0002=20250602-", f"{STEP}0040,0003"), "b"),
        ((f"{STEP}0008,0060=CT",), ""),
        ((f"{STEP}0040,0001=ANOTHER", f"{STEP}0008,0060=CR"), "abc"),
        (("0040,0100",), "abc"),
        (("0008,0005=ISO_IR 100", "0010,0010=NGUYEN*"), "a"),
        (("0008,0005=ISO 2022 IR 6\\\\ISO 2022 IR 100", "0010,0010=*BUOI"), "b"),
        (("0008,0005=GB18030", "0010,0010=TRAN^THI*"), "b"),
        (("0010,0010=*",), "abc"),
        (("0010,0020=001155000001",), "b"),
        (("0010,0020=0011*",), "b"),
        (("0010,1010", "0018,1000=x", "0032,1070"), "abc"),  # what is not known, and what is no worklist's
    ],
)
def test_a_machine_finds_whom_it_asks_for(house: House, tmp_path: Path, keys: tuple[str, ...], found: str) -> None:
    assert house.found(tmp_path / "found", *(key.replace("\\\\", "\\") for key in keys)) == found


def test_a_number_finds_one_and_an_unknown_one_nobody(house: House, tmp_path: Path) -> None:
    number = house.orders["c"].accession_number
    (item,) = house.find(tmp_path / "one", f"0008,0050={number}", "0010,0020", "0010,0030", "0010,0040")
    assert (item.PatientID, item.PatientBirthDate, item.PatientSex) == (number, "", "")
    assert house.find(tmp_path / "none", f"0008,0050={number}9") == []


def test_two_machines_ask_at_once(house: House, tmp_path: Path) -> None:
    with ThreadPoolExecutor(4) as machines:
        asked = machines.map(lambda place: house.found(tmp_path / str(place), "0010,0010"), range(4))
        assert set(asked) == {"abc"}


def test_of_more_open_orders_than_one_answer_has_the_others_are_found_by_number(tmp_path: Path) -> None:
    with opened(tmp_path) as house:
        with house.database.write() as connection:
            row = dict(connection.execute(sa.select(film_order).limit(1)).mappings().one())
            new = ("order_id", "form_key", "accession_number", "study_instance_uid")
            connection.execute(
                film_order.insert(),
                [row | dict.fromkeys(new, place) | {"form_key": str(place), "accession_number": f"M{place}",
                 "study_instance_uid": f"2.25.{place}"} for place in range(100, 101 + LONGEST_LIST)],
            )  # fmt: skip
        assert len(house.find(tmp_path / "all", "0008,0050")) == LONGEST_LIST
        assert house.found(tmp_path / "one", f"0008,0050={house.orders['c'].accession_number}") == "c"


def test_a_birth_date_matches_by_range(house: House, tmp_path: Path) -> None:
    assert house.found(tmp_path / "found", "0010,0030=19800101-19801231") == "ab"
    assert house.orders["a"].registration.patient_birth_date == date(1980, 2, 1)
