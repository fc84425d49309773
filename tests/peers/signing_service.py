"""A signing service: API 1.0.4 of the Cloud Signature Consortium, with a PIN. Knows nothing of ours."""

import base64
import json
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

TOKEN, CREDENTIAL, PIN = "bearer-of-the-station", "mai-01", "246810"


@dataclass
class SigningService:
    """Signs hashes. ``asked``: every request, path and body. ``answers`` go out instead of its own, by path."""

    key: rsa.RSAPrivateKey
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        said = json.loads(body)
        self.asked.append((path, said))
        if path in self.answers:
            return self.answers[path]
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            return 401, b'{"error": "invalid_token"}'
        if said["credentialID"] != CREDENTIAL:
            return 400, b'{"error": "invalid_request"}'
        return self._authorize(said) if path == "/csc/v1/credentials/authorize" else self._sign(said)

    def _authorize(self, said: dict[str, Any]) -> tuple[int, bytes]:
        if said.get("PIN") != PIN:
            return 400, b'{"error": "invalid_pin"}'
        return 200, json.dumps({"SAD": f"for {said['hash'][0]}"}).encode()

    def _sign(self, said: dict[str, Any]) -> tuple[int, bytes]:
        if said["SAD"] != f"for {said['hash'][0]}":
            return 400, b'{"error": "invalid_request"}'
        digest = base64.b64decode(said["hash"][0])
        signature = self.key.sign(digest, padding.PKCS1v15(), Prehashed(SHA256()))
        return 200, json.dumps({"signatures": [base64.b64encode(signature).decode()]}).encode()
