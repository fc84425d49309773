"""A PDF gets its signature: PAdES baseline B, as an update behind its bytes. Knows no case, no token and no network.

What came back from a key is held against its certificate before it is put into the PDF.
"""

import hashlib
from datetime import datetime
from io import BytesIO
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509 import Certificate, NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, Signer
from pyhanko.sign.signers.pdf_signer import PdfSigningSession
from pyhanko_certvalidator.registry import SimpleCertificateStore

from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.records.signing.key import SigningKey
from xray_triage.records.signing.standing import to_asn1

FIELD = "Signature"
LONGEST_SIGNATURE = 1024  # bytes: of an RSA key of 8192 bits


def sign_pdf(pdf: bytes, key: SigningKey, *, at: datetime, reason: str) -> bytes:
    """``pdf`` with a signature behind it; ``at`` is the time that it names. Raises CannotSign."""
    metadata = PdfSignatureMetadata(
        field_name=FIELD,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        reason=reason,
        name=signer_in(key.certificates[0]),
    )
    signer = _SignerAt(metadata, _Elsewhere(key), at=at)
    return bytes(signer.sign_pdf(IncrementalPdfFileWriter(BytesIO(pdf))).getvalue())


def signer_in(certificate: Certificate) -> str:
    """The signer's name, as the certificate has it."""
    names = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else certificate.subject.rfc4514_string()


class _SignerAt(PdfSigner):
    """Signs by the clock that it is given."""

    def __init__(self, metadata: PdfSignatureMetadata, signer: Signer, *, at: datetime) -> None:
        super().__init__(metadata, signer)
        self._at = at

    def init_signing_session(self, *arguments: Any, **options: Any) -> PdfSigningSession:
        session = super().init_signing_session(*arguments, **options)
        session.system_time = self._at
        return session


class _Elsewhere(Signer):
    """Lets the key sign, wherever it is, and believes nothing that its certificate does not bear out."""

    def __init__(self, key: SigningKey) -> None:
        others = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        others.register_multiple(map(to_asn1, key.certificates))
        super().__init__(signing_cert=to_asn1(key.certificates[0]), cert_registry=others)
        self._key = key

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        del digest_algorithm  # it is ours: sha256
        if dry_run:
            return bytes(LONGEST_SIGNATURE)
        digest = hashlib.sha256(data).digest()
        signature = self._key.sign(digest)
        _verify(self._key.certificates[0], signature, digest)
        return signature


def _verify(certificate: Certificate, signature: bytes, digest: bytes) -> None:
    public, hashed = certificate.public_key(), Prehashed(SHA256())
    try:
        if isinstance(public, RSAPublicKey):
            public.verify(signature, digest, PKCS1v15(), hashed)
        elif isinstance(public, EllipticCurvePublicKey):
            public.verify(signature, digest, ECDSA(hashed))
        else:
            raise CannotSign(Fault.NO_CERTIFICATE, "its key is neither RSA nor ECDSA")
    except InvalidSignature as error:
        raise CannotSign(Fault.BAD_SIGNATURE) from error
