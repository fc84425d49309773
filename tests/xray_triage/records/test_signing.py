"""Signing with a real token and over HTTP: what is valid, what is refused and says why, and what is never written."""

import base64
import dataclasses
import json
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import psutil
import pytest
import sqlalchemy as sa
import structlog
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import load_der_x509_certificate
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko_certvalidator import ValidationContext

from tests.factories import StoppedClock, free_port
from tests.peers.certificates import Authority as TlsAuthority
from tests.peers.certificates import a_tls_front
from tests.peers.signers import DOCTOR, Authority, an_http_server
from tests.peers.signing_service import CREDENTIAL, TOKEN, SigningService
from tests.peers.signing_service import PIN as SERVICE_PIN
from tests.peers.softhsm import PIN, Tokens, pdfsig
from tests.xray_triage.desk import TestDesk, unread
from tests.xray_triage.signing import Section, signing
from xray_triage.config.signing import DoctorKey, SigningSection
from xray_triage.config.values import Tls
from xray_triage.records.paper import Sheet, make_paper
from xray_triage.records.result import Author, Result, ResultState, Words
from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.records.signing.pades import sign_pdf
from xray_triage.records.signing.pins import WrongPins
from xray_triage.records.signing.process import open_key
from xray_triage.records.signing.signer import Signer
from xray_triage.records.signing.standing import check_certificate, to_asn1
from xray_triage.records.tables import signing_key

MAI = Author(account="doctor", name="BS. Trần Thị Mai", licence="000123/HCM-CCHN")
NORMAL = Words(description="Nhu mô: không thấy tổn thương.", conclusion="Không thấy bất thường.")
CHANGED = Words(description="Mờ đáy phổi phải.", conclusion="Theo dõi viêm phổi.")


@pytest.fixture
def case_id(sqlite_desk: TestDesk) -> str:
    """A case with a final result."""
    made = sqlite_desk.add(unread()).case_id
    sqlite_desk.results.finish(made, MAI, NORMAL, before_author="")
    return made


@pytest.fixture
def paper(sqlite_desk: TestDesk) -> bytes:
    result = Result(
        version=1,
        state=ResultState.FINAL,
        author=MAI,
        words=NORMAL,
        before_author="",
        reason="",
        made_at=sqlite_desk.clock.now(),
        document_uid="",
    )
    sheet = Sheet(station="Trạm", accession_number="TA1", whose="TA1", who=(), film=None, made_at="hôm nay")
    return make_paper(result, sheet)


def is_valid(pdf: bytes, authority: Authority) -> bool:
    """By pyHanko: nothing changed, all of it signed, by whom the authority knows."""
    trusted = ValidationContext(trust_roots=[to_asn1(authority.certificate)], allow_fetching=False)
    (embedded,) = PdfFileReader(BytesIO(pdf)).embedded_signatures
    status = validate_pdf_signature(embedded, trusted)
    assert status.coverage.name == "ENTIRE_FILE"
    return status.bottom_line


def fault_of(work: Callable[..., object], *words: object, **options: object) -> Fault:
    with pytest.raises(CannotSign) as raised:
        work(*words, **options)
    return raised.value.fault


def test_a_token_signs_a_result_that_two_programs_call_valid_until_one_byte_is_another(
    sqlite_desk: TestDesk, case_id: str, on_token: Section, authority: Authority, tmp_path: Path
) -> None:
    joined = signing(sqlite_desk, on_token())
    unsigned = joined.pdf(case_id, 1)
    signature = joined.sign(case_id, pin=PIN, by="doctor")
    assert (signature.version, signature.signer, signature.signed_by) == (1, DOCTOR, "doctor")
    assert signature.signed_at == sqlite_desk.clock.now()
    assert sqlite_desk.results.shapes([case_id])[case_id].signed
    pdf = joined.pdf(case_id, 1)
    assert pdf == joined.pdf(case_id)
    assert pdf and unsigned and pdf.startswith(unsigned)  # noqa: PT018
    (embedded,) = PdfFileReader(BytesIO(pdf)).embedded_signatures
    assert embedded.sig_object["/SubFilter"] == "/ETSI.CAdES.detached"
    assert embedded.self_reported_timestamp == sqlite_desk.clock.now()
    path = tmp_path / "result.pdf"
    path.write_bytes(pdf)
    said = pdfsig(path)
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert is_valid(pdf, authority)
    at = pdf.index(b"/Producer")
    spoilt = pdf[:at] + b"/Broducer" + pdf[at + 9 :]
    path.write_bytes(spoilt)
    assert "Signature is Valid" not in pdfsig(path)
    assert not is_valid(spoilt, authority)


