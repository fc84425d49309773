"""The forwarder over a real ledger, a real spool and real peers; only time is simulated."""

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from dicom_router.clock import Clock, SystemClock
from dicom_router.dicom.instance import reference_to
from dicom_router.store.database import Database
from dicom_router.store.delivery import Delivery, DeliveryState
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import MANY_ATTEMPTS, Outbox
from dicom_router.store.spool import Spool
from dicom_router.transport.dimse import DimseTransport
from dicom_router.transport.forwarder import DELIVERY_CAP_SECONDS, Forwarder
from dicom_router.upper_layer.connection import Timeouts
from tests.databases import open_in
from tests.factories import DX, StoppedClock, film, film_bytes, until
from tests.peers.difficult import StorePeer, a_bad_link, a_hanging_peer, a_store_peer
from tests.peers.orthanc import OrthancPeer

pytestmark = pytest.mark.slow

HASTY = Timeouts(connect_seconds=2.0, stall_seconds=0.5, answer_seconds=0.5)
CALM = Timeouts(connect_seconds=20.0, stall_seconds=20.0, answer_seconds=20.0)  # where no silence is waited out
MINUTE, HOUR, DAY = 60, 3600, 86400


@dataclass
class Post:
    """A spool, a ledger and an outbox in a folder, and forwarders to one destination."""

    folder: Path
    clock: Clock
    node: str = "station/front"
    lease_seconds: float = 60
    database: Database = field(init=False)
    _transports: list[DimseTransport] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.database = open_in(self.folder / "station.db")
        self.spool = Spool(self.folder / "spool")
        self.ledger = Ledger(self.database, clock=self.clock, node=self.node, lease_seconds=self.lease_seconds)
        self.outbox = Outbox(self.database, self.ledger, clock=self.clock)

    def queue(self, *, urgent: bool = False, what: str = "original", rows: int = 32) -> str:
        """Queue one film; its SOP Instance UID."""
        dataset = film(rows=rows, columns=64)
        spooled = self.spool.keep(io.BytesIO(film_bytes(dataset)))
        with self.database.write() as connection:
            self.outbox.enqueue(
                connection,
                instance=reference_to(dataset),
                spooled=spooled,
                what=what,
                urgent=urgent,
                destinations=["pacs"],
            )
        return str(dataset.SOPInstanceUID)

    def forwarder(self, port: int, *, lane: str = "bulk", timeouts: Timeouts = CALM, **options: object) -> Forwarder:
        transport = DimseTransport("127.0.0.1", port, "PACS", "STATION", clock=self.clock, timeouts=timeouts, **options)
        self._transports.append(transport)
        return Forwarder(
            outbox=self.outbox,
            spool=self.spool,
            transport=transport,
            destination="pacs",
            lane=lane,
            clock=self.clock,
            jitter=lambda: 0.0,
        )

    def deliveries(self) -> dict[str, Delivery]:
        with self.database.read() as connection:
            studies = connection.exec_driver_sql("SELECT DISTINCT study_instance_uid FROM delivery").scalars().all()
        found = self.outbox.of_studies(studies).values()
        return {each.instance.sop_instance_uid: each for deliveries in found for each in deliveries}

    def states(self) -> list[DeliveryState]:
        return [each.state for each in self.deliveries().values()]

    def close(self) -> None:
        for transport in self._transports:
            transport.close()
        self.database.close()


@pytest.fixture
def clock() -> StoppedClock:
    return StoppedClock()


@pytest.fixture
def post(tmp_path: Path, clock: StoppedClock) -> Iterator[Post]:
    post = Post(tmp_path, clock)
    yield post
    post.close()


@pytest.fixture(scope="module")
def _one_store_peer() -> Iterator[StorePeer]:
    with a_store_peer(DX) as peer:
        yield peer


@pytest.fixture
def pacs(_one_store_peer: StorePeer) -> StorePeer:
    """A peer that answers what the test tells it to. One for all tests: pynetdicom needs half a second to stop."""
    _one_store_peer.forget()
    return _one_store_peer


def send_all(forwarder: Forwarder, *, at_most: int = 100) -> int:
    """Run until there is nothing to do now; how many deliveries were tried."""
    return next(tried for tried in range(at_most) if not forwarder.run_once())


