"""One C-STORE: from the first piece of the dataset to a film that is safe on disk and on record, or an honest refusal.

PS3.4 annex B. Knows the spool and the inbox, no socket; opens no pixel.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from itertools import chain
from typing import BinaryIO

import structlog
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.dicom.identity import read_identity, stray_meta
from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.dicom.part10 import file_head
from dicom_router.dicom.status import Status
from dicom_router.dicom.uids import TRANSFER_SYNTAXES, is_storage, is_uid
from dicom_router.errors import DamagedFile, SpoolFull
from dicom_router.scp.provider import NOT_SERVED, Refused
from dicom_router.store.inbox import Inbox, Outcome, record_file
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.acceptor import Message
from dicom_router.upper_layer.command import CommandField, Response

_BLOCK_BYTES = 1 << 19

log = structlog.get_logger()


class Storage:
    """A provider of C-STORE. ``on_kept`` is called after the commit of each film."""

    transfer_syntaxes = TRANSFER_SYNTAXES

    def __init__(
        self, *, spool: Spool, inbox: Inbox, on_kept: Callable[[], None], max_instance_bytes: int = 1 << 30
    ) -> None:
        self._spool = spool
        self._inbox = inbox
        self._on_kept = on_kept
        self._max_instance_bytes = max_instance_bytes

    def serves(self, sop_class_uid: str) -> bool:
        """See Provider."""
        return is_storage(sop_class_uid)

    def answer(self, message: Message) -> Iterator[Response]:
        """The one response: Success only when the film is fsynced and committed.

        Raises ConnectionLost or ProtocolViolation when the dataset never ends; nothing is left of it then.
        """
        yield self._take(message) if message.request.field == CommandField.C_STORE_RQ else NOT_SERVED

    def _take(self, message: Message) -> Response:
        sender = {"calling_ae_title": message.calling_ae_title, "peer_host": message.peer_host}
        try:
            _check(message)
            instance, spooled = self._settle(message, self._write(message))
        except Refused as refused:
            log.warning("film refused", **sender, reason=str(refused))
            return refused.answer
        except (SpoolFull, OSError) as error:
            log.error("film not kept", **sender, error=str(error))
            return Response(Status.OUT_OF_RESOURCES, "no room on disk, try later")
        return self._record(instance, spooled, sender)

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
                raise Refused(Status.OUT_OF_RESOURCES, f"over the limit of {self._max_instance_bytes} bytes")
            hash_piece(fragment)
            yield fragment

    def _settle(self, message: Message, spooled: SpooledFile) -> tuple[InstanceRef, SpooledFile]:
        """What the dataset says it is, and its file under a head that says the same. Deletes what cannot be kept."""
        start, end, syntax = len(_head(message)), spooled.size_bytes, message.context.transfer_syntax_uid
        with ExitStack() as on_error:
            on_error.callback(self._spool.delete, spooled.key)
            with self._spool.open(spooled.key) as stream:
                try:
                    stray_bytes = stray_meta(stream, start=start, end=end, transfer_syntax_uid=syntax)
                    begin = start + stray_bytes
                    found = read_identity(stream, start=begin, end=end, transfer_syntax_uid=syntax)
                except DamagedFile as error:
                    raise Refused(Status.CANNOT_UNDERSTAND, str(error)) from error
                _compare(found, message)
                if stray_bytes or found.sop_class_uid != message.context.sop_class_uid:
                    return found, self._wrap_anew(found, stream, start=start, stray_bytes=stray_bytes)
            on_error.pop_all()
        return found, spooled

    def _wrap_anew(self, found: InstanceRef, stream: BinaryIO, *, start: int, stray_bytes: int) -> SpooledFile:
        """The same dataset in another file, whose head tells all later readers where it begins and what it is."""
        stream.seek(start)
        names = found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid
        digest = hashlib.sha256()
        with self._spool.begin() as incoming:
            incoming.write(file_head(*names, stray=stream.read(stray_bytes)))
            while block := stream.read(_BLOCK_BYTES):
                digest.update(block)
                incoming.write(block)
            return incoming.keep(digest.hexdigest())

    def _record(self, instance: InstanceRef, spooled: SpooledFile, sender: dict[str, str]) -> Response:
        try:
            outcome = record_file(
                self._inbox,
                self._spool,
                instance=instance,
                spooled=spooled,
                calling_ae_title=sender["calling_ae_title"],
                peer_host=sender["peer_host"],
            )
        except SQLAlchemyError as error:
            log.error("film not recorded", key=spooled.key, **sender, error=str(error).splitlines()[0])
            return self._after_failed_commit(instance, spooled)
        log.info("film received", outcome=str(outcome), key=spooled.key, size_bytes=spooled.size_bytes, **sender)
        if outcome is not Outcome.SAME:
            self._on_kept()
        return Response(Status.SUCCESS)

    def _after_failed_commit(self, instance: InstanceRef, spooled: SpooledFile) -> Response:
        """A commit that failed may yet have happened: its file goes only when the database says that it did not.

        Where even that cannot be asked the file stays; the machine sends the film again.
        """
        try:
            recorded = {kept.spooled.key for kept in self._inbox.of_study(instance.study_instance_uid)}
        except SQLAlchemyError:
            return Response(Status.OUT_OF_RESOURCES, "the database does not answer, try later")
        if spooled.key in recorded:
            self._on_kept()
            return Response(Status.SUCCESS)
        self._spool.delete(spooled.key)
        return Response(Status.OUT_OF_RESOURCES, "could not be recorded, try later")


def _check(message: Message) -> None:
    """Refuse what is wrong with the command alone, before any byte is written."""
    if not is_uid(message.request.sop_instance_uid):
        raise Refused(Status.INVALID_INSTANCE_UID, "Affected SOP Instance UID is not a UID")
    if not message.request.has_dataset:
        raise Refused(Status.CANNOT_UNDERSTAND, "C-STORE without a dataset")


def _compare(found: InstanceRef, message: Message) -> None:
    """Refuse another object than the command announced. What class it is only the object says (decision 0031)."""
    if not is_storage(found.sop_class_uid):
        raise Refused(Status.CLASS_MISMATCH, "SOP Class UID is none of a storage class")
    if found.sop_instance_uid != message.request.sop_instance_uid:
        raise Refused(Status.CLASS_MISMATCH, "SOP Instance UID differs from the command")


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
    context = message.context
    return file_head(context.sop_class_uid, message.request.sop_instance_uid, context.transfer_syntax_uid)
