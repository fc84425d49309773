"""A collector of syslog over TLS (RFC 5425): keeps every message, or behaves as badly as collectors do.

Knows nothing of ours.
"""

import contextlib
import socket
import ssl
import struct
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.peers.certificates import Certificate


@dataclass
class Collector:
    """``dies_after``: messages of a connection after which it resets it; ``closes_mutely``: without close_notify."""

    own: Certificate
    port: int = 0
    client_ca: Path | None = None
    dies_after: int | None = None
    closes_mutely: bool = False
    messages: list[bytes] = field(default_factory=list)
    _server: socket.socket | None = None

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        self._thread = threading.Thread(target=self._accept, args=(self._server,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(10)

    def _accept(self, server: socket.socket) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.client_ca)
        context.load_cert_chain(self.own.cert, self.own.key)
        if self.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
        while True:
            try:
                plain, _ = server.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), plain:
                plain.settimeout(10)
                with context.wrap_socket(plain, server_side=True) as secure:
                    self._collect(secure)

    def _collect(self, secure: ssl.SSLSocket) -> None:
        buffer, taken = b"", 0
        while piece := secure.recv(1 << 16):
            buffer += piece
            while message := _first(buffer):
                if taken == self.dies_after:
                    secure.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    return
                self.messages.append(message)
                buffer = buffer[buffer.index(b" ") + 1 + len(message) :]
                taken += 1
        assert buffer == b""
        if not self.closes_mutely:
            secure.unwrap()


def _first(buffer: bytes) -> bytes:
    """The first whole message; nothing while it is not whole. RFC 5425 4.3: its length, a space, itself."""
    length, space, rest = buffer.partition(b" ")
    if not space:
        return b""
    assert length.isdigit()
    assert length[:1] != b"0"
    return rest[: int(length)] if len(rest) >= int(length) else b""
