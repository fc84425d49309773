"""Storage Commitment at our listener: machines ask us to keep their films, PACS report, strangers say anything."""

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from dicom_router.dicom.commitment import References
from dicom_router.dicom.instance import reference_to
from dicom_router.scp.commitment import StorageCommitment
from dicom_router.scp.listener import Listener
from dicom_router.store.inbox import Inbox, record_file
from dicom_router.store.purges import ProvenFile, Purges
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.databases import open_in
from tests.dicom_router.acknowledged import FILM, Desk
from tests.factories import DX, film, film_bytes
from tests.peers.commitment import AskingMachine, CommittingPacs, its_open_files, request

__all__ = ["its_open_files"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

CR = "1.2.840.10008.5.1.4.1.1.1"


class Station(Desk):
    """A listener with Storage Commitment, and what it keeps."""

    def __init__(self, folder: Path) -> None:
        self.calls: list[tuple[str, str, References]] = []
        self.calls_back = False
        database = open_in(folder / "station.db")
        super().__init__(database)
        self.folder = folder / "spool"
        self.spool = Spool(self.folder)
        self.inbox = Inbox(database, self.ledger, self.outbox, clock=self.clock)
        provider = StorageCommitment(
            spool=self.spool,
            inbox=self.inbox,
            book=self.book,
            destinations={"PACS": ["pacs"]},
            call_back=self._call_back,
        )
        limits = ListenerLimits(ae_title="XRAYTRIAGE")
        self.listener = Listener(limits=limits, host="127.0.0.1", port=0, providers=(provider,))
        self.listener.start()
        self.port = self.listener.port

    def _call_back(self, ae_title: str, host: str, told: References) -> bool:
        self.calls += [(ae_title, host, told)] * self.calls_back
        return self.calls_back

    def keep(self) -> str:
        """A film that a machine has sent; its SOP Instance UID."""
        dataset = film()
        spooled = self.spool.keep(BytesIO(film_bytes(dataset)))
        instance = reference_to(dataset)
        record_file(
            self.inbox, self.spool, instance=instance, spooled=spooled, calling_ae_title="XRAY1", peer_host="127.0.0.1"
        )
        return instance.sop_instance_uid

    def close(self) -> None:
        self.listener.stop()
        self.database.close()


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    opened = Station(tmp_path)
    yield opened
    opened.close()


def named(told: Dataset, keyword: str = "ReferencedSOPSequence") -> list[tuple[str, str]]:
    items = told.get(keyword, ())
    return [(str(item.ReferencedSOPClassUID), str(item.ReferencedSOPInstanceUID)) for item in items]


def test_a_machine_is_told_over_its_association_what_is_kept_and_what_is_not(station: Station) -> None:
    kept, machine = station.keep(), AskingMachine()
    wanted = request((DX, kept), (DX, "1.2.3.404"))
    assert machine.ask(station.port, wanted, waits=True) == 0x0000
    (told,) = machine.told
    assert told.TransactionUID == wanted.TransactionUID
    assert named(told) == [(DX, kept)]
    assert named(told, "FailedSOPSequence") == [(DX, "1.2.3.404")]
    assert [item.FailureReason for item in told.FailedSOPSequence] == [0x0112]


def test_a_machine_is_told_that_all_is_kept(station: Station) -> None:
    machine = AskingMachine()
    wanted = request((DX, station.keep()), (DX, station.keep()))
    machine.ask(station.port, wanted, waits=True)
    (told,) = machine.told
    assert named(told) == named(wanted)
    assert "FailedSOPSequence" not in told


def test_a_film_of_another_class_is_a_conflict(station: Station) -> None:
    machine = AskingMachine()
    machine.ask(station.port, request((CR, station.keep())), waits=True)
    (failed,) = machine.told[0].FailedSOPSequence
    assert failed.FailureReason == 0x0119


def test_a_film_whose_bytes_rotted_or_went_is_not_promised(station: Station) -> None:
    rotten, gone, machine = station.keep(), station.keep(), AskingMachine()
    files = {
        uid: station.folder / one.spooled.key[:2] / one.spooled.key
        for uid, one in station.inbox.accepted([rotten, gone]).items()
    }
    content = files[rotten].read_bytes()
    files[rotten].write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    files[gone].unlink()
    machine.ask(station.port, request((DX, rotten), (DX, gone)), waits=True)
    assert [item.FailureReason for item in machine.told[0].FailedSOPSequence] == [0x0112, 0x0112]


def test_a_film_that_lies_at_the_pacs_alone_is_promised(station: Station) -> None:
    uid, machine = station.keep(), AskingMachine()
    film_here = station.inbox.accepted([uid])[uid]
    purges = Purges(station.database, clock=station.clock, originals=("pacs",))
    with station.database.write() as connection:
        purges.mark(
            connection, [ProvenFile(instance=film_here.instance, spooled=film_here.spooled, is_original=True)], {}
        )
    station.spool.erase(film_here.spooled.key)
    machine.ask(station.port, request((DX, uid)), waits=True)
    assert named(machine.told[0]) == [(DX, uid)]


def test_a_machine_that_hangs_up_after_the_response_harms_nobody(station: Station) -> None:
    kept = station.keep()
    assert AskingMachine().ask(station.port, request((DX, kept))) == 0x0000
    machine = AskingMachine()
    assert machine.ask(station.port, request((DX, kept)), waits=True) == 0x0000
    assert named(machine.told[0]) == [(DX, kept)]


def test_a_machine_that_waits_for_a_call_is_told_nothing_over_its_own_association(station: Station) -> None:
    kept, machine, station.calls_back = station.keep(), AskingMachine(), True
    assert machine.ask(station.port, request((DX, kept), transaction_uid="1.2.3.9")) == 0x0000
    ((ae_title, host, told),) = station.calls
    assert (ae_title, host, told.transaction_uid, told.event_type) == ("XRAY1", "127.0.0.1", "1.2.3.9", 1)
    assert [each.sop_instance_uid for each in told.named] == [kept]
    assert machine.told == []


def without(keyword: str) -> Dataset:
    dataset = request((DX, FILM))
    del dataset[keyword]
    return dataset


def nested(depth: int) -> Dataset:
    dataset = Dataset()
    for _ in range(depth):
        outer = Dataset()
        outer.ReferencedSOPSequence = [dataset]
        dataset = outer
    return dataset


BAD = {
    "no transaction": without("TransactionUID"),
    "a transaction that is no UID": request((DX, FILM), transaction_uid=""),
    "no instance": request(),
    "no sequence": without("ReferencedSOPSequence"),
    "an instance without UID": request((DX, "")),
    "nothing": None,
    "sequences in sequences": nested(60),
}


@pytest.mark.parametrize("dataset", BAD.values(), ids=BAD.keys())
def test_what_is_no_request_is_refused(station: Station, dataset: Dataset | None) -> None:
    assert AskingMachine().ask(station.port, dataset) == 0x0115


@pytest.mark.parametrize("dataset", [each for each in BAD.values() if each], ids=[each for each in BAD if BAD[each]])
def test_what_is_no_report_is_refused(station: Station, dataset: Dataset) -> None:
    assert CommittingPacs().report(station.port, told=dataset) == 0x0115


def test_ten_thousand_instances_at_once_are_too_many(station: Station) -> None:
    many = request(*((DX, f"1.2.3.{number}") for number in range(10_000)))
    assert AskingMachine().ask(station.port, many) == 0x0213
    assert CommittingPacs().report(station.port, told=many) == 0x0213


def test_another_action_event_or_instance_is_refused(station: Station) -> None:
    wanted = request((DX, FILM))
    assert AskingMachine().ask(station.port, wanted, action_type=2) == 0x0123
    assert AskingMachine().ask(station.port, wanted, instance="1.2.3") == 0x0112
    assert CommittingPacs().report(station.port, told=wanted, event_type=3) == 0x0113


def test_only_a_destination_may_report(station: Station) -> None:
    station.deliver(FILM)
    station.book.begin("1.2.3.4.5", station.unproved())
    told = request((DX, FILM))
    assert CommittingPacs().report(station.port, told=told, calling="STRANGER") == 0x0110
    assert station.answers() == [None]
    assert CommittingPacs().report(station.port, told=told) == 0x0000
    assert station.answers() == [0]


def test_a_report_of_what_nobody_asked_for_is_taken_and_says_nothing(station: Station) -> None:
    station.deliver(FILM)
    assert CommittingPacs().report(station.port, told=request((DX, FILM))) == 0x0000
    assert station.answers() == []


def test_a_database_that_does_not_answer_promises_nothing(station: Station) -> None:
    station.keep()
    with station.database.write() as connection:
        connection.exec_driver_sql("ALTER TABLE arrival RENAME TO gone")
    assert AskingMachine().ask(station.port, request((DX, FILM))) == 0x0110
