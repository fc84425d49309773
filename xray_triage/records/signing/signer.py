"""The station's side of signing: starts the process that signs, counts wrong PINs, keeps none. Knows no case.

Nothing of a PDF library or of a driver is loaded here.
"""

import base64
import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog

from dicom_router import child
from dicom_router.clock import Clock
from xray_triage.config.signing import SigningSection
from xray_triage.records.signing.faults import CannotSign, Fault
from xray_triage.records.signing.pins import WrongPins

PROCESS = "xray_triage.records.signing.process"
REASON = "Kết quả X-quang"
SECONDS = 60.0  # a service may ask the doctor's telephone
ABOUT_THE_PIN = (Fault.WRONG_PIN, Fault.PIN_LOCKED, Fault.NO_ANSWER)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A signed PDF, and whose certificate it was: its name, and its serial number in hexadecimal."""

    pdf: bytes
    signer: str
    serial: str
    signed_at: datetime


class Signer:
    """Signs PDFs with what [signing] names, one at a time."""

    def __init__(self, section: SigningSection, pins: WrongPins, *, clock: Clock, seconds: float = SECONDS) -> None:
        self._section, self._pins, self._clock, self._seconds = section, pins, clock, seconds
        self._turn = threading.Lock()  # a token signs one at a time, and a wrong PIN is typed once

    @property
    def is_configured(self) -> bool:
        return self._section.kind != "none"

    def sign(self, pdf: bytes, *, pin: str, author: str = "") -> Signed:
        """``pdf`` with the signature of its ``author``, an account, where each has a key.

        Raises CannotSign; after three wrong PINs none is given to the key.
        """
        if not self.is_configured:
            raise CannotSign(Fault.NOT_CONFIGURED)
        if self._section.kind == "pkcs11" and not pin:
            raise CannotSign(Fault.NO_PIN)
        section, at = self._section.of(author), self._clock.now()
        if section.kind == "remote" and not section.credential:
            raise CannotSign(Fault.NO_CERTIFICATE, f"the user {author} has no key at the service")
        work = {
            "section": section.model_dump(mode="json"),
            "pdf": base64.b64encode(pdf).decode(),
            "at": at.isoformat(),
            "reason": REASON,
        }
        with self._turn:
            try:
                said = self._exchange(work, pin)
            except CannotSign as error:
                log.info("not signed", fault=error.fault.value, detail=error.detail)
                raise
        return Signed(pdf=base64.b64decode(said["pdf"]), signer=said["signer"], serial=said["serial"], signed_at=at)

    def _exchange(self, work: dict[str, Any], pin: str) -> dict[str, Any]:
        with _process(self._seconds) as process:
            name = _ask(process, work)["key"]
            self._pins.begin(name)
            try:
                said = _ask(process, {"pin": pin})
            except CannotSign as error:
                if error.fault not in ABOUT_THE_PIN:
                    self._pins.take_back(name)
                raise
            self._pins.forgive(name)
            return said


@contextmanager
def _process(seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    try:
        process = child.start(PROCESS, environment=child.ONE_THREAD, **pipes)
    except OSError as error:
        raise CannotSign(Fault.NO_ANSWER, str(error)) from error
    watch = threading.Timer(seconds, child.end, [process])
    watch.start()
    try:
        yield process
    finally:
        watch.cancel()
        child.end(process)
        for pipe in (process.stdin, process.stdout):
            with suppress(OSError):  # what it did not read any more
                assert pipe is not None
                pipe.close()


def _ask(process: subprocess.Popen[bytes], words: dict[str, Any]) -> dict[str, Any]:
    """What the process says to this. Raises CannotSign: its fault, or that it is gone."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(words).encode() + b"\n")
        process.stdin.flush()
        said: dict[str, Any] = json.loads(process.stdout.readline())
    except (OSError, ValueError):  # ended before its time; the words had a PIN, and stay here
        raise CannotSign(Fault.NO_ANSWER, child.meaning(process.wait())) from None
    if "fault" in said:
        raise CannotSign(Fault(said["fault"]), said["detail"])
    return said
