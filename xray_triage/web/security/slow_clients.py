"""HTTP connections that are closed when the head of a request does not come soon: they use up what the listener needs.

uvicorn waits for ever for the rest of a head (CWE-400, "slow loris"). Bodies are guard.py's matter.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol


class DeadlineProtocol(H11Protocol):
    """Gives the first head ``head_seconds``, each later one as much after the time that a connection may stay idle."""

    def __init__(self, *arguments: Any, head_seconds: float, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._head_seconds = head_seconds
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head(self._head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._head_timer is not None:
            self._head_timer.cancel()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_head(self.timeout_keep_alive + self._head_seconds)

    def _expect_head(self, seconds: float) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        self._head_timer = self.loop.call_later(seconds, self._close_when_silent)

    def _close_when_silent(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
