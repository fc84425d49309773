"""Peers that behave badly on purpose, on real sockets: refusing, hanging, cutting the link. Knows nothing of ours."""

import contextlib
import select
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

from pydicom.dataset import Dataset
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

ANY_SYNTAX = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")


class StorePeer:
    """A storage SCP that answers each C-STORE with the next of ``answers``; the last one for ever.

    ``answer_to`` goes first, by SOP Instance UID; ``on_store`` is called before each answer; over the instance
    ``aborts_over`` the association is aborted. An echo is answered with
    ``echo``; None: the association is aborted over it.
    """

    ae_title = "DIFFICULT"

    def __init__(self, sop_classes: Sequence[str], syntaxes: Sequence[str] = ANY_SYNTAX) -> None:
        entity = AE(ae_title=self.ae_title)
        entity.add_supported_context(Verification)
        for sop_class in sop_classes:
            entity.add_supported_context(sop_class, list(syntaxes))
        handlers = [
            (evt.EVT_C_STORE, self._answer),
            (evt.EVT_C_ECHO, self._answer_echo),
            (evt.EVT_ESTABLISHED, self._count),
        ]
        self.entity = entity
        self.forget()
        self._server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
        self.port = int(self._server.server_address[1])

    def forget(self) -> None:
        """As new: takes everything from everybody."""
        self.answers: list[int] = [0x0000]
        self.echo: int | None = 0x0000
        self.answer_to: dict[str, int] = {}
        self.on_store: Callable[[], object] = lambda: None
        self.aborts_over = ""
        self.received: list[str] = []
        self.received_syntaxes: list[str] = []
        self.associations = 0
        self.entity.require_called_aet = False
        self.entity.require_calling_aet = []

    def stop(self) -> None:
        self._server.shutdown()

    def _count(self, event: evt.Event) -> None:
        self.associations += 1

    def _answer_echo(self, event: evt.Event) -> int:
        if self.echo is None:
            event.assoc.abort()
        return self.echo or 0x0000

    def _answer(self, event: evt.Event) -> Dataset:
        self.received.append(str(event.request.AffectedSOPInstanceUID))
        self.received_syntaxes.append(str(event.context.transfer_syntax))
        self.on_store()
        if self.received[-1] == self.aborts_over:
            event.assoc.abort()
        answer = Dataset()
        following = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        answer.Status = self.answer_to.get(self.received[-1], following)
        if answer.Status:
            answer.ErrorComment = "because of the test"
        return answer


@contextlib.contextmanager
def a_store_peer(*sop_classes: str, syntaxes: Sequence[str] = ANY_SYNTAX) -> Iterator[StorePeer]:
    peer = StorePeer(sop_classes, syntaxes)
    try:
        yield peer
    finally:
        peer.stop()


class HangingPeer:
    """Accepts connections, reads what comes and never says a word (or says only ``words``)."""

    def __init__(self, words: bytes = b"", *, reads: bool = True) -> None:
        self.connections = 0
        self.words = words
        self._reads = reads
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._open: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
        for connection in self._open:
            connection.close()

    def _serve(self) -> None:
        while True:
            try:
                readable, _, _ = select.select([self._server, *(self._open if self._reads else [])], [], [])
                for ready in readable:
                    self._take(ready)
            except (OSError, ValueError):
                return

    def _take(self, ready: socket.socket) -> None:
        if ready is self._server:
            connection, _ = self._server.accept()
            self.connections += 1
            self._open.append(connection)
            connection.sendall(self.words)
        elif not ready.recv(1 << 16):
            self._open.remove(ready)
            ready.close()


@contextlib.contextmanager
def a_hanging_peer(words: bytes = b"", *, reads: bool = True) -> Iterator[HangingPeer]:
    peer = HangingPeer(words, reads=reads)
    try:
        yield peer
    finally:
        peer.stop()


class BadLink:
    """A TCP relay to a real peer. It cuts the connection after ``cut_after_up`` bytes towards the peer, or lets
    everything through and cuts instead of the answer once ``swallow_after_up`` bytes have gone up.

    ``reachable = False`` refuses new connections by closing them at once and cuts the open ones.
    """

    def __init__(self, port: int) -> None:
        self.cut_after_up: int | None = None
        self.swallow_after_up: int | None = None
        self.connections = 0
        self._target = port
        self._reachable = True
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def reachable(self) -> bool:
        return self._reachable

    @reachable.setter
    def reachable(self, value: bool) -> None:
        self._reachable = value
        if not value:
            self._cut_all()

    def stop(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._cut_all()

    def _cut_all(self) -> None:
        for pair in self._pairs:
            _cut(pair)
        self._pairs.clear()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            if not self._reachable:
                near.close()
                continue
            pair = (near, socket.create_connection(("127.0.0.1", self._target)))
            self._pairs.append(pair)
            threading.Thread(target=self._relay, args=pair, daemon=True).start()

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        up = 0
        with contextlib.suppress(OSError, ValueError):
            while True:
                readable, _, _ = select.select([near, far], [], [])
                for source in readable:
                    piece = source.recv(1 << 14)
                    up += len(piece) if source is near else 0
                    swallowed = self.swallow_after_up is not None and up > self.swallow_after_up
                    cut = self.cut_after_up is not None and up > self.cut_after_up
                    if not piece or cut or (source is far and swallowed):
                        _cut((near, far))
                        return
                    (far if source is near else near).sendall(piece)


@contextlib.contextmanager
def a_bad_link(port: int) -> Iterator[BadLink]:
    link = BadLink(port)
    try:
        yield link
    finally:
        link.stop()


def _cut(pair: tuple[socket.socket, socket.socket]) -> None:
    for each in pair:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)
        each.close()