@pytest.mark.slow
def test_an_amended_version_is_unsigned_until_it_is_signed_and_a_signed_one_is_signed_once(
    sqlite_desk: TestDesk, case_id: str, at_service: Section, service: SigningService
) -> None:
    joined = signing(sqlite_desk, at_service())
    first = joined.sign(case_id, pin=SERVICE_PIN, by="doctor")
    before = joined.pdf(case_id, 1)
    sqlite_desk.results.amend(case_id, MAI, CHANGED, reason="Xem lại", before_author="")
    assert b"ETSI.CAdES" not in (joined.pdf(case_id) or b"ETSI.CAdES")
    assert joined.signatures(case_id) == {1: first}
    second = joined.sign(case_id, pin=SERVICE_PIN, by="doctor")
    assert joined.sign(case_id, pin="wrong", by="doctor") == second  # nobody is asked
    assert joined.pdf(case_id, 1) == before
    assert len(service.asked) == 4


def test_who_may_not_sign_or_has_nothing_to_sign_is_told_so(
    sqlite_desk: TestDesk, case_id: str, at_service: Section, service: SigningService
) -> None:
    joined = signing(sqlite_desk, at_service())
    assert fault_of(joined.sign, case_id, pin=SERVICE_PIN, by="admin") is Fault.NOT_THE_AUTHOR
    empty = sqlite_desk.add(unread()).case_id
    assert fault_of(joined.sign, empty, pin=SERVICE_PIN, by="doctor") is Fault.NO_RESULT
    assert joined.pdf(empty) is None
    assert fault_of(sqlite_desk.signing.sign, case_id, pin="1", by="doctor") is Fault.NOT_CONFIGURED
    token = SigningSection(kind="pkcs11", module="/usr/lib/driver.so")
    assert fault_of(signing(sqlite_desk, token).sign, case_id, pin="", by="doctor") is Fault.NO_PIN
    assert not service.asked


def test_a_token_that_was_pulled_is_missed_and_seen_again_without_a_restart(
    sqlite_desk: TestDesk, case_id: str, on_token: Section, tokens: Tokens
) -> None:
    joined = signing(sqlite_desk, on_token())
    tokens.pull()
    assert fault_of(joined.sign, case_id, pin=PIN, by="doctor") is Fault.NO_TOKEN
    assert joined.signatures(case_id) == {}
    assert sqlite_desk.results.newest([case_id])[case_id].state is ResultState.FINAL
    tokens.plug()
    assert joined.sign(case_id, pin=PIN, by="doctor").version == 1


def test_after_three_wrong_pins_no_pin_reaches_the_token_until_a_person_allows_it(
    sqlite_desk: TestDesk, case_id: str, on_token: Section
) -> None:
    joined = signing(sqlite_desk, on_token())
    assert fault_of(joined.sign, case_id, pin="000000", by="doctor") is Fault.WRONG_PIN
    ((name, count),) = wrong_pins(sqlite_desk)
    assert (name.split()[0], count) == ("MAI", 1)
    for _ in range(2):
        WrongPins(sqlite_desk.database).begin(name)  # a restart forgets none, nor does a power cut
    assert fault_of(joined.sign, case_id, pin=PIN, by="doctor") is Fault.NO_MORE_PINS
    joined.forgive()
    assert joined.sign(case_id, pin=PIN, by="doctor").version == 1
    assert not wrong_pins(sqlite_desk)


def wrong_pins(desk: TestDesk) -> list[tuple[str, int]]:
    with desk.database.read() as connection:
        return [(row.name, row.wrong_pins) for row in connection.execute(sa.select(signing_key))]


def test_wrong_pins_are_counted_by_key_and_end_with_a_right_one(desk: TestDesk) -> None:
    pins = WrongPins(desk.database)
    for _ in range(3):
        pins.begin("MAI 1")
    for _ in range(2):
        assert fault_of(pins.begin, "MAI 1") is Fault.NO_MORE_PINS
    pins.begin("AN 2")
    pins.begin("AN 2")
    pins.take_back("AN 2")  # it was not for the PIN
    assert dict(wrong_pins(desk)) == {"MAI 1": 3, "AN 2": 1}
    pins.forgive("AN 2")
    pins.take_back("AN 2")
    assert wrong_pins(desk) == [("MAI 1", 3)]


