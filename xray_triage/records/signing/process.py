"""One signature in a process of its own: ``python -m xray_triage.records.signing.process``, started by signer.py.

A driver that hangs or dies costs that signature alone, and a token that came meanwhile is seen. The PIN comes over
standard input, and stays here. It must never know the database.
"""

import base64
import json
import os
import sys
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, BinaryIO

from cryptography.x509 import Certificate, load_pem_x509_certificates

from dicom_router.child import restrain
from xray_triage.config.signing import SigningSection
from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.records.signing.key import SigningKey
from xray_triage.records.signing.pades import sign_pdf, signer_in
from xray_triage.records.signing.service import open_service
from xray_triage.records.signing.standing import check_certificate
from xray_triage.records.signing.token import open_token

MEMORY_BYTES = 2 << 30


def main(told: BinaryIO, link: BinaryIO) -> None:
    """Say whose PIN is wanted, hear it, and give back the signed PDF; or the fault."""
    restrain(MEMORY_BYTES)
    try:
        work = json.loads(told.readline())
        section = SigningSection.model_validate(work["section"])
        at = datetime.fromisoformat(work["at"])
        with open_key(section) as key:
            check_certificate(key.certificates, section.responder, at=at)
            _tell(link, {"key": key.name})
            key.unlock(json.loads(told.readline())["pin"])
            signed = sign_pdf(base64.b64decode(work["pdf"]), key, at=at, reason=work["reason"])
            own = key.certificates[0]
            pdf = base64.b64encode(signed).decode()
            _tell(link, {"pdf": pdf, "signer": signer_in(own), "serial": format(own.serial_number, "x")})
    except CannotSign as error:
        _tell(link, {"fault": error.fault, "detail": error.detail})


def open_key(section: SigningSection) -> AbstractContextManager[SigningKey]:
    """The key that [signing] names. Raises CannotSign, as what is done with it does."""
    chain = _chain(section)
    return open_token(section, chain) if section.kind == "pkcs11" else open_service(section, chain)


def _chain(section: SigningSection) -> list[Certificate]:
    if section.chain is None:
        return []
    try:
        return load_pem_x509_certificates(section.chain.read_bytes())
    except (OSError, ValueError) as error:
        raise CannotSign(Fault.NO_CERTIFICATE, f"{section.chain}: {error}") from error


def _tell(link: BinaryIO, said: dict[str, Any]) -> None:
    link.write(json.dumps(said).encode() + b"\n")
    link.flush()


if __name__ == "__main__":
    own_link = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a driver prints goes to the log
    main(sys.stdin.buffer, own_link)
