"""The page's listening socket, which nobody can fill: it counts connections by address. Knows no HTTP and no TLS.

It counts what the kernel accepted, so also who is silent before a TLS handshake, which no protocol of ours sees.
"""

import socket
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import structlog

from dicom_router.clock import Clock

MOST_CONNECTIONS = 512
TELL_SECONDS = 60.0


class LimitedSocket(socket.socket):
    """Takes ``listening`` over. Not more than ``most`` are let in, and of one address half of what the others leave.

    So the first address has 256, as a proxy on this computer needs for many browsers; and only ten that hold all they
    get leave no room for an eleventh. The kernel's queue is emptied at once: who is refused hears it.
    """

    def __init__(self, listening: socket.socket, *, clock: Clock, most: int = MOST_CONNECTIONS) -> None:
        super().__init__(listening.family, listening.type, listening.proto, listening.detach())
        self._clock = clock
        self._most = most
        self._inside: Counter[str] = Counter()
        self._refused = 0
        self._told_at = -TELL_SECONDS
        self._log = structlog.get_logger()

    def accept(self) -> tuple[socket.socket, Any]:
        """The next guest. Raises ConnectionAbortedError for one who is refused: asyncio asks again."""
        connection, address = super().accept()
        host = address[0]
        others = self._inside.total() - self._inside[host]
        if 2 * self._inside[host] >= self._most - others:
            connection.close()
            self._tell(host)
            raise ConnectionAbortedError(f"too many connections from {host}")
        self._inside[host] += 1
        return CountedConnection(connection, on_close=partial(self._leave, host)), address

    def _leave(self, host: str) -> None:
        self._inside[host] -= 1
        if not self._inside[host]:
            del self._inside[host]

    def _tell(self, host: str) -> None:
        self._refused += 1
        now = self._clock.monotonic()
        if now - self._told_at >= TELL_SECONDS:
            self._log.warning("page connections refused", address=host, refused=self._refused)
            self._refused, self._told_at = 0, now


class CountedConnection(socket.socket):
    """An accepted connection; ``on_close`` is called once."""

    def __init__(self, connection: socket.socket, *, on_close: Callable[[], None]) -> None:
        super().__init__(connection.family, connection.type, connection.proto, connection.detach())
        self._on_close: Callable[[], None] | None = on_close

    def close(self) -> None:
        super().close()
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()
