"""Syslog over TLS (RFC 5425; RFC 5424 messages): sends a batch and waits until the collector has read it.

The protocol has no acknowledgement. What comes closest: we end the TLS session, and the collector, which has to read
all that was sent before it sees that, ends it too (RFC 5425 4.4). Knows nothing of what the messages say.
"""

import socket
import ssl
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime

TIMEOUT_SECONDS = 20.0
SEVERITY = {"0": 5, "4": 4, "8": 3, "12": 2}  # by EventOutcomeIndicator: notice, warning, error, critical
AUTHPRIV = 10
BOM = b"\xef\xbb\xbf"  # the message is UTF-8 (RFC 5424 6.4)


def frame(message: bytes, *, at: datetime, outcome: str, host: str, process: str, sequence: int) -> bytes:
    """One message with its header and, before it, its length. ``sequence`` names it again if it is sent again."""
    priority = 8 * AUTHPRIV + SEVERITY[outcome]
    name = "".join(each for each in host if "!" <= each <= "~")[:255] or "-"
    # RFC 5424 6.2.3: no more than microseconds, and Z for UTC
    stamp = at.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"
    head = f'<{priority}>1 {stamp} {name} xray-triage {process} DICOM+RFC3881 [meta sequenceId="{sequence}"] '
    line = head.encode("ascii") + BOM + message
    return b"%d " % len(line) + line


def send(frames: Iterable[bytes], address: tuple[str, int], tls: ssl.SSLContext) -> None:
    """Send them over one connection. Raises OSError unless the collector read them all: then send all again."""
    with socket.create_connection(address, TIMEOUT_SECONDS) as plain:
        secure = tls.wrap_socket(plain, server_hostname=address[0])
        with secure:
            for each in frames:
                secure.sendall(each)
            # Closed without a word, but in peace: with anything unread the kernel resets the connection.
            with suppress(ssl.SSLEOFError, ssl.SSLZeroReturnError):
                secure.unwrap()
