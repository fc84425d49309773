"""The listener over TLS, spoken to by dcmtk."""

import itertools
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pynetdicom.dsutils import encode

from dicom_router.clock import SystemClock
from dicom_router.dicom.keys import Keys
from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.modality_worklist import Worklist
from dicom_router.scp.storage import Storage
from dicom_router.store.database import Database
from dicom_router.store.inbox import Inbox
from dicom_router.store.ledger import Ledger
from dicom_router.store.outbox import Outbox
from dicom_router.store.refusals import Refusals
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.databases import open_in
from tests.factories import film, film_file, until
from tests.peers.dcmtk import run, storescu
from tests.peers.machine import Machine

PATIENTS = 1000
PATIENT_NAME = 0x00100010
ENDLESS = "ENDLESS"  # a caller to whom the worklist has no end


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A self-signed certificate for localhost and its key."""
    folder = tmp_path_factory.mktemp("tls")
    cert, key = folder / "cert.pem", folder / "key.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*request, "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    return cert, key


@pytest.fixture
def a_database(tmp_path: Path) -> Iterator[Database]:
    database = open_in(tmp_path / "router.db")
    yield database
    database.close()


@pytest.fixture
def kept() -> list[Callable[[], None]]:
    """What a test wants done between the commit of a film and its answer."""
    return []


@pytest.fixture
def pdu_seconds() -> float:
    """How long the listener waits for one PDU."""
    return 60.0


@pytest.fixture
def refusals(a_database: Database) -> Iterator[Refusals]:
    noted = Refusals(a_database, clock=SystemClock(), spool_id=None)
    yield noted
    noted.flush()


@pytest.fixture
def a_listener(
    a_database: Database,
    refusals: Refusals,
    tmp_path: Path,
    certificate: tuple[Path, Path],
    kept: list[Callable[[], None]],
    pdu_seconds: float,
) -> Iterator[Listener]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    clock = SystemClock()
    ledger = Ledger(a_database, clock=clock, node="test")
    inbox = Inbox(a_database, ledger, Outbox(a_database, ledger, clock=clock), clock=clock)
    spool = Spool(tmp_path / "spool")
    limits = ListenerLimits(ae_title="XRAYTRIAGE", pdu_seconds=pdu_seconds)
    listener = Listener(
        limits=limits,
        host="127.0.0.1",
        port=0,
        providers=(
            Echo(),
            Storage(spool=spool, inbox=inbox, on_kept=lambda: [do() for do in kept]),  # type: ignore[func-returns-value]
            Worklist(patients),
        ),
        tls=context,
        refusals=refusals,
    )
    listener.start()
    yield listener
    listener.stop()


def test_a_film_comes_over_tls(a_listener: Listener, certificate: tuple[Path, Path], tmp_path: Path) -> None:
    path = film_file(tmp_path / "film.dcm", film(rows=900, columns=800))
    sent = storescu(a_listener.port, path, called="XRAYTRIAGE", extra=["+tla", "+cf", str(certificate[0]), "-rc"])
    assert sent.returncode == 0, sent.stdout


def test_the_worklist_is_told_over_tls_and_may_be_cut_short(
    a_listener: Listener, certificate: tuple[Path, Path]
) -> None:
    secured = ["+tla", "+cf", str(certificate[0]), "-rc"]
    keys = ["-k", "0008,0005=ISO_IR 192", "-k", "0010,0010"]
    asked = ["findscu", "-v", "-W", "-aec", "XRAYTRIAGE", *secured, *keys, "127.0.0.1", str(a_listener.port)]
    whole = run(*asked)
    assert whole.stderr.count("Find Response: ") == PATIENTS, whole.stderr
    cut = run(*asked[:1], "--cancel", "3", "-aet", ENDLESS, *asked[1:])
    assert cut.returncode == 0
    assert cut.stderr.count("Find Response: ") >= 3


def test_a_film_that_came_whole_is_answered_over_tls_although_the_listener_stops(
    a_listener: Listener, kept: list[Callable[[], None]], certificate: tuple[Path, Path]
) -> None:
    def stop_and_go_on() -> None:
        stopping = threading.Thread(target=a_listener.stop)
        stopping.start()
        until(lambda: has_closed(a_listener))

    kept.append(stop_and_go_on)
    dataset = film()
    encoded = encode(dataset, is_implicit_vr=False, is_little_endian=True)
    assert encoded is not None
    with Machine(a_listener.port) as machine:
        machine.socket = ssl.create_default_context(cafile=str(certificate[0])).wrap_socket(
            machine.socket, server_hostname="localhost"
        )
        machine.associate()
        assert machine.store(encoded, sop_instance_uid=dataset.SOPInstanceUID)[0] == 0


def patients(_: object, calling_ae_title: str) -> Iterator[Keys]:
    numbers = itertools.count() if calling_ae_title == ENDLESS else range(PATIENTS)
    return ({PATIENT_NAME: f"Lê {number}"} for number in numbers)


def has_closed(listener: Listener) -> bool:
    try:
        return listener.port < 0
    except OSError:
        return True


def test_plain_tcp_on_the_tls_port_is_hung_up_on_and_others_are_served(
    a_listener: Listener, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    with Machine(a_listener.port) as machine:
        assert machine.associate()[:1] not in (b"\x02", b"\x03")
    test_a_film_comes_over_tls(a_listener, certificate, tmp_path)


@pytest.mark.parametrize("pdu_seconds", [0.5])
def test_a_connection_that_never_begins_tls_is_dropped(a_listener: Listener) -> None:
    with Machine(a_listener.port) as machine:
        assert machine.hear() == b""


def test_who_speaks_no_tls_is_known_until_somebody_there_does(
    a_listener: Listener, refusals: Refusals, certificate: tuple[Path, Path], tmp_path: Path
) -> None:
    with Machine(a_listener.port):
        pass  # who looks whether the port is open says nothing
    until(lambda: a_listener.open_connections == 0)
    assert refusals.standing() == []
    with Machine(a_listener.port) as machine:
        machine.associate()
    until(lambda: a_listener.open_connections == 0)
    assert [(each.caller, each.reason) for each in refusals.standing()] == [("127.0.0.1", "no_tls")]
    test_a_film_comes_over_tls(a_listener, certificate, tmp_path)
    assert refusals.standing() == []
