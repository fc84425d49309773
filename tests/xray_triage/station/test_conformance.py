"""The conformance statement against a running listener: what its tables name is tried one by one, each by itself."""

import re
from collections.abc import Iterator

import pytest
from pydicom.uid import UID
from pynetdicom.dsutils import encode

from dicom_router.scp.commitment import StorageCommitment
from dicom_router.scp.echo import Echo
from dicom_router.scp.listener import Listener
from dicom_router.scp.modality_worklist import Worklist
from dicom_router.scp.performed_step import PerformedSteps
from dicom_router.scp.storage import Storage
from dicom_router.upper_layer.gatekeeper import ListenerLimits
from tests.databases import open_in
from tests.factories import film
from tests.peers.machine import VERIFICATION, Machine, results_of
from tests.test_docs import CONFORMANCE, rows
from tests.xray_triage.desk import open_desk
from xray_triage.orders.steps import Steps
from xray_triage.orders.worklist_entries import WorklistEntries

CLASSES = [uid for _, uid in rows(CONFORMANCE, "**SOP classes.**")]
SYNTAXES = [uid for _, uid, _ in rows(CONFORMANCE, "**Presentation contexts.**")]
OTHERS = ("1.2.840.10008.5.1.4.1.1.2", "1.2.826.0.1.3680043.9.1")  # "every UID that begins with", "every private UID"
LITTLE_ENDIAN = ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")
NEVER = ("1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.94", "1.2.840.10008.1.2.4.100")  # deflated, JPIP, video
ACCEPTED, NO_CLASS, NO_SYNTAX = 0, 3, 4


def services() -> list[str]:
    """The classes of the sections on worklist, performed steps and commitment, as the text names them."""
    text = " ".join(CONFORMANCE[CONFORMANCE.index("##### 4.2.1.2") : CONFORMANCE.index("#### 4.2.2")].split())
    named = r"(?:FIND|Procedure Step|Push Model,) (1\.2\.840\.10008\.[0-9.]*[0-9])"
    return re.findall(named, text)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A listener with all that the front gives it."""
    folder = tmp_path_factory.mktemp("listener")
    database = open_in(folder / "station.db")
    desk = open_desk(database, folder)
    listener = Listener(
        limits=ListenerLimits(ae_title="XRAYTRIAGE"),
        host="127.0.0.1",
        port=0,
        providers=(
            Echo(),
            Storage(spool=desk.spool, inbox=desk.inbox, on_kept=lambda: None),
            Worklist(WorklistEntries(desk.orders, ae_title="", station_name="")),
            PerformedSteps(Steps(desk.database, clock=desk.clock)),
            StorageCommitment(spool=desk.spool, inbox=desk.inbox, book=desk.commitments, destinations={}),
        ),
    )
    listener.start()
    yield listener.port
    listener.stop()
    database.close()


def negotiated(port: int, sop_class_uid: str, transfer_syntax_uid: str) -> int:
    with Machine(port) as machine:
        (result,) = results_of(machine.associate([(sop_class_uid, transfer_syntax_uid)])).values()
    return result


def stored(port: int, sop_class_uid: str, transfer_syntax_uid: str) -> int:
    """The status of a small object of this class and syntax, over an association of its own."""
    dataset, syntax = film(sop_class_uid=sop_class_uid), UID(transfer_syntax_uid)
    del dataset.PixelData
    sent = encode(dataset, syntax.is_implicit_VR, syntax.is_little_endian)
    assert sent is not None
    with Machine(port) as machine:
        assert set(results_of(machine.associate([(sop_class_uid, transfer_syntax_uid)])).values()) == {ACCEPTED}
        return machine.store(sent, sop_class_uid=sop_class_uid, sop_instance_uid=dataset.SOPInstanceUID)[0]


@pytest.mark.parametrize("sop_class_uid", [*CLASSES, *OTHERS])
def test_every_class_is_kept_in_every_transfer_syntax_that_the_statement_lists(port: int, sop_class_uid: str) -> None:
    assert {syntax: stored(port, sop_class_uid, syntax) for syntax in SYNTAXES} == dict.fromkeys(SYNTAXES, 0x0000)


def test_the_other_services_are_accepted_as_the_statement_says_and_nothing_else_is(port: int) -> None:
    assert len(services()) == 3
    said = {(uid, syntax): ACCEPTED for uid in services() for syntax in LITTLE_ENDIAN}
    said |= {(VERIFICATION, syntax): ACCEPTED for syntax in SYNTAXES}
    said |= {(uid, syntax): NO_SYNTAX for uid in (VERIFICATION, *CLASSES, *services()) for syntax in NEVER}
    said |= {(uid, syntax): NO_SYNTAX for uid in services() for syntax in SYNTAXES if syntax not in LITTLE_ENDIAN}
    said |= {("1.2.840.10008.5.1.4.34.7", LITTLE_ENDIAN[0]): NO_CLASS}
    assert {pair: negotiated(port, *pair) for pair in said} == said
