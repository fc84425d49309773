"""The gate, asked by real machines (dcmtk) and by one that says what no library would."""

import hashlib
import io
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from dicom_router.dicom.identity import read_identity
from dicom_router.upper_layer.gatekeeper import AllowedPeer
from tests.dicom_router.scp.conftest import MakeStation, Station, encoded_dataset, is_served, raw, store
from tests.factories import DX, film, film_file, shared_folder, until
from tests.peers.dcmtk import sender_option, storescu
from tests.peers.machine import (
    ABORT,
    EXPLICIT_LITTLE_ENDIAN,
    RELEASE_RQ,
    VERIFICATION,
    Machine,
    association_request,
    command_pdu,
    dataset_pdus,
    pdata,
    pdu,
    results_of,
    status_of,
    store_request,
)

REJECTED = b"\x03\x00\x00\x00\x00\x04\x00"


# Films


def test_a_machine_that_asks_is_answered(busy_station: Station) -> None:
    assert is_served(busy_station)


def test_a_film_is_on_disk_and_on_record_before_success(station: Station, tmp_path: Path) -> None:
    dataset = film()
    done = storescu(station.port, film_file(tmp_path / "film.dcm", dataset))
    assert done.returncode == 0, done.stderr
    (arrival,) = station.arrivals()
    assert arrival.instance.sop_instance_uid == dataset.SOPInstanceUID
    assert arrival.instance.study_instance_uid == dataset.StudyInstanceUID
    assert arrival.instance.transfer_syntax_uid == EXPLICIT_LITTLE_ENDIAN
    assert (arrival.calling_ae_title, arrival.peer_host) == ("XRAY1", "127.0.0.1")
    assert station.kept == [1], "on_kept must see the work that was committed"
    with station.spool.open(arrival.spooled.key) as stream:
        assert pydicom.dcmread(stream).PixelData == dataset.PixelData


REAL_FILMS = [
    "ImagingDataCommons__dx_image.dcm",
    "fo-dicom__CR-ModalitySequenceLUT.dcm",
    "ivmartel__gdcm-CR-MONO1-10-chest.dcm",
    "mlmed__Fake_MONOHR1.dcm",
    "robyoung__RG2_JLSL.dcm",
    "robyoung__RG2_JPLL.dcm",
    "robyoung__RG2_RLE.dcm",
    "robyoung__RG3_JPLY.dcm",
    "udacity__test2.dcm",
    "udacity__test4.dcm",
]


@pytest.mark.parametrize("name", REAL_FILMS)
def test_a_real_film_is_kept_byte_for_byte(station: Station, name: str) -> None:
    path = shared_folder() / "data" / "dicom" / name
    syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
    sent = encoded_dataset(path.read_bytes())
    # Asked of the walk and not of pydicom: one of these films has a UID with leading zeros.
    film = read_identity(io.BytesIO(sent), start=0, end=len(sent), transfer_syntax_uid=syntax)
    with Machine(station.port) as machine:
        machine.associate([(film.sop_class_uid, syntax)])
        answer = machine.store(sent, sop_class_uid=film.sop_class_uid, sop_instance_uid=film.sop_instance_uid)
    assert answer == (0x0000, "")
    (arrival,) = station.arrivals()
    assert station.dataset_bytes(arrival) == sent
    assert arrival.spooled.sha256 == hashlib.sha256(sent).hexdigest()


@pytest.mark.parametrize("name", REAL_FILMS)
def test_dcmtk_can_send_every_real_film(station: Station, name: str) -> None:
    path = shared_folder() / "data" / "dicom" / name
    syntax = pydicom.filereader.read_file_meta_info(path).TransferSyntaxUID
    done = storescu(station.port, path, extra=["-R", sender_option(syntax)])
    assert done.returncode == 0, done.stderr
    (arrival,) = station.arrivals()
    assert arrival.instance.transfer_syntax_uid == syntax


def test_strange_text_is_kept_as_it_came(station: Station) -> None:
    dataset = film(PatientComments="<script>alert(1)</script>", character_set="ISO_IR 192")
    sent = raw(dataset).replace(b"ISO_IR 192", b"ISO_IR 999")
    assert store(station, sent, dataset.SOPInstanceUID)[0] == 0
    assert station.dataset_bytes(station.arrivals()[0]) == sent


