"""Brings one message to a webhook, a topic of ntfy or a mailbox. Knows no case and no queue.

The message bears its number, so that a receiver can tell one that came twice: ``Idempotency-Key`` and ``id`` over HTTP,
``Message-ID`` by mail.
"""

import json
import smtplib
import socket
import ssl
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import urlsplit

import structlog

from dicom_router.errors import PeerRefused, PeerUnreachable
from dicom_router.transport.http import DicomwebRoot
from dicom_router.upper_layer.connection import Timeouts
from xray_triage.config.loading import ConfigError
from xray_triage.config.notices import SMTPS, NoticePeer
from xray_triage.config.values import Tls
from xray_triage.tls import client_tls

SECONDS = 10.0
TIMEOUTS = Timeouts(connect_seconds=SECONDS, stall_seconds=SECONDS, answer_seconds=SECONDS)
log = structlog.get_logger()

NTFY_URGENT = "5"  # the phone rings although it is silent, as ntfy documents its priorities


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """``text`` is one line; ``urgent`` cases and ``answers`` are numbers."""

    number: str
    station: str
    text: str
    at: datetime
    urgent: int
    answers: int


def send(peer: NoticePeer, message: Message) -> str:
    """Why the peer did not take it, without an address that may be a secret; nothing when it did."""
    try:
        if peer.kind == "mail":
            _mail(peer, message)
        else:
            _post(peer, message)
    except (PeerUnreachable, PeerRefused, ConfigError, OSError, smtplib.SMTPException, ValueError) as error:
        where = peer.host or urlsplit(peer.url).hostname or ""
        told = str(error).partition("; check")[0]  # advice on a PACS
        said = told.replace(peer.url, where) if peer.url else f"{where}: {told}"
        return " ".join(said.split())[:500]
    return ""


def _post(peer: NoticePeer, message: Message) -> None:
    headers = {"Accept": "*/*", "Idempotency-Key": message.number}
    if peer.token_file:
        headers["Authorization"] = f"Bearer {_secret(peer.token_file)}"
    if peer.kind == "ntfy":
        body = message.text.encode()
        headers |= {"Content-Type": "text/plain; charset=utf-8"}
        headers |= {"Priority": NTFY_URGENT} if message.urgent else {}
    else:
        told = asdict(message) | {"at": message.at.isoformat()}
        body = json.dumps({"id": told.pop("number"), **told}, ensure_ascii=False).encode()
        headers |= {"Content-Type": "application/json"}
    parts = urlsplit(peer.url)
    address = parts._replace(query="", fragment="").geturl().rstrip("/")
    path = ("/" if not parts.path.rstrip("/") else "") + (f"?{parts.query}" if parts.query else "")
    tls = client_tls(peer.tls or Tls()) if parts.scheme == "https" else None
    with closing(DicomwebRoot(address, username="", password="", tls=tls, timeouts=TIMEOUTS)) as root:
        answer = root.ask("POST", path, [body], headers=headers | {"Content-Length": str(len(body))})
    if not 200 <= answer.status < 300:
        text = answer.body[:200].decode(errors="replace")
        raise PeerUnreachable(f"{address} answered HTTP {answer.status}: {text}")


def _mail(peer: NoticePeer, message: Message) -> None:
    letter = EmailMessage(policy=SMTP)
    letter["Subject"] = message.text
    letter["From"] = peer.username if "@" in peer.username else peer.to[0]
    letter["To"] = ", ".join(peer.to)
    letter["Date"] = format_datetime(message.at)
    letter["Message-ID"] = f"<{message.number}@xray-triage.invalid>"
    letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's absence answers it
    letter.set_content(message.text)
    with closing(_mail_server(peer)) as server:
        if peer.token_file:
            server.login(peer.username or peer.to[0], _secret(peer.token_file))
        refused = server.send_message(letter)
        with suppress(OSError, smtplib.SMTPException):  # it has the letter
            server.quit()
    if refused:  # some of several; the others have it, and would get it again
        log.warning("notice not taken", peer=peer.name, problem=f"refused: {', '.join(refused)}")


def _mail_server(peer: NoticePeer) -> smtplib.SMTP:
    name = socket.gethostname()
    context = ssl.create_default_context() if peer.tls is None else client_tls(peer.tls)
    if peer.port == SMTPS:
        return smtplib.SMTP_SSL(peer.host, peer.port, local_hostname=name, timeout=SECONDS, context=context)
    server = smtplib.SMTP(peer.host, peer.port, local_hostname=name, timeout=SECONDS)
    if not peer.is_plain:
        try:
            server.starttls(context=context)
        except BaseException:
            server.close()
            raise
    return server


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"token_file cannot be read: {error}") from error
