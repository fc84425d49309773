"""MLLP: what stands around an HL7 message on a TCP connection. Knows bytes only, neither messages nor sockets.

HL7 v2.5 appendix C: a block begins with 0x0B and ends with 0x1C 0x0D. What comes between two blocks is no message.
"""

from collections.abc import Iterator

from xray_triage.hl7.message import MOST_BYTES, NotHl7

START, END = b"\x0b", b"\x1c\r"


def framed(content: bytes) -> bytes:
    """A message as a block."""
    return START + content + END


class Blocks:
    """Takes bytes as they come and gives the messages in them."""

    def __init__(self) -> None:
        self._open = bytearray()  # from the start of a block on

    @property
    def is_open(self) -> bool:
        """Whether a block has begun and not ended."""
        return bool(self._open)

    def feed(self, content: bytes) -> Iterator[bytes]:
        """The messages that end in ``content``. Raises NotHl7 for a block of over 1 MiB, of which nothing is kept."""
        self._open += content
        while True:
            start = self._open.find(START)
            if start < 0:
                self._open.clear()
                return
            del self._open[:start]
            end = self._open.find(END)
            if end < 0:
                break
            message = bytes(self._open[1:end])
            del self._open[: end + len(END)]
            # A peer that broke off and began anew: what came before the second start is no message.
            yield message.rpartition(START)[2]
        if len(self._open) > MOST_BYTES:
            self._open.clear()
            raise NotHl7(f"a message has at most {MOST_BYTES} bytes")
