"""Storage Commitment (PS3.4 annex J): asks a PACS to take responsibility for instances; calls a machine back.

Who asks is pynetdicom, and not our own requestor: it is rare, small, and the peer one that the site has configured
(decision 0022). Knows no queue.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.association import Association
from pynetdicom.dimse_messages import N_EVENT_REPORT_RSP

from dicom_router.clock import Bell
from dicom_router.dicom.commitment import REQUEST, References, decode_references
from dicom_router.dicom.status import TRY_AGAIN, WARNINGS, Status, written
from dicom_router.dicom.uids import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, UNCOMPRESSED, VERIFICATION
from dicom_router.errors import DamagedFile, NotOffered, PeerRefused, PeerUnreachable
from dicom_router.upper_layer.connection import TIMEOUTS, Endpoint, Timeouts
from dicom_router.upper_layer.negotiation import Context
from dicom_router.upper_layer.requestor import RequestedAssociation

CONTEXTS = [Context(STORAGE_COMMITMENT, syntax) for syntax in UNCOMPRESSED]
SAME_ASSOCIATION_SECONDS = 2.0  # a PACS that means to report on another association does not need longer

OnReport = Callable[[References], None]


class CommitmentPeer:
    """One peer, asked over an association of its own each time."""

    def __init__(
        self, endpoint: Endpoint, *, timeouts: Timeouts = TIMEOUTS, wait_seconds: float = SAME_ASSOCIATION_SECONDS
    ) -> None:
        self._endpoint = endpoint
        self._timeouts = timeouts
        self._wait_seconds = wait_seconds

    def ask(self, wanted: References, on_report: OnReport) -> None:
        """N-ACTION, PS3.4 J.3.2; ``on_report`` gets what is reported at once, in another thread.

        Most peers report later, over an association that they open. Raises PeerUnreachable, or PeerRefused (NotOffered
        where the peer has no Storage Commitment).
        """
        bell = Bell()

        def take(event: Any) -> tuple[int, None]:
            """What is reported; the status of our response."""
            try:
                told = event.request.EventInformation
                on_report(decode_references(told.getvalue() if told else b"", event.context.transfer_syntax))
            except DamagedFile:
                return Status.INVALID_ARGUMENT_VALUE, None
            return Status.SUCCESS, None

        def has_answered(event: Any) -> None:
            """Only now may the association end."""
            if isinstance(event.message, N_EVENT_REPORT_RSP):
                bell.ring()

        def talk() -> None:
            handlers = [(evt.EVT_N_EVENT_REPORT, take), (evt.EVT_DIMSE_SENT, has_answered)]
            with self._association(handlers) as association:
                status, _ = association.send_n_action(
                    wanted.dataset(), REQUEST, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
                )
                self._check(status, "N-ACTION")
                bell.wait(self._wait_seconds)

        self._within_time(talk)

    def _within_time(self, talk: Callable[[], None]) -> None:
        """Threads of pynetdicom wait for each other without a deadline when a peer ends things out of turn: here is it.

        What does not come back is left behind, in a thread that holds nobody up.
        """
        seconds = self._timeouts.connect_seconds + 3 * self._timeouts.answer_seconds + self._wait_seconds
        done: Future[None] = Future()

        def run() -> None:
            try:
                talk()
            except Exception as error:  # noqa: BLE001 - the top of the thread: it is raised where it is waited for
                done.set_exception(error)
            else:
                done.set_result(None)

        threading.Thread(target=run, name="commitment conversation", daemon=True).start()
        try:
            done.result(seconds)
        except TimeoutError as error:
            raise PeerUnreachable(f"{self._endpoint}: the conversation does not end") from error

    @contextmanager
    def _association(self, handlers: list[Any]) -> Iterator[Association]:
        asked = self._endpoint
        entity = AE(asked.calling_ae_title)
        entity.connection_timeout = self._timeouts.connect_seconds
        entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = self._timeouts.answer_seconds
        entity.add_requested_context(STORAGE_COMMITMENT, list(UNCOMPRESSED))
        entity.add_requested_context(VERIFICATION, list(UNCOMPRESSED))  # so that without the other one we hear of it
        association = entity.associate(
            asked.host,
            asked.port,
            ae_title=asked.ae_title,
            evt_handlers=handlers,
            tls_args=(asked.tls, asked.host) if asked.tls else None,
        )
        if not association.is_established:
            raise PeerUnreachable(f"{asked}: no association for Storage Commitment; check the link and the AE titles")
        try:
            if all(each.abstract_syntax != STORAGE_COMMITMENT for each in association.accepted_contexts):
                what = f"{asked} has no Storage Commitment for us"
                raise NotOffered(what, status=written(Status.CLASS_NOT_SUPPORTED))
            yield association
        finally:
            if association.is_established:
                association.release()

    def _check(self, status: Dataset, what: str) -> None:
        """PS3.7 10.1.4. An empty status: no answer, or one that is none."""
        if "Status" not in status:
            raise PeerUnreachable(f"{self._endpoint}: no answer to {what}")
        told = int(status.Status)
        if told in TRY_AGAIN or told == Status.DUPLICATE_TRANSACTION:
            raise PeerUnreachable(f"{self._endpoint} answered {written(told)} to {what}", status=written(told))
        if told != Status.SUCCESS and told not in WARNINGS:
            raise PeerRefused(f"{self._endpoint} answered {written(told)} to {what}", status=written(told))


def report_to(machine: Endpoint, told: References, *, timeouts: Timeouts = TIMEOUTS) -> None:
    """Tell it what is kept here, N-EVENT-REPORT over an association of ours (J.3.3), with a deadline for every step.

    Raises PeerUnreachable, or PeerRefused (NotOffered where it waits for no report).
    """
    association = RequestedAssociation(machine, CONTEXTS, timeouts, taken={STORAGE_COMMITMENT})
    try:
        context = next(iter(association.accepted), None)
        if context is None:
            status = written(Status.CLASS_NOT_SUPPORTED)
            raise NotOffered(f"{machine} takes no report of Storage Commitment", status=status)
        encoded = told.encode(context.transfer_syntax_uid)
        answer = association.report(context, STORAGE_COMMITMENT_INSTANCE, told.event_type, encoded)
        if answer.status != Status.SUCCESS:
            status = written(answer.status)
            raise PeerRefused(f"{machine} answered {status} to the report of Storage Commitment", status=status)
    finally:
        association.release()
