"""The tables of station.toml that say whom to tell of what happens while nobody is at the page."""

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from xray_triage.config.values import Port, Section, Tls, is_loopback

Occasion = Literal["urgent", "answer"]
SMTPS = 465  # the port on which mail is encrypted from the first byte (RFC 8314)


class NoticePeer(Section):
    """Who is told, without a word of any patient: a webhook, a topic of ntfy, or a mailbox by way of a mail server.

    ``token_file``: the bearer token; for mail the password of ``username``.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    kind: Literal["webhook", "ntfy", "mail"]
    url: str = ""
    host: str = ""
    port: Port = SMTPS
    to: tuple[str, ...] = ()
    username: str = ""
    token_file: Path | None = None
    tls: Tls | None = None
    on: Annotated[tuple[Occasion, ...], Field(min_length=1)] = ("urgent", "answer")

    @model_validator(mode="after")
    def _has_an_address(self) -> "NoticePeer":
        needed = ("host", "to") if self.kind == "mail" else ("url",)
        missing = [key for key in needed if not getattr(self, key)]
        if missing:
            raise ValueError(f"a notice of kind {self.kind} needs {' and '.join(missing)}")
        if any("@" not in address.strip("@") or not address.isprintable() for address in self.to):
            raise ValueError('to has something that is no address of mail; write e.g. to = ["bs.lan@example.vn"]')
        return self

    @model_validator(mode="after")
    def _no_secret_in_the_clear(self) -> "NoticePeer":
        parts = urlsplit(self.url)
        if self.url and (parts.scheme not in ("http", "https") or not parts.hostname):
            raise ValueError("url must begin with https:// (or http://) and name a host")
        if "@" in parts.netloc:
            raise ValueError("url has a password in it, which logs would show: give token_file instead")
        if parts.scheme == "http" and self.token_file and not is_loopback(parts.hostname or ""):
            raise ValueError("token_file would be sent in the clear: url must begin with https://")
        return self

    @property
    def is_plain(self) -> bool:
        """Mail to a server on this computer needs no encryption; every other connection of mail has it."""
        return is_loopback(self.host) and self.tls is None
