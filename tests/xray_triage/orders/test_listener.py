"""The listener for orders over real connections: who is heard, for how long, and that nothing ends it but its stop."""

import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dicom_router.clock import SystemClock
from tests.factories import until
from tests.peers.certificates import Authority
from tests.peers.ordering import END, MANNERS, START, OrderingHis, order_once, placed
from tests.xray_triage.desk import TestDesk
from tests.xray_triage.orders.conftest import taker
from xray_triage.config.values import Tls
from xray_triage.hl7.message import MOST_BYTES
from xray_triage.orders.listener import MOST_CONNECTIONS, OrderListener
from xray_triage.orders.tables import film_order
from xray_triage.tls import server_tls

PLAIN = placed()
HALF = START + PLAIN[:60]


class Opened:
    """A listener on a desk of its own; others with other rules on request."""

    def __init__(self, desk: TestDesk, on_end: ExitStack) -> None:
        self.desk, self.his, self._on_end = desk, taker(desk), on_end
        self.listener = self.open()

    def open(self, **rules: object) -> OrderListener:
        told = {"address": ("127.0.0.1", 0), "allow": (), "clock": SystemClock(), "refusals": self.desk.refusals}
        made = OrderListener(self.his, **told | rules)  # type: ignore[arg-type]
        made.start()
        self._on_end.callback(made.stop)
        return made

    @property
    def port(self) -> int:
        return self.listener.port

    def orders(self) -> int:
        with self.desk.database.read() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(film_order)) or 0

    def reasons(self) -> set[str]:
        return {each.reason for each in self.desk.refusals.standing()}


@pytest.fixture(scope="module")
def lasting(lasting_desk: TestDesk) -> Iterator[Opened]:
    with ExitStack() as on_end:
        yield Opened(lasting_desk, on_end)


@pytest.fixture
def opened(lasting: Opened, desk: TestDesk) -> Opened:
    assert lasting.desk is desk
    return lasting


def test_every_manner_of_vendors_is_answered_over_one_connection(opened: Opened) -> None:
    with OrderingHis(opened.port) as his:
        assert [his.order(message).code for message in MANNERS.values()] == ["AA"] * len(MANNERS)
    assert opened.orders() == len(MANNERS)


def test_several_messages_in_one_packet_and_one_message_in_many_are_answered_in_turn(opened: Opened) -> None:
    with OrderingHis(opened.port) as his:
        his.send(b"".join(START + placed(n, message_id=n, patient=n) + END for n in "123"))
        assert [his.answer().control_id for _ in "123"] == ["1", "2", "3"]
        for byte in START + placed("4", message_id="4") + END:
            his.send(bytes([byte]))
        assert his.answer().control_id == "4"
    assert opened.orders() == 4


@pytest.mark.slow
def test_five_hundred_messages_are_five_hundred_answers_and_half_as_many_orders(opened: Opened) -> None:
    numbers = [f"N-{n:03}".encode() for n in range(250) for _ in range(2)]
    like_it = placed("N-X", message_id="N-X", patient="N-X")
    with OrderingHis(opened.port) as his:
        for number in numbers:
            his.send(START + like_it.replace(b"N-X", number) + END)
        answers = [his.raw_answer() for _ in numbers]
    assert all(b"\rMSA|AA|" + number in answer for number, answer in zip(numbers, answers, strict=True))
    assert opened.orders() == 250


def test_who_is_not_on_the_list_is_cut_and_told_to_a_person(opened: Opened) -> None:
    strict = opened.open(allow=["192.168.1.30"])
    for _ in range(3):
        with OrderingHis(strict.port) as stranger:
            assert stranger.is_cut()
    until(lambda: opened.desk.refusals.standing() and opened.desk.refusals.standing()[0].count == 3)
    (told,) = opened.desk.refusals.standing()
    assert (told.reason, told.host, told.is_told) == ("his_unknown", "127.0.0.1", True)
    assert order_once(opened.open(allow=["localhost"]).port, PLAIN).code == "AA"
    assert opened.reasons() == set()


def test_one_computer_has_so_many_connections_and_no_more(opened: Opened) -> None:
    with ExitStack() as held:
        for n in range(MOST_CONNECTIONS):
            assert held.enter_context(OrderingHis(opened.port)).order(placed(message_id=str(n))).code == "AA"
        assert held.enter_context(OrderingHis(opened.port)).is_cut()
    assert opened.reasons() == {"his_too_many"}
    until(lambda: order_is_taken(opened))


