"""Storage Commitment Push Model, PS3.4 annex J: a machine asks us to keep what it sent; a PACS reports what it keeps.

"Kept" means on record and whole on disk: it is read back. Knows no socket; opens no pixel.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.dicom.commitment import ALL_KEPT, REQUEST, SOME_FAILED, Reference, References, decode_references
from dicom_router.dicom.instance import Arrival
from dicom_router.dicom.status import Status
from dicom_router.dicom.uids import STORAGE_COMMITMENT, STORAGE_COMMITMENT_INSTANCE, UNCOMPRESSED
from dicom_router.errors import DamagedFile
from dicom_router.scp.provider import NOT_SERVED, Refused, TooLong, read_encoded
from dicom_router.store.commitments import Commitments
from dicom_router.store.inbox import Inbox
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.acceptor import EventReport, Message
from dicom_router.upper_layer.command import CommandField, Response

CallBack = Callable[[str, str, References], bool]  # AE title, address, what to report; whether it will be done

log = structlog.get_logger()


class StorageCommitment:
    """A provider of N-ACTION, from machines, and of N-EVENT-REPORT, from a PACS that we asked.

    ``destinations`` are the names of those that may report, by AE title. ``call_back`` is asked first who waits for a
    call of ours; all others are told over their own association.
    """

    transfer_syntaxes = UNCOMPRESSED

    def __init__(
        self,
        *,
        spool: Spool,
        inbox: Inbox,
        book: Commitments,
        destinations: Mapping[str, Sequence[str]],
        call_back: CallBack = lambda *_: False,
    ) -> None:
        self._spool = spool
        self._inbox = inbox
        self._book = book
        self._destinations = destinations
        self._call_back = call_back

    def serves(self, sop_class_uid: str) -> bool:
        """See Provider."""
        return sop_class_uid == STORAGE_COMMITMENT

    def answer(self, message: Message) -> Iterator[Response | EventReport]:
        """One response, and after an N-ACTION the report. See Provider."""
        try:
            told = self._told(message)
        except Refused as refused:
            log.warning(
                "storage commitment refused", calling_ae_title=message.calling_ae_title, reason=refused.answer.comment
            )
            yield refused.answer
            return
        yield Response(Status.SUCCESS)
        if told is not None and not self._call_back(message.calling_ae_title, message.peer_host, told):
            yield EventReport(event_type=told.event_type, dataset=told.encode(message.context.transfer_syntax_uid))

    def _told(self, message: Message) -> References | None:
        """What is to be reported over the machine's association, or None."""
        if message.request.field not in (CommandField.N_ACTION_RQ, CommandField.N_EVENT_REPORT_RQ):
            raise Refused(Status.UNRECOGNISED_OPERATION, NOT_SERVED.comment)
        if message.request.sop_instance_uid != STORAGE_COMMITMENT_INSTANCE:
            raise Refused(Status.NO_SUCH_INSTANCE, "not the well-known instance of Storage Commitment")
        try:
            if message.request.field == CommandField.N_ACTION_RQ:
                return self._kept(message)
            self._take(message)
        except TooLong as error:
            raise Refused(Status.RESOURCE_LIMITATION, str(error)) from error
        except DamagedFile as error:
            raise Refused(Status.INVALID_ARGUMENT_VALUE, str(error)) from error
        except SQLAlchemyError as error:
            log.error("storage commitment not recorded", error=str(error).splitlines()[0])
            raise Refused(Status.PROCESSING_FAILURE, "the database does not answer, try later") from error
        return None

    def _kept(self, message: Message) -> References:
        if message.request.type_id != REQUEST:
            raise Refused(Status.NO_SUCH_ACTION, "not a Storage Commitment Request")
        wanted = decode_references(read_encoded(message), message.context.transfer_syntax_uid)
        failed = self._failures(wanted)
        named = tuple(each for each in wanted.named if each not in failed)
        who = message.calling_ae_title
        log.info("storage commitment asked", calling_ae_title=who, kept=len(named), failed=len(failed))
        return References(transaction_uid=wanted.transaction_uid, named=named, failed=failed)

    def _failures(self, wanted: References) -> dict[Reference, int]:
        """What of it is not on record, or not whole on disk: the machine shall send it again."""
        arrived = self._inbox.accepted(each.sop_instance_uid for each in wanted.named)
        failed: dict[Reference, int] = {}
        for each in wanted.named:
            arrival = arrived.get(each.sop_instance_uid)
            if arrival is None or not self._is_kept(arrival):
                failed[each] = Status.NO_SUCH_INSTANCE
            elif arrival.instance.sop_class_uid != each.sop_class_uid:
                failed[each] = Status.CLASS_INSTANCE_CONFLICT
        return failed

    def _is_kept(self, arrival: Arrival) -> bool:
        """Whole on disk; or purged, for then every destination was proved to keep it."""
        if self._inbox.purged([arrival.spooled.key]):
            return True
        try:
            self._spool.verify(arrival.spooled)
        except DamagedFile as error:
            log.error("cannot promise to keep it", key=arrival.spooled.key, error=str(error))
            return False
        return True

    def _take(self, message: Message) -> None:
        if message.request.type_id not in (ALL_KEPT, SOME_FAILED):
            raise Refused(Status.NO_SUCH_EVENT_TYPE, "not a result of Storage Commitment")
        told = decode_references(read_encoded(message), message.context.transfer_syntax_uid)
        who = message.calling_ae_title
        if who not in self._destinations:
            raise Refused(Status.PROCESSING_FAILURE, f"{who} is no destination of this station")
        is_ours = self._book.report(told.transaction_uid, self._destinations[who], told.answers())
        counts = {"kept": len(told.named), "failed": len(told.failed)}
        log.info("storage commitment reported", calling_ae_title=who, asked_for=is_ours, **counts)
