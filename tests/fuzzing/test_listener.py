"""PDUs, commands and datasets against a running listener with all its services: it stays, and others never wait."""

import time
from collections.abc import Iterator

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dicom_router.clock import SystemClock
from dicom_router.dicom.uids import MODALITY_WORKLIST, PERFORMED_STEP
from dicom_router.scp.commitment import StorageCommitment
from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.modality_worklist import Worklist
from dicom_router.scp.performed_step import PerformedSteps
from dicom_router.scp.storage import Storage
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.dicom_router.scp.conftest import encoded_dataset
from tests.factories import DX, film, film_bytes, until
from tests.fuzzing import changed, edits, fuzz
from tests.peers.machine import (
    EXPLICIT_LITTLE_ENDIAN,
    VERIFICATION,
    Machine,
    association_request,
    command_pdu,
    dataset_pdus,
    pdata,
    pdu,
)
from tests.xray_triage.conftest import desk_in
from tests.xray_triage.desk import PACS, TestDesk
from xray_triage.orders.steps import Steps
from xray_triage.orders.worklist_entries import WorklistEntries

COMMITMENT = "1.2.840.10008.1.20.1"
SERVED = (VERIFICATION, DX, MODALITY_WORKLIST, PERFORMED_STEP, COMMITMENT)
CONTEXTS = tuple((sop_class, EXPLICIT_LITTLE_ENDIAN) for sop_class in SERVED)
FIELDS = (
    0x0001,
    0x0010,
    0x0020,
    0x0021,
    0x0030,
    0x0100,
    0x0110,
    0x0120,
    0x0130,
    0x0140,
    0x0150,
    0x0FFF,
    0x8001,
    0xFFFF,
)
LONGEST_WAIT = 1.0
REQUEST = association_request(CONTEXTS)
FILM = encoded_dataset(film_bytes(film(rows=8, columns=8)))
ECHO = command_pdu(0x0030, VERIFICATION)
STORE = command_pdu(0x0001, DX, "1.2.3.4", context_id=3, dataset_type=0) + dataset_pdus(FILM, context_id=3, size=300)
FIND = command_pdu(0x0020, MODALITY_WORKLIST, context_id=5, dataset_type=0) + dataset_pdus(b"", context_id=5)

uids = st.one_of(
    st.sampled_from([*SERVED, "", "1.2.3", "../../x", "1" * 65, "1.2\0", " 1.2"]), st.text("0123456789.", max_size=70)
)
commands = st.builds(
    command_pdu,
    st.sampled_from(FIELDS),
    uids,
    uids,
    context_id=st.sampled_from([1, 3, 5, 7, 9, 11, 255]),
    dataset_type=st.sampled_from([0x0101, 0, 1]),
)
datasets = st.builds(
    lambda changes, number, size: dataset_pdus(changed(FILM, changes), context_id=number, size=size),
    edits(),
    st.sampled_from([1, 3, 5, 7, 9]),
    st.sampled_from([1, 2, 300, 16_384]),
)
pieces = st.one_of(
    commands,
    datasets,
    st.builds(pdu, st.integers(0, 9), st.binary(max_size=40)),
    st.builds(pdata, st.binary(max_size=60), context_id=st.integers(0, 255), flags=st.integers(0, 255)),
    st.builds(changed, st.sampled_from([ECHO, STORE, FIND, REQUEST]), edits()),
)


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listener]:
    with desk_in(tmp_path_factory.mktemp("fuzzed")) as desk:
        listener = all_services(desk)
        listener.start()
        yield listener
        listener.stop()


def all_services(desk: TestDesk) -> Listener:
    return Listener(
        limits=ListenerLimits(ae_title="XRAYTRIAGE", max_associations=50, max_waiting_per_host=50),
        host="127.0.0.1",
        port=0,
        providers=(
            Echo(),
            Storage(spool=desk.spool, inbox=desk.inbox, on_kept=lambda: None),
            Worklist(WorklistEntries(desk.orders, ae_title="", station_name="Trạm")),
            PerformedSteps(Steps(desk.database, clock=desk.clock)),
            StorageCommitment(spool=desk.spool, inbox=desk.inbox, book=desk.commitments, destinations={"PACS": [PACS]}),
        ),
        clock=SystemClock(),
    )


@pytest.fixture(scope="module")
def other(listening: Listener) -> Iterator[Machine]:
    """A machine that was there before."""
    with Machine(listening.port) as machine:
        assert machine.associate(CONTEXTS)[:1] == b"\x02"
        yield machine


def the_others_are_served(listening: Listener, other: Machine) -> None:
    began = time.monotonic()
    other.say(ECHO)
    assert other.hear()[:1] == b"\x04"
    with Machine(listening.port) as newcomer:
        assert newcomer.associate(CONTEXTS)[:1] == b"\x02"
        newcomer.say(ECHO)
        assert newcomer.hear()[:1] == b"\x04"
    assert time.monotonic() - began < LONGEST_WAIT


@fuzz(40)
@given(said=st.one_of(st.binary(max_size=200), st.builds(changed, st.just(REQUEST), edits())))
def test_whatever_a_stranger_says_first_nobody_else_waits(listening: Listener, other: Machine, said: bytes) -> None:
    with Machine(listening.port) as machine:
        say(machine, said)
        the_others_are_served(listening, other)
    until(lambda: listening.open_connections == 1)  # each is a thread


@fuzz(80)
@given(said=st.lists(pieces, min_size=1, max_size=6))
@example(said=[STORE, STORE, FIND])
def test_whatever_a_machine_says_nobody_else_waits(listening: Listener, other: Machine, said: list[bytes]) -> None:
    with Machine(listening.port) as machine:
        assert machine.associate(CONTEXTS)[:1] == b"\x02"
        say(machine, *said)
        the_others_are_served(listening, other)
    until(lambda: listening.open_connections == 1)  # each is a thread


def say(machine: Machine, *said: bytes) -> None:
    try:
        for each in said:
            machine.say(each)
    except OSError:  # it hung up on us
        pass