def pass_time(forwarder: Forwarder, clock: StoppedClock, *, seconds: float, step: float = 10) -> int:
    """Let time go by with a forwarder at work; how many deliveries were tried."""
    tried = 0
    for _ in range(int(seconds / step)):
        tried += send_all(forwarder)
        clock.advance(step)
    return tried


def test_urgent_goes_first_then_the_smallest(post: Post, pacs: StorePeer) -> None:
    large, small = post.queue(rows=200), post.queue(rows=20)
    urgent = post.queue(rows=300, urgent=True)
    assert send_all(post.forwarder(pacs.port)) == 3
    assert pacs.received == [urgent, small, large]
    assert post.states() == [DeliveryState.ACKNOWLEDGED] * 3


def test_the_lanes_do_not_wait_for_each_other(post: Post, pacs: StorePeer) -> None:
    original, report = post.queue(), post.queue(what="sr")
    assert send_all(post.forwarder(pacs.port, lane="light")) == 1
    assert pacs.received == [report]
    assert post.deliveries()[original].state is DeliveryState.WAITING


def test_an_acknowledgement_is_recorded_with_its_time_and_peer(
    post: Post, pacs: StorePeer, clock: StoppedClock
) -> None:
    uid = post.queue()
    clock.advance(HOUR)
    send_all(post.forwarder(pacs.port))
    assert post.deliveries()[uid].acknowledged_at == clock.now()
    assert post.outbox.summary().destinations[0].last_success_at == clock.now()


@pytest.mark.slow
def test_a_week_without_the_pacs_needs_no_human_and_ends_with_everything_delivered(
    post: Post, pacs: StorePeer, clock: StoppedClock
) -> None:
    with a_bad_link(pacs.port) as link:
        link.reachable = False
        forwarder = post.forwarder(link.port)
        routine = [post.queue() for _ in range(5)]
        tried = pass_time(forwarder, clock, seconds=3 * DAY, step=30)
        urgent = post.queue(urgent=True)
        tried += pass_time(forwarder, clock, seconds=4 * DAY, step=30)
        assert 7 * 23 < tried <= 1 + 7 * 24, "a silent peer is asked with an echo, and given one delivery an hour"
        assert 7 * DAY / MINUTE / 2 < link.connections < 7 * DAY / MINUTE + 3 * tried
        assert post.outbox.summary().waiting == 6
        link.reachable = True
        before = link.connections
        pass_time(forwarder, clock, seconds=MINUTE + 30, step=30)
        assert pacs.received[0] == urgent
        assert sorted(pacs.received[1:]) == sorted(routine), "each once"
        assert link.connections - before == 1, "one association carries the probe and all that waited"
        assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


def test_the_error_of_an_outage_is_shown(post: Post, pacs: StorePeer) -> None:
    uid = post.queue()
    with a_bad_link(pacs.port) as link:
        link.reachable = False
        post.forwarder(link.port).run_once()
        assert f"127.0.0.1:{link.port}" in str(post.deliveries()[uid].last_error)
        assert f"127.0.0.1:{link.port}" in str(post.outbox.summary().destinations[0].last_error)


def test_a_pacs_that_is_silent_is_said_so_before_the_echo_has_failed_too(post: Post) -> None:
    post.queue()
    with a_hanging_peer() as hanging:
        forwarder = post.forwarder(hanging.port, timeouts=Timeouts(answer_seconds=2.0))
        thread = threading.Thread(target=forwarder.run_once)
        thread.start()
        until(lambda: hanging.connections == 2)  # the film's is given up, the echo's hangs
        assert [destination.reachable for destination in post.outbox.summary().destinations] == [False]
    thread.join()


def test_what_stands_in_the_way_is_what_the_last_look_saw(post: Post, pacs: StorePeer, clock: StoppedClock) -> None:
    post.queue()
    with a_bad_link(pacs.port) as link:
        link.reachable = False
        forwarder = post.forwarder(link.port)
        forwarder.run_once()
        first = post.outbox.summary().destinations[0].last_error
        link.reachable, pacs.entity.require_called_aet = True, True
        pass_time(forwarder, clock, seconds=MINUTE, step=5)
        second = post.outbox.summary().destinations[0].last_error
        assert second not in (None, first)
        pacs.entity.require_called_aet = False
        pass_time(forwarder, clock, seconds=10 * MINUTE)
    assert post.outbox.summary().destinations[0].last_error is None
    assert post.states() == [DeliveryState.ACKNOWLEDGED]


