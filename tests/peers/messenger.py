"""A web server and a mail server that keep what they are sent, or behave as badly as such servers do.

Know nothing of ours.
"""

import base64
import contextlib
import http.server
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

from tests.peers.certificates import Certificate


@dataclass
class Webhook:
    """``status`` answers what is posted; ``taken`` is called when the post is kept and not answered yet."""

    status: int = 200
    posts: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    taken: Callable[[], None] = lambda: None
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def a_webhook(own: Certificate | None = None, port: int = 0) -> Iterator[Webhook]:
    hook = Webhook()

    class Keeper(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            hook.posts.append((self.path, {key.lower(): value for key, value in self.headers.items()}, body))
            hook.taken()
            self.send_response(hook.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with _served(http.server.ThreadingHTTPServer(("127.0.0.1", port), Keeper), own) as server:
        hook.port = server.server_address[1]
        yield hook


@dataclass
class Mailbox:
    """``offers_tls``: STARTTLS; ``password``: AUTH PLAIN is offered. ``logins``: names and passwords."""

    offers_tls: bool = True
    password: str = ""
    letters: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    port: int = 0


class Postman(socketserver.StreamRequestHandler):
    """One client of a mail server (RFC 5321)."""

    server: "MailServer"
    secure: ssl.SSLSocket | None = None

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        if self.secure is not None:
            self.secure.close()

    def handle(self) -> None:
        self._say("220 mail")
        with contextlib.suppress(OSError):
            while line := self.rfile.readline().decode().strip():
                self._obey(line, line.partition(" ")[0].upper())

    def _obey(self, line: str, verb: str) -> None:
        box = self.server.box
        if verb == "EHLO":
            offers = ["mail", *(["STARTTLS"] if box.offers_tls else []), *(["AUTH PLAIN"] if box.password else [])]
            self._say(*(f"250-{offer}" for offer in offers[:-1]), f"250 {offers[-1]}")
        elif verb == "STARTTLS":
            self._say("220 go on")
            self.rfile.close()
            self.secure = _context(self.server.own).wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.secure.makefile("rb"), self.secure.makefile("wb")
        elif verb == "AUTH":
            box.logins.append(base64.b64decode(line.rsplit(maxsplit=1)[-1]).decode().strip("\0").replace("\0", " "))
            self._say("235 welcome")
        elif verb == "DATA":
            self._say("354 speak")
            letter = b"".join(iter(self.rfile.readline, b".\r\n"))
            box.letters.append(message_from_bytes(letter, policy=default))
            self._say("250 kept")
        else:
            self._say("221 bye" if verb == "QUIT" else "250 ok")

    def _say(self, *lines: str) -> None:
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())
        self.wfile.flush()


class MailServer(socketserver.ThreadingTCPServer):
    """Its clients' letters go into one box."""

    daemon_threads = True

    def __init__(self, own: Certificate, box: Mailbox) -> None:
        super().__init__(("127.0.0.1", 0), Postman)
        self.own, self.box = own, box

    def handle_error(self, *_: Any) -> None:  # a client that does not like our certificate
        pass


@contextlib.contextmanager
def a_mailbox(own: Certificate, *, from_first_byte: bool = False, **how: Any) -> Iterator[Mailbox]:
    """A mail server with STARTTLS, or TLS ``from_first_byte``."""
    box = Mailbox(**how)
    with _served(MailServer(own, box), own if from_first_byte else None) as server:
        box.port = server.server_address[1]
        yield box


def _context(own: Certificate) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.cert, own.key)
    return context


@contextlib.contextmanager
def _served(server: Any, own: Certificate | None) -> Iterator[Any]:
    if own is not None:
        server.socket = _context(own).wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
