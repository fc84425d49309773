"""Sends instances by STOW-RS (PS3.18 10.5), one a request, streamed from the file. Knows no queue and no retry."""

import json
import re
import secrets
import ssl
from collections.abc import Iterator
from typing import BinaryIO

from dicom_router.clock import Clock
from dicom_router.dicom.instance import Acknowledgement, Parcel
from dicom_router.dicom.status import Status, check_answer, written
from dicom_router.errors import PeerRefused
from dicom_router.transport.compression import Compression, Economy, file_size
from dicom_router.transport.http import PATIENCE, DicomwebRoot, HttpResponse
from dicom_router.transport.pace import Pace
from dicom_router.upper_layer.requestor import Patience

CHUNK_BYTES = 1 << 16
FAILED_SOP_SEQUENCE = "00081198"
FAILURE_REASON = "00081197"
_FAILURE_IN_XML = re.compile(rb'tag="00081197".{0,200}?<Value[^>]*>(\d+)<', re.DOTALL)


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
        patience: Patience = PATIENCE,
    ) -> None:
        self._root = DicomwebRoot(url, username=username, password=password, tls=tls, patience=patience)
        self._clock = clock
        self._economy = compression if isinstance(compression, Economy) else Economy(compression, clock=clock)
        self._pace = Pace(max_kbit_per_second, clock=clock)

    def send(self, parcel: Parcel) -> Acknowledgement:
        """See Transport. Compression cannot be negotiated here: what a server refuses compressed goes as it is."""
        if self._economy.is_worth_it(parcel) and (smaller := self._economy.shrink(parcel)):
            with smaller:
                try:
                    return self._store(smaller)
                except PeerRefused:
                    pass
        with parcel.open() as stream:
            return self._store(stream)

    def echo(self) -> None:
        """A QIDO-RS search for one study. Raises PeerUnreachable or PeerRefused."""
        answer = self._root.ask("GET", "/studies?limit=1")
        if answer.status not in {200, 204}:
            raise self._root.failure(answer)

    def close(self) -> None:
        """Close the connection, if one is open."""
        self._root.close()

    def _store(self, stream: BinaryIO) -> Acknowledgement:
        body = _Related(stream, self._pace)
        begun = self._clock.monotonic()
        answer = self._root.ask("POST", "/studies", body, headers=body.headers)
        self._economy.learn(sent_bytes=len(body), seconds=self._clock.monotonic() - begun)
        return Acknowledgement(
            status=self._judge(answer), peer=self._root.url, at=self._clock.now(), sent_bytes=len(body)
        )

    def _judge(self, answer: HttpResponse) -> str:
        """The store response (PS3.18 10.5.3 and Annex I.2) as the status of a C-STORE."""
        failure = _failure_reason(answer.body)
        if failure is not None:
            return check_answer(failure, peer=self._root.url)
        if answer.status not in {200, 202}:
            raise self._root.failure(answer)
        return written(Status.SUCCESS)


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


def _failure_reason(body: bytes) -> int | None:
    """Failure Reason (0008,1197) of the failed instance in a store response, in JSON or XML; None without one."""
    try:
        (failed, *_) = json.loads(body)[FAILED_SOP_SEQUENCE]["Value"]
        return int(failed[FAILURE_REASON]["Value"][0])
    except (ValueError, KeyError, TypeError, IndexError):
        found = _FAILURE_IN_XML.search(body)
        return int(found[1]) if found else None
