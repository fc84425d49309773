"""TLS contexts from the certificate files of station.toml, and how long these are valid. Opens no connection."""

import re
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from xray_triage.config.loading import ConfigError
from xray_triage.config.values import Tls


def client_tls(tls: Tls) -> ssl.SSLContext:
    """The context of a client: ``ca`` instead of the system's authorities, ``cert`` and ``key`` when the peer asks."""
    try:
        context = ssl.create_default_context(cafile=tls.ca)
        if tls.cert:
            context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:
        raise ConfigError(f"tls: a certificate file cannot be read: {error}; see ca, cert, key") from error
    return context


def server_tls(tls: Tls) -> ssl.SSLContext:
    """The context of a server with ``cert`` and ``key``; with ``ca`` only clients that it signed are let in."""
    if tls.cert is None:
        raise ConfigError("tls: cert is missing: a server needs cert and key")
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls.ca)
        context.load_cert_chain(tls.cert, tls.key)
    except OSError as error:
        raise ConfigError(f"tls: a certificate file cannot be read: {error}; see ca, cert, key") from error
    if tls.ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def valid_until(cert: Path) -> datetime:
    """When the first certificate of a PEM file ends: its own, or one of those that vouch for it.

    Raises ConfigError when it cannot be told.
    """
    try:
        found = re.findall(
            r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", cert.read_text("ascii"), re.DOTALL
        )
        return min(_end_of(ssl.PEM_cert_to_DER_cert(one)) for one in found)
    except (OSError, ValueError, IndexError, StopIteration) as error:
        raise ConfigError(f"tls: the end of {cert} cannot be told: {error}; is it a certificate in PEM?") from error


def _end_of(der: bytes) -> datetime:
    """Certificate > TBSCertificate > Validity > notAfter: RFC 5280, 4.1."""
    certificate = next(_parts(der))[1]
    body = [part for part in _parts(next(_parts(certificate))[1]) if part[0] != 0xA0]  # without the version
    tag, end = list(_parts(body[3][1]))[1]  # behind serial number, signature algorithm and issuer
    text = end.decode("ascii")
    if tag == 0x17:  # UTCTime, of 1950 to 2049
        text = ("19" if text >= "5" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _parts(der: bytes) -> Iterator[tuple[int, bytes]]:
    """Tags and values that follow each other (X.690, 8.1)."""
    at = 0
    while at < len(der):
        tag, length, at = der[at], der[at + 1], at + 2
        if length & 0x80:
            digits = length & 0x7F
            length, at = int.from_bytes(der[at : at + digits]), at + digits
        yield tag, der[at : at + length]
        at += length