def test_orthanc_killed_and_restarted_gets_everything_once(
    post: Post, own_orthanc: OrthancPeer, clock: StoppedClock
) -> None:
    forwarder = post.forwarder(own_orthanc.dicom_port)
    uids = [post.queue() for _ in range(3)]
    assert forwarder.run_once()
    own_orthanc.kill()
    pass_time(forwarder, clock, seconds=HOUR)
    assert sorted(post.states()) == ["acknowledged", "waiting", "waiting"]
    own_orthanc.restart()
    pass_time(forwarder, clock, seconds=2 * MINUTE)
    assert own_orthanc.sop_instance_uids() == sorted(uids)
    assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


def test_a_refused_instance_waits_for_a_person_and_the_others_flow(post: Post, pacs: StorePeer) -> None:
    uids = [post.queue(rows=rows) for rows in (10, 20, 30)]
    pacs.answer_to[uids[0]] = 0xA900
    forwarder = post.forwarder(pacs.port)
    assert send_all(forwarder) == 3
    assert pacs.received == uids
    (refused,) = post.outbox.summary().refused
    assert (refused.instance.sop_instance_uid, refused.status) == (uids[0], "0xA900")
    assert "because of the test" in str(refused.last_error)
    pacs.answer_to.clear()
    assert post.outbox.retry(refused.delivery_id)
    assert send_all(forwarder) == 1
    assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


@pytest.mark.slow
def test_an_instance_that_never_gets_through_does_not_hold_up_the_others(
    post: Post, pacs: StorePeer, clock: StoppedClock
) -> None:
    poison = post.queue(urgent=True)
    pacs.answer_to[poison] = 0xA700
    forwarder = post.forwarder(pacs.port)
    others = [post.queue() for _ in range(5)]
    pass_time(forwarder, clock, seconds=MINUTE, step=2)
    assert sorted(uid for uid in pacs.received if uid != poison) == sorted(others)
    pacs.received.clear()
    pass_time(forwarder, clock, seconds=6 * HOUR, step=30)
    assert 6 * HOUR / 300 / 2 < len(pacs.received) < 6 * HOUR / 300 + 10, "for ever, but at the longest delay"
    pacs.answer_to.clear()
    pass_time(forwarder, clock, seconds=301)
    assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


@pytest.mark.slow
def test_what_a_peer_breaks_off_over_is_told_and_waits_long_while_the_others_flow(
    post: Post, pacs: StorePeer, clock: StoppedClock
) -> None:
    poison = pacs.aborts_over = post.queue(urgent=True)
    forwarder = post.forwarder(pacs.port)
    others = [post.queue() for _ in range(3)]
    pass_time(forwarder, clock, seconds=MINUTE, step=30)
    assert post.outbox.stuck() == []
    pass_time(forwarder, clock, seconds=HOUR, step=30)
    assert post.deliveries()[poison].attempts == MANY_ATTEMPTS
    assert sorted(uid for uid in pacs.received if uid != poison) == sorted(others)
    ((name, count, error),) = post.outbox.stuck()
    assert (name, count) == ("pacs", 1)
    assert "abort" in error
    pacs.received.clear()
    pass_time(forwarder, clock, seconds=6 * HOUR, step=60)
    assert 4 <= len(pacs.received) <= 7, "once an hour"
    pacs.aborts_over = ""
    pass_time(forwarder, clock, seconds=HOUR + MINUTE, step=60)
    assert post.outbox.stuck() == []
    assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


def test_a_link_that_breaks_under_every_film_is_tried_as_before(
    post: Post, pacs: StorePeer, clock: StoppedClock
) -> None:
    """An echo gets through and no film does: the others do not, so it is not this one."""
    for _ in range(2):
        post.queue(rows=500)
    with a_bad_link(pacs.port) as link:
        link.cut_after_up = 20_000
        forwarder = post.forwarder(link.port)
        pass_time(forwarder, clock, seconds=HOUR, step=60)
        assert post.outbox.stuck()
        link.cut_after_up = None
        pass_time(forwarder, clock, seconds=DELIVERY_CAP_SECONDS + MINUTE, step=30)
    assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


