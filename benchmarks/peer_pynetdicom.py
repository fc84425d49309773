"""A listener of films made of pynetdicom, hardened as far as it goes: what our own is measured against.

It keeps the listener's promise (fsync, rename, fsync of the folder, commit, then Success) on the same spool and inbox.
Not of the product: it sets module-wide switches of pynetdicom and tempfile, and reaches for private parts where
nothing public would do. Docs: docs/decisions/0006-a-dicom-upper-layer-of-our-own.md.
"""

import hashlib
import os
import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from socket import IPPROTO_TCP, TCP_NODELAY
from socketserver import TCPServer
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom import AE, AllStoragePresentationContexts, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context
from pynetdicom.sop_class import Verification
from pynetdicom.transport import AssociationSocket, ThreadedAssociationServer
from sqlalchemy.exc import SQLAlchemyError

from dicom_router.dicom.identity import read_identity
from dicom_router.dicom.instance import InstanceRef, SpooledFile
from dicom_router.dicom.part10 import seek_dataset
from dicom_router.dicom.uids import TRANSFER_SYNTAXES
from dicom_router.errors import DamagedFile, SpoolFull
from dicom_router.files import sync_folder
from dicom_router.store.inbox import Inbox, Outcome, record_file
from dicom_router.store.spool import Spool
from dicom_router.upper_layer.gatekeeper import TOO_MANY, Gatekeeper, ListenerLimits, Visit

CLASS_NOT_SUPPORTED, OUT_OF_RESOURCES, CLASS_MISMATCH, CANNOT_UNDERSTAND = 0x0122, 0xA700, 0xA900, 0xC000
_LONGEST_REQUEST = 131_072


class Refused(Exception):
    """The status of an answer that is not Success, and its comment."""


