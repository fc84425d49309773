"""The body of an HTTP answer, its content coding undone (RFC 9110 8.4). Must never know what the body is.

We ask for no coding; gateways compress all the same.
"""

import zlib
from http.client import HTTPException, HTTPResponse

CHUNK_BYTES = 1 << 16
GZIP, ZLIB, BARE = 31, 15, -15  # zlib's wbits; BARE: what some send as "deflate", against RFC 9110 8.4.1.2


class Body:
    """Reads as the answer does, and never holds more than a piece, however well it was compressed."""

    def __init__(self, answer: HTTPResponse) -> None:
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
            raise HTTPException(f"its body is no {self._coding}: {error}") from error

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
                raise HTTPException(f"its {self._coding} body ends in the middle")
        return said

    def _begin(self, coded: bytes) -> "zlib._Decompress":
        if self._coding in ("gzip", "x-gzip"):
            return zlib.decompressobj(GZIP)
        if self._coding != "deflate":
            raise HTTPException(f"it answers in the content coding {self._coding!r}, which nobody asked for")
        is_zlib = len(coded) > 1 and coded[0] & 15 == 8 and int.from_bytes(coded[:2]) % 31 == 0  # RFC 1950 2.2
        return zlib.decompressobj(ZLIB if is_zlib else BARE)
