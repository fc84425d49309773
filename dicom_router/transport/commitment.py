"""Storage Commitment (PS3.4 annex J) by pynetdicom: asks a PACS to keep instances, and reports to machines that asked.

pynetdicom here, and not our own requestor: it is rare, small, and the peer one that the site has configured (decision
0022). Knows no queue.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role, evt
from pynetdicom.association import Association

from dicom_router.clock import Bell
from dicom_router.dicom.commitment import REQUEST, References, decode_references
from dicom_router.dicom.status import TRY_AGAIN, WARNINGS, Status, written
from dicom_router.dicom.uids import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, UNCOMPRESSED, VERIFICATION
from dicom_router.errors import DamagedFile, NotOffered, PeerRefused, PeerUnreachable
from dicom_router.upper_layer.requestor import TIMEOUTS, Endpoint, Timeouts

SAME_ASSOCIATION_SECONDS = 2.0  # a PACS that means to report on another association does not need longer

OnReport = Callable[[References], None]


class CommitmentPeer:
    """One peer, asked or reported to over an association of its own each time."""

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

        def take(event: Any) -> int:
            """What comes back becomes the status of our response."""
            try:
                told = event.request.EventInformation
                on_report(decode_references(told.getvalue() if told else b"", event.context.transfer_syntax))
            except DamagedFile:
                return Status.INVALID_ARGUMENT_VALUE
            bell.ring()
            return Status.SUCCESS

        with self._association([(evt.EVT_N_EVENT_REPORT, take)]) as association:
            status, _ = association.send_n_action(
                wanted.dataset(), REQUEST, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
            )
            self._check(status, "N-ACTION")
            bell.wait(self._wait_seconds)

    def report(self, told: References) -> None:
        """N-EVENT-REPORT, PS3.4 J.3.3, as the SCP of who asked us. Raises PeerUnreachable or PeerRefused."""
        with self._association([], scp=True) as association:
            status, _ = association.send_n_event_report(
                told.dataset(), told.event_type, STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE
            )
            self._check(status, "N-EVENT-REPORT")

    @contextmanager
    def _association(self, handlers: list[Any], *, scp: bool = False) -> Iterator[Association]:
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
            ext_neg=[build_role(STORAGE_COMMITMENT, scp_role=True)] if scp else [],
            evt_handlers=handlers,
            tls_args=(asked.tls, asked.host) if asked.tls else None,
        )
        if not association.is_established:
            raise PeerUnreachable(f"{asked}: no association for Storage Commitment; check the link and the AE titles")
        try:
            self._check_role(association, scp=scp)
            yield association
        finally:
            if association.is_established:
                association.release()

    def _check_role(self, association: Association, *, scp: bool) -> None:
        contexts = [each for each in association.accepted_contexts if each.abstract_syntax == STORAGE_COMMITMENT]
        if not any(each.as_scp if scp else each.as_scu for each in contexts):
            raise NotOffered(
                f"{self._endpoint} has no Storage Commitment for us", status=written(Status.CLASS_NOT_SUPPORTED)
            )

    def _check(self, status: Dataset, what: str) -> None:
        """PS3.7 10.1.1 and 10.1.4. An empty status: no answer, or one that is none."""
        if "Status" not in status:
            raise PeerUnreachable(f"{self._endpoint}: no answer to {what}")
        told = int(status.Status)
        if told in TRY_AGAIN or told == Status.DUPLICATE_TRANSACTION:
            raise PeerUnreachable(f"{self._endpoint} answered {written(told)} to {what}", status=written(told))
        if told != Status.SUCCESS and told not in WARNINGS:
            raise PeerRefused(f"{self._endpoint} answered {written(told)} to {what}", status=written(told))
