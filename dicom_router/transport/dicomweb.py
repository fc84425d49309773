"""Sends instances by STOW-RS (PS3.18 10.5), one a request, streamed from the file. Knows no queue and no retry."""

import secrets
import ssl
from collections.abc import Iterator
from typing import BinaryIO

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Acknowledgement, InstanceRef, Parcel
from dicom_router.dicom.status import Status, check_answer, written
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.transport.compression import Compression, Economy, file_size
from dicom_router.transport.http import TIMEOUTS, DicomwebRoot, HttpResponse
from dicom_router.transport.pace import Pace
from dicom_router.transport.store_response import StoreVerdict, is_list, names, verdict
from dicom_router.upper_layer.connection import Timeouts

CHUNK_BYTES = 1 << 16
STORED = written(Status.SUCCESS)


class DicomwebTransport:
    """One DICOMweb root, e.g. ``https://pacs/dicom-web``. Keeps its connection open between sends."""

    def __init__(
        self,
        url: str,
        *,
        clock: Clock,
        username: str = "",
        password: str = "",
        tls: ssl.SSLContext | None = None,
        compression: Compression | Economy = "none",
        max_kbit_per_second: float = 0,
        timeouts: Timeouts = TIMEOUTS,
    ) -> None:
        self._root = DicomwebRoot(url, username=username, password=password, tls=tls, timeouts=timeouts)
        self._clock = clock
        self._economy = compression if isinstance(compression, Economy) else Economy(compression, clock=clock)
        self._pace = Pace(max_kbit_per_second, clock=clock)

    def send(self, parcel: Parcel) -> Acknowledgement:
        """See Transport. Compression cannot be negotiated here: what a server refuses compressed goes as it is."""
        if self._economy.is_worth_it(parcel) and (smaller := self._economy.shrink(parcel)):
            with smaller:
                try:
                    return self._store(smaller, parcel.instance)
                except PeerRefused:
                    pass
        with parcel.open() as stream:
            return self._store(stream, parcel.instance)

    def echo(self) -> None:
        """A QIDO-RS search for one study. Raises PeerUnreachable or PeerRefused."""
        answer = self._root.ask("GET", "/studies?limit=1")
        if answer.status not in {200, 204}:
            raise self._root.failure(answer)
        if answer.status == 200 and not is_list(answer.body):
            raise PeerUnreachable(
                f"{self._root.url} answered a search with something else than DICOM JSON, e.g. a web page; "
                "check url, it must be the DICOMweb root",
                slowly=True,
                status="HTTP 200",
            )

    def close(self) -> None:
        """Close the connection, if one is open."""
        self._root.close()

    def _store(self, stream: BinaryIO, instance: InstanceRef) -> Acknowledgement:
        body = _Related(stream, self._pace)
        begun = self._clock.monotonic()
        answer = self._root.ask("POST", "/studies", body, headers=body.headers)
        self._economy.learn(sent_bytes=len(body), seconds=self._clock.monotonic() - begun)
        return Acknowledgement(
            status=self._judge(answer, instance), peer=self._root.url, at=self._clock.now(), sent_bytes=len(body)
        )

    def _judge(self, answer: HttpResponse, instance: InstanceRef) -> str:
        """The store response as the status of a C-STORE: stored only when it names the instance, or the peer has it."""
        said = verdict(answer.body, instance.sop_instance_uid)
        if said.stored and answer.status < 300:
            return STORED
        doubtful = said.failed or answer.status == 409 or answer.status < 300
        if doubtful and self._has(instance):  # taken by an earlier try whose answer was lost, or taken without a word
            return STORED
        return self._failed(answer, said, instance)

    def _failed(self, answer: HttpResponse, said: StoreVerdict, instance: InstanceRef) -> str:
        if said.reason is not None:
            status = check_answer(said.reason, peer=self._root.url)
            if said.reason == Status.DUPLICATE_INSTANCE:
                return status
        if said.failed:
            raise PeerRefused(f"{self._root.url} could not store it and says nothing clear of why", status="failed")
        if answer.status < 300:
            raise PeerUnreachable(
                f"{self._root.url} answered HTTP {answer.status} and has not stored {instance.sop_instance_uid}; "
                "check url, it must be the DICOMweb root, and that no login page stands before it",
                slowly=True,
                status=f"HTTP {answer.status}",
            )
        raise self._root.failure(answer)

    def _has(self, instance: InstanceRef) -> bool:
        """Whether the peer has the instance, by a search, or by its metadata where nothing can be searched."""
        uid, study = instance.sop_instance_uid, f"/studies/{instance.study_instance_uid}"
        for path in (
            f"{study}/instances?SOPInstanceUID={uid}",
            f"{study}/series/{instance.series_instance_uid}/instances/{uid}/metadata",
        ):
            answer = self._root.ask("GET", path)
            if answer.status == 200 and names(answer.body, uid):
                return True
        return False


class _Related:
    """A multipart/related body with one instance (PS3.18 8.6.1.1.1), read from the file while it is sent."""

    def __init__(self, stream: BinaryIO, pace: Pace) -> None:
        boundary = secrets.token_hex(16)
        self._stream = stream
        self._pace = pace
        self._head = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._size = len(self._head) + file_size(stream) + len(self._tail)
        self.headers = {
            "Content-Type": f'multipart/related; type="application/dicom"; boundary={boundary}',
            "Content-Length": str(self._size),
        }

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[bytes]:
        self._stream.seek(0)
        yield self._head
        while chunk := self._stream.read(CHUNK_BYTES):
            yield chunk
            self._pace.spend(len(chunk))
        yield self._tail
