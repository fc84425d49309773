"""Sends records to a FHIR R4 server as transactions. Knows no queue; the token stands in no error and no log."""

import json
import ssl
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.transport.http import DicomwebRoot, HttpResponse
from xray_triage.records import fhir
from xray_triage.records.record import Record

FHIR_JSON = "application/fhir+json"
TOKEN_REFUSED = {401, 403, 407}
WRONG_ADDRESS = {300, 301, 302, 303, 307, 308, 404, 405, 406, 410, 501}
FAULTS = ("fatal", "error")  # severities of an OperationOutcome, with whatever status it comes
UNDONE = ("transaction", "batch")  # types of a Bundle that is what was asked, and no answer to it
LATER = {408, 409, 412, 423, 425, 429}
LONGEST_ANSWER_BYTES = 4 << 20
MOST_LETTERS = 500


class FhirTransport:
    """One server. ``token_file`` is read anew for each request: a token may be replaced at any time."""

    def __init__(self, url: str, *, token_file: Path | None = None, tls: ssl.SSLContext | None = None) -> None:
        self._root = DicomwebRoot(url, username="", password="", tls=tls)
        self._token_file = token_file

    def compose(self, record: Record, *, number: str, at: datetime) -> Sequence[bytes]:  # noqa: ARG002 - in no Bundle
        return [json.dumps(fhir.bundle(record), ensure_ascii=False).encode()]

    def send(self, content: Sequence[bytes], number: str) -> str:  # noqa: ARG002 - its identifiers tell it
        """2xx: it has it. 4xx with an OperationOutcome: refused, in its words. All else: again."""
        headers = {"Content-Type": FHIR_JSON, "Content-Length": str(len(content[0])), **self._headers()}
        answer = self._root.ask("POST", "", content, headers=headers, longest=LONGEST_ANSWER_BYTES)
        if answer.status // 100 != 2:
            raise self._failure(answer.status, _parsed(answer), answer.after_seconds)
        said = _parsed(answer)
        if answer.body.strip() and not said.get("resourceType"):
            raise self._wait(answer.status, "this is no FHIR; check url, and that no login page stands before it")
        self._require_done(answer.status, said)
        return f"HTTP {answer.status}"

    def _require_done(self, status: int, said: Mapping[str, Any]) -> None:
        """Raises PeerRefused or PeerUnreachable where a 2xx says that it was not done, or in part alone."""
        if any(issue.get("severity") in FAULTS for issue in _listed(said, "issue")):
            raise PeerRefused(f"{self._root.url} answered HTTP {status}: {_words(said)}", status=f"HTTP {status}")
        if said.get("type") in UNDONE:
            raise self._wait(status, "it has put the Bundle away undone; url must be the base, without /Bundle")
        for entry in _listed(said, "entry"):
            told = _object(entry.get("response"))
            code = str(told.get("status", "200"))[:3]
            if not code.startswith("2"):  # one that takes a transaction for a batch
                raise self._failure(int(code) if code.isdecimal() else 500, _object(told.get("outcome")), 0)

    def echo(self) -> None:
        """Whether it answers. Raises PeerUnreachable or PeerRefused."""
        answer = self._root.ask("GET", "/metadata", headers=self._headers())
        if answer.status // 100 != 2:
            raise self._failure(answer.status, _parsed(answer), answer.after_seconds)

    def close(self) -> None:
        self._root.close()

    def _headers(self) -> Mapping[str, str]:
        headers = {"Accept": FHIR_JSON}
        if self._token_file is None:
            return headers
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not plain text"
            raise PeerUnreachable(f"token_file {self._token_file} cannot be read: {why}", slowly=True) from None
        if not token or not token.isprintable() or " " in token:
            raise PeerUnreachable(f"token_file {self._token_file} has no token in it", slowly=True)
        return {**headers, "Authorization": f"Bearer {token}"}

    def _failure(self, status: int, said: Mapping[str, Any], after_seconds: float) -> PeerUnreachable | PeerRefused:
        words = _words(said)
        if status in TOKEN_REFUSED:
            return self._wait(status, f"it does not take the token; renew token_file{words and f' ({words})'}")
        if status in LATER or status >= 500:
            what = words or "it will be tried again"
            return PeerUnreachable(
                f"{self._root.url} answered HTTP {status}: {what}", status=f"HTTP {status}", after_seconds=after_seconds
            )
        if status in WRONG_ADDRESS or not 400 <= status < 500:
            return self._wait(status, f"check url, it must be the base of a FHIR server{words and f' ({words})'}")
        return PeerRefused(f"{self._root.url} answered HTTP {status}: {words or 'no reason'}", status=f"HTTP {status}")

    def _wait(self, status: int, what: str) -> PeerUnreachable:
        return PeerUnreachable(f"{self._root.url} answered HTTP {status}: {what}", slowly=True, status=f"HTTP {status}")


def _parsed(answer: HttpResponse) -> dict[str, Any]:
    try:
        return _object(json.loads(answer.body))
    except (ValueError, RecursionError):
        return {}


def _object(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(said: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    """The objects in a list of it, if that is one."""
    listed = said.get(name)
    return [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []


def _words(outcome: Mapping[str, Any]) -> str:
    return "; ".join(_issues(outcome))[:MOST_LETTERS]


def _issues(outcome: Mapping[str, Any]) -> Iterator[str]:
    """What an OperationOutcome says, whatever of it is as it should be."""
    for issue in _listed(outcome, "issue") if outcome.get("resourceType") == "OperationOutcome" else ():
        said = issue.get("diagnostics") or _object(issue.get("details")).get("text") or issue.get("code")
        where = issue.get("expression") or issue.get("location")
        place = f" ({', '.join(map(str, where))})" if isinstance(where, list) and where else ""
        yield " ".join(f"{said}{place}".split())