def test_a_film_no_one_could_decode_is_kept_all_the_same(station: Station) -> None:
    dataset = film(Rows=65535, Columns=65535, BitsStored=99)
    assert store(station, raw(dataset), dataset.SOPInstanceUID)[0] == 0
    assert len(station.arrivals()) == 1


def test_many_films_come_through_one_association(station: Station, tmp_path: Path) -> None:
    files = [film_file(tmp_path / f"{number}.dcm", film(seed=number)) for number in range(20)]
    assert storescu(station.port, *files).returncode == 0
    assert len(station.arrivals()) == 20


def test_the_same_film_ten_times_at_once_is_one_film(station: Station, tmp_path: Path) -> None:
    path = film_file(tmp_path / "film.dcm", film(rows=1000, columns=1000))
    with ThreadPoolExecutor(10) as machines:
        codes = list(machines.map(lambda _: storescu(station.port, path).returncode, range(10)))
    assert codes == [0] * 10
    assert len(station.arrivals()) == 1
    assert len(list(station.spool.keys())) == 1


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"spoilt")], ids=["lost", "spoilt"])
def test_a_film_sent_again_mends_what_the_disk_did_to_the_first(
    station: Station, spoil: Callable[[Path], object]
) -> None:
    dataset = film()
    assert store(station, raw(dataset), dataset.SOPInstanceUID)[0] == 0
    (kept,) = station.files()
    spoil(kept)
    assert store(station, raw(dataset), dataset.SOPInstanceUID)[0] == 0
    (arrival,) = station.arrivals()
    assert station.files() == [kept]
    assert station.dataset_bytes(arrival) == raw(dataset)


def test_another_film_under_the_same_uid_is_kept_apart(station: Station) -> None:
    first = film(seed=1)
    second = film(seed=2, sop_instance_uid=first.SOPInstanceUID)
    assert store(station, raw(first), first.SOPInstanceUID)[0] == 0
    assert store(station, raw(second), first.SOPInstanceUID)[0] == 0
    assert [arrival.quarantined for arrival in station.arrivals()] == [False, True]
    assert station.dataset_bytes(station.inbox.quarantined()[0]) == raw(second)
    assert station.inbox.unread() == 1


def test_memory_stays_flat_for_a_film_of_eighteen_megabytes(station: Station, tmp_path: Path) -> None:
    path = film_file(tmp_path / "film.dcm", film(rows=3000, columns=3000))
    tracemalloc.start()
    try:
        assert storescu(station.port, path, extra=["-pdu", "131072"]).returncode == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert station.arrivals()[0].spooled.size_bytes > 18_000_000
    assert peak < 4_000_000


# Refusals


@pytest.mark.parametrize("uid", ["../../x", "1" * 65, "1.2\x00.3", "/etc/passwd", "", "1.2.a"])
def test_a_uid_that_is_none_is_refused_and_nothing_is_written(busy_station: Station, uid: str) -> None:
    status, comment = store(busy_station, raw(film()), uid)
    assert (status, comment) == (0x0117, "Affected SOP Instance UID is not a UID")
    assert busy_station.files() == []
    assert is_served(busy_station)


@pytest.mark.parametrize(
    ("dataset", "status", "comment"),
    [
        (film(sop_instance_uid="1.2.3.5"), 0xA900, "SOP Instance UID differs from the command"),
        (film(sop_instance_uid="1.2.3", StudyInstanceUID=None), 0xC000, "Study Instance UID is missing"),
        (film(sop_instance_uid="1.2.3", SOPInstanceUID=None), 0xC000, "SOP Instance UID is missing"),
    ],
)
def test_a_dataset_that_is_not_what_was_announced_is_refused(
    busy_station: Station, dataset: Dataset, status: int, comment: str
) -> None:
    assert store(busy_station, raw(dataset), "1.2.3") == (status, comment)
    assert busy_station.files() == []
    assert busy_station.arrivals() == []


def test_a_truncated_dataset_is_refused_and_the_next_film_taken(station: Station) -> None:
    dataset = film()
    whole = raw(dataset)
    with Machine(station.port) as machine:
        machine.associate()
        cut = machine.store(whole[:-1000], sop_instance_uid=dataset.SOPInstanceUID)
        again = machine.store(whole, sop_instance_uid=dataset.SOPInstanceUID)
    assert cut == (0xC000, "the dataset is truncated")
    assert again == (0x0000, "")
    assert len(station.files()) == 1


