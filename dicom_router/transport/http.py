"""A DICOMweb root over HTTP: one connection kept open, bounded answers. Knows no service of DICOMweb.

Follows no redirect and uses no proxy: the password goes where the site wrote that it goes.
"""

import http.client
import re
import socket
import ssl
import zlib
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.upper_layer.connection import Timeouts, tls_fault

TIMEOUTS = Timeouts(answer_seconds=120.0)
LONGEST_ANSWER_BYTES = 1 << 20
# Bytes in the kernel count as sent here, and the wait for the answer begins: keep them few, for slow links.
SEND_BUFFER_BYTES = 1 << 18
CHUNK_BYTES = 1 << 16
GZIP, ZLIB, BARE = 31, 15, -15  # zlib's wbits; BARE: what some send as "deflate", against RFC 9110 8.4.1.2
# RFC 9110 5.6.6; blanks around "=", which it forbids, do occur.
_PARAMETER = re.compile(r';[ \t]*([^\s;="]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))')


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """The status, and the body as far as it was read. ``after_seconds``: its Retry-After, 0 without one."""

    status: int
    body: bytes
    after_seconds: float = 0


class DicomwebRoot:
    """One root, e.g. ``https://pacs/dicom-web``. Any fault of the network raises PeerUnreachable."""

    def __init__(
        self, url: str, *, username: str, password: str, tls: ssl.SSLContext | None, timeouts: Timeouts = TIMEOUTS
    ) -> None:
        self.url = url.rstrip("/")
        self._headers = _authorization(username, password) | {"Accept": "application/dicom+json"}
        self._tls = tls
        self._timeouts = timeouts
        self._connection: http.client.HTTPConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: Iterable[bytes] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        longest: int = LONGEST_ANSWER_BYTES,
    ) -> HttpResponse:
        """One request and at most ``longest`` bytes of its answer."""
        with self.open(method, path, body, headers=headers) as answer, self.faults():
            after = retry_after(answer.headers.get("Retry-After", ""), answer.headers.get("Date", ""))
            read, said = Body(answer), b""
            while len(said) < longest and (piece := read.read(longest - len(said))):
                said += piece
            return HttpResponse(status=answer.status, body=said, after_seconds=after)

    @contextmanager
    def open(
        self,
        method: str,
        path: str,
        body: Iterable[bytes] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[http.client.HTTPResponse]:
        """One request; read its answer under ``faults``. A dead connection that was kept is replaced by a new one."""
        reused = self._connection is not None
        with self.faults():
            try:
                answer = self._exchange(method, path, body, headers or {})
            except (OSError, http.client.HTTPException):
                self.close()
                if not reused:
                    raise
                answer = self._exchange(method, path, body, headers or {})
        try:
            yield answer
        finally:
            if not answer.isclosed():  # longer than anything we look at: not worth reading to its end
                self.close()

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Errors of the network in here end the connection and come out as PeerUnreachable."""
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            self.close()
            if isinstance(error, OSError) and (untrusted := tls_fault(self.url, error)):
                raise untrusted from error
            what = "no answer in time" if isinstance(error, TimeoutError) else str(error) or type(error).__name__
            raise PeerUnreachable(f"{self.url}: {what}; check the link, the url and that its server runs") from error

    def failure(self, answer: HttpResponse) -> PeerUnreachable | PeerRefused:
        """What an answer that is no success means for us."""
        status, text = answer.status, " ".join(answer.body[:200].decode(errors="replace").split())
        code = f"HTTP {status}"
        sentence = f"{self.url} answered {code}" + (f": {text}" if text else "")
        if status in {401, 403, 407}:
            return PeerUnreachable(f"{sentence}; check username and password_file", slowly=True, status=code)
        if status in {404, 405, 406, 501} or 300 <= status < 400:
            return PeerUnreachable(f"{sentence}; check url, it must be the DICOMweb root", slowly=True, status=code)
        if status in {408, 425, 429} or status >= 500:
            what = f"{sentence}; it will be tried again"
            return PeerUnreachable(what, status=code, after_seconds=answer.after_seconds)
        return PeerRefused(sentence, status=code)

    def close(self) -> None:
        """Close the connection, if one is open."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _exchange(
        self, method: str, path: str, body: Iterable[bytes] | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        connection = self._connect()
        connection.request(method, urlsplit(self.url).path + path, body=body, headers={**self._headers, **headers})
        wire = connection.sock
        wire.settimeout(self._timeouts.answer_seconds)
        answer = connection.getresponse()
        wire.settimeout(self._timeouts.stall_seconds)  # its body has been made: a pause now is one of the link
        return answer

    def _connect(self) -> http.client.HTTPConnection:
        if self._connection is None or self._connection.sock is None:  # the server may close after each answer
            parts = urlsplit(self.url)
            host, seconds = parts.hostname or "", self._timeouts.connect_seconds
            if parts.scheme == "https":
                self._connection = http.client.HTTPSConnection(host, parts.port, timeout=seconds, context=self._tls)
            else:
                self._connection = http.client.HTTPConnection(host, parts.port, timeout=seconds)
            self._connection.connect()
            self._connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._connection.sock.settimeout(self._timeouts.stall_seconds)
        return self._connection


def retry_after(said: str, date: str) -> float:
    """Seconds in a Retry-After (RFC 9110 10.2.3); a date in it counts from the answer's own. 0: none that is one."""
    if said.strip().isascii() and said.strip().isdigit():
        return float(said.strip()[:9])
    try:
        seconds = (parsedate_to_datetime(said) - parsedate_to_datetime(date)).total_seconds()
    except (TypeError, ValueError, OverflowError):  # no date, or one with and one without a zone
        return 0
    return max(0.0, seconds)


class Body:
    """Of an answer, its content coding undone (RFC 9110 8.4): we ask for none, and gateways compress all the same.

    Never holds more than a piece, however well that was compressed.
    """

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self._answer = answer
        self._coding = answer.headers.get("Content-Encoding", "").strip().lower()
        self._inflater: zlib._Decompress | None = None

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes, fewer at any time, none at the end. Raises OSError or HTTPException."""
        if self._coding in ("", "identity"):
            return self._answer.read(size)
        try:
            return self._inflated(size)
        except zlib.error as error:
            raise http.client.HTTPException(f"its body is no {self._coding}: {error}") from error

    def _inflated(self, size: int) -> bytes:
        said = b""
        while not said:
            inflater = self._inflater
            coded = (inflater.unconsumed_tail if inflater else b"") or self._answer.read(CHUNK_BYTES)
            if inflater and inflater.eof:
                if not coded:
                    return b""
                continue  # what follows is read to its end, so that the connection can be used again
            self._inflater = inflater = inflater or self._begin(coded)
            said = inflater.decompress(coded, size)
            if not (said or coded):
                raise http.client.HTTPException(f"its {self._coding} body ends in the middle")
        return said

    def _begin(self, coded: bytes) -> "zlib._Decompress":
        if self._coding in ("gzip", "x-gzip"):
            return zlib.decompressobj(GZIP)
        if self._coding != "deflate":
            raise http.client.HTTPException(
                f"it answers in the content coding {self._coding!r}, which nobody asked for"
            )
        is_zlib = len(coded) > 1 and coded[0] & 15 == 8 and int.from_bytes(coded[:2]) % 31 == 0  # RFC 1950 2.2
        return zlib.decompressobj(ZLIB if is_zlib else BARE)


def parameters(content_type: str) -> dict[str, str]:
    """What stands behind a media type, by name in lower case: ``boundary``, ``type``. Of several the first."""
    found: dict[str, str] = {}
    for name, quoted, token in _PARAMETER.findall(content_type):
        found.setdefault(name.lower(), token or re.sub(r"\\(.)", r"\1", quoted))
    return found


def _authorization(username: str, password: str) -> dict[str, str]:
    if not username:
        return {}
    return {"Authorization": "Basic " + b64encode(f"{username}:{password}".encode()).decode()}