def test_a_certificate_that_cannot_sign_costs_no_pin(sqlite_desk: TestDesk, case_id: str, on_token: Section) -> None:
    joined = signing(sqlite_desk, on_token("OLD", certificate="expired"))
    assert fault_of(joined.sign, case_id, pin=PIN, by="doctor") is Fault.EXPIRED
    keyless = signing(sqlite_desk, on_token("OLD", certificate="keyless"))
    assert fault_of(keyless.sign, case_id, pin=PIN, by="doctor") is Fault.NO_CERTIFICATE
    assert {count for _, count in wrong_pins(sqlite_desk)} == {0}


# In another process, which loads the driver for all of them: to each its fault, or "".
TRY_EACH = """
import json, sys
from datetime import datetime
from xray_triage.config.signing import SigningSection
from xray_triage.records.signing.faults import CannotSign
from xray_triage.records.signing.process import open_key
from xray_triage.records.signing.standing import check_certificate
sections, at = json.load(sys.stdin)
for section in sections:
    try:
        with open_key(SigningSection.model_validate(section)) as key:
            check_certificate(key.certificates, "", at=datetime.fromisoformat(at))
        print()
    except CannotSign as error:
        print(error.fault)
"""


def test_what_is_wrong_with_token_driver_or_certificate_is_told_apart(on_token: Section, tmp_path: Path) -> None:
    (tmp_path / "driver.so").write_bytes(b"no driver")
    expected: list[tuple[SigningSection, str]] = [
        (on_token(), ""),
        (on_token("OLD", certificate="curve"), ""),
        (on_token("OLD", certificate="expired"), Fault.EXPIRED),
        (on_token("OLD", certificate="early"), Fault.NOT_YET_VALID),
        (on_token("OLD", certificate="nobody"), Fault.NO_CERTIFICATE),
        (on_token("OLD"), Fault.SEVERAL_CERTIFICATES),
        (on_token(""), Fault.SEVERAL_TOKENS),
        (on_token("AN"), Fault.NO_TOKEN),
        (on_token(chain=tmp_path / "nowhere.pem"), Fault.NO_CERTIFICATE),
        (on_token().model_copy(update={"module": str(tmp_path / "driver.so")}), Fault.NO_DRIVER),
        (on_token().model_copy(update={"module": "/nowhere/driver.so"}), Fault.NO_DRIVER),
    ]
    asked = json.dumps(([each.model_dump(mode="json") for each, _ in expected], str(StoppedClock().now())))
    command = [sys.executable, "-c", TRY_EACH]
    told = subprocess.run(command, input=asked, capture_output=True, text=True, check=True, timeout=120)
    assert told.stdout.split("\n")[:-1] == [fault for _, fault in expected]


def test_a_key_on_a_curve_signs_too(
    sqlite_desk: TestDesk, paper: bytes, on_token: Section, authority: Authority
) -> None:
    section = on_token("OLD", certificate="curve")
    signed = Signer(section, WrongPins(sqlite_desk.database), clock=sqlite_desk.clock).sign(paper, pin=PIN)
    assert is_valid(signed.pdf, authority)


def test_to_a_service_goes_the_hash_of_32_bytes_and_nothing_of_the_patient(
    sqlite_desk: TestDesk,
    case_id: str,
    at_service: Section,
    service: SigningService,
    authority: Authority,
    tmp_path: Path,
) -> None:
    tls = TlsAuthority(tmp_path / "tls")
    port = int(at_service().url.split(":")[2].split("/")[0])
    with a_tls_front(tls.sign("service"), port) as secure:
        section = at_service(url=f"https://127.0.0.1:{secure}/csc/v1", tls=Tls(ca=tls.ca))
        joined = signing(sqlite_desk, section)
        joined.sign(case_id, pin=SERVICE_PIN, by="doctor")
    assert is_valid(joined.pdf(case_id) or b"", authority)
    (path, authorized), (last, signed) = service.asked
    assert (path, last) == ("/csc/v1/credentials/authorize", "/csc/v1/signatures/signHash")
    assert {*authorized} == {"credentialID", "hash", "numSignatures", "PIN"}
    assert {*signed} == {"credentialID", "hash", "SAD", "hashAlgo", "signAlgo"}
    (digest,) = signed["hash"]
    assert len(base64.b64decode(digest)) == 32


