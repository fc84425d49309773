"""An authority of the tests' own that certifies doctors' keys, and its OCSP responder. Knows nothing of ours."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
BEGAN, ENDS = datetime(2024, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC)
DOCTOR = "TRẦN THỊ MAI"


@dataclass
class Authority:
    """Certifies keys. ``revoked``: the serial numbers of what it takes back."""

    key: Key = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    revoked: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.certificate = self._make("CA", self.key, BEGAN, ENDS, is_authority=True)

    def certify(self, key: Key, *, name: str = DOCTOR, begins: datetime = BEGAN, ends: datetime = ENDS) -> bytes:
        """A certificate for the key, in DER."""
        made = self._make(name, key, begins, ends, is_authority=False)
        return made.public_bytes(serialization.Encoding.DER)

    def _make(self, name: str, key: Key, begins: datetime, ends: datetime, *, is_authority: bool) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        usage = dict.fromkeys(
            ("key_encipherment", "data_encipherment", "key_agreement", "encipher_only", "decipher_only"), False
        )
        use = x509.KeyUsage(
            digital_signature=True,
            content_commitment=not is_authority,
            key_cert_sign=is_authority,
            crl_sign=is_authority,
            **usage,
        )
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject if is_authority else self.certificate.subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begins)
            .not_valid_after(ends)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(use, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return builder.sign(self.key, hashes.SHA256())

    def status(self, request: bytes, own: bytes, *, at: datetime) -> bytes:
        """The answer of its responder about the certificate ``own``."""
        asked = ocsp.load_der_ocsp_request(request)
        is_revoked = asked.serial_number in self.revoked
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=x509.load_der_x509_certificate(own),
            issuer=self.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if is_revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=at - timedelta(minutes=1),
            next_update=at + timedelta(hours=1),
            revocation_time=at - timedelta(days=1) if is_revoked else None,
            revocation_reason=None,
        )
        made = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate).sign(self.key, hashes.SHA256())
        return made.public_bytes(serialization.Encoding.DER)


Answer = Callable[[str, dict[str, str], bytes], tuple[int, bytes]]  # path, headers, body -> status, body


@contextmanager
def an_http_server(answer: Answer) -> Iterator[int]:
    """Answers every POST; gives its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, said = answer(self.path, dict(self.headers), body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join(5)
    server.server_close()
