"""One C-STORE: from the first piece of the dataset to a film that is safe on disk and on record, or an honest refusal.

PS3.4 annex B. Knows the spool and the inbox, no socket; opens no pixel.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.dicom.identity import read_identity
from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.dicom.part10 import file_head, seek_dataset
from dicom_router.dicom.uids import is_uid
from dicom_router.errors import DamagedFile, SpoolFull
from dicom_router.store.inbox import Inbox, Outcome
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.acceptor import Message
from dicom_router.upper_layer.command import Response

SUCCESS = 0x0000
INVALID_INSTANCE_UID = 0x0117
CLASS_NOT_SUPPORTED = 0x0122
OUT_OF_RESOURCES = 0xA700
CLASS_MISMATCH = 0xA900
CANNOT_UNDERSTAND = 0xC000
_BLOCK_BYTES = 1 << 19

log = structlog.get_logger()


class Storage:
    """Takes films. One for the listener; every association calls it from its own thread."""

    def __init__(self, *, spool: Spool, inbox: Inbox, on_kept: Callable[[], None], max_instance_bytes: int) -> None:
        self._spool = spool
        self._inbox = inbox
        self._on_kept = on_kept
        self._max_instance_bytes = max_instance_bytes

    def take(self, message: Message, *, calling_ae_title: str, peer_host: str) -> Response:
        """The answer to a C-STORE: Success only when the film is fsynced and committed.

        Raises ConnectionLost or ProtocolViolation when the dataset never ends; nothing is left of it then.
        """
        try:
            _check(message)
            spooled = self._write(message)
            instance = self._identify(message, spooled)
        except _RefusalError as refused:
            log.warning("film refused", calling_ae_title=calling_ae_title, peer_host=peer_host, reason=str(refused))
            return refused.answer
        except (SpoolFull, OSError) as error:
            log.error("film not kept", calling_ae_title=calling_ae_title, peer_host=peer_host, error=str(error))
            return Response(OUT_OF_RESOURCES, "no room on disk, try later")
        return self._record(instance, spooled, calling_ae_title=calling_ae_title, peer_host=peer_host)

    def _write(self, message: Message) -> SpooledFile:
        digest = hashlib.sha256()
        head = memoryview(_head(message))
        with self._spool.begin() as incoming:
            for block in _regroup(chain([head], self._read(message, digest.update))):
                incoming.write(block)
            return incoming.keep(digest.hexdigest())

    def _read(self, message: Message, hash_piece: Callable[[memoryview], None]) -> Iterator[memoryview]:
        size_bytes = 0
        for fragment in message.fragments:
            size_bytes += len(fragment)
            if size_bytes > self._max_instance_bytes:
                raise _RefusalError(OUT_OF_RESOURCES, f"over the limit of {self._max_instance_bytes} bytes")
            hash_piece(fragment)
            yield fragment

    def _identify(self, message: Message, spooled: SpooledFile) -> InstanceRef:
        """What the dataset says it is, which must be what the command said. Deletes what cannot be kept."""
        try:
            return self._read_instance(message, spooled)
        except _RefusalError:
            self._spool.delete(spooled.key)
            raise

    def _read_instance(self, message: Message, spooled: SpooledFile) -> InstanceRef:
        syntax = message.context.transfer_syntax_uid
        try:
            with self._spool.open(spooled.key) as stream:
                start = seek_dataset(stream)
                if start != len(_head(message)):  # all later readers would take it for a part of ours
                    raise DamagedFile("file meta information inside the dataset")
                found = read_identity(stream, start=start, end=spooled.size_bytes, transfer_syntax_uid=syntax)
        except DamagedFile as error:
            raise _RefusalError(CANNOT_UNDERSTAND, str(error)) from error
        if found.sop_class_uid != message.request.sop_class_uid:
            raise _RefusalError(CLASS_MISMATCH, "SOP Class UID differs from the command")
        if found.sop_instance_uid != message.request.sop_instance_uid:
            raise _RefusalError(CLASS_MISMATCH, "SOP Instance UID differs from the command")
        return InstanceRef(
            sop_instance_uid=found.sop_instance_uid,
            sop_class_uid=found.sop_class_uid,
            study_instance_uid=found.study_instance_uid,
            series_instance_uid=found.series_instance_uid,
            transfer_syntax_uid=syntax,
        )

    def _record(
        self, instance: InstanceRef, spooled: SpooledFile, *, calling_ae_title: str, peer_host: str
    ) -> Response:
        try:
            outcome = self._inbox.record(
                instance=instance, spooled=spooled, calling_ae_title=calling_ae_title, peer_host=peer_host
            )
            if outcome is Outcome.SAME:  # the disk may have lost or spoilt what Success was once said for
                self._spool.replace(self._inbox.same(instance, spooled).key, by=spooled.key)
        except SQLAlchemyError as error:
            log.error(
                "film not recorded",
                key=spooled.key,
                calling_ae_title=calling_ae_title,
                error=str(error).splitlines()[0],
            )
            return self._after_failed_commit(instance, spooled)
        log.info(
            "film received",
            outcome=str(outcome),
            key=spooled.key,
            size_bytes=spooled.size_bytes,
            calling_ae_title=calling_ae_title,
            peer_host=peer_host,
        )
        if outcome is not Outcome.SAME:
            self._on_kept()
        return Response(SUCCESS)

    def _after_failed_commit(self, instance: InstanceRef, spooled: SpooledFile) -> Response:
        """A commit that failed may yet have happened: its file goes only when the database says that it did not.

        Where even that cannot be asked the file stays; the machine sends the film again.
        """
        try:
            recorded = {kept.spooled.key for kept in self._inbox.of_study(instance.study_instance_uid)}
        except SQLAlchemyError:
            return Response(OUT_OF_RESOURCES, "the database does not answer, try later")
        if spooled.key in recorded:
            self._on_kept()
            return Response(SUCCESS)
        self._spool.delete(spooled.key)
        return Response(OUT_OF_RESOURCES, "could not be recorded, try later")


class _RefusalError(Exception):
    def __init__(self, status: int, comment: str) -> None:
        super().__init__(comment)
        self.answer = Response(status, comment)


def _check(message: Message) -> None:
    """Refuse what is wrong with the command alone, before any byte is written."""
    request = message.request
    if not is_uid(request.sop_instance_uid):
        raise _RefusalError(INVALID_INSTANCE_UID, "Affected SOP Instance UID is not a UID")
    if request.sop_class_uid != message.context.sop_class_uid:
        raise _RefusalError(CLASS_NOT_SUPPORTED, "SOP class is not that of the presentation context")
    if not request.has_dataset:
        raise _RefusalError(CANNOT_UNDERSTAND, "C-STORE without a dataset")


def _regroup(pieces: Iterable[memoryview]) -> Iterator[memoryview]:
    """The same bytes in blocks, each good until the next: to write whole pages costs the kernel half."""
    block, filled = memoryview(bytearray(_BLOCK_BYTES)), 0
    for piece in pieces:
        rest = piece
        while rest:
            taken = min(len(rest), _BLOCK_BYTES - filled)
            block[filled : filled + taken] = rest[:taken]
            rest, filled = rest[taken:], filled + taken
            if filled == _BLOCK_BYTES:
                yield block
                filled = 0
    yield block[:filled]


def _head(message: Message) -> bytes:
    request = message.request
    return file_head(request.sop_class_uid, request.sop_instance_uid, message.context.transfer_syntax_uid)