def test_each_doctor_signs_at_the_service_with_a_key_of_their_own(
    sqlite_desk: TestDesk, case_id: str, at_service: Section, service: SigningService, chain: Path
) -> None:
    own = DoctorKey(user=MAI.account, credential=CREDENTIAL, chain=chain)
    another = DoctorKey(user="an", credential="an-02", chain=chain)
    others = {"credential": "", "chain": None}
    alone = signing(sqlite_desk, at_service(doctor=(another,), **others))
    assert fault_of(alone.sign, case_id, pin=SERVICE_PIN, by="doctor") is Fault.NO_CERTIFICATE
    assert not service.asked, "nobody signs with somebody else's key"
    joined = signing(sqlite_desk, at_service(doctor=(another, own), **others))
    assert fault_of(joined.sign, case_id, pin="000000", by="doctor") is Fault.WRONG_PIN
    ((name, _),) = wrong_pins(sqlite_desk)
    assert name.endswith(CREDENTIAL), "and each key has its own count of wrong PINs"
    joined.sign(case_id, pin=SERVICE_PIN, by="cli:root", as_author=False)
    assert {asked["credentialID"] for _, asked in service.asked} == {CREDENTIAL}


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"doctor": ()}, "remote needs credential and chain"),
        ({"credential": "of-all"}, "remote needs chain"),
        ({"doctor": ({"user": "an", "credential": "1", "chain": "a"},) * 2}, "two tables doctor have the user an"),
        ({"kind": "pkcs11", "module": "/driver.so"}, "only a service has a key of each doctor"),
        ({"doctor": ({"user": "an", "credential": "1"},)}, "chain"),
    ],
)
def test_keys_of_doctors_that_cannot_be_are_told(wrong: dict[str, object], words: str) -> None:
    doctor = {"user": "an", "credential": "1", "chain": "an.pem"}
    right = {"kind": "remote", "url": "https://sign/csc/v1", "token_file": "token", "doctor": (doctor,)}
    assert SigningSection.model_validate(right).of("an").credential == "1"
    with pytest.raises(ValueError, match=words):
        SigningSection.model_validate(right | wrong)


AUTHORIZE, SIGN = "/csc/v1/credentials/authorize", "/csc/v1/signatures/signHash"
STRANGE = base64.b64encode(bytes(256)).decode()


@pytest.mark.parametrize(
    ("path", "answer", "fault"),
    [
        (AUTHORIZE, (400, b'{"error": "invalid_pin"}'), Fault.WRONG_PIN),
        (AUTHORIZE, (400, b'{"error": "pin_locked"}'), Fault.PIN_LOCKED),
        (AUTHORIZE, (401, b"<html>"), Fault.REFUSED),
        (AUTHORIZE, (200, b"[]"), Fault.REFUSED),
        (SIGN, (403, b'{"error": "access_denied"}'), Fault.REFUSED),
        (SIGN, (302, b""), Fault.REFUSED),
        (SIGN, (429, b""), Fault.UNREACHABLE),
        (SIGN, (503, b"\xff\xfe"), Fault.UNREACHABLE),
        (SIGN, (200, b""), Fault.BAD_SIGNATURE),
        (SIGN, (200, b'{"signatures": []}'), Fault.BAD_SIGNATURE),
        (SIGN, (200, b'{"signatures": [7]}'), Fault.BAD_SIGNATURE),
        (SIGN, (200, b'{"signatures": ["%%"]}'), Fault.BAD_SIGNATURE),
        (SIGN, (200, json.dumps({"signatures": [STRANGE]}).encode()), Fault.BAD_SIGNATURE),
        (SIGN, (200, json.dumps({"signatures": [STRANGE, STRANGE]}).encode()), Fault.BAD_SIGNATURE),
        (SIGN, (200, b'{"signatures": ["' + b"A" * 100_000 + b'"]}'), Fault.BAD_SIGNATURE),
    ],
)
def test_a_service_that_refuses_or_talks_nonsense_signs_nothing(
    at_service: Section,
    service: SigningService,
    paper: bytes,
    path: str,
    answer: tuple[int, bytes],
    fault: Fault,
) -> None:
    service.answers[path] = answer
    assert fault_of(signed_here, at_service(), paper) is fault


def signed_here(section: SigningSection, paper: bytes) -> bytes:
    """By this process, which is quicker than one of its own."""
    with open_key(section) as key:
        check_certificate(key.certificates, section.responder, at=StoppedClock().now())
        key.unlock(SERVICE_PIN)
        return sign_pdf(paper, key, at=StoppedClock().now(), reason="Kết quả")


def test_a_service_with_another_key_than_its_certificates_is_not_believed(
    at_service: Section, service: SigningService, paper: bytes
) -> None:
    service.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert fault_of(signed_here, at_service(), paper) is Fault.BAD_SIGNATURE