def test_tries_at_a_silent_peer_do_not_count(post: Post, pacs: StorePeer, clock: StoppedClock) -> None:
    uid = post.queue()
    with a_bad_link(pacs.port) as link:
        link.reachable = False
        pass_time(post.forwarder(link.port), clock, seconds=8 * HOUR, step=300)
    assert post.deliveries()[uid].attempts == 0
    assert post.outbox.stuck() == []


@pytest.mark.slow
def test_a_pacs_whose_disk_is_full_is_not_sent_film_after_film(
    post: Post, pacs: StorePeer, clock: StoppedClock
) -> None:
    pacs.answers = [0xA700]
    uids = {post.queue() for _ in range(50)}
    forwarder = post.forwarder(pacs.port)
    pass_time(forwarder, clock, seconds=HOUR)
    assert len(pacs.received) < 80
    pacs.answers = [0x0000]
    pass_time(forwarder, clock, seconds=10 * MINUTE)
    assert set(pacs.received) == uids
    assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


@pytest.mark.parametrize("status", [0x0110, 0x0122, 0x0124, 0x0211])
def test_a_peer_that_answers_an_echo_with_no_is_there_and_one_hiccup_stops_nothing(
    post: Post, pacs: StorePeer, clock: StoppedClock, status: int
) -> None:
    pacs.echo = status
    pacs.answers = [0xA700, 0x0000]
    uids = [post.queue(rows=rows) for rows in (10, 20, 30)]
    pass_time(post.forwarder(pacs.port), clock, seconds=MINUTE, step=2)
    assert set(pacs.received) == set(uids)
    assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


def test_a_peer_that_never_answers_an_echo_is_given_a_delivery_all_the_same(
    post: Post, pacs: StorePeer, clock: StoppedClock
) -> None:
    pacs.echo = None
    pacs.answers = [0xA700, 0x0000]
    for rows in (10, 20, 30):
        post.queue(rows=rows)
    forwarder = post.forwarder(pacs.port)
    pass_time(forwarder, clock, seconds=HOUR / 2, step=30)
    assert len(pacs.received) == 1
    pass_time(forwarder, clock, seconds=HOUR, step=30)
    assert set(post.states()) == {DeliveryState.ACKNOWLEDGED}


def test_not_authorised_is_tried_again_slowly(post: Post, pacs: StorePeer, clock: StoppedClock) -> None:
    pacs.answers = [0x0124]
    post.queue()
    forwarder = post.forwarder(pacs.port)
    pass_time(forwarder, clock, seconds=299, step=1)
    assert len(pacs.received) == 1
    pacs.answers = [0x0000]
    pass_time(forwarder, clock, seconds=3)
    pass_time(forwarder, clock, seconds=3, step=1)
    assert post.states() == [DeliveryState.ACKNOWLEDGED]


@pytest.mark.parametrize("damage", ["gone", "flipped", "cut", "empty"])
def test_a_spool_file_that_is_gone_or_damaged_is_refused_and_never_sent(
    post: Post, pacs: StorePeer, damage: str
) -> None:
    uid = post.queue()
    (path,) = [path for path in (post.folder / "spool").rglob("*") if path.is_file()]
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"flipped": bytes(content), "cut": bytes(content[:-100]), "empty": b""}[damage])
    other = post.queue(rows=50)
    assert send_all(post.forwarder(pacs.port)) == 2
    assert pacs.received == [other]
    delivery = post.deliveries()[uid]
    assert (delivery.state, delivery.status) == (DeliveryState.REFUSED, "damaged")
    assert delivery.last_error


def test_a_peer_that_accepts_and_hangs_is_given_up_and_asked_again(
    post: Post, pacs: StorePeer, clock: StoppedClock
) -> None:
    post.queue()
    with a_hanging_peer() as hanging:
        assert send_all(post.forwarder(hanging.port, timeouts=HASTY)) == 1
        until(lambda: hanging.connections == 2)  # one for the film, one to ask whether anybody is there
    assert post.states() == [DeliveryState.WAITING]
    clock.advance(1)
    assert send_all(post.forwarder(pacs.port)) == 1