@dataclass(kw_only=True)
class PynetdicomListener:
    """A storage and verification SCP of pynetdicom, on a free port of loopback. ``folder`` is the spool's."""

    limits: ListenerLimits
    spool: Spool
    folder: Path
    inbox: Inbox
    on_kept: Callable[[], None]
    max_instance_bytes: int = 1 << 30
    refusals: object = None  # it tells nobody

    def start(self) -> None:
        _config.STORE_RECV_CHUNKED_DATASET, _config.LOG_HANDLER_LEVEL = True, "none"
        tempfile.tempdir = str(self.folder / "incoming")  # whence a rename is enough
        self._lock, self._gatekeeper = threading.Lock(), Gatekeeper(self.limits)
        self._visits: dict[Association, Visit] = {}
        ae = AE(self.limits.ae_title)
        ae.maximum_pdu_size, ae.maximum_associations = self.limits.max_pdu, 10_000  # the gatekeeper counts
        ae.network_timeout, ae.acse_timeout = self.limits.idle_seconds, self.limits.pdu_seconds
        storage = [build_context(each.abstract_syntax, [*TRANSFER_SYNTAXES]) for each in AllStoragePresentationContexts]
        handlers = [(evt.EVT_CONN_OPEN, self._open), (evt.EVT_CONN_CLOSE, lambda event: self._leave(event.assoc)),
                    (evt.EVT_REQUESTED, self._judge), (evt.EVT_C_STORE, self._store)]  # fmt: skip
        self._server = ae.make_server(
            ("127.0.0.1", 0),
            contexts=[*storage, build_context(Verification)],
            evt_handlers=handlers,
            server_class=ThreadedAssociationServer,
        )
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Take no more. Films that are on their way are cut."""
        TCPServer.shutdown(self._server)  # its own wants to be known to the AE
        self._server.server_close()
        for association in self._server.active_associations:
            association.dul.socket.close()  # abort() would wait for an answer
            association.join(10)
            self._leave(association)
        _config.STORE_RECV_CHUNKED_DATASET, tempfile.tempdir = False, None

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def open_connections(self) -> int:
        return len(self._server.active_associations)

    def _open(self, event: evt.Event) -> None:
        """Count the connection, forget those that ended without a word, and harden it."""
        with self._lock:
            gone = [each for each in self._visits if each.ident is not None and not each.is_alive()]
        for association in gone:
            self._leave(association)
        visit = self._gatekeeper.knock(event.assoc.requestor.address)
        if visit is None:
            event.assoc.dul.socket.close()
            return
        with self._lock:
            self._visits[event.assoc] = visit
        self._harden(event.assoc.dul.socket)

    def _leave(self, association: Association) -> None:
        with self._lock:
            visit = self._visits.pop(association, None)
        if visit is not None:
            visit.leave()
        half = getattr(association.dimse.message, "_data_set_path", None)  # private: else it stays for ever
        if half is not None:
            half.unlink(missing_ok=True)

    def _harden(self, wrapped: AssociationSocket) -> None:
        """Give the connection a limit of size, a deadline for each PDU and an end of its own: another ``recv``."""
        wrapped.socket.setsockopt(IPPROTO_TCP, TCP_NODELAY, 1)
        longest = max(self.limits.max_pdu, _LONGEST_REQUEST) + 64
        ends_at = time.monotonic() + self.limits.lifetime_seconds
        begun_at = 0.0

        def receive(count: int) -> bytearray:
            nonlocal begun_at
            if count == 6:  # the head of a PDU
                begun_at = time.monotonic()
            if count > longest or begun_at > ends_at:
                raise OSError("a PDU too long, or an association too old")
            block, filled = bytearray(count), 0
            while filled < count:
                wrapped.socket.settimeout(max(0.001, begun_at + self.limits.pdu_seconds - time.monotonic()))
                if not (got := wrapped.socket.recv_into(memoryview(block)[filled:])):
                    return block[:filled]
                filled += got
            return block

        wrapped.recv = receive

    def _judge(self, event: evt.Event) -> None:
        association = event.assoc
        asked, visit = association.requestor.primitive, self._visits.get(association)
        rejection = self._gatekeeper.judge(
            host=association.requestor.address,
            called_ae_title=asked.called_ae_title.strip(),
            calling_ae_title=asked.calling_ae_title.strip(),
        )
        if rejection is None and (visit is None or not visit.enter()):
            rejection = TOO_MANY
        if rejection is not None:
            association.acse.send_reject(rejection.result, rejection.source, rejection.reason)
            association.kill()  # waits until it is said: the library would hang up before

    def _store(self, event: evt.Event) -> Dataset:
        said = Dataset()
        said.Status = 0x0000
        try:
            self._keep(event)
        except Refused as refused:
            said.Status, said.ErrorComment = refused.args
        except SpoolFull:
            said.Status, said.ErrorComment = OUT_OF_RESOURCES, "no room on disk, try later"
        except DamagedFile as damaged:
            said.Status, said.ErrorComment = CANNOT_UNDERSTAND, str(damaged)
        return said

    def _keep(self, event: evt.Event) -> None:
        """The temporary file, which the library unlinks where it still is, becomes a kept one."""
        request, syntax, path = event.request, str(event.context.transfer_syntax), event.dataset_path
        if request.AffectedSOPClassUID != event.context.abstract_syntax:
            raise Refused(CLASS_NOT_SUPPORTED, "SOP class is not that of the presentation context")
        spooled, instance = _read(path, syntax)
        for name, said in (("Class", instance.sop_class_uid), ("Instance", instance.sop_instance_uid)):
            if getattr(request, f"AffectedSOP{name}UID") != said:
                raise Refused(CLASS_MISMATCH, f"SOP {name} UID differs from the command")
        if spooled.size_bytes > self.max_instance_bytes:
            raise Refused(OUT_OF_RESOURCES, f"over the limit of {self.max_instance_bytes} bytes")
        self.spool.scratch().close()  # is there room?
        kept = self.folder / spooled.key[:2] / spooled.key
        path.rename(kept)
        sync_folder(kept.parent)
        self._record(event.assoc.requestor, instance, spooled)

    def _record(self, peer: Any, instance: InstanceRef, spooled: SpooledFile) -> None:
        who = {"calling_ae_title": peer.ae_title.strip(), "peer_host": peer.address}
        try:
            outcome = record_file(self.inbox, self.spool, instance=instance, spooled=spooled, **who)
        except SQLAlchemyError as error:
            try:
                recorded = {one.spooled.key for one in self.inbox.of_study(instance.study_instance_uid)}
            except SQLAlchemyError:
                raise Refused(OUT_OF_RESOURCES, "the database does not answer, try later") from error
            if spooled.key not in recorded:
                self.spool.delete(spooled.key)
                raise Refused(OUT_OF_RESOURCES, "could not be recorded, try later") from error
        else:
            if outcome is Outcome.SAME:
                return
        self.on_kept()


def _read(path: Path, syntax: str) -> tuple[SpooledFile, InstanceRef]:
    """The file, synced and named, and who it says it is. Raises DamagedFile."""
    with path.open("rb") as stream:
        start = seek_dataset(stream)
        if start != 144 + int.from_bytes(os.pread(stream.fileno(), 4, 140), "little"):
            raise DamagedFile("file meta information inside the dataset")
        digest = hashlib.file_digest(stream, "sha256")
        size_bytes = stream.tell()
        instance = read_identity(stream, start=start, end=size_bytes, transfer_syntax_uid=syntax)
        os.fsync(stream.fileno())
    return SpooledFile(key=secrets.token_hex(16), sha256=digest.hexdigest(), size_bytes=size_bytes), instance
