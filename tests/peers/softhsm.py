"""SoftHSM2 as the doctor's token, and poppler's pdfsig as whoever gets the PDF: real programs. Knows nothing of ours.

Skips the test that needs a program which is not installed.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.peers.signers import Key

MODULES = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so")
PIN, SO_PIN = "135790", "99887766"
# In a process of its own: a driver is loaded once, and reads where its tokens are once.
PUT = """
import sys, pkcs11
from pkcs11 import Attribute, CertificateType, ObjectClass
module, token, pin, label, number, path = sys.argv[1:]
with pkcs11.lib(module).get_token(token_label=token).open(rw=True, user_pin=pin) as session:
    session.create_object({
        Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.CERTIFICATE_TYPE: CertificateType.X_509,
        Attribute.TOKEN: True, Attribute.LABEL: label, Attribute.ID: bytes.fromhex(number),
        Attribute.SUBJECT: b"x", Attribute.VALUE: open(path, "rb").read(),
    })
"""


def softhsm(*words: str, environment: Mapping[str, str] | None = None) -> str:
    """Run softhsm2-util, which must succeed."""
    if shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2-util is not installed")
    return subprocess.run(
        ["softhsm2-util", *words],
        env=os.environ | (environment or {}),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


def pdfsig(path: Path) -> str:
    """What poppler says of the signatures in a PDF."""
    if shutil.which("pdfsig") is None:
        pytest.skip("pdfsig is not installed")
    return subprocess.run(["pdfsig", path], check=False, capture_output=True, text=True, timeout=60).stdout


@dataclass(frozen=True)
class Tokens:
    """What is plugged in: a folder with tokens. ``environment`` shows it to the driver ``module``."""

    folder: Path

    @property
    def module(self) -> str:
        return next(path for path in MODULES if Path(path).exists())

    @property
    def environment(self) -> dict[str, str]:
        return {"SOFTHSM2_CONF": str(self.folder / "softhsm2.conf")}

    def begin(self) -> None:
        (self.folder / "tokens").mkdir(parents=True)
        self.write_settings()

    def write_settings(self) -> None:
        settings = f"directories.tokendir = {self.folder}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
        (self.folder / "softhsm2.conf").write_text(settings)

    def add(self, label: str) -> None:
        """One more token, empty."""
        words = ("--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", PIN)
        softhsm(*words, environment=self.environment)

    def put_key(self, token: str, number: str, key: Key) -> None:
        path = self.folder / "key.pem"
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        words = ("--import", str(path), "--token", token, "--label", f"key {number}", "--id", number, "--pin", PIN)
        softhsm(*words, environment=self.environment)
        path.unlink()

    def put_certificate(self, token: str, label: str, number: str, certificate: bytes) -> None:
        path = self.folder / "certificate.der"
        path.write_bytes(certificate)
        words = (sys.executable, "-c", PUT, self.module, token, PIN, label, number, str(path))
        subprocess.run(words, env=os.environ | self.environment, check=True, timeout=60)

    def pull(self) -> None:
        """Everything is pulled out."""
        (self.folder / "tokens").rename(self.folder / "pocket")
        (self.folder / "tokens").mkdir()

    def plug(self) -> None:
        """And put in again."""
        (self.folder / "tokens").rmdir()
        (self.folder / "pocket").rename(self.folder / "tokens")
