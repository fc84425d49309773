"""An order of the HIS on a real station: to the machine's worklist, over a power cut, to the film, and taken back."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from time import monotonic

import httpx
import pytest

from tests.factories import free_port, until
from tests.peers.ordering import END, MANNERS, START, OrderingHis, order_once, placed
from tests.peers.station import StationPeer
from tests.scenarios.machine import take_film, worklist
from tests.xray_triage.bundles import make_bundle

AT_MOST_SECONDS = 2.0


@pytest.fixture(scope="module")
def hl7_port() -> int:
    return free_port()


@pytest.fixture(scope="module")
def a_station(tmp_path_factory: pytest.TempPathFactory, hl7_port: int) -> Iterator[StationPeer]:
    folder = tmp_path_factory.mktemp("his")
    bundle = make_bundle(folder / "bundle", logits={"pneumothorax": -3.0, "pleural_effusion": -3.0, "abnormal": -2.0})
    (folder / "in").mkdir()
    ways = f'[orders.hl7]\nport = {hl7_port}\n[orders.folder]\npath = "../in"'
    station = StationPeer(folder / "station", bundle=bundle, more=f'[registration]\nprefix = "79012"\n{ways}')
    station.start()
    yield station
    assert station.stop() == 0


def test_an_order_of_the_his_is_on_the_worklist_filmed_and_taken_back(
    a_station: StationPeer, hl7_port: int, tmp_path: Path
) -> None:
    def seconds_to_the_machine(number: str) -> float:
        begun = monotonic()
        assert order_once(hl7_port, placed(number, message_id=number, patient=number)).code == "AA"
        assert len(worklist(a_station, tmp_path / "found", f"0010,0020={number}")) == 1
        return monotonic() - begun

    assert min(map(seconds_to_the_machine, ("N-1", "N-2", "N-3"))) < AT_MOST_SECONDS
    assert order_once(hl7_port, MANNERS["2.3, Windows-1258, lines of Unix"]).code == "AA"
    (item,) = worklist(a_station, tmp_path / "found", "0010,0020=BN-1")
    assert (str(item.PatientName), item.PatientID) == ("NGUYỄN VĂN AN", "BN-1")
    assert item.RequestedProcedureDescription == "Chụp X-quang ngực thẳng"

    film = take_film(a_station, item, tmp_path)
    until(lambda: film.SOPInstanceUID in a_station.images())
    assert worklist(a_station, tmp_path / "found", "0010,0020=BN-1") == []

    taken_back = placed(control="CA", msh_3="HIS-B", message_id="B-2")
    assert order_once(hl7_port, taken_back).code == "AA"
    (case,) = (each for each in a_station.get("/api/cases") if each["accession_number"] == item.AccessionNumber)
    headers = {"Authorization": f"Bearer {a_station.token}"}
    with httpx.Client(base_url=f"http://127.0.0.1:{a_station.web_port}", headers=headers, timeout=30) as page:
        for path in (f"/cases/{case['case_id']}", "/orders"):
            assert "HIS đã hủy chỉ định này lúc" in page.get(path).text, path
    assert page_of_health(a_station).count(f"MLLP 127.0.0.1:{hl7_port}") == 1
    assert "xray_triage_last_order_timestamp" in a_station.fetch("/metrics")[1].decode()


def page_of_health(station: StationPeer) -> str:
    return station.cli("check").stdout


def test_a_power_cut_between_commit_and_answer_doubles_no_order(
    a_station: StationPeer, hl7_port: int, tmp_path: Path
) -> None:
    message = placed("CUT", message_id="CUT", patient="BN-CUT")
    with OrderingHis(hl7_port) as his:
        his.send(START + message + END)
        until(lambda: orders_of(a_station, "CUT") == 1)
        a_station.kill()
    (a_station.folder.parent / "in" / "cut.hl7").write_bytes(message)
    a_station.start()
    assert order_once(hl7_port, message).code == "AA"
    until((a_station.folder.parent / "in" / "done" / "cut.hl7").exists)
    assert orders_of(a_station, "CUT") == 1
    assert len(worklist(a_station, tmp_path / "found", "0010,0020=BN-CUT")) == 1


def orders_of(station: StationPeer, number: str) -> int:
    with closing(sqlite3.connect(station.folder / "data" / "station.db", timeout=30)) as database:
        asked = "SELECT count(*) FROM film_order WHERE placer_number = ?"
        return int(database.execute(asked, (number,)).fetchone()[0])
