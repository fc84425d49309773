"""What the listener takes although it is odd, what it refuses, and who is told of it."""

from typing import Any

import pytest

from dicom_router.dicom.instance import InstanceRef, read_dataset, reference_to
from dicom_router.dicom.outline import read_outline
from dicom_router.store.refusals import Reason
from dicom_router.upper_layer.gatekeeper import AllowedPeer
from tests.dicom_router.scp.conftest import MakeStation, Station, is_served, raw, store
from tests.dicom_router.scp.test_listener import NOISE_BEFORE
from tests.factories import DX, film, until
from tests.peers.machine import EXPLICIT_LITTLE_ENDIAN, RELEASE_RQ, VERIFICATION, Machine
from tests.peers.odd_objects import REFUSED, TRIFLES, OddObject, element


def store_odd(station: Station, odd: OddObject) -> tuple[int, str]:
    with Machine(station.port) as machine:
        machine.associate([(odd.context_class, odd.syntax)])
        return machine.store(odd.dataset, sop_instance_uid=odd.uid, sop_class_uid=odd.command_class)


@pytest.mark.parametrize("oddity", TRIFLES)
def test_a_film_is_kept_and_read_whatever_trifle_it_comes_with(station: Station, oddity: str) -> None:
    odd = TRIFLES[oddity]()
    assert store_odd(station, odd) == (0x0000, "")
    (arrival,) = station.arrivals()
    meant = odd.film
    assert arrival.instance == InstanceRef(
        sop_class_uid=meant.SOPClassUID,
        sop_instance_uid=meant.SOPInstanceUID,
        study_instance_uid=meant.StudyInstanceUID,
        series_instance_uid=meant.SeriesInstanceUID,
        transfer_syntax_uid=odd.syntax,
    )
    kept = station.dataset_bytes(arrival)
    station.spool.verify(arrival.spooled)
    with station.spool.open(arrival.spooled.key) as stream:
        read = read_dataset(stream)
        stream.seek(0)
        names = read_outline(stream).header
    stray = read.file_meta.get("PrivateInformation", b"").rstrip(b"\0")
    assert odd.dataset == odd.dataset[: len(odd.dataset) - len(kept)] + kept, "byte for byte"
    assert stray == odd.dataset[: len(odd.dataset) - len(kept)].rstrip(b"\0")
    assert reference_to(read) == reference_to(names) == arrival.instance
    assert read.file_meta.MediaStorageSOPClassUID == meant.SOPClassUID
    assert read.PixelData.ljust(len(meant.PixelData), b"\0") == meant.PixelData
    assert not {tag.group for tag in read.keys()} & {0x0000, 0x0002, 0xFFFE}  # noqa: SIM118


@pytest.mark.parametrize("oddity", REFUSED)
def test_a_film_that_is_not_what_it_says_is_refused_and_leaves_nothing(busy_station: Station, oddity: str) -> None:
    status, comment = store_odd(busy_station, REFUSED[oddity]())
    assert status in (0x0117, 0xA900, 0xC000)
    assert comment
    assert busy_station.files() == []
    assert is_served(busy_station)


def test_a_film_with_a_trifle_is_the_same_film_when_it_comes_again(station: Station) -> None:
    odd = TRIFLES["file meta information before, end and zeros behind"]()
    assert [store_odd(station, odd)[0] for _ in range(2)] == [0, 0]
    assert len(station.arrivals()) == len(station.files()) == 1
    assert station.kept == [1]


def test_file_meta_information_without_end_is_refused(busy_station: Station) -> None:
    dataset = film()
    endless = element(0x00020016, b"AE", b"MACHINE ") * 10_000
    assert store(busy_station, endless + raw(dataset), dataset.SOPInstanceUID)[0] == 0xC000
    assert busy_station.files() == []


def refused(station: Station) -> list[tuple[str, str, str]]:
    return sorted((each.caller, each.reason, each.detail) for each in station.refusals.standing())


@pytest.mark.parametrize(
    ("limits", "asked", "reason", "detail"),
    [
        ({}, {"called": "OTHER"}, Reason.WRONG_CALLED_TITLE, "called OTHER"),
        ({"allow": (AllowedPeer(ae_title="CR9", host=""),)}, {}, Reason.UNKNOWN_CALLER, "called XRAYTRIAGE"),
        ({"max_associations": 0}, {}, Reason.TOO_MANY, "called XRAYTRIAGE"),
        ({}, {"contexts": [(DX, "1.2.3")]}, Reason.NO_CONTEXT, f"{DX} in 1.2.3"),
        ({}, {"contexts": [(VERIFICATION, EXPLICIT_LITTLE_ENDIAN), ("1.2.840.10008.9", "1.2.840.10008.1.2")]},
         Reason.NO_CONTEXT, "1.2.840.10008.9 in 1.2.840.10008.1.2"),
    ],
)  # fmt: skip
def test_who_is_not_served_is_known(
    make_station: MakeStation, limits: dict[str, object], asked: dict[str, Any], reason: str, detail: str
) -> None:
    station = make_station(**limits)
    with Machine(station.port) as machine:
        machine.associate(**asked)
    until(lambda: station.listener.open_connections == 0)
    assert refused(station) == [("XRAY1 @ 127.0.0.1", reason, detail)]


def test_what_is_not_kept_is_known_until_it_is_kept(station: Station) -> None:
    dataset = film()
    whole = raw(dataset)
    with Machine(station.port) as machine:
        machine.associate()
        for _ in range(3):
            machine.store(whole[:-1000], sop_instance_uid=dataset.SOPInstanceUID)
        machine.store(whole, sop_instance_uid="../../x")
        (path, cut) = station.refusals.standing()
        assert (path.reason, path.sop_instance_uid) == ("0x0117", "../../x")
        assert (cut.reason, cut.detail, cut.count) == ("0xC000", "the dataset is truncated", 3)
        assert machine.store(whole, sop_instance_uid=dataset.SOPInstanceUID) == (0, "")
        machine.say(RELEASE_RQ)
        machine.hear()
        assert refused(station) == []


def test_a_machine_that_is_aborted_is_known_and_noise_is_not(station: Station) -> None:
    with Machine(station.port) as machine:
        machine.say(NOISE_BEFORE[0])
        machine.hear()
    with Machine(station.port) as machine:
        machine.associate()
        machine.say(b"\x04\x00\xff\xff\xff\xff" + bytes(10))
        machine.hear()
    until(lambda: station.listener.open_connections == 0)
    assert refused(station) == [("XRAY1 @ 127.0.0.1", "aborted", "a PDU of 4294967301 bytes is over the limit")]
