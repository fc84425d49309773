"""Results on their way out: the peers are away for days, the station is killed; all come, each once, in order."""

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dicom_router.clock import SystemClock
from tests.factories import until
from tests.peers.fhir_server import FhirServer
from tests.peers.his import His, parsed
from tests.peers.orthanc import OrthancPeer, free_port
from tests.peers.station import StationPeer
from tests.rehearsal.link import Link
from tests.rehearsal.machine import FilmMachine
from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import unread
from xray_triage.hl7.message import read
from xray_triage.records.hl7_transport import Hl7Transport
from xray_triage.records.result import Author, Words
from xray_triage.records.sender import RecordSender
from xray_triage.stores import Stores, configured_stores

MAI = Author(account="mai", name="BS. Trần Thị Mai", licence="000123/HCM-CCHN")
DAYS_SECONDS = 72 * 3600
AT_BOTH_SECONDS, OVER_A_WEAK_LINK_SECONDS = 5.0, 30.0
PATIENCE_SECONDS = 1200.0  # two validators cost the FHIR server some .1 s of CPU a Bundle: on a busy computer seconds


def write(stores: Stores, case_id: str, version: int) -> None:
    """A doctor finishes a result, or amends it."""
    words = Words(description="Nhu mô: mờ đáy phải.", conclusion=f"Bản {version}.")
    if version == 1:
        stores.results.finish(case_id, MAI, words, before_author="")
    else:
        stores.results.amend(case_id, MAI, words, reason="Xem lại", before_author="")


def test_three_days_without_the_his_lose_and_double_nothing(tmp_path: Path, often: bool) -> None:
    count = 500 if often else 30
    with desk_in(tmp_path, peers={"his": ("final",)}) as desk:
        outbox, his = desk.records, His(port=free_port())
        transport = Hl7Transport("127.0.0.1", his.port, clock=SystemClock())
        sender = RecordSender(
            outbox=outbox, gather=desk.gatherer.gather, transport=transport, name="his", clock=desk.clock
        )
        for _ in range(count):
            write(desk, desk.add(unread()).case_id, 1)
        for _ in range(DAYS_SECONDS // 600):
            desk.clock.advance(600)
            sender.run_once()
        (peer,) = outbox.summary()
        assert (peer.waiting, peer.refused, peer.stuck) == (count, 0, 0)
        with his:
            desk.clock.advance(600)
            while sender.run_once():
                pass
        transport.close()
        assert len(his.messages) == sum(his.times.values()) == count
        assert outbox.summary()[0].waiting == 0


def test_a_result_overtakes_the_films_on_a_weak_link_and_never_starves(
    tmp_path: Path, own_orthanc: OrthancPeer, a_bundle: Path, often: bool
) -> None:
    """All that leaves shares one line; a result with its paper has 180 kB, a film 210 kB."""
    kbit, films, results = (256, 40, 6) if often else (1024, 10, 1)
    weak: dict[str, Any] = {"kbit_per_second": kbit, "receive_bytes": 1 << 14, "wire": threading.Lock()}
    pacs_link = Link(own_orthanc.dicom_port, **weak)
    with His() as his, pacs_link.running(), Link(his.port, **weak).running() as his_link:
        more = (
            f'[[destination]]\nname = "pacs"\nhost = "127.0.0.1"\nport = {pacs_link.port}\ncompression = "none"\n'
            f'ae_title = "{own_orthanc.ae_title}"\n'
            f'[[record]]\nname = "his"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {his_link.port}\n'
        )
        with running(StationPeer(tmp_path / "station", bundle=a_bundle, more=more)) as station:
            machine = FilmMachine(station.dicom_port)
            for _ in range(films):
                machine.send()
            until(lambda: len(station.images()) == films)
            for count, case in enumerate(station.get("/api/cases")[:results], 1):
                begun = SystemClock().monotonic()
                station.post(f"/api/cases/{case['case_id']}/result", conclusion="Không thấy bất thường.")
                station.post(f"/api/cases/{case['case_id']}/result/finish")
                his.wait_for(count, seconds=OVER_A_WEAK_LINK_SECONDS)
                print(f"{kbit} kbit/s: {SystemClock().monotonic() - begun:.1f} s")
            queued = station.get("/api/queue")
            assert queued["waiting"] + queued["sending"], "the films were all gone, so that nothing was overtaken"
        assert his.times.total() == results, "none was broken off and sent again"


@contextmanager
def running(station: StationPeer) -> Iterator[StationPeer]:
    station.start()
    yield station
    station.kill()


@pytest.fixture
def his() -> His:
    """Which nobody has switched on yet."""
    return His(port=free_port())


@pytest.fixture
def station(tmp_path: Path, a_bundle: Path, his: His, fhir_server: FhirServer) -> Iterator[StationPeer]:
    """A running station whose results go to both."""
    more = (
        f'[[record]]\nname = "his"\nkind = "hl7"\nhost = "127.0.0.1"\nport = {his.port}\n'
        f'[[record]]\nname = "fhir"\nkind = "fhir"\nurl = "{fhir_server.url}"\nsend = ["preliminary", "final"]\n'
    )
    peer = StationPeer(tmp_path / "station", bundle=a_bundle, more=more)
    peer.start()
    yield peer
    peer.kill()


def test_kills_lose_and_double_no_result_and_keep_every_case_in_order(
    station: StationPeer, machine: FilmMachine, his: His, fhir_server: FhirServer, often: bool
) -> None:
    films, versions, kills = (20, 25, 10) if often else (3, 4, 2)
    for _ in range(films):
        machine.send()
    stores, chance = configured_stores(station.config_path), random.Random(1)
    until(lambda: len(stores.casebook.cases()) == films)
    case_ids = [case.case_id for case in stores.casebook.cases()]

    def write_all() -> None:
        for version in range(1, versions + 1):
            for case_id in case_ids:
                write(stores, case_id, version)

    with his, ThreadPoolExecutor(1) as pool:
        writing = pool.submit(write_all)
        for _ in range(kills):
            his.wait_for(min(len(his.messages) + 1, films * versions))
            threading.Event().wait(chance.uniform(0, 0.5))
            station.kill()
            station.start()
        writing.result()
        his.wait_for(films * versions, seconds=PATIENCE_SECONDS)
        assert len(his.messages) == films * versions
        assert sum(his.times.values()) <= films * versions + kills, "again only what a kill cut off"
        until(lambda: not any(peer.waiting + peer.sending for peer in stores.records.summary()), PATIENCE_SECONDS)
        until(lambda: all(report["status"] == "amended" for report in fhir_server.find("DiagnosticReport")))
        assert len(fhir_server.find("DiagnosticReport")) == films
        told = [read(his.messages[number].encode()) for number in his.order]
        for case_id in case_ids:
            own = [one for one in told if one.control_id.startswith(case_id)]
            said = [line.whole(5) for one in own for line in one.all("OBX") if line.text(3) == "IMP"]
            assert said == [f"Bản {version}." for version in range(1, versions + 1)]
        assert stores.records.refused() == []
        begun = SystemClock().monotonic()
        write(stores, case_ids[0], versions + 1)
        his.wait_for(films * versions + 1)
        until(lambda: any(f"Bản {versions + 1}." in one["conclusion"] for one in fhir_server.find("DiagnosticReport")))
        assert SystemClock().monotonic() - begun < AT_BOTH_SECONDS
        parsed(his.messages[his.order[-1]])
    stores.renderer.close()
    stores.database.close()