def test_three_thousand_nested_sequences_are_refused(busy_station: Station) -> None:
    dataset = film(PixelData=None)
    begin = b"\x40\x00\x30\xa7SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    bomb = raw(dataset) + begin * 3000 + end * 3000
    assert store(busy_station, bomb, dataset.SOPInstanceUID) == (0xC000, "sequences nested too deep")
    assert is_served(busy_station)


def test_a_film_over_the_size_limit_is_put_off(make_station: MakeStation) -> None:
    station = make_station(max_instance_bytes=5000)
    dataset = film()
    status, comment = store(station, raw(dataset), dataset.SOPInstanceUID)
    assert (status, comment) == (0xA700, "over the limit of 5000 bytes")
    assert station.files() == []


def test_when_only_the_reserve_is_left_films_are_put_off(make_station: MakeStation) -> None:
    station = make_station(reserve_bytes=1 << 60)
    dataset = film()
    with Machine(station.port) as machine:
        machine.associate()
        first = machine.store(raw(dataset), sop_instance_uid=dataset.SOPInstanceUID)
        second = machine.store(raw(dataset), sop_instance_uid=dataset.SOPInstanceUID)
    assert first == second == (0xA700, "no room on disk, try later")
    assert station.files() == []


def test_a_film_that_cannot_be_recorded_is_put_off_and_taken_when_it_can(station: Station) -> None:
    dataset = film()
    with station.database.write() as connection:
        connection.exec_driver_sql("create trigger broken before insert on work begin select raise(abort, 'no'); end")
    assert store(station, raw(dataset), dataset.SOPInstanceUID) == (0xA700, "could not be recorded, try later")
    assert station.files() == []
    with station.database.write() as connection:
        connection.exec_driver_sql("drop trigger broken")
    assert store(station, raw(dataset), dataset.SOPInstanceUID)[0] == 0
    assert len(station.arrivals()) == 1


def test_while_the_database_cannot_even_be_asked_no_file_is_deleted(station: Station) -> None:
    dataset = film()
    with station.database.write() as connection:
        connection.exec_driver_sql("alter table arrival rename to elsewhere")
    assert store(station, raw(dataset), dataset.SOPInstanceUID) == (
        0xA700,
        "the database does not answer, try later",
    )
    assert len(station.files()) == 1
    with station.database.write() as connection:
        connection.exec_driver_sql("alter table elsewhere rename to arrival")
    assert store(station, raw(dataset), dataset.SOPInstanceUID)[0] == 0


def test_other_services_are_refused_and_the_association_goes_on(station: Station) -> None:
    dataset = film()
    with Machine(station.port) as machine:
        machine.associate([(DX, EXPLICIT_LITTLE_ENDIAN), (VERIFICATION, EXPLICIT_LITTLE_ENDIAN)])
        machine.say(command_pdu(0x0020, DX, dataset_type=0) + dataset_pdus(b"a query"))
        assert status_of(machine.hear())[0] == 0x0211
        machine.say(command_pdu(0x0030, VERIFICATION, context_id=3))
        assert status_of(machine.hear())[0] == 0
        assert machine.store(raw(dataset), sop_instance_uid=dataset.SOPInstanceUID)[0] == 0
        machine.say(RELEASE_RQ)
        assert machine.hear()[0] == 6


# Negotiation


def test_every_storage_class_is_taken_and_nothing_else(busy_station: Station) -> None:
    offered = {
        "1.2.840.10008.5.1.4.1.1.1": 0,  # CR
        "1.2.840.10008.5.1.4.1.1.88.33": 0,  # Comprehensive SR
        "1.2.840.10008.5.1.4.1.1.6": 0,  # ultrasound, retired
        "1.3.12.2.1107.5.9.1": 0,  # private
        VERIFICATION: 0,
        "1.2.840.10008.5.1.4.1.2.2.1": 3,  # study root find
        "1.2.840.10008.1.20.1": 3,  # storage commitment
        "1.2.840.10008.5.1.4.31": 3,  # worklist
    }
    with Machine(busy_station.port) as machine:
        results = results_of(machine.associate([(uid, EXPLICIT_LITTLE_ENDIAN) for uid in offered]))
    assert list(results.values()) == list(offered.values())


