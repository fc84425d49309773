"""The TCP side of a listener: accepts connections, counts them, secures them, a thread each. Knows no protocol."""

import socket
import ssl
import threading
from collections.abc import Callable
from contextlib import suppress

import structlog

from dicom_router.clock import Clock
from dicom_router.upper_layer.gatekeeper import Gatekeeper, Visit

_BACKLOG = 128

log = structlog.get_logger()


class ConnectionServer:
    """Calls ``serve`` for every connection that the gatekeeper lets knock, from ``start`` to ``stop``.

    ``serve`` runs in a thread of the connection's own and may raise ssl.SSLError, nothing else. ``tls`` is the context
    of a server; with it nobody is heard in plain TCP, ``greet_seconds`` bound the handshake, and ``on_no_tls`` hears of
    a host that does not speak it, and why. ``name`` stands in logs.
    """

    def __init__(
        self,
        serve: Callable[[socket.socket, Visit], None],
        *,
        gatekeeper: Gatekeeper,
        address: tuple[str, int],
        name: str,
        clock: Clock,
        tls: ssl.SSLContext | None,
        greet_seconds: float,
        on_no_tls: Callable[[str, str], None],
    ) -> None:
        self._serve = serve
        self._gatekeeper = gatekeeper
        self._address = address
        self._name = name
        self._clock = clock
        self._tls = tls
        self._greet_seconds = greet_seconds
        self._on_no_tls = on_no_tls
        self._server: socket.socket | None = None
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[threading.Thread, socket.socket] = {}

    @property
    def port(self) -> int:
        """The TCP port, known after ``start``."""
        if self._server is None:
            raise RuntimeError(f"the {self._name} has not been started")
        return int(self._server.getsockname()[1])

    @property
    def open_connections(self) -> int:
        """How many connections are being served now."""
        return len(self._connections)

    def start(self) -> None:
        """Listen. Raises OSError when the address cannot be had."""
        family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
        self._server = socket.create_server(self._address, family=family, backlog=_BACKLOG)
        threading.Thread(target=self._accept_forever, args=(self._server,), name=self._name, daemon=True).start()

    def stop(self, *, seconds: float) -> None:
        """Take no more. What has come whole is still answered; the others are cut, and come again."""
        if self._server is None:
            return
        self._stopping.set()
        _shut(self._server, socket.SHUT_RDWR)
        self._server.close()
        self._hang_up(socket.SHUT_RD, seconds)
        self._hang_up(socket.SHUT_RDWR, seconds)

    def _hang_up(self, how: int, seconds: float) -> None:
        with self._lock:
            connections = dict(self._connections)
        for connection in connections.values():
            _shut(connection, how)
        deadline = self._clock.monotonic() + seconds
        for thread in connections:
            thread.join(max(0.0, deadline - self._clock.monotonic()))

    def _accept_forever(self, server: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                connection, address = server.accept()
            except OSError as error:
                if not self._stopping.wait(0.1):  # e.g. no descriptor left, until others give theirs back
                    log.error("cannot accept", by=self._name, error=str(error))
                continue
            visit = self._gatekeeper.knock(address[0])
            if visit is None:
                connection.close()
                continue
            self._begin(connection, visit)

    def _begin(self, connection: socket.socket, visit: Visit) -> None:
        thread = threading.Thread(target=self._welcome, args=(connection, visit), name="connection", daemon=True)
        with self._lock:  # which the thread takes before it looks for itself
            try:
                thread.start()
            except RuntimeError as error:  # no thread left, until others end
                log.error("cannot accept", by=self._name, error=str(error))
                visit.leave()
                connection.close()
                return
            self._connections[thread] = connection

    def _welcome(self, connection: socket.socket, visit: Visit) -> None:
        try:
            with connection, self._secured(connection) as secured:
                secured.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._serve(secured, visit)
        except ssl.SSLError as error:
            log.warning("connection without TLS", by=self._name, peer_host=visit.host, reason=str(error))
            if isinstance(error.__cause__, ssl.SSLError) and not isinstance(error.__cause__, ssl.SSLEOFError):
                self._on_no_tls(visit.host, str(error))
        finally:
            visit.leave()
            with self._lock:
                del self._connections[threading.current_thread()]

    def _secured(self, connection: socket.socket) -> socket.socket:
        """The connection over TLS where that is wanted. Raises SSLError when the peer does not speak it."""
        if self._tls is None:
            return connection
        connection.settimeout(self._greet_seconds)
        try:
            secured = self._tls.wrap_socket(connection, server_side=True)
        except OSError as error:  # also a peer that hangs up, or is too slow
            raise ssl.SSLError(str(error)) from error
        with self._lock:
            self._connections[threading.current_thread()] = secured
        return secured


def _shut(connection: socket.socket, how: int) -> None:
    """Close one direction. Under TLS too only on the wire: SSLSocket.shutdown would leave its thread reading cipher."""
    with suppress(OSError):  # the peer was faster
        socket.socket.shutdown(connection, how)
