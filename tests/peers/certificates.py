"""TLS for peers on loopback: certificates of an authority of the tests' own, and a front before a plain server.

The front is what a hospital's proxy is. Orthanc has HTTPS itself, but Debian's 1.10.1 dies of a segmentation fault at
the first request. Knows nothing of ours.
"""

import contextlib
import select
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True)
class Certificate:
    """PEM files."""

    cert: Path
    key: Path


class Authority:
    """Signs what it is asked to; ``ca`` is its own certificate."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.ca, self._key = folder / "ca.pem", folder / "ca.key"
        _openssl("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=CA", "-keyout", self._key, "-out", self.ca)

    def sign(self, name: str, *, days: int = 2) -> Certificate:
        """One for 127.0.0.1; expired when ``days`` is below 0."""
        cert, key, asked, names = (self._folder / f"{name}.{end}" for end in ("pem", "key", "csr", "ext"))
        names.write_text("subjectAltName=IP:127.0.0.1\n")
        _openssl("req", *_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", asked)
        signer = ("-CA", self.ca, "-CAkey", self._key, "-CAcreateserial")
        _openssl("x509", "-req", "-in", asked, *signer, "-days", str(days), "-extfile", names, "-out", cert)
        return Certificate(cert=cert, key=key)


@contextlib.contextmanager
def a_tls_front(own: Certificate, target: int) -> Iterator[int]:
    """Takes TLS on the port that it gives, and speaks plainly with the port ``target``."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.cert, own.key)

    def accept() -> None:
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            threading.Thread(target=relay, args=(near,), daemon=True).start()

    def relay(near: socket.socket) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as open_ones:
            secure = open_ones.enter_context(context.wrap_socket(open_ones.enter_context(near), server_side=True))
            far = open_ones.enter_context(socket.create_connection(("127.0.0.1", target)))
            while True:
                ready = [secure] if secure.pending() else select.select([secure, far], [], [])[0]
                for source in ready:
                    piece = source.recv(1 << 16)
                    if not piece:
                        return
                    (far if source is secure else secure).sendall(piece)

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
