"""The table of station.toml that says with what a result is signed. Knows no PIN: that comes with each signing."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import model_validator

from xray_triage.config.values import Section, Tls, is_loopback

INSTALL = "the station was installed without signing: install it again with make install SIGN=1"


class DoctorKey(Section):
    """What a doctor's account signs with at the service. ``chain``: the doctor's own certificate first."""

    user: str
    credential: str
    chain: Path


class SigningSection(Section):
    """None, a token (its driver is ``module``), or a service that signs a hash (the Cloud Signature Consortium's API).

    ``token`` and ``certificate`` are labels; empty: the only one that is there. ``chain`` is PEM: the certificates of
    the authority; of a service first the signer's own. ``responder`` is asked by OCSP before each signature. At a
    service a ``doctor`` has a key; ``credential`` and ``chain`` are of all the others, who then sign as one.
    """

    kind: Literal["none", "pkcs11", "remote"] = "none"
    module: str = ""
    token: str = ""
    certificate: str = ""
    url: str = ""
    credential: str = ""
    token_file: Path | None = None
    chain: Path | None = None
    tls: Tls | None = None
    responder: str = ""
    doctor: tuple[DoctorKey, ...] = ()

    def of(self, user: str) -> "SigningSection":
        """With the key that this user has at the service, else the one of all; that may be none."""
        own = next((each for each in self.doctor if each.user == user), None)
        return self if own is None else self.model_copy(update={"credential": own.credential, "chain": own.chain})

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> "SigningSection":
        needed: tuple[str, ...]
        needed = {"none": (), "pkcs11": ("module",), "remote": ("url", "token_file")}[self.kind]
        if self.kind == "remote" and (self.credential or not self.doctor):
            needed += ("credential", "chain")
        missing = [key for key in needed if not getattr(self, key)]
        if missing:
            raise ValueError(f"signing of kind {self.kind} needs {' and '.join(missing)}")
        if self.module and not self.module.startswith("/"):
            raise ValueError(f"module {self.module!r} is no whole path, such as /usr/lib/softhsm/libsofthsm2.so")
        if self.kind != "none" and not (find_spec("pyhanko") and find_spec("pkcs11")):
            raise ValueError(INSTALL)
        return self

    @model_validator(mode="after")
    def _one_key_a_doctor(self) -> "SigningSection":
        users = [each.user for each in self.doctor]
        if self.doctor and self.kind != "remote":
            raise ValueError("only a service has a key of each doctor; a token is the key of who has put it in")
        if twice := {user for user in users if users.count(user) > 1}:
            raise ValueError(f"two tables doctor have the user {min(twice)}")
        return self

    @model_validator(mode="after")
    def _no_pin_in_the_clear(self) -> "SigningSection":
        parts = urlsplit(self.url)
        if self.url and parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("url must begin with https://: a PIN must not pass in the clear")
        return self