def test_a_service_that_is_not_there_or_is_not_whom_it_seems_is_unreachable(
    at_service: Section, paper: bytes, tmp_path: Path
) -> None:
    nobody = at_service(url=f"http://127.0.0.1:{free_port()}/csc/v1")
    assert fault_of(signed_here, nobody, paper) is Fault.UNREACHABLE
    strange, known = TlsAuthority(tmp_path / "strange"), TlsAuthority(tmp_path / "known")
    port = int(at_service().url.split(":")[2].split("/")[0])
    with a_tls_front(strange.sign("service"), port) as secure:
        section = at_service(url=f"https://127.0.0.1:{secure}/csc/v1", tls=Tls(ca=known.ca))
        assert fault_of(signed_here, section, paper) is Fault.UNREACHABLE


def test_a_process_that_hangs_or_dies_costs_one_signature_and_the_try_that_it_may_have_used(
    sqlite_desk: TestDesk, case_id: str, at_service: Section
) -> None:
    hangs = signing(sqlite_desk, at_service(), seconds=0.01)
    assert fault_of(hangs.sign, case_id, pin=SERVICE_PIN, by="doctor") is Fault.NO_ANSWER
    assert not wrong_pins(sqlite_desk)

    def die(_path: str, _headers: dict[str, str], _body: bytes) -> tuple[int, bytes]:
        (process,) = (
            one for one in psutil.Process().children() if "xray_triage.records.signing.process" in one.cmdline()
        )
        process.kill()
        return 200, b""

    with an_http_server(die) as port:
        dies = signing(sqlite_desk, at_service(url=f"http://127.0.0.1:{port}/csc/v1"))
        assert fault_of(dies.sign, case_id, pin=SERVICE_PIN, by="doctor") is Fault.NO_ANSWER
    assert [count for _, count in wrong_pins(sqlite_desk)] == [1]


def test_a_responder_is_asked_before_the_key_and_its_no_or_silence_signs_nothing(
    at_service: Section, service: SigningService, authority: Authority, certificate: bytes, paper: bytes
) -> None:
    at, strange = StoppedClock().now(), Authority()
    answers: Sequence[tuple[Callable[[bytes], tuple[int, bytes]], Fault]] = [
        (lambda _: (503, b""), Fault.STATUS_UNKNOWN),
        (lambda _: (200, b"<html>"), Fault.STATUS_UNKNOWN),
        (lambda asked: (200, strange.status(asked, certificate, at=at)), Fault.STATUS_UNKNOWN),
        (lambda asked: (200, authority.status(asked, certificate, at=at.replace(year=2024))), Fault.STATUS_UNKNOWN),
        (lambda asked: (200, revoked.status(asked, certificate, at=at)), Fault.REVOKED),
    ]
    serial = load_der_x509_certificate(certificate).serial_number
    revoked = dataclasses.replace(authority, revoked={serial})
    revoked.certificate = authority.certificate
    for answer, fault in answers:
        with an_http_server(lambda _path, _headers, asked, say=answer: say(asked)) as port:  # type: ignore[misc]
            assert fault_of(signed_here, at_service(responder=f"http://127.0.0.1:{port}"), paper) is fault
    gone = at_service(responder=f"http://127.0.0.1:{free_port()}")
    assert fault_of(signed_here, gone, paper) is Fault.STATUS_UNKNOWN
    assert not service.asked
    with an_http_server(lambda _path, _headers, asked: (200, authority.status(asked, certificate, at=at))) as port:
        assert is_valid(signed_here(at_service(responder=f"http://127.0.0.1:{port}"), paper), authority)


def test_nobody_finds_the_pin_afterwards_or_meanwhile(
    sqlite_desk: TestDesk, case_id: str, at_service: Section, service: SigningService, tmp_path: Path
) -> None:
    secret = "PIN-7391-BIMAT"
    seen: list[bytes] = []

    def look(path: str, headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                seen.append(process.read_bytes())
            except OSError:  # it ended
                continue
        return service.answer(path, headers, body)

    with an_http_server(look) as port, structlog.testing.capture_logs() as log:
        joined = signing(sqlite_desk, at_service(url=f"http://127.0.0.1:{port}/csc/v1"))
        with pytest.raises(CannotSign) as raised:
            joined.sign(case_id, pin=secret, by="doctor")
    assert raised.value.fault is Fault.WRONG_PIN
    told = "".join(traceback.format_exception(raised.value)) + repr(raised.value) + raised.value.detail
    assert any(b"records.signing.process" in one for one in seen)
    for text in (told, repr(log), *(one.decode(errors="replace") for one in seen)):
        assert secret not in text
        assert TOKEN not in text
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert secret.encode() not in path.read_bytes(), path
