"""Sends what a peer of [[record]] is to get, over a lane of its own. Knows no form and no network."""

from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.clock import Clock
from dicom_router.errors import PeerRefused, RouterError
from dicom_router.store.ledger import Work
from dicom_router.transport.forwarder import Sender
from xray_triage.records.outbox import LANE, RecordDelivery, RecordOutbox
from xray_triage.records.record import Record
from xray_triage.records.transport import RecordTransport

NOT_MADE = "not made"

log = structlog.get_logger()


class RecordSender(Sender[RecordDelivery]):
    """One peer. ``gather`` gives the record of a case at a version, as the case is known now."""

    def __init__(
        self,
        *,
        outbox: RecordOutbox,
        gather: Callable[[str, int], Record],
        transport: RecordTransport,
        name: str,
        clock: Clock,
    ) -> None:
        super().__init__(outbox, transport, destination=name, lane=LANE, clock=clock)
        self._outbox, self._gather, self._peer = outbox, gather, transport

    def _hand_over(self, work: Work, due: RecordDelivery) -> None:
        status = self._peer.send(self._composed(due), due.number)
        self._outbox.acknowledge(work, status)

    def _composed(self, due: RecordDelivery) -> Sequence[bytes]:
        try:
            record = self._gather(due.case_id, due.version)
            return self._peer.compose(record, number=due.number, at=due.queued_at)
        except (SQLAlchemyError, RouterError, OSError, MemoryError):  # which time heals
            raise
        except Exception as error:  # one case that cannot be put into words must not stop the others
            log.exception("record not made", record=due.record_id)
            what = f"the record cannot be made: {type(error).__name__}; see the log"
            raise PeerRefused(what, status=NOT_MADE) from error
