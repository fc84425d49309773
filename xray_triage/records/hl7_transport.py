"""Sends records to a HIS as ORU^R01 over MLLP. Knows no queue."""

import ssl
from collections.abc import Sequence
from datetime import datetime

from dicom_router.clock import Clock
from dicom_router.errors import PeerRefused, PeerUnreachable
from xray_triage.hl7.client import ANSWER_SECONDS, MllpClient
from xray_triage.hl7.message import BadField, Message
from xray_triage.records import oru
from xray_triage.records.record import Record

TAKEN, REFUSED = {"AA", "CA"}, {"AE", "AR", "CE", "CR"}  # HL7 table 0008


class Hl7Transport:
    """One HIS. See RecordTransport."""

    def __init__(
        self,
        host: str,
        port: int,
        *,
        clock: Clock,
        tls: ssl.SSLContext | None = None,
        version: str = "2.5",
        with_ai: bool = False,
        answer_seconds: float = ANSWER_SECONDS,
    ) -> None:
        self._client = MllpClient(host, port, clock=clock, tls=tls, answer_seconds=answer_seconds)
        self._version, self._with_ai = version, with_ai

    def compose(self, record: Record, *, number: str, at: datetime) -> Sequence[bytes]:
        return [oru.message(record, number=number, at=at, version=self._version, with_ai=self._with_ai)]

    def send(self, content: Sequence[bytes], number: str) -> str:
        """AA: it has it. AE and AR: refused, in its words. No acknowledgement: again."""
        try:
            answer = self._client.exchange(content[0], number)
            code = answer.need("MSA").text(1).upper()
        except BadField as error:
            raise PeerUnreachable(f"{self._client.peer} answers without MSA", status="no MSA") from error
        if code in TAKEN:
            return code
        why = _why(answer) or "it does not say why"
        if code in REFUSED:
            raise PeerRefused(f"{self._client.peer} answered {code}: {why}", status=code)
        raise PeerUnreachable(f"{self._client.peer} answered {code or 'nothing'} in MSA-1: {why}", status=f"MSA {code}")

    def echo(self) -> None:
        self._client.echo()

    def close(self) -> None:
        self._client.close()


def _why(answer: Message) -> str:
    """MSA-3, and in newer versions ERR-8 or ERR-7: what the HIS says of its refusal."""
    said = [answer.need("MSA").text(3)]
    for error in answer.all("ERR"):
        said += [error.text(8), error.text(7), error.text(3, 2)]
    return "; ".join(dict.fromkeys(part for part in said if part))[:500]
