"""A key at a signing service: API 1.0.4 of the Cloud Signature Consortium, over HTTPS. Knows no PDF.

Two requests a signature: ``credentials/authorize`` with the hash and the PIN, ``signatures/signHash`` with the hash.
"""

import base64
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import Certificate

from dicom_router.errors import PeerUnreachable
from dicom_router.transport.http import DicomwebRoot
from xray_triage.config.loading import ConfigError
from xray_triage.config.signing import SigningSection
from xray_triage.config.values import Tls
from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.tls import client_tls

SHA256 = "2.16.840.1.101.3.4.2.1"
RSA_WITH_SHA256, ECDSA_WITH_SHA256 = "1.2.840.113549.1.1.11", "1.2.840.10045.4.3.2"
LONGEST_BYTES = 1 << 16
PIN_FAULTS = {"invalid_pin": Fault.WRONG_PIN, "pin_locked": Fault.PIN_LOCKED}


@contextmanager
def open_service(section: SigningSection, chain: Sequence[Certificate]) -> Iterator["ServiceKey"]:
    """The key that the service keeps; ``chain`` begins with its certificate. Raises CannotSign."""
    if not chain:
        raise CannotSign(Fault.NO_CERTIFICATE)
    try:
        token = section.token_file.read_text().strip() if section.token_file else ""
        tls = client_tls(section.tls or Tls()) if section.url.startswith("https:") else None
    except (OSError, ConfigError) as error:
        raise CannotSign(Fault.REFUSED, str(error)) from error
    root = DicomwebRoot(section.url, username="", password="", tls=tls)
    try:
        yield ServiceKey(root, section, token, chain)
    finally:
        root.close()


class ServiceKey:
    """See SigningKey. Its PIN is looked at when it signs."""

    def __init__(self, root: DicomwebRoot, section: SigningSection, token: str, chain: Sequence[Certificate]) -> None:
        self.name = f"{section.url} {section.credential}"
        self.certificates = chain
        self._root, self._credential, self._token = root, section.credential, token
        self._pin = ""

    def unlock(self, pin: str) -> None:
        self._pin = pin

    def sign(self, digest: bytes) -> bytes:
        asked = {"credentialID": self._credential, "hash": [base64.b64encode(digest).decode()]}
        pin = {"PIN": self._pin} if self._pin else {}
        sad = self._ask("credentials/authorize", {**asked, "numSignatures": 1, **pin}).get("SAD")
        if not isinstance(sad, str):
            raise CannotSign(Fault.REFUSED, "there is no SAD in the answer")
        is_rsa = isinstance(self.certificates[0].public_key(), RSAPublicKey)
        kinds = {"hashAlgo": SHA256, "signAlgo": RSA_WITH_SHA256 if is_rsa else ECDSA_WITH_SHA256}
        given = self._ask("signatures/signHash", {**asked, "SAD": sad, **kinds}).get("signatures")
        match given:
            case [str() as signature]:
                return _decoded(signature)
        raise CannotSign(Fault.BAD_SIGNATURE, "there is not one signature in the answer")

    def _ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        text = json.dumps(body).encode()
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Accept": "application/json",
            "Content-Type": "application/json",
            "Content-Length": str(len(text)),
        }
        try:
            answer = self._root.ask("POST", f"/{path}", [text], headers=headers, longest=LONGEST_BYTES)
        except PeerUnreachable as error:
            raise CannotSign(Fault.UNREACHABLE, str(error)) from None
        said = _object_in(answer.body)
        if answer.status >= 500 or answer.status in (408, 429):
            raise CannotSign(Fault.UNREACHABLE, f"HTTP {answer.status}")
        if answer.status != 200:
            why = str(said.get("error", ""))
            raise CannotSign(PIN_FAULTS.get(why, Fault.REFUSED), f"HTTP {answer.status} {why}")
        return said


def _decoded(signature: str) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except ValueError as error:
        raise CannotSign(Fault.BAD_SIGNATURE, "its signature is no base64") from error


def _object_in(body: bytes) -> dict[str, Any]:
    try:
        said = json.loads(body)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}
