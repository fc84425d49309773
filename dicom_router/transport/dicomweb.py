"""Sends instances by STOW-RS (PS3.18 10.5), one a request, streamed from the file. Knows no queue and no retry."""

import http.client
import json
import re
import secrets
import socket
import ssl
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NoReturn
from urllib.parse import urlsplit

from dicom_router.clock import Clock
from dicom_router.compression import Compression, Economy, file_size
from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.transport.answers import check_answer
from dicom_router.transport.association import Patience
from dicom_router.transport.pace import Pace
from dicom_router.transport.protocol import Acknowledgement, Parcel

PATIENCE = Patience(answer_seconds=120.0)
LONGEST_ANSWER_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16
# Bytes in the kernel count as sent here, and the wait for the answer begins: keep them few, for slow links.
SEND_BUFFER_BYTES = 1 << 18
FAILED_SOP_SEQUENCE = "00081198"
FAILURE_REASON = "00081197"
_FAILURE_IN_XML = re.compile(rb'tag="00081197".{0,200}?<Value[^>]*>(\d+)<', re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class _HttpAnswer:
    status: int
    body: bytes


class DicomwebTransport:
    """One DICOMweb root, e.g. ``https://pacs/dicom-web``. Keeps its connection open between sends.

    Follows no redirect and uses no proxy: the password goes where the site wrote that it goes.
    """

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
        self._url = url.rstrip("/")
        self._clock = clock
        self._headers = _authorization(username, password) | {"Accept": "application/dicom+json"}
        self._tls = tls
        self._patience = patience
        self._economy = compression if isinstance(compression, Economy) else Economy(compression, clock=clock)
        self._pace = Pace(max_kbit_per_second, clock=clock)
        self._connection: http.client.HTTPConnection | None = None

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
        answer = self._ask("GET", "/studies?limit=1")
        if answer.status not in {200, 204}:
            self._raise_for(answer)

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _store(self, stream: BinaryIO) -> Acknowledgement:
        body = _Related(stream, self._pace)
        begun = self._clock.monotonic()
        answer = self._ask("POST", "/studies", body)
        self._economy.learn(sent_bytes=len(body), seconds=self._clock.monotonic() - begun)
        return Acknowledgement(status=self._judge(answer), peer=self._url, at=self._clock.now(), sent_bytes=len(body))

    def _judge(self, answer: _HttpAnswer) -> str:
        """The store response (PS3.18 10.5.3 and Annex I.2) as the status of a C-STORE."""
        failure = _failure_reason(answer.body)
        if failure is not None:
            return check_answer(failure, peer=self._url)
        if answer.status not in {200, 202}:
            self._raise_for(answer)
        return "0x0000"

    def _raise_for(self, answer: _HttpAnswer) -> NoReturn:
        status, text = answer.status, " ".join(answer.body[:200].decode(errors="replace").split())
        sentence = f"{self._url} answered HTTP {status}" + (f": {text}" if text else "")
        if status in {401, 403, 407}:
            raise PeerUnreachable(f"{sentence}; check username and password_file", slowly=True)
        if status in {404, 405, 406, 501} or 300 <= status < 400:
            raise PeerUnreachable(f"{sentence}; check url, it must be the DICOMweb root", slowly=True)
        if status in {408, 425, 429} or status >= 500:
            raise PeerUnreachable(f"{sentence}; it will be sent again")
        raise PeerRefused(sentence, status=f"HTTP {status}")

    def _ask(self, method: str, path: str, body: "_Related | None" = None) -> _HttpAnswer:
        """One request, once more over a new connection when a kept one proves dead. Raises PeerUnreachable."""
        reused = self._connection is not None
        try:
            return self._exchange(method, path, body)
        except ssl.SSLError as error:
            raise self._unreachable(f"TLS failed ({error.reason}); check the certificates") from error
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if not reused:
                what = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
                raise self._unreachable(f"{what}; check the link, the url and that the PACS runs") from error
        return self._ask(method, path, body)

    def _exchange(self, method: str, path: str, body: "_Related | None") -> _HttpAnswer:
        connection = self._connect()
        headers = self._headers | (body.headers if body else {})
        connection.request(method, urlsplit(self._url).path + path, body=body, headers=headers)
        connection.sock.settimeout(self._patience.answer_seconds)
        answer = connection.getresponse()
        content = answer.read(LONGEST_ANSWER_BYTES)
        if not answer.isclosed():  # longer than anything we look at: not worth reading to its end
            self.close()
        return _HttpAnswer(status=answer.status, body=content)

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None:
            parts = urlsplit(self._url)
            host, seconds = parts.hostname or "", self._patience.connect_seconds
            if parts.scheme == "https":
                self._connection = http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=self._tls)
            else:
                self._connection = http.client.HTTPConnection(host, parts.port, timeout=seconds)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._connection.sock.settimeout(self._patience.stall_seconds)
        return self._connection

    def _unreachable(self, what: str) -> PeerUnreachable:
        self.close()
        return PeerUnreachable(f"{self._url}: {what}")


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


def _authorization(username: str, password: str) -> dict[str, str]:
    if not username:
        return {}
    return {"Authorization": "Basic " + b64encode(f"{username}:{password}".encode()).decode()}


def _failure_reason(body: bytes) -> int | None:
    """Failure Reason (0008,1197) of the failed instance in a store response, in JSON or XML; None without one."""
    try:
        (failed, *_) = json.loads(body)[FAILED_SOP_SEQUENCE]["Value"]
        return int(failed[FAILURE_REASON]["Value"][0])
    except (ValueError, KeyError, TypeError, IndexError):
        found = _FAILURE_IN_XML.search(body)
        return int(found[1]) if found else None