@pytest.mark.parametrize(
    ("syntax", "result"),
    [
        ("1.2.840.10008.1.2", 0),
        ("1.2.840.10008.1.2.2", 0),
        ("1.2.840.10008.1.2.4.51", 0),
        ("1.2.840.10008.1.2.4.202", 0),
        ("1.2.840.10008.1.2.5", 0),
        ("1.2.840.10008.1.2.1.99", 4),  # deflated
        ("1.2.840.10008.1.2.4.94", 4),  # JPIP
        ("1.2.3.4", 4),
    ],
)
def test_deflated_jpip_and_unknown_encodings_are_not_taken(busy_station: Station, syntax: str, result: int) -> None:
    with Machine(busy_station.port) as machine:
        assert results_of(machine.associate([(DX, syntax)])) == {1: result}


@pytest.mark.parametrize(
    ("limits", "called", "calling", "numbers"),
    [
        ({}, "OTHER", "XRAY1", (1, 1, 7)),
        ({"allow": (AllowedPeer(ae_title="XRAY1", host="127.0.0.1"),)}, "XRAYTRIAGE", "NOBODY", (1, 1, 3)),
        ({"allow": (AllowedPeer(ae_title="XRAY1", host="127.0.0.9"),)}, "XRAYTRIAGE", "XRAY1", (1, 1, 3)),
        ({"max_associations": 0}, "XRAYTRIAGE", "XRAY1", (2, 3, 2)),
    ],
)
def test_who_may_not_speak_is_told_why(
    make_station: MakeStation, limits: dict[str, object], called: str, calling: str, numbers: tuple[int, int, int]
) -> None:
    station = make_station(**limits)
    with Machine(station.port) as machine:
        assert machine.associate(called=called, calling=calling) == REJECTED + bytes(numbers)
        assert machine.hear() == b""


def test_an_allowed_machine_is_served(make_station: MakeStation, tmp_path: Path) -> None:
    station = make_station(allow=(AllowedPeer(ae_title="XRAY1", host="127.0.0.1"),))
    assert storescu(station.port, film_file(tmp_path / "film.dcm", film())).returncode == 0


def test_a_place_that_is_given_back_is_taken_again(make_station: MakeStation) -> None:
    station = make_station(max_associations=1)
    with Machine(station.port) as first:
        assert first.associate()[0] == 2
        with Machine(station.port) as second:
            assert second.associate() == REJECTED + bytes((2, 3, 2))
    until(lambda: is_served(station))


# Links that break and peers that do not speak DICOM


