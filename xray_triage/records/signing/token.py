"""A key on a token (USB, card, HSM), by its PKCS #11 driver. Keeps the PIN for one signature only; knows no PDF.

To be used in a process of its own: drivers look for tokens when they are loaded, and some hang or die.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import pkcs11
from asn1crypto.algos import DigestInfo
from cryptography.x509 import BasicConstraints, Certificate, ExtensionNotFound, load_der_x509_certificate
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, PKCS11Error, Session, SignMixin, Token, TokenFlag
from pkcs11 import exceptions as errors
from pkcs11.util.ec import encode_ecdsa_signature

from xray_triage.config.signing import SigningSection
from xray_triage.records.signing.faults import CannotSign, Fault

AWAY = (
    errors.DeviceRemoved,
    errors.DeviceError,
    errors.SessionHandleInvalid,
    errors.SlotIDInvalid,
    errors.TokenNotPresent,
    errors.TokenNotRecognised,
)
T = TypeVar("T")
Kept = tuple[Certificate, str, bytes]  # a certificate on the token, its label, and the number that its key has too


@contextmanager
def open_token(section: SigningSection, vouchers: Sequence[Certificate]) -> Iterator["TokenKey"]:
    """The key on the token that is plugged in; ``vouchers`` are the certificates of [signing] chain.

    What goes wrong with the token in here comes out as CannotSign.
    """
    try:
        driver = pkcs11.lib(section.module)
    except PKCS11Error as error:
        raise CannotSign(Fault.NO_DRIVER, f"{section.module}: {error!r}") from error
    try:
        found = driver.get_tokens(token_label=section.token or None, token_flags=TokenFlag.TOKEN_INITIALIZED)
        token = _only(list(found), Fault.NO_TOKEN, Fault.SEVERAL_TOKENS)
        with token.open() as session:
            kept = list(_certificates(session))
        own = _own(kept, section.certificate)
        yield TokenKey(token, own, [*(each for each, _, _ in kept if each != own[0]), *vouchers])
    except AWAY as error:
        raise CannotSign(Fault.NO_TOKEN, repr(error)) from error
    except PKCS11Error as error:
        raise CannotSign(Fault.REFUSED, repr(error)) from error


class TokenKey:
    """See SigningKey."""

    def __init__(self, token: Token, own: Kept, others: Sequence[Certificate]) -> None:
        self.name = f"{token.label} {token.serial.decode(errors='replace')}"
        self.certificates: Sequence[Certificate] = [own[0], *others]
        self._token, self._number = token, own[2]
        self._session: Session | None = None
        self._pin = ""

    def unlock(self, pin: str) -> None:
        if TokenFlag.USER_PIN_LOCKED in self._token.flags:
            raise CannotSign(Fault.PIN_LOCKED)
        try:
            self._session, self._pin = self._token.open(user_pin=pin), pin
        except (errors.PinIncorrect, errors.PinInvalid, errors.PinLenRange):
            raise CannotSign(Fault.WRONG_PIN) from None
        except errors.PinLocked:
            raise CannotSign(Fault.PIN_LOCKED) from None
        except AWAY:
            raise
        except PKCS11Error as error:  # it may have counted the PIN as a wrong one
            raise CannotSign(Fault.NO_ANSWER, repr(error)) from None

    def sign(self, digest: bytes) -> bytes:
        assert self._session is not None  # unlock() came first
        wanted = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: self._number}
        found = [each for each in self._session.get_objects(wanted) if isinstance(each, SignMixin)]
        key = _only(found, Fault.NO_CERTIFICATE, Fault.SEVERAL_CERTIFICATES)
        pin = {"pin": self._pin} if _wants_pin_each_time(key) else {}
        if key.key_type is KeyType.EC:
            return encode_ecdsa_signature(key.sign(digest, mechanism=Mechanism.ECDSA, **pin))
        info = DigestInfo({"digest_algorithm": {"algorithm": "sha256"}, "digest": digest})
        return bytes(key.sign(info.dump(), mechanism=Mechanism.RSA_PKCS, **pin))


def _wants_pin_each_time(key: SignMixin) -> bool:
    try:
        return bool(key[Attribute.ALWAYS_AUTHENTICATE])
    except errors.AttributeTypeInvalid:  # a driver from before PKCS #11 2.20
        return False


def _certificates(session: Session) -> Iterator[Kept]:
    for each in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
        try:
            yield load_der_x509_certificate(each[Attribute.VALUE]), each[Attribute.LABEL], each[Attribute.ID]
        except ValueError:  # of another kind, or one that nobody can read
            continue


def _own(kept: Sequence[Kept], label: str) -> Kept:
    """The certificate that is called so; without a name the only one that is no authority's."""
    fitting = [each for each in kept if (each[1] == label if label else not _is_authority(each[0]))]
    return _only(fitting, Fault.NO_CERTIFICATE, Fault.SEVERAL_CERTIFICATES)


def _is_authority(certificate: Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except ExtensionNotFound:
        return False


def _only(found: Sequence[T], none: Fault, several: Fault) -> T:
    if len(found) != 1:
        raise CannotSign(several if found else none)
    return found[0]
