"""A HIS that takes ORU^R01 over MLLP: reads them with hl7apy, strictly, or behaves as badly as such systems do.

Knows nothing of ours.
"""

import contextlib
import re
import socket
import ssl
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Self

from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.core import Message
from hl7apy.parser import parse_message

Answer = Callable[[str, int], str | None]  # the control id and how often it came; None: hang up without a word


@dataclass
class His:
    """``answers``: what MSA-1 and MSA-3 (``AE|why``) shall be, or None to hang up; ``mute``: no word and no end."""

    answers: Answer = lambda control_id, times: "AA"
    port: int = 0
    tls: ssl.SSLContext | None = None
    mute: bool = False
    messages: dict[str, str] = field(default_factory=dict)
    times: Counter[str] = field(default_factory=Counter)
    order: list[str] = field(default_factory=list)
    came: threading.Condition = field(default_factory=threading.Condition)
    connections: int = 0
    _server: socket.socket | None = None
    _open: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", self.port))
        self.port = self._server.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        for each in (self._server, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        self._open.clear()

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """It is switched off for a while, and comes back at the same address with what it had."""
        self.__exit__()
        yield
        self.__enter__()

    def wait_for(self, count: int, seconds: float = 30) -> None:
        """Until so many different messages were taken."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.messages) >= count, seconds), f"{len(self.messages)} came"

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                plain, _ = server.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(plain)
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        secured = self.tls.wrap_socket(plain, server_side=True, do_handshake_on_connect=False) if self.tls else plain
        with contextlib.suppress(OSError), secured:
            self._converse(secured)

    def _converse(self, wire: socket.socket) -> None:
        buffer = b""
        while piece := wire.recv(1 << 16):
            buffer += piece
            while b"\x1c\r" in buffer:
                block, _, buffer = buffer.partition(b"\x1c\r")
                answer = self._take(block.lstrip(b"\x0b").decode())
                if answer is None:
                    return
                wire.sendall(answer)

    def _take(self, text: str) -> bytes | None:
        """Keep it under its control id; one that came before is counted, and not kept twice."""
        head = text.partition("\r")[0].split("|")
        control_id = head[9]
        with self.came:
            self.times[control_id] += 1
            said = self.answers(control_id, self.times[control_id])
            if said is not None and said.startswith(("AA", "CA")) and control_id not in self.messages:
                self.messages[control_id] = text
                self.order.append(control_id)
            self.came.notify_all()
        if said is None or self.mute:
            return b"" if self.mute else None
        code, _, why = said.partition("|")
        ack = f"MSH|^~\\&|HIS||XRAY-TRIAGE||20260101||ACK|A{control_id}|P|{head[11]}\rMSA|{code}|{control_id}|{why}\r"
        return b"\x0b" + ack.encode() + b"\x1c\r"


def parsed(text: str) -> Message:
    """The message as hl7apy understands it. Raises when the standard's own tables do not allow it.

    Of a PDF only the beginning: the standard has it as TX of any length, hl7apy takes it for an ST of 199 letters.
    """
    short = re.sub(r"(\^Base64\^[^|\r]{196})[^|\r]*", r"\1", text)
    found: Message = parse_message(short, validation_level=VALIDATION_LEVEL.STRICT, find_groups=True)
    found.validate()
    return found
