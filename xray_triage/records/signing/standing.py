"""Whether a certificate may be signed with now: its dates, and what its authority's OCSP responder says (RFC 6960).

Knows no key and no PDF.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from asn1crypto import x509
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate
from cryptography.x509.ocsp import OCSPRequestBuilder
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import OCSPValidationError, PathBuildingError, RevokedError, ValidationError
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

from dicom_router.errors import PeerUnreachable
from dicom_router.transport.http import DicomwebRoot
from xray_triage.config.values import Tls
from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.tls import client_tls

LONGEST_BYTES = 1 << 16


def check_certificate(certificates: Sequence[Certificate], responder: str, *, at: datetime) -> None:
    """The first of ``certificates``, with those that vouch for it behind it. Raises CannotSign.

    Without a ``responder`` the dates alone are looked at.
    """
    own = certificates[0]
    if at > own.not_valid_after_utc:
        raise CannotSign(Fault.EXPIRED, f"since {own.not_valid_after_utc}")
    if at < own.not_valid_before_utc:
        raise CannotSign(Fault.NOT_YET_VALID, f"until {own.not_valid_before_utc}")
    if responder:
        issuer = next((each for each in certificates[1:] if each.subject == own.issuer), None)
        if issuer is None:
            raise CannotSign(Fault.NO_CHAIN, own.issuer.rfc4514_string())
        _ask_status(own, issuer, responder, at)


def _ask_status(own: Certificate, issuer: Certificate, responder: str, at: datetime) -> None:
    question = OCSPRequestBuilder().add_certificate(own, issuer, SHA1()).build()  # noqa: S303 -- a name, no promise
    answer = _fetch(responder, question.public_bytes(Encoding.DER))
    trusted = [to_asn1(issuer)]
    try:
        context = ValidationContext(trust_roots=trusted, ocsps=[answer], moment=at, allow_fetching=False)
        asyncio.run(_verify(to_asn1(own), context))
    except RevokedError as error:
        raise CannotSign(Fault.REVOKED, str(error)) from error
    except (
        ValidationError,
        OCSPValidationError,
        PathBuildingError,
        ValueError,
    ) as error:  # no answer to this question, or not its word
        raise CannotSign(Fault.STATUS_UNKNOWN, str(error)) from error


async def _verify(own: x509.Certificate, context: ValidationContext) -> None:
    """Also where the certificate itself names no responder, for which the validator alone would not look."""
    path = await CertificateValidator(own, validation_context=context).async_validate_path()
    await verify_ocsp_response(own, path, context)


def _fetch(responder: str, question: bytes) -> bytes:
    tls = client_tls(Tls()) if responder.startswith("https:") else None
    root = DicomwebRoot(responder, username="", password="", tls=tls)
    headers = {
        "Content-Type": "application/ocsp-request",
        "Accept": "application/ocsp-response",
        "Content-Length": str(len(question)),
    }
    try:
        answer = root.ask("POST", "", [question], headers=headers, longest=LONGEST_BYTES)
    except PeerUnreachable as error:
        raise CannotSign(Fault.STATUS_UNKNOWN, str(error)) from error
    finally:
        root.close()
    if answer.status != 200:
        raise CannotSign(Fault.STATUS_UNKNOWN, f"{responder}: HTTP {answer.status}")
    return answer.body


def to_asn1(certificate: Certificate) -> x509.Certificate:
    """The same certificate as pyHanko wants it."""
    return x509.Certificate.load(certificate.public_bytes(Encoding.DER))
