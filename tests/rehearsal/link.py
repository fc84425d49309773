"""The line between a station and its PACS, with a will of its own: it hangs up, falls silent, breaks off, is slow."""

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

NOW = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


@dataclass
class Link:
    """A TCP proxy to ``port`` on loopback; ``mode`` and the rest may be changed while it runs.

    ``mode``: ``open``, ``refuses`` (hangs up at once), ``silent`` (takes the call and says nothing), ``breaks`` (hangs
    up after ``breaks_after`` bytes), ``mute`` (hangs up instead of the PACS's first answer to a C-STORE).
    ``receive_bytes``: how much it takes before it has passed it on; 0: as much as the system likes. ``wire``: a lock;
    links that have the same one share their speed.
    """

    port_behind: int
    mode: str = "open"
    breaks_after: int = 50_000
    kbit_per_second: int = 0
    delay_seconds: float = 0.0
    bytes_sent: int = 0
    receive_bytes: int = 0
    wire: AbstractContextManager[object] = field(default_factory=nullcontext)

    def __post_init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))
        if self.receive_bytes:
            self._door.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self.receive_bytes)
        self.port = int(self._door.getsockname()[1])
        self._open: set[socket.socket] = set()

    @contextmanager
    def running(self) -> Iterator["Link"]:
        threading.Thread(target=self._take_calls, daemon=True, name="link").start()
        try:
            yield self
        finally:
            self._door.close()
            self.cut()

    def cut(self) -> None:
        """Every call ends with a reset."""
        for end in list(self._open):
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NOW)
            end.close()
        self._open.clear()

    def _take_calls(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._door.accept()
                if self.mode == "refuses":
                    caller.close()
                    continue
                self._open.add(caller)
                if self.mode != "silent":
                    self._connect(caller)

    def _connect(self, caller: socket.socket) -> None:
        try:
            called = socket.create_connection(("127.0.0.1", self.port_behind), timeout=20)
        except OSError:
            caller.close()
            return
        called.settimeout(None)
        self._open.add(called)
        for source, target in ((caller, called), (called, caller)):
            pump = threading.Thread(target=self._pump, args=(source, target, source is caller), daemon=True)
            pump.start()

    def _pump(self, source: socket.socket, target: socket.socket, upward: bool) -> None:
        passed = 0
        with suppress(OSError):
            while data := source.recv(4096 if self.kbit_per_second else 65_536):
                passed += len(data)
                if self._ends(data, passed, upward):
                    break
                if self.delay_seconds or self.kbit_per_second:
                    with self.wire:
                        time.sleep(self.delay_seconds / 10 + len(data) * 8 / 1000 / (self.kbit_per_second or 10**6))
                target.sendall(data)
                self.bytes_sent += len(data) if upward else 0
        for end in (source, target):
            self._open.discard(end)
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _ends(self, data: bytes, passed: int, upward: bool) -> bool:
        if upward:
            return self.mode == "breaks" and passed > self.breaks_after
        return self.mode == "mute" and data[:1] == b"\x04"