def test_an_idle_connection_is_let_go(post: Post, pacs: StorePeer, clock: StoppedClock) -> None:
    forwarder = post.forwarder(pacs.port)
    post.queue()
    send_all(forwarder)
    clock.advance(4)
    assert not forwarder.run_once()
    until(lambda: len(pacs.entity.active_associations) == 1)  # that of the test before has gone
    clock.advance(2)
    assert not forwarder.run_once()
    until(lambda: not pacs.entity.active_associations)
    post.queue()
    assert send_all(forwarder) == 1


def test_a_connection_opened_only_to_ask_is_let_go_too(post: Post, pacs: StorePeer, clock: StoppedClock) -> None:
    uid = post.queue()
    with a_bad_link(pacs.port) as link:
        link.reachable = False
        forwarder = post.forwarder(link.port)
        forwarder.run_once()
        link.reachable = True
        with post.database.write() as connection:  # nothing left to send when the peer answers again
            connection.exec_driver_sql("UPDATE work SET state = 'refused', due_at = NULL")
        clock.advance(3)
        assert not forwarder.run_once()
        until(lambda: len(pacs.entity.active_associations) == 1)
        clock.advance(6)
        assert not forwarder.run_once()
        until(lambda: not pacs.entity.active_associations)
    assert post.deliveries()[uid].state is DeliveryState.REFUSED


def test_the_lease_is_renewed_while_a_film_crawls_over_the_link(tmp_path: Path, pacs: StorePeer) -> None:
    post = Post(tmp_path, SystemClock(), lease_seconds=2.0)
    post.queue(rows=1200)
    forwarder = post.forwarder(pacs.port, max_kbit_per_second=300, compression="none")
    sending = threading.Thread(target=forwarder.run_once)
    begun = time.monotonic()
    sending.start()
    until(lambda: post.states() == [DeliveryState.SENDING])
    while sending.is_alive():
        assert post.outbox.claim("pacs", "bulk") is None, "another one took it over"
        sending.join(0.05)
    assert time.monotonic() - begun > 3, "the film was meant to take longer than the lease"
    assert len(pacs.received) == 1
    assert post.states() == [DeliveryState.ACKNOWLEDGED]
    post.close()


KILLED = """
import sys
from pathlib import Path
from dicom_router.clock import SystemClock
from dicom_router.upper_layer.connection import Timeouts
from tests.dicom_router.transport.test_forwarder import Post
Post(Path(sys.argv[1]), SystemClock()).forwarder(int(sys.argv[2]), timeouts=Timeouts()).run_once()
"""


@pytest.mark.slow
def test_kill_9_between_sending_and_acknowledging_sends_again_and_loses_nothing(
    tmp_path: Path, pacs: StorePeer
) -> None:
    post = Post(tmp_path, SystemClock())
    uid = post.queue()
    child: Sequence[subprocess.Popen[bytes]] = []
    is_started, is_dead = threading.Event(), threading.Event()

    def kill_it() -> None:
        is_started.wait(60)
        os.kill(child[0].pid, signal.SIGKILL)
        child[0].wait()
        is_dead.set()

    pacs.on_store = kill_it
    child = [subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path), str(pacs.port)])]
    is_started.set()
    assert is_dead.wait(60)
    assert child[0].returncode == -signal.SIGKILL
    assert post.deliveries()[uid].state is DeliveryState.SENDING
    pacs.on_store = lambda: None
    assert post.ledger.free_leases(forgive=True) == 1
    assert send_all(post.forwarder(pacs.port)) == 1
    assert pacs.received == [uid, uid]
    assert post.states() == [DeliveryState.ACKNOWLEDGED]
    post.close()


def test_a_lost_lease_is_left_to_who_took_it_over(post: Post, pacs: StorePeer, clock: StoppedClock) -> None:
    uid = post.queue()
    other = Post(post.folder, clock, node="other/front")
    forwarder, rival = post.forwarder(pacs.port), other.forwarder(pacs.port)

    def take_over() -> None:
        pacs.on_store = lambda: None
        clock.advance(2 * MINUTE)
        assert rival.run_once()

    pacs.on_store = take_over
    with pytest.raises(Exception, match="lease"):
        forwarder.run_once()
    assert post.deliveries()[uid].state is DeliveryState.ACKNOWLEDGED
    other.close()
