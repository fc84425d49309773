"""Which destinations are asked to commit, whose reports the listener lets in, and which machines are called back."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from dicom_router.dicom.commitment import Reference, References
from dicom_router.store.database import Database
from dicom_router.store.refusals import Machine, Reason, Refusals
from dicom_router.transport.backoff import delay
from dicom_router.upper_layer.gatekeeper import AllowedPeer
from tests.databases import open_in
from tests.factories import DX, StoppedClock
from tests.peers.commitment import AskingMachine, its_open_files
from xray_triage.config.destinations import Destination
from xray_triage.config.sections import ListenerSection, Peer
from xray_triage.config.station import Config
from xray_triage.station.commitment import CallBacks, reporting_destinations
from xray_triage.station.front import allowed_peers

__all__ = ["its_open_files"]
PACS, MIRROR = (Destination(name=name, host="10.0.0.9", ae_title="PACS") for name in ("pacs", "mirror"))
SILENT = Destination(name="silent", host="10.0.0.8", ae_title="SILENT", commitment=False)
STICK = Destination(name="stick", kind="folder", path=Path("/media/stick"))
DESTINATIONS = (PACS, MIRROR, SILENT, STICK)


def test_only_a_pacs_that_is_asked_may_report() -> None:
    assert reporting_destinations(Config(destination=DESTINATIONS)) == {"PACS": ["pacs", "mirror"]}


def test_a_pacs_that_may_report_is_let_in_beside_the_machines() -> None:
    listener = ListenerSection(allow=(Peer(ae_title="DX1", host="10.0.0.2"),))
    machine, *pacs = allowed_peers(Config(destination=DESTINATIONS, listener=listener))
    assert machine == AllowedPeer(ae_title="DX1", host="10.0.0.2")
    assert set(pacs) == {AllowedPeer(ae_title="PACS", host="10.0.0.9")}


def test_a_station_that_lets_in_everybody_on_loopback_still_does() -> None:
    assert allowed_peers(Config(destination=DESTINATIONS)) == ()


TOLD = References(
    transaction_uid="1.2.3.5",
    named=(Reference(sop_class_uid=DX, sop_instance_uid="1.2.3.6"),),
    failed={Reference(sop_class_uid=DX, sop_instance_uid="1.2.3.7"): 0x0112},
)


class Calling:
    """A station that calls back XRAY1, at ``port``."""

    def __init__(self, database: Database, port: int) -> None:
        allow = (Peer(ae_title="XRAY1", host="127.0.0.1", port=port), Peer(ae_title="XRAY2", host="127.0.0.1"))
        self.clock = StoppedClock()
        self.refusals = Refusals(database, clock=self.clock, spool_id="a")
        self.calls = CallBacks(Config(listener=ListenerSection(allow=allow)), self.refusals, clock=self.clock)

    def told(self) -> list[str]:
        return [each.reason for each in self.refusals.standing()]


@pytest.fixture
def a_database(tmp_path: Path) -> Iterator[Database]:
    database = open_in(tmp_path / "station.db")
    yield database
    database.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as held:
        return int(held.getsockname()[1])


def test_a_machine_that_waits_at_a_port_of_its_own_is_called_until_it_answers(a_database: Database) -> None:
    port, machine = free_port(), AskingMachine()
    station = Calling(a_database, port)
    assert station.calls.add("XRAY1", "127.0.0.1", TOLD)
    for tries in range(1, 4):
        assert station.told() == []
        assert station.calls.run_once()
        assert not station.calls.run_once(), "not before its time"
        station.clock.advance(delay(tries, jitter=0))
    station.refusals.served(Machine("XRAY1", "127.0.0.1"), "1.2.3.6")
    assert station.told() == [Reason.NOT_REACHED], "its films come in, and it still cannot be called"
    with machine.waiting(port):
        assert station.calls.run_once()
    station.clock.advance(3600)
    assert not station.calls.run_once()
    (told,) = machine.told
    assert told.TransactionUID == "1.2.3.5"
    assert told.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.6"
    assert told.FailedSOPSequence[0].FailureReason == 0x0112
    assert station.told() == []
    station.refusals.flush()


def test_a_machine_that_answers_no_to_its_report_is_called_again(a_database: Database) -> None:
    machine = AskingMachine()
    with machine.waiting(status=0x0110) as port:
        station = Calling(a_database, port)
        station.calls.add("XRAY1", "127.0.0.1", TOLD)
        assert station.calls.run_once()
        station.clock.advance(delay(1, jitter=0))
        assert station.calls.run_once()
    assert len(machine.told) == 2


def test_who_names_no_port_is_told_as_it_asks(a_database: Database) -> None:
    station = Calling(a_database, 104)
    assert not station.calls.add("XRAY2", "127.0.0.1", TOLD)
    assert not station.calls.add("STRANGER", "127.0.0.1", TOLD)
    assert not station.calls.run_once()


def test_a_port_without_the_name_of_a_machine_is_refused() -> None:
    with pytest.raises(ValidationError, match="ae_title"):
        Peer(host="10.0.0.2", port=104)
