"""TLS contexts from the certificate files of station.toml. Opens no connection."""

import ssl

from xray_triage.config import ConfigError, Tls


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
