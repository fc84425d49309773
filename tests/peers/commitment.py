"""A PACS and a machine that speak Storage Commitment by pynetdicom, also badly. Knows nothing of ours."""

import gc
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.sop_class import (
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)


@pytest.fixture(autouse=True)
def its_open_files() -> Iterator[None]:
    """pynetdicom leaves sockets open: they are collected here, where nobody minds, and not in the midst of a test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


SERIES = "1.2.840.99.1"


@dataclass
class Asked:
    """One request for commitment, as it came."""

    transaction_uid: str
    uids: list[str]


@dataclass
class CommittingPacs:
    """Answers each N-ACTION with ``status``, and reports ``at_once`` over the same association, or when it is told to.

    ``failures``: the reason by SOP Instance UID; all others it keeps. ``has``: what a C-FIND finds. ``offers``: whether
    it takes Storage Commitment, and queries, at all.
    """

    status: int = 0x0000
    at_once: bool = False
    offers: tuple[bool, bool] = (True, True)
    failures: dict[str, int] = field(default_factory=dict)
    has: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)
    looks: int = 0
    reported: list[int | None] = field(default_factory=list)

    ae_title = "PACS"

    def start(self) -> "CommittingPacs":
        entity = AE(self.ae_title)
        entity.add_supported_context(Verification)
        if self.offers[0]:
            entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        if self.offers[1]:
            entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
        handlers: list[Any] = [
            (evt.EVT_N_ACTION, self._take),
            (evt.EVT_DIMSE_SENT, self._after),
            (evt.EVT_C_FIND, self._find),
        ]
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = int(self._server.server_address[1])
        return self

    def stop(self) -> None:
        self._server.shutdown()

    def report(
        self, port: int, *, number: int = -1, calling: str = "", told: Dataset | None = None, event_type: int = 0
    ) -> int | None:
        """Report over a new association what it was asked; the status that it gets. None: no association, no answer."""
        entity = AE(calling or self.ae_title)
        entity.add_requested_context(StorageCommitmentPushModel)
        role = build_role(StorageCommitmentPushModel, scp_role=True)
        association = entity.associate("127.0.0.1", port, ae_title="XRAYTRIAGE", ext_neg=[role])
        if not association.is_established:
            return None
        status = self._send(association, self._answer(self.asked[number]) if told is None else told, event_type)
        association.release()
        return status

    def _take(self, event: evt.Event) -> tuple[int, None]:
        wanted = event.action_information
        uids = [str(item.ReferencedSOPInstanceUID) for item in wanted.ReferencedSOPSequence]
        self.asked.append(Asked(str(wanted.TransactionUID), uids))
        return self.status, None

    def _after(self, event: evt.Event) -> None:
        if self.at_once and type(event.message).__name__ == "N_ACTION_RSP":
            told = self._answer(self.asked[-1])
            threading.Thread(target=lambda: self.reported.append(self._send(event.assoc, told))).start()

    def _answer(self, asked: Asked) -> Dataset:
        kept, failed = [], []
        for uid in asked.uids:
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = "1.2.840.10008.5.1.4.1.1.1.1", uid
            if uid in self.failures:
                item.FailureReason = self.failures[uid]
            (failed if uid in self.failures else kept).append(item)
        told = Dataset()
        told.TransactionUID = asked.transaction_uid
        if kept:
            told.ReferencedSOPSequence = kept
        if failed:
            told.FailedSOPSequence = failed
        return told

    def _send(self, association: Any, told: Dataset, event_type: int = 0) -> int | None:
        by_content = 2 if "FailedSOPSequence" in told else 1
        status, _ = association.send_n_event_report(
            told, event_type or by_content, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
        )
        return int(status.Status) if "Status" in status else None

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        asked = event.identifier
        self.looks += asked.QueryRetrieveLevel == "SERIES"
        if asked.QueryRetrieveLevel == "SERIES":
            found = [{"SeriesInstanceUID": SERIES}] if self.has else []
        else:
            found = [{"SeriesInstanceUID": SERIES, "SOPInstanceUID": uid} for uid in sorted(self.has)]
        for each in found:
            match = Dataset()
            match.QueryRetrieveLevel, match.StudyInstanceUID = asked.QueryRetrieveLevel, asked.StudyInstanceUID
            for keyword, value in each.items():
                setattr(match, keyword, value)
            yield 0xFF00, match
        yield 0x0000, None


@dataclass
class AskingMachine:
    """A machine that asks the station to keep what it sent. ``told`` are the reports that it got, as they came."""

    ae_title: str = "XRAY1"
    told: list[Dataset] = field(default_factory=list)
    heard: threading.Event = field(default_factory=threading.Event)

    def ask(
        self,
        port: int,
        wanted: Dataset | None,
        *,
        waits: bool = False,
        action_type: int = 1,
        instance: str = StorageCommitmentPushModelInstance,
    ) -> int | None:
        """N-ACTION; the status of its response. ``waits``: for the report, over the same association."""
        entity = AE(self.ae_title)
        entity.add_requested_context(StorageCommitmentPushModel)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self._hear), (evt.EVT_DIMSE_SENT, self._end)]
        association = entity.associate("127.0.0.1", port, ae_title="XRAYTRIAGE", evt_handlers=handlers)
        assert association.is_established
        status, _ = association.send_n_action(wanted, action_type, StorageCommitmentPushModel, instance)
        if waits:
            assert self.heard.wait(60)
        association.release()
        return int(status.Status) if "Status" in status else None

    @contextmanager
    def waiting(self, port: int = 0, *, status: int = 0x0000) -> Iterator[int]:
        """Takes reports at a port of its own, which is given, and answers ``status``."""
        entity = AE(self.ae_title)
        entity.add_supported_context(StorageCommitmentPushModel, scu_role=True, scp_role=True)
        handlers: list[Any] = [(evt.EVT_N_EVENT_REPORT, self._hear, [status])]
        server = entity.start_server(("127.0.0.1", port), block=False, evt_handlers=handlers)
        yield int(server.server_address[1])
        server.shutdown()

    def _hear(self, event: evt.Event, status: int = 0x0000) -> tuple[int, None]:
        self.told.append(event.event_information)
        return status, None

    def _end(self, event: evt.Event) -> None:
        if type(event.message).__name__ == "N_EVENT_REPORT_RSP":
            self.heard.set()


def request(*references: tuple[str, str], transaction_uid: str = "1.2.3.4.5") -> Dataset:
    """What a machine asks: pairs of SOP class and SOP Instance UID."""
    wanted = Dataset()
    wanted.TransactionUID = transaction_uid
    items = []
    for sop_class_uid, sop_instance_uid in references:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class_uid, sop_instance_uid
        items.append(item)
    wanted.ReferencedSOPSequence = items
    return wanted