def order_is_taken(opened: Opened) -> bool:
    try:
        return order_once(opened.port, PLAIN).code == "AA"
    except (EOFError, ConnectionError):
        return False


def test_a_block_that_does_not_end_is_refused_in_time(opened: Opened) -> None:
    hasty = opened.open(block_seconds=0.1)
    with OrderingHis(hasty.port) as his:
        his.send(HALF)
        refused = his.answer()
        assert (refused.code, "0x1C 0x0D" in refused.why) == ("AR", True)
        assert his.is_cut()
    assert opened.reasons() == {"his_message"}


def test_a_connection_that_says_nothing_is_closed_and_nobody_is_blamed(opened: Opened) -> None:
    with OrderingHis(opened.open(idle_seconds=0.1).port) as silent:
        assert silent.is_cut()
    assert opened.reasons() == set()


@pytest.mark.parametrize(
    "content",
    [PLAIN, b"GET / HTTP/1.1\r\n\r\n", START + b"x" * (MOST_BYTES + 1), b"\x16\x03\x01\x00\xa5\x01\x00\x00"],
    ids=["no frame", "HTTP", "too large", "TLS"],
)
def test_bytes_that_are_no_block_are_refused_in_words(opened: Opened, content: bytes) -> None:
    with OrderingHis(opened.port) as his:
        his.send(content)
        assert his.answer().code == "AR"
        assert his.is_cut()
    assert order_once(opened.port, PLAIN).code == "AA"


def test_a_block_that_was_broken_off_and_begun_anew_is_one_order(opened: Opened) -> None:
    with OrderingHis(opened.port) as his:
        his.send(HALF)
        assert his.order(PLAIN).code == "AA"
    assert opened.orders() == 1


def test_a_his_that_hangs_up_before_its_answer_sends_again(opened: Opened) -> None:
    for _ in range(3):
        with OrderingHis(opened.port) as his:
            his.send(START + PLAIN + END)
    assert order_once(opened.port, PLAIN).code == "AA"
    assert opened.orders() == 1


def test_a_database_that_fails_gives_no_answer_but_a_cut(opened: Opened) -> None:
    opened.desk.break_inserts("film_order")
    with OrderingHis(opened.port) as his, pytest.raises(EOFError):
        his.order(PLAIN)
    opened.desk.mend_inserts()
    assert order_once(opened.port, PLAIN).code == "AA"


def test_a_stop_answers_what_has_come_and_hears_nobody_any_more(opened: Opened) -> None:
    other = opened.open()
    port = other.port
    with OrderingHis(port) as his:
        assert his.order(PLAIN).code == "AA"
        other.stop()
        assert his.is_cut()
    with pytest.raises(ConnectionError):
        OrderingHis(port)


def test_over_tls_only_who_speaks_it_and_shows_its_certificate_is_heard(opened: Opened, tmp_path: Path) -> None:
    authority = Authority(tmp_path / "authority")
    own, theirs = authority.sign("station"), authority.sign("his")
    secure = opened.open(tls=server_tls(Tls(cert=own.cert, key=own.key, ca=authority.ca)), block_seconds=5.0)
    client, nameless = (ssl.create_default_context(cafile=authority.ca) for _ in range(2))
    client.load_cert_chain(theirs.cert, theirs.key)
    with OrderingHis(secure.port, tls=client) as his:
        assert his.order(PLAIN).code == "AA"
    with pytest.raises((EOFError, OSError)), OrderingHis(secure.port) as plain:
        plain.order(PLAIN)
    with pytest.raises((EOFError, OSError)), OrderingHis(secure.port, tls=nameless) as his:
        his.order(PLAIN)
    assert opened.orders() == 1
    until(lambda: opened.reasons() == {"no_tls"})


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([START, END, b"\x1c", b"\r", b"MSH|^~\\&|", HALF, PLAIN]) | st.binary(max_size=30)))
def test_nothing_that_anybody_sends_ends_the_listener(opened: Opened, pieces: list[bytes]) -> None:
    with OrderingHis(opened.port) as anybody:
        anybody.send(b"".join(pieces))
    until(lambda: order_is_taken(opened))
