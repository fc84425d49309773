"""Proofs asked of real peers: Orthanc, and a PACS by pynetdicom that reports at once, later, never, or "missing"."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from io import BytesIO
from pathlib import Path

import pytest

from dicom_router.clock import SystemClock
from dicom_router.dicom.instance import Parcel
from dicom_router.scp.commitment import StorageCommitment
from dicom_router.scp.listener import Listener
from dicom_router.store.delivery import DeliveryState
from dicom_router.store.inbox import Inbox
from dicom_router.store.spool import Spool
from dicom_router.transport.commitment import CommitmentPeer
from dicom_router.transport.committer import ArchiveLookup, Committer, FolderLookup, Lookup
from dicom_router.transport.dicomweb_archive import DicomwebArchive
from dicom_router.transport.dimse_archive import DimseArchive
from dicom_router.transport.folder import FolderTransport
from dicom_router.upper_layer.connection import Endpoint
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.databases import open_in
from tests.dicom_router.acknowledged import FILM, REPORT, STUDY, Desk
from tests.factories import film, film_bytes, free_port, until
from tests.peers.commitment import CommittingPacs, its_open_files
from tests.peers.orthanc import OrthancPeer

__all__ = ["its_open_files"]
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    database = open_in(tmp_path / "station.db")
    opened = Desk(database)
    yield opened
    opened.closing.close()
    database.close()


Start = Callable[..., CommittingPacs]


@pytest.fixture
def start() -> Iterator[Start]:
    with ExitStack() as running:

        def run(pacs: CommittingPacs) -> CommittingPacs:
            running.callback(pacs.start().stop)
            return pacs

        yield run


def committer(desk: Desk, port: int, *, lookup: Lookup | None = None, asks: bool = True, wait: float = 0) -> Committer:
    if lookup is None:
        lookup = ArchiveLookup(
            DimseArchive("127.0.0.1", port, "PACS", "XRAYTRIAGE", sop_classes=(), clock=SystemClock())
        )
    desk.closing.callback(lookup.close)
    endpoint = Endpoint(host="127.0.0.1", port=port, ae_title="PACS", calling_ae_title="XRAYTRIAGE")
    return Committer(
        book=desk.book,
        destination="pacs",
        peer=CommitmentPeer(endpoint, wait_seconds=wait) if asks else None,
        lookup=lookup,
        clock=desk.clock,
        jitter=lambda: 0.0,
    )


@contextmanager
def a_listener(desk: Desk, folder: Path, *, port: int = 0) -> Iterator[Listener]:
    """Ours, which takes the reports of the PACS."""
    provider = StorageCommitment(
        spool=Spool(folder / "spool"),
        inbox=Inbox(desk.database, desk.ledger, desk.outbox, clock=desk.clock),
        book=desk.book,
        destinations={"PACS": ["pacs"], "ORTHANC": ["pacs"]},
    )
    limits = ListenerLimits(ae_title="XRAYTRIAGE")
    running = Listener(limits=limits, host="127.0.0.1", port=port, providers=(provider,))
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.fixture
def listener(desk: Desk, tmp_path: Path) -> Iterator[Listener]:
    with a_listener(desk, tmp_path) as running:
        yield running


def test_a_report_over_the_same_association_commits_film_and_results_in_one_asking(desk: Desk, start: Start) -> None:
    pacs = start(CommittingPacs(at_once=True, has={FILM, REPORT}))
    desk.deliver(FILM, REPORT)
    worker = committer(desk, pacs.port, wait=30)
    assert worker.run_once()
    assert desk.are_committed(FILM, REPORT)
    assert [each.uids for each in pacs.asked] == [[FILM, REPORT]]
    until(lambda: pacs.reported == [0x0000])
    assert not worker.run_once()


def test_a_report_that_comes_later_over_a_new_association_commits(desk: Desk, start: Start, listener: Listener) -> None:
    pacs = start(CommittingPacs(has={FILM}))
    desk.deliver(FILM)
    worker = committer(desk, pacs.port)
    assert worker.run_once()
    assert not desk.are_committed(FILM)
    assert not worker.run_once()
    assert pacs.report(listener.port) == 0x0000
    assert worker.run_once()  # at once
    assert desk.are_committed(FILM)


def test_a_report_counts_that_comes_after_the_station_died(desk: Desk, start: Start, tmp_path: Path) -> None:
    pacs = start(CommittingPacs(has={FILM}))
    desk.deliver(FILM)
    committer(desk, pacs.port).run_once()
    reborn = Desk(desk.database)
    desk.closing.push(reborn.closing)
    with a_listener(reborn, tmp_path) as listener:
        assert pacs.report(listener.port) == 0x0000
    assert committer(reborn, pacs.port).run_once()
    assert reborn.are_committed(FILM)


def test_a_report_that_never_comes_is_asked_for_again_and_then_looked_for_twice(desk: Desk, start: Start) -> None:
    pacs = start(CommittingPacs(has={FILM}))
    desk.deliver(FILM)
    worker = committer(desk, pacs.port)
    for hour in range(3):
        assert worker.run_once()
        assert (len(pacs.asked), pacs.looks) == ((1, 0), (2, 0), (2, 1))[hour]
        desk.clock.advance(HOUR)
    for _ in range(24):
        worker.run_once()
        desk.clock.advance(HOUR)
    assert pacs.looks == 2
    assert desk.are_committed(FILM)
    assert len({each.transaction_uid for each in pacs.asked}) == 2


def test_a_report_to_the_first_asking_counts_after_the_second(desk: Desk, start: Start, listener: Listener) -> None:
    pacs = start(CommittingPacs(has={FILM}))
    desk.deliver(FILM)
    worker = committer(desk, pacs.port)
    worker.run_once()
    desk.clock.advance(HOUR)
    worker.run_once()
    assert pacs.report(listener.port, number=0) == 0x0000
    assert pacs.report(listener.port, number=0) == 0x0000  # and twice
    worker.run_once()
    assert desk.are_committed(FILM)


def test_what_the_pacs_says_it_lacks_is_sent_again_once_and_then_shown(desk: Desk, start: Start) -> None:
    pacs = start(CommittingPacs(at_once=True, has={REPORT}, failures={FILM: 0x0112}))
    desk.deliver(FILM, REPORT)
    worker = committer(desk, pacs.port, wait=30)
    worker.run_once()
    assert desk.are_committed(REPORT)
    assert desk.delivery(FILM).state is DeliveryState.WAITING
    desk.acknowledge_all("pacs")
    worker.run_once()
    assert desk.delivery(FILM).state is DeliveryState.REFUSED
    assert "acknowledged" in str(desk.delivery(FILM).last_error)
    assert not worker.run_once()


def test_what_conflicts_there_is_shown_at_once(desk: Desk, start: Start) -> None:
    pacs = start(CommittingPacs(at_once=True, failures={FILM: 0x0119}))
    desk.deliver(FILM)
    committer(desk, pacs.port, wait=30).run_once()
    assert desk.delivery(FILM).state is DeliveryState.REFUSED


def test_a_pacs_that_promises_what_it_does_not_have_is_not_believed(desk: Desk, start: Start) -> None:
    pacs = start(CommittingPacs(at_once=True))
    desk.deliver(FILM)
    worker = committer(desk, pacs.port, wait=30)
    for _ in range(2):
        worker.run_once()
        desk.clock.advance(HOUR)
    assert desk.delivery(FILM).state is DeliveryState.WAITING  # sent again
    desk.acknowledge_all("pacs")
    for _ in range(2):
        worker.run_once()
        desk.clock.advance(HOUR)
    assert desk.delivery(FILM).state is DeliveryState.REFUSED
    assert not desk.are_committed(FILM)


@pytest.mark.parametrize("status", [0x0110, 0x0213, 0x0131])
def test_a_pacs_that_says_later_is_asked_again_in_a_new_transaction(desk: Desk, start: Start, status: int) -> None:
    pacs = start(CommittingPacs(status=status, at_once=False, has={FILM}))
    desk.deliver(FILM)
    worker = committer(desk, pacs.port, wait=30)
    worker.run_once()
    assert desk.answers() == []
    assert not worker.run_once()  # not at once
    desk.clock.advance(3)
    pacs.status, pacs.at_once = 0x0000, True
    worker.run_once()
    assert desk.are_committed(FILM)
    assert len({each.transaction_uid for each in pacs.asked}) == 2


@pytest.mark.parametrize("offered", [True, False])
def test_a_pacs_without_commitment_is_searched_twice(desk: Desk, start: Start, offered: bool) -> None:
    pacs = start(CommittingPacs(status=0x0211, offers=(offered, True), has={FILM}))
    desk.deliver(FILM)
    worker = committer(desk, pacs.port)
    worker.run_once()
    assert pacs.looks == 1
    assert not desk.are_committed(FILM)
    desk.clock.advance(DAY)
    worker.run_once()
    assert pacs.looks == 2
    assert desk.are_committed(FILM)


def test_a_pacs_that_promises_and_cannot_be_searched_is_believed(desk: Desk, start: Start) -> None:
    pacs = start(CommittingPacs(at_once=True, offers=(True, False)))
    desk.deliver(FILM)
    committer(desk, pacs.port, wait=30).run_once()
    assert desk.are_committed(FILM)


def test_a_pacs_that_offers_nothing_proves_nothing_and_the_reason_is_kept(desk: Desk, start: Start) -> None:
    pacs = start(CommittingPacs(offers=(False, False)))
    desk.deliver(FILM)
    worker = committer(desk, pacs.port)
    assert worker.run_once()
    assert not worker.run_once()
    assert not desk.are_committed(FILM)
    assert "C-FIND" in desk.obstacle()


def test_a_silent_pacs_is_left_alone_and_then_asked(desk: Desk, start: Start) -> None:
    desk.deliver(FILM)
    desk.deliver("1.8.1", study="1.8")
    port = free_port()
    worker = committer(desk, port)
    assert worker.run_once()
    assert not worker.run_once()  # nor about the other study
    assert desk.answers() == []
    desk.clock.advance(HOUR)
    worker = committer(desk, start(CommittingPacs(at_once=True, has={FILM, "1.8.1"})).port, wait=30)
    assert worker.run_once()
    assert worker.run_once()
    assert desk.are_committed(FILM, "1.8.1")


def test_what_comes_while_a_report_is_waited_for_is_asked_about_without_waiting(desk: Desk, start: Start) -> None:
    pacs = start(CommittingPacs())
    desk.deliver(FILM)
    worker = committer(desk, pacs.port)
    worker.run_once()
    desk.deliver(REPORT)
    assert worker.run_once()
    assert [each.uids for each in pacs.asked] == [[FILM], [REPORT]]


def test_a_file_in_a_folder_is_read_back(desk: Desk, tmp_path: Path) -> None:
    stick = tmp_path / "stick"
    stick.mkdir()
    folder = FolderTransport(stick, clock=desk.clock)
    content, _ = uploaded_film()
    desk.deliver(FILM, REPORT, content=content)
    for each in desk.outbox.of_study(STUDY):
        folder.send(Parcel(instance=each.instance, size_bytes=len(content), open=lambda: BytesIO(content)))
    worker = committer(desk, 1, lookup=FolderLookup(folder), asks=False)
    _, rotten = sorted(stick.rglob("*.dcm"))
    rotten.write_bytes(rotten.read_bytes()[:-1] + b"x")
    stick.rename(tmp_path / "unplugged")
    worker.run_once()
    assert desk.answers() == []
    (tmp_path / "unplugged").rename(stick)
    for _ in range(2):
        desk.clock.advance(HOUR)
        worker.run_once()
    states = sorted((each.state, each.committed_at is not None) for each in desk.outbox.of_study(STUDY))
    assert states == [(DeliveryState.ACKNOWLEDGED, True), (DeliveryState.WAITING, False)]


def test_orthanc_commits_and_a_film_that_it_lost_is_missing(desk: Desk, tmp_path: Path) -> None:
    ours = free_port()
    station = {"AET": "XRAYTRIAGE", "Host": "127.0.0.1", "Port": ours, "AllowStorageCommitment": True}
    content, uid = uploaded_film()
    with (
        OrthancPeer.start(tmp_path / "orthanc", settings={"DicomModalities": {"station": station}}) as orthanc,
        a_listener(desk, tmp_path, port=ours),
    ):
        orthanc.upload(content)
        desk.deliver(uid, "1.2.3.404")
        worker = committer(desk, orthanc.dicom_port)
        assert worker.run_once()
        until(lambda: None not in desk.answers())
        worker.run_once()
        assert desk.are_committed(uid)
        assert desk.delivery("1.2.3.404").state is DeliveryState.WAITING


def test_a_dicomweb_server_is_searched(desk: Desk, orthanc: OrthancPeer) -> None:
    content, uid = uploaded_film()
    orthanc.upload(content)
    desk.deliver(uid, "1.2.3.404")
    archive = DicomwebArchive(orthanc.dicomweb_url, clock=SystemClock())
    worker = committer(desk, 1, lookup=ArchiveLookup(archive), asks=False)
    for seconds in (HOUR, DAY, 0):
        worker.run_once()
        desk.clock.advance(seconds)
    assert desk.are_committed(uid)
    assert desk.delivery("1.2.3.404").state is DeliveryState.WAITING


def uploaded_film() -> tuple[bytes, str]:
    dataset = film(study_instance_uid=STUDY)
    return film_bytes(dataset), str(dataset.SOPInstanceUID)
