"""A doctor's key, which lies somewhere else: on a token, or at a service. Knows no PDF."""

from collections.abc import Sequence
from typing import Protocol

from cryptography.x509 import Certificate


class SigningKey(Protocol):
    """What holds a key for the time of one signature. ``open_token`` and ``open_service`` give one.

    ``name``: under which its wrong PINs are counted. ``certificates``: the signer's own, then those of its authority.
    """

    name: str
    certificates: Sequence[Certificate]

    def unlock(self, pin: str) -> None:
        """Give it the PIN. Raises CannotSign; a service may look at it only when it signs."""

    def sign(self, digest: bytes) -> bytes:
        """The signature over a SHA-256 hash of 32 bytes: PKCS #1 v1.5, or ECDSA in DER. Raises CannotSign."""
