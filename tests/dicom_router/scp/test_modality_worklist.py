"""The worklist and the performed steps of a listener, asked by pynetdicom, dcmtk and a machine of raw bytes."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE
from pynetdicom.dsutils import encode
from pynetdicom.sop_class import ModalityPerformedProcedureStep, ModalityWorklistInformationFind
from sqlalchemy.exc import OperationalError

from dicom_router.dicom.keys import Keys
from dicom_router.dicom.status import PENDING
from dicom_router.dicom.uids import MODALITY_WORKLIST, PERFORMED_STEP
from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.modality_worklist import Worklist
from dicom_router.scp.performed_step import PerformedSteps, ScheduledStep, StepState
from dicom_router.scp.provider import LONGEST_DATASET, Provider
from dicom_router.store.database import open_database
from dicom_router.upper_layer.acceptor import Message
from dicom_router.upper_layer.command import Request
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from dicom_router.upper_layer.negotiation import Context
from tests.peers.dcmtk import echoscu, run
from tests.peers.machine import (
    EXPLICIT_LITTLE_ENDIAN,
    Machine,
    command_pdu,
    dataset_pdus,
    pdata,
    pdu,
    results_of,
    status_of,
)

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
WORKLIST_CONTEXT = ((MODALITY_WORKLIST, EXPLICIT_LITTLE_ENDIAN),)
STEP_CONTEXT = ((PERFORMED_STEP, EXPLICIT_LITTLE_ENDIAN),)
DAYS = "20250601-20250603"
FIND, CREATE, SET = 0x0020, 0x0140, 0x0120

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:pydicom")


def entry(
    name: str, number: str, *, day: str = "20250601", time: str = "081500", modality: str = "DX", ae_title: str = "DX1"
) -> Dataset:
    step = Dataset()
    step.ScheduledStationAETitle = ae_title
    step.ScheduledProcedureStepStartDate = day
    step.ScheduledProcedureStepStartTime = time
    step.Modality = modality
    step.ScheduledPerformingPhysicianName = "Lê Thị Hà"
    step.ScheduledProcedureStepDescription = "Ngực thẳng"
    step.ScheduledProtocolCodeSequence = []
    made = Dataset()
    made.PatientName, made.PatientID, made.AccessionNumber = name, f"P{number}", number
    made.RequestedProcedureID = f"R{number}"
    made.StudyInstanceUID = f"2.25.{number}"
    made.PatientSex = "F"
    made.ScheduledProcedureStepSequence = [step]
    return made


ENTRIES = (
    entry("NGUYỄN VĂN ĐỨC", "1"),
    entry("Trần Thị Bưởi", "2", day="20250602", time="100000", modality="CR", ae_title="CR1"),
    entry("Lê [An]", "3", day="20250603", time="180000"),
)


def plain(dataset: Dataset) -> Keys:
    """As a site gives its entries."""
    return {
        int(element.tag): [plain(item) for item in element.value] if element.VR == "SQ" else str(element.value)
        for element in dataset
    }


@dataclass
class Book:
    """A StepBook in memory; the one on a database is tested where it stands."""

    steps: dict[str, StepState] = field(default_factory=dict)
    worked_for: list[ScheduledStep] = field(default_factory=list)

    def begin(
        self, sop_instance_uid: str, steps: tuple[ScheduledStep, ...], *, patient_id: str, calling_ae_title: str
    ) -> bool:
        if sop_instance_uid in self.steps:
            return False
        self.worked_for += steps
        self.steps[sop_instance_uid] = StepState.IN_PROGRESS
        return True

    def change(self, sop_instance_uid: str, state: StepState) -> StepState | None:
        before = self.steps.get(sop_instance_uid)
        if before is StepState.IN_PROGRESS:
            self.steps[sop_instance_uid] = state
        return before


@dataclass
class House:
    listener: Listener
    book: Book
    entries: list[Dataset]
    asked_by: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.listener.port


@contextmanager
def running(folder: Path, **limits: Any) -> Iterator[House]:
    database = open_database(f"sqlite:///{folder}/station.db")
    book, entries, asked_by = Book(), list(ENTRIES), []

    def give(_keys: Keys, calling_ae_title: str) -> Iterator[Keys]:
        asked_by.append(calling_ae_title)
        if calling_ae_title == "UNLUCKY":
            raise OperationalError("select", {}, Exception("disk I/O error"))
        yield from map(plain, entries)

    listener = Listener(
        limits=ListenerLimits(ae_title="XRAYTRIAGE", **limits),
        host="127.0.0.1",
        port=0,
        providers=(Echo(), Worklist(give), PerformedSteps(book)),
    )
    listener.start()
    yield House(listener, book, entries, asked_by)
    listener.stop()
    database.close()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with running(tmp_path_factory.mktemp("house")) as open_house:
        yield open_house


def find(
    house: House, identifier: Dataset, *, syntax: str = ExplicitVRLittleEndian, calling: str = "DX1", pdu: int = 0
) -> Any:
    """(last status, [(status, match)]) of a C-FIND by pynetdicom."""
    ae = AE(calling)
    ae.maximum_pdu_size = pdu
    ae.add_requested_context(ModalityWorklistInformationFind, syntax)
    association = ae.associate("127.0.0.1", house.port, ae_title="XRAYTRIAGE")
    assert association.is_established
    said = [
        (status.Status, match) for status, match in association.send_c_find(identifier, ModalityWorklistInformationFind)
    ]
    association.release()
    return said[-1][0], said[:-1]


def query(step: dict[str, str] | None = None, /, character_set: str = "ISO_IR 192", **keys: str) -> Dataset:
    identifier = Dataset()
    if character_set:
        identifier.SpecificCharacterSet = character_set
    for keyword, value in ({"PatientName": "", "AccessionNumber": ""} | keys).items():
        setattr(identifier, keyword, value)
    if step is not None:
        item = Dataset()
        for keyword, value in step.items():
            setattr(item, keyword, value)
        identifier.ScheduledProcedureStepSequence = [item]
    return identifier


def raw(dataset: Dataset) -> bytes:
    return encode(dataset, is_implicit_vr=False, is_little_endian=True) or b""


def numbers(house: House, identifier: Dataset, **how: Any) -> list[str]:
    status, matches = find(house, identifier, **how)
    assert status == 0x0000
    return [str(match.AccessionNumber) for _, match in matches]


# Matching


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_query_without_values_finds_everybody_with_vietnamese_letters(house: House, syntax: str) -> None:
    status, matches = find(house, query({"Modality": ""}), syntax=syntax)
    assert status == 0x0000
    assert [(s, str(m.PatientName)) for s, m in matches] == [(0xFF00, str(e.PatientName)) for e in ENTRIES]
    assert {str(m.SpecificCharacterSet) for _, m in matches} == {"ISO_IR 192"}


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ({"AccessionNumber": "2"}, "2"),
        ({"PatientID": "P3"}, "3"),
        ({"PatientID": "p3"}, ""),
        ({"PatientID": "P?"}, "123"),
        ({"RequestedProcedureID": "R1"}, "1"),
        ({"StudyInstanceUID": "2.25.1\\2.25.3"}, "13"),
        ({"PatientName": "NGUYỄN VĂN ĐỨC"}, "1"),
        ({"PatientName": "nguyen van duc"}, "1"),
        ({"PatientName": "NGUYEN^VAN^DUC"}, "1"),
        ({"PatientName": "nguyen*"}, "1"),
        ({"PatientName": "*Bưởi"}, "2"),
        ({"PatientName": "Tr?n*"}, "2"),
        ({"PatientName": "L* [An]"}, "3"),
        ({"PatientName": "L* [A-Z]n]"}, ""),
        ({"PatientName": "*"}, "123"),
        ({"PatientName": "Nguyen"}, ""),
        ({"PatientName": "*" * 31 + "x"}, ""),
        ({"PatientSex": "F"}, "123"),
        ({"PatientSex": "M"}, ""),
        # A machine that asks outside of the sequence asks for what no entry has there.
        ({"ScheduledProcedureStepStartDate": DAYS, "ScheduledProcedureStepStartTime": "080000-190000"}, "123"),
    ],
)
def test_keys_of_the_patient_and_the_request_match(house: House, keys: dict[str, str], found: str) -> None:
    assert "".join(numbers(house, query(**keys))) == found


@pytest.mark.parametrize(
    ("step", "found"),
    [
        ({}, "123"),
        ({"Modality": "CR"}, "2"),
        ({"Modality": "CT"}, ""),
        ({"ScheduledStationAETitle": "DX1"}, "13"),
        ({"ScheduledStationAETitle": "DX1", "Modality": "CR"}, ""),
        ({"ScheduledPerformingPhysicianName": "le thi*"}, "123"),
        ({"ScheduledProcedureStepStartDate": "20250602"}, "2"),
        ({"ScheduledProcedureStepStartDate": "20250602-"}, "23"),
        ({"ScheduledProcedureStepStartDate": "-20250602"}, "12"),
        ({"ScheduledProcedureStepStartDate": "20250601-20250602"}, "12"),
        ({"ScheduledProcedureStepStartDate": "-", "ScheduledProcedureStepStartTime": "-"}, "123"),
        ({"ScheduledProcedureStepStartDate": "2025-06-02", "ScheduledProcedureStepStartTime": "0900-"}, "2"),
        ({"ScheduledProcedureStepStartTime": "081500"}, "1"),
        ({"ScheduledProcedureStepStartTime": "08-12"}, "12"),
        ({"ScheduledProcedureStepStartTime": "1000-"}, "23"),
        # A date range and a time range are one span: from the first at nine to the third at noon.
        ({"ScheduledProcedureStepStartDate": DAYS, "ScheduledProcedureStepStartTime": "090000-120000"}, "2"),
        ({"ScheduledProcedureStepStartDate": DAYS, "ScheduledProcedureStepStartTime": "080000-190000"}, "123"),
    ],
)  # fmt: skip
def test_keys_of_the_scheduled_step_match(house: House, step: dict[str, str], found: str) -> None:
    assert "".join(numbers(house, query(step))) == found


def test_an_empty_sequence_is_given_back_whole(house: House) -> None:
    identifier = query(AccessionNumber="1")
    identifier.ScheduledProcedureStepSequence = []
    _, ((_, match),) = find(house, identifier)
    assert match.ScheduledProcedureStepSequence[0].ScheduledProcedureStepDescription == "Ngực thẳng"


def test_only_what_is_asked_for_is_given_and_what_is_not_known_is_warned_of(house: House) -> None:
    _, ((status, match),) = find(
        house, query({"Modality": "", "CommentsOnTheScheduledProcedureStep": ""}, AccessionNumber="1")
    )
    assert status == 0xFF01
    assert {element.keyword for element in match} == {
        "SpecificCharacterSet", "PatientName", "AccessionNumber", "ScheduledProcedureStepSequence",
    }  # fmt: skip
    assert [element.keyword for element in match.ScheduledProcedureStepSequence[0]] == ["Modality"]


# Character sets


@pytest.mark.parametrize("character_set", ["", "ISO_IR 100", "ISO_IR 6", "ISO 2022 IR 87", "GIBBERISH"])
def test_a_machine_that_cannot_show_vietnamese_gets_plain_letters(house: House, character_set: str) -> None:
    _, ((_, match),) = find(
        house, query({"ScheduledProcedureStepDescription": ""}, character_set=character_set, AccessionNumber="1")
    )
    assert str(match.PatientName) == "NGUYEN VAN DUC"
    assert match.ScheduledProcedureStepSequence[0].ScheduledProcedureStepDescription == "Nguc thang"
    assert "SpecificCharacterSet" not in match


def test_gb18030_carries_vietnamese_too(house: House) -> None:
    _, ((_, match),) = find(house, query(character_set="GB18030", PatientName="Trần*"))
    assert (str(match.PatientName), match.SpecificCharacterSet) == ("Trần Thị Bưởi", "GB18030")


@pytest.mark.parametrize(
    ("character_set", "name"), [("ISO_IR 192", "NGUYỄN VĂN ĐỨC"), ("ISO_IR 100", "NGUYEN VAN DUC")]
)
def test_findscu_sees_the_patient(house: House, tmp_path: Path, character_set: str, name: str) -> None:
    keys = [f"0008,0005={character_set}", "0010,0010", "0008,0050=1", "0040,0100[0].0008,0060=DX"]
    keys = [word for key in keys for word in ("-k", key)]
    done = run("findscu", "-W", "-aet", "DX1", "-aec", "XRAYTRIAGE", "-X", "-od", str(tmp_path), *keys,
               "127.0.0.1", str(house.port))  # fmt: skip
    assert done.returncode == 0, done.stderr
    (answer,) = tmp_path.glob("*.dcm")
    assert name.encode() in answer.read_bytes()


# What goes wrong


@pytest.mark.parametrize(
    "step",
    [
        {"ScheduledProcedureStepStartDate": "tomorrow"},
        {"ScheduledProcedureStepStartTime": "25h-"},
        None,
    ],
)
def test_a_query_that_is_none_is_a900(house: House, step: dict[str, str] | None) -> None:
    with Machine(house.port) as machine:
        machine.associate(WORKLIST_CONTEXT)
        assert ask(machine, raw(query(step) if step else Dataset()))[0] == 0xA900
        assert ask(machine, raw(query(AccessionNumber="none")))[0] == 0x0000


def ask(
    machine: Machine, encoded: bytes, field: int = FIND, sop: str = MODALITY_WORKLIST, uid: str = ""
) -> tuple[int, str]:
    machine.say(command_pdu(field, sop, uid, dataset_type=0))
    machine.say(dataset_pdus(encoded))
    return status_of(machine.hear())


def nested(depth: int) -> bytes:
    """Sequences in sequences, none of them closed, explicit VR."""
    return (
        struct.pack("<HH2sHI", 0x0040, 0x0100, b"SQ", 0, 0xFFFFFFFF) + struct.pack("<HHI", 0xFFFE, 0xE000, 0xFFFFFFFF)
    ) * depth


@pytest.mark.parametrize(
    ("encoded", "status"),
    [
        (nested(3000), 0xC000),
        (nested(3), 0xC000),
        (raw(query(PatientID="x"))[:-1], 0xC000),
        (b"\xff" * 300, 0xC000),
        (raw(query(TextValue="x" * 70_000)), 0xA700),
        (b"\0" * (LONGEST_DATASET + 1), 0xA700),
    ],
)
def test_a_hostile_query_is_answered_and_the_listener_lives(house: House, encoded: bytes, status: int) -> None:
    with Machine(house.port) as machine:
        machine.associate(WORKLIST_CONTEXT)
        assert ask(machine, encoded)[0] == status
        assert ask(machine, raw(query(AccessionNumber="none")))[0] == 0x0000
    assert echoscu(house.port).returncode == 0


@pytest.mark.parametrize("step", [{"PatientName": "x"}, {"AccessionNumber": ""}])
def test_an_identifier_whose_plain_key_is_a_sequence_is_refused(house: House, step: dict[str, str]) -> None:
    item = raw(query(character_set="", **step))
    encoded = (
        struct.pack("<HH2sHI", 0x0008, 0x0050, b"SQ", 0, len(item) + 8)
        + struct.pack("<HHI", 0xFFFE, 0xE000, len(item))
        + item
    )
    with Machine(house.port) as machine:
        machine.associate(WORKLIST_CONTEXT)
        assert ask(machine, encoded)[0] == 0xA900


def test_an_operation_that_is_not_served_is_0211(house: House) -> None:
    with Machine(house.port) as machine:
        machine.associate(WORKLIST_CONTEXT)
        assert ask(machine, b"", field=0x0001)[0] == 0x0211
        machine.say(command_pdu(0x0030, MODALITY_WORKLIST))
        assert status_of(machine.hear())[0] == 0x0211


def test_a_database_that_does_not_answer_is_a700(house: House) -> None:
    assert find(house, query(), calling="UNLUCKY")[0] == 0xA700


def test_compressed_syntaxes_and_strangers_are_not_let_in(house: House, tmp_path: Path) -> None:
    with Machine(house.port) as machine:
        accepted = machine.associate(
            ((MODALITY_WORKLIST, "1.2.840.10008.1.2.4.80"), (MODALITY_WORKLIST, IMPLICIT_LITTLE_ENDIAN))
        )
        assert results_of(accepted) == {1: 4, 3: 0}
    with running(tmp_path, allow=()) as other, Machine(other.port) as machine:
        assert machine.associate(WORKLIST_CONTEXT, called="ELSEWHERE")[:1] == b"\x03"


def test_a_long_answer_comes_in_pieces_that_the_machine_takes(house: House) -> None:
    house.entries.append(entry("Nguyễn Dài", "9"))
    house.entries[-1].RequestedProcedureComments = "ế" * 5000
    try:
        _, ((_, match),) = find(house, query(AccessionNumber="9", RequestedProcedureComments=""), pdu=512)
        assert match.RequestedProcedureComments == "ế" * 5000
    finally:
        house.entries.pop()


def cancel() -> bytes:
    """C-CANCEL-RQ of message 7, PS3.7 9.3.2.3."""
    body = b"".join(
        struct.pack("<HHI", 0, tag, 2) + struct.pack("<H", value)
        for tag, value in ((0x0100, 0x0FFF), (0x0120, 7), (0x0800, 0x0101))
    )
    return pdata(struct.pack("<HHII", 0, 0, 4, len(body)) + body, context_id=1, flags=0b11)


def test_a_cancelled_query_ends_with_fe00_and_a_late_cancel_is_nothing(house: House) -> None:
    with Machine(house.port) as machine:
        machine.associate(WORKLIST_CONTEXT)
        machine.say(command_pdu(FIND, MODALITY_WORKLIST, dataset_type=0) + dataset_pdus(raw(query())) + cancel())
        statuses = []
        while not statuses or statuses[-1] in (0xFF00, 0xFF01):
            statuses.append(status_of(machine.hear())[0])
            if statuses[-1] in (0xFF00, 0xFF01):
                machine.hear()
        assert statuses[-1] == 0xFE00
        machine.say(cancel())
        assert ask(machine, raw(query(AccessionNumber="none")))[0] == 0x0000


def test_a_second_operation_before_the_answer_is_aborted(house: House) -> None:
    with Machine(house.port) as machine:
        machine.associate(WORKLIST_CONTEXT)
        request = command_pdu(FIND, MODALITY_WORKLIST, dataset_type=0) + dataset_pdus(raw(query()))
        machine.say(request * 2)
        said = b""
        while (heard := machine.hear()) and heard[0] != 7:
            said += heard
        assert heard[:1] == b"\x07"
    assert echoscu(house.port).returncode == 0


# Performed steps


def begun(**changes: object) -> Dataset:
    made = Dataset()
    made.PerformedProcedureStepStatus = "IN PROGRESS"
    step = Dataset()
    step.StudyInstanceUID, step.AccessionNumber = "2.25.1", "1"
    made.ScheduledStepAttributesSequence = [step]
    for keyword, value in changes.items():
        if value is None:
            delattr(made, keyword)
        else:
            setattr(made, keyword, value)
    return made


def with_status(status: str) -> Dataset:
    changed = Dataset()
    changed.PerformedProcedureStepStatus = status
    return changed


def test_a_step_begins_and_ends_by_pynetdicom(house: House) -> None:
    ae = AE("DX1")
    ae.add_requested_context(ModalityPerformedProcedureStep)
    association = ae.associate("127.0.0.1", house.port, ae_title="XRAYTRIAGE")
    create = (begun(), ModalityPerformedProcedureStep, "1.2.3")
    assert association.send_n_create(*create)[0].Status == 0x0000
    assert house.book.worked_for[-1] == ScheduledStep(study_instance_uid="2.25.1", accession_number="1")
    assert association.send_n_create(*create)[0].Status == 0x0111
    done = (with_status("COMPLETED"), ModalityPerformedProcedureStep, "1.2.3")
    assert association.send_n_set(*done)[0].Status == 0x0000
    assert house.book.steps["1.2.3"] is StepState.COMPLETED
    again = association.send_n_set(*done)[0]
    assert (again.Status, again.ErrorID) == (0x0110, 0xA710)
    assert association.send_n_set(done[0], done[1], "9.9.9")[0].Status == 0x0112
    association.release()


@pytest.mark.parametrize(
    ("dataset", "uid", "status"),
    [
        (begun(PerformedProcedureStepStatus="COMPLETED"), "1.9.1", 0x0106),
        (begun(PerformedProcedureStepStatus="DONE"), "1.9.2", 0x0106),
        (begun(PerformedProcedureStepStatus=""), "1.9.3", 0x0121),
        (begun(PerformedProcedureStepStatus=None), "1.9.4", 0x0120),
        (begun(ScheduledStepAttributesSequence=None), "1.9.5", 0x0120),
        (begun(ScheduledStepAttributesSequence=[]), "1.9.6", 0x0121),
        (begun(), "not a uid", 0x0117),
        (begun(), "", 0x0117),
        (begun(), "../../etc/passwd", 0x0117),
    ],
)
def test_a_step_that_cannot_begin_is_told_why(house: House, dataset: Dataset, uid: str, status: int) -> None:
    with Machine(house.port) as machine:
        machine.associate(STEP_CONTEXT)
        assert ask(machine, raw(dataset), CREATE, PERFORMED_STEP, uid)[0] == status
    assert uid not in house.book.steps


def test_a_step_that_changes_without_a_status_stays_in_progress(house: House) -> None:
    with Machine(house.port) as machine:
        machine.associate(STEP_CONTEXT)
        assert ask(machine, raw(begun()), CREATE, PERFORMED_STEP, "1.8.1")[0] == 0x0000
        series = Dataset()
        series.PerformedSeriesSequence = []
        assert ask(machine, raw(series), SET, PERFORMED_STEP, "1.8.1")[0] == 0x0000
        assert ask(machine, raw(with_status("FINISHED")), SET, PERFORMED_STEP, "1.8.1")[0] == 0x0106
        assert house.book.steps["1.8.1"] is StepState.IN_PROGRESS
        assert ask(machine, raw(with_status("DISCONTINUED")), SET, PERFORMED_STEP, "1.8.1")[0] == 0x0000


@pytest.mark.parametrize(
    ("encoded", "status"),
    [(nested(3000), 0x0110), (b"\xff" * 300, 0x0110), (b"\0" * (LONGEST_DATASET + 1), 0x0213)],
)
def test_a_hostile_step_is_answered_and_the_listener_lives(house: House, encoded: bytes, status: int) -> None:
    with Machine(house.port) as machine:
        machine.associate(STEP_CONTEXT)
        assert ask(machine, encoded, CREATE, PERFORMED_STEP, "1.7.1")[0] == status
        machine.say(command_pdu(0x0030, PERFORMED_STEP))
        assert status_of(machine.hear())[0] == 0x0211


def test_a_query_cut_in_the_middle_leaves_the_listener_well(house: House) -> None:
    with Machine(house.port) as machine:
        machine.associate(WORKLIST_CONTEXT)
        machine.say(command_pdu(FIND, MODALITY_WORKLIST, dataset_type=0) + pdu(4, b"\0\0\0\4\1\0ab"))
    assert echoscu(house.port).returncode == 0


# Anything at all


SOME_QUERIES = [
    raw(query({"Modality": "DX", "ScheduledProcedureStepStartDate": DAYS}, PatientName="ng*", PatientSex="F")),
    raw(query(character_set="GB18030", PatientName="Trần*", StudyInstanceUID="2.25.1\\2.25.3")),
    raw(begun()),
    nested(40),
]


@st.composite
def spoilt_datasets(draw: st.DrawFn) -> bytes:
    """A dataset in which some bytes were changed, taken out or put in; or any bytes."""
    made = bytearray(draw(st.sampled_from(SOME_QUERIES) | st.binary(max_size=200)))
    for _ in range(draw(st.integers(0, 6))):
        place = draw(st.integers(0, len(made)))
        made[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(made)


UNKNOWN_KEY = b"\x40\x00\x52\x02CS\x0c\x00IN PROGRESS "  # of performed steps: no entry has it


@settings(max_examples=400, deadline=None)
@example(UNKNOWN_KEY, EXPLICIT_LITTLE_ENDIAN, True)
@given(spoilt_datasets(), st.sampled_from([EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN]), st.booleans())
def test_every_dataset_gets_one_last_answer(encoded: bytes, syntax: str, is_query: bool) -> None:
    provider: Provider = Worklist(lambda *_: map(plain, ENTRIES)) if is_query else PerformedSteps(Book())
    message = Message(
        context_id=1,
        context=Context(MODALITY_WORKLIST if is_query else PERFORMED_STEP, syntax),
        request=Request(
            field=FIND if is_query else CREATE, message_id=1, sop_class_uid="", sop_instance_uid="1.2", has_dataset=True
        ),
        fragments=iter([memoryview(encoded)]),
        calling_ae_title="DX1",
        peer_host="127.0.0.1",
    )
    *matches, last = provider.answer(message)
    assert last.status not in PENDING
    assert all(match.status in PENDING and match.dataset for match in matches)
