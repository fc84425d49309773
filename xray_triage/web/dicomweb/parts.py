"""Bodies made of pieces of files, alone or as multipart/related (RFC 2387), read only while they are sent."""

import secrets
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.responses import StreamingResponse

from dicom_router.codestream import Piece
from dicom_router.store.spool import Spool
from xray_triage.web.dicomweb.accept import MULTIPART, Offer

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part: pieces of a spooled file. ``word`` > 1: big endian words of so many bytes, to be sent little endian."""

    key: str
    pieces: Sequence[Piece]
    content_type: str
    word: int = 1

    @property
    def size_bytes(self) -> int:
        return sum(length for _, length in self.pieces)


def respond(spool: Spool, parts: Sequence[Part], offer: Offer) -> StreamingResponse:
    """Send ``parts``, the only one as it is when the client asked for no multipart. Raises DamagedFile."""
    spool.open(parts[0].key).close()
    if not offer.multipart:
        (part,) = parts
        return _streamed(_pieces(spool, part), part.content_type, part.size_bytes)
    boundary = secrets.token_hex(16)
    heads = [f"--{boundary}\r\nContent-Type: {part.content_type}\r\n\r\n".encode() for part in parts]
    tail = f"--{boundary}--\r\n".encode()
    size = sum(len(head) + part.size_bytes + 2 for head, part in zip(heads, parts, strict=True)) + len(tail)

    def body() -> Iterator[bytes]:
        for head, part in zip(heads, parts, strict=True):
            yield head
            yield from _pieces(spool, part)
            yield b"\r\n"
        yield tail

    return _streamed(body(), f'{MULTIPART}; type="{offer.media_type}"; boundary={boundary}', size)


def _streamed(body: Iterator[bytes], content_type: str, size: int) -> StreamingResponse:
    return StreamingResponse(body, headers={"Content-Type": content_type, "Content-Length": str(size)})


def _pieces(spool: Spool, part: Part) -> Iterator[bytes]:
    with spool.open(part.key) as stream:
        for offset, length in part.pieces:
            stream.seek(offset)
            left = length
            while left:
                chunk = stream.read(min(left, CHUNK_BYTES))
                if not chunk:
                    raise EOFError(f"{part.key} ends early")  # the connection is cut: the length was promised
                left -= len(chunk)
                yield _little_endian(chunk, part.word)


def _little_endian(chunk: bytes, word: int) -> bytes:
    if word == 1:
        return chunk
    words = array({2: "H", 4: "I", 8: "Q"}[word], chunk)
    words.byteswap()
    return words.tobytes()