@pytest.mark.parametrize("parting", [ABORT, b""], ids=["abort", "cut"])
def test_a_film_broken_off_leaves_nothing_and_may_come_again(station: Station, parting: bytes) -> None:
    dataset = film(rows=500, columns=500)
    pdus = store_request(DX, dataset.SOPInstanceUID) + dataset_pdus(raw(dataset))
    with Machine(station.port) as machine:
        machine.associate()
        machine.say(pdus[: len(pdus) // 2])
        until(lambda: len(station.files()) == 1)
        machine.say(parting)
    until(lambda: station.files() == [])
    assert station.arrivals() == []
    assert store(station, raw(dataset), dataset.SOPInstanceUID)[0] == 0


UID = "1.2.3"
NOISE_BEFORE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    bytes(range(200, 256)) * 50,
    b"\x01\x00\xff\xff\xff\xff" + bytes(1000),
    pdata(b"abc", flags=0),
    RELEASE_RQ,
    pdu(1, b"\x00\x01" + b"x" * 60),
    pdu(1, b""),
    pdu(1, b"\x00\x01\x00\x00" + b"A".ljust(32) + bytes(32) + b"\x10\x00\xff\xff1.2"),
    association_request()[:80] + b"\xff" * 200,
]
NOISE_INSIDE = [
    b"\x04\x00\xff\xff\xff\xff" + bytes(1000),
    pdu(4, b"\x00\x00\x10\x00\x01\x03abc"),
    pdu(4, b"\x00\x00\x00\x01\x01"),
    store_request(DX, UID, context_id=99),
    store_request(DX, UID, context_id=2),
    pdata(b"\x00\x00\x00\x01\xff\xff\xff\xff", flags=0b11),
    pdata(b"", flags=0b11),
    pdata(b"x" * 16_000, flags=0b01) * 5,
    pdata(raw(film()), flags=0b10),
    store_request(DX, UID) + pdata(b"abc", flags=0, context_id=3),
    store_request(DX, UID) + RELEASE_RQ,
    association_request(),
    pdu(99, b"abc"),
]


@pytest.mark.parametrize("noise", NOISE_BEFORE)
def test_noise_in_place_of_an_association_is_cut_off(busy_station: Station, noise: bytes) -> None:
    with Machine(busy_station.port) as machine:
        machine.say(noise)
        assert machine.hear()[:1] in (b"\x03", b"\x07", b"")
    assert_at_peace(busy_station)


@pytest.mark.parametrize("noise", NOISE_INSIDE)
def test_noise_inside_an_association_is_aborted(busy_station: Station, noise: bytes) -> None:
    with Machine(busy_station.port) as machine:
        assert machine.associate()[0] == 2
        machine.say(noise)
        assert machine.hear()[:1] in (b"\x07", b"")
    assert_at_peace(busy_station)


def assert_at_peace(station: Station) -> None:
    """Nothing left of the troublemaker, and others served."""
    until(lambda: station.listener.open_connections == 0)
    assert station.files() == []
    assert is_served(station)


def test_half_a_request_is_dropped_at_the_deadline(make_station: MakeStation) -> None:
    station = make_station(pdu_seconds=0.5)
    with Machine(station.port) as machine:
        machine.say(association_request()[:50])
        assert machine.hear() == b""


def test_one_address_that_holds_all_its_associations_locks_nobody_else_out(
    make_station: MakeStation, tmp_path: Path
) -> None:
    station = make_station(max_associations=3)
    greedy = [Machine(station.port, source="127.0.0.2") for _ in range(6)]
    assert [machine.associate()[0] for machine in greedy] == [2, 2, 2, 3, 3, 3]
    assert storescu(station.port, film_file(tmp_path / "film.dcm", film())).returncode == 0
    for machine in greedy:
        machine.close()


def test_half_requests_of_one_address_lock_nobody_else_out(make_station: MakeStation, tmp_path: Path) -> None:
    station = make_station(max_associations=2, max_waiting_per_host=8)
    stuck = [Machine(station.port, source="127.0.0.2") for _ in range(30)]
    for machine in stuck[:8]:
        machine.say(association_request()[:50])
    assert storescu(station.port, film_file(tmp_path / "film.dcm", film())).returncode == 0
    assert stuck[-1].hear() == b"", "over the limit of one address: closed at once"
    until(lambda: station.listener.open_connections <= 8)
    for machine in stuck:
        machine.close()


def test_without_a_thread_left_a_machine_is_hung_up_on_and_served_when_there_is_one(station: Station) -> None:
    usual = threading.stack_size(1 << 46)  # more than there is address space for
    try:
        with Machine(station.port) as machine:
            assert machine.hear() == b""
    finally:
        threading.stack_size(usual)
    assert is_served(station)
    until(lambda: station.listener.open_connections == 0)


def test_an_association_has_an_end(make_station: MakeStation) -> None:
    station = make_station(lifetime_seconds=0.0)
    with Machine(station.port) as machine:
        machine.associate([(VERIFICATION, EXPLICIT_LITTLE_ENDIAN)])
        machine.say(command_pdu(0x0030, VERIFICATION))
        assert machine.hear()[0] == 7


def test_a_silent_association_is_dropped(make_station: MakeStation) -> None:
    station = make_station(idle_seconds=0.2)
    with Machine(station.port) as machine:
        machine.associate()
        assert machine.hear() == b""


def test_stopping_cuts_a_film_in_the_middle_and_leaves_nothing(station: Station) -> None:
    dataset = film(rows=500, columns=500)
    with Machine(station.port) as machine:
        machine.associate()
        machine.say(store_request(DX, dataset.SOPInstanceUID) + dataset_pdus(raw(dataset))[:100_000])
        until(lambda: len(station.files()) == 1)
        station.listener.stop()
    assert station.files() == []
    assert station.listener.open_connections == 0


def test_a_listener_that_stopped_takes_no_more(station: Station) -> None:
    port = station.port
    station.listener.stop()
    with pytest.raises(ConnectionRefusedError):
        Machine(port)
