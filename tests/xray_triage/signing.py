"""Fixtures of the tests of signing: keys with certificates, a token with them, a service that has one."""

import base64
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tests.peers.signers import BEGAN, ENDS, Authority, an_http_server
from tests.peers.signing_service import CREDENTIAL, TOKEN, SigningService
from tests.peers.softhsm import Tokens
from tests.xray_triage.desk import TestDesk
from xray_triage.config.signing import SigningSection
from xray_triage.records.signing.pins import WrongPins
from xray_triage.records.signing.signatures import Signatures
from xray_triage.records.signing.signer import Signer
from xray_triage.records.signing.signing import ResultSigning

Section = Callable[..., SigningSection]


def signing(desk: TestDesk, section: SigningSection, *, seconds: float = 60) -> ResultSigning:
    """As a station with this [signing] signs, begun anew."""
    pins = WrongPins(desk.database)
    signer = Signer(section, pins, clock=desk.clock, seconds=seconds)
    return ResultSigning(desk.results, Signatures(desk.database, desk.records), signer, pins)


@pytest.fixture(scope="session")
def rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(scope="session")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="session")
def certificate(authority: Authority, rsa_key: rsa.RSAPrivateKey) -> bytes:
    """The doctor's, in DER."""
    return authority.certify(rsa_key)


@pytest.fixture(scope="session")
def full_tokens(
    tmp_path_factory: pytest.TempPathFactory, authority: Authority, rsa_key: rsa.RSAPrivateKey, certificate: bytes
) -> Path:
    """Two tokens: MAI's has one certificate and its authority's; the other has several, one of them good, ECDSA."""
    made = Tokens(tmp_path_factory.mktemp("tokens") / "plugged")
    made.begin()
    for label in ("MAI", "OLD"):
        made.add(label)
        made.put_key(label, "01", rsa_key)
    made.put_certificate("MAI", "mine", "01", certificate)
    made.put_certificate("MAI", "CA", "ff", authority.certificate.public_bytes(Encoding.DER))
    made.put_certificate(
        "OLD", "expired", "01", authority.certify(rsa_key, begins=BEGAN.replace(year=2020), ends=BEGAN)
    )
    made.put_certificate("OLD", "early", "01", authority.certify(rsa_key, begins=ENDS.replace(year=2030)))
    made.put_certificate("OLD", "keyless", "09", certificate)
    curve = ec.generate_private_key(ec.SECP256R1())
    made.put_key("OLD", "02", curve)
    made.put_certificate("OLD", "curve", "02", authority.certify(curve))
    return made.folder


@pytest.fixture
def tokens(full_tokens: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tokens:
    """What is plugged into the station."""
    copied = Tokens(tmp_path / "plugged")
    shutil.copytree(full_tokens, copied.folder)
    copied.write_settings()
    for name, value in copied.environment.items():
        monkeypatch.setenv(name, value)
    return copied


@pytest.fixture
def on_token(tokens: Tokens) -> Section:
    """[signing] with a token."""

    def section(token: str = "MAI", **others: object) -> SigningSection:
        return SigningSection(kind="pkcs11", module=tokens.module, token=token, **others)  # type: ignore[arg-type]

    return section


@pytest.fixture
def chain(authority: Authority, certificate: bytes, tmp_path: Path) -> Path:
    """The doctor's certificate and its authority's, in PEM."""
    path = tmp_path / "chain.pem"
    own = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(certificate) + b"-----END CERTIFICATE-----\n"
    path.write_bytes(own + authority.certificate.public_bytes(Encoding.PEM))
    return path


@pytest.fixture
def service(rsa_key: rsa.RSAPrivateKey) -> SigningService:
    return SigningService(rsa_key)


@pytest.fixture
def at_service(service: SigningService, chain: Path, tmp_path: Path) -> Iterator[Section]:
    """[signing] with the service."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    with an_http_server(service.answer) as port:

        def section(**others: object) -> SigningSection:
            values = {"url": f"http://127.0.0.1:{port}/csc/v1", "credential": CREDENTIAL, "chain": chain}
            return SigningSection(kind="remote", token_file=tmp_path / "token", **(values | others))  # type: ignore[arg-type]

        yield section
