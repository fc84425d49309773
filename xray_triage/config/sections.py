"""The tables of station.toml that say what this station is and how it keeps itself. Knows no peer that it sends to."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from xray_triage.config.values import (
    AeTitle,
    FindingName,
    Port,
    Probability,
    Section,
    Tls,
    ae_title,
    database_url,
    is_loopback,
)


class StationSection(Section):
    """Who we are and where things are kept. ``timezone``: empty is the computer's."""

    name: str = "Trạm y tế"
    phone: str = ""
    ae_title: AeTitle = "XRAY_TRIAGE"
    data_dir: Path = Path("data")
    language: Literal["vi", "en"] = "vi"
    database: Annotated[str, AfterValidator(database_url)] = ""
    timezone: str = ""


class Peer(Section):
    """A machine that may send to us. An empty field allows any.

    ``port``: where it waits to be called with what we keep (Storage Commitment); 0: it hears that as it asks.
    """

    ae_title: str = ""
    host: str = ""
    port: Annotated[int, Field(ge=0, le=65535)] = 0

    @model_validator(mode="after")
    def _a_port_is_some_machines(self) -> "Peer":
        if self.port and not self.ae_title:
            raise ValueError("port is that of one machine: write its ae_title beside it")
        return self


class ListenerSection(Section):
    """The DICOM side that receives."""

    host: str = "127.0.0.1"
    port: Port = 11112
    allow: tuple[Peer, ...] = ()
    tls: Tls | None = None
    max_associations: Annotated[int, Field(ge=1, le=100)] = 10

    @model_validator(mode="after")
    def _only_known_machines_from_outside(self) -> "ListenerSection":
        if not is_loopback(self.host) and not self.allow:
            raise ValueError(
                f"host {self.host!r} is open to the network, but nobody is named in allow: "
                'list your X-ray machine, e.g. allow = [{ae_title = "DX1", host = "192.168.1.20"}]'
            )
        return self


class WebSection(Section):
    """The page and the JSON API."""

    host: str = "127.0.0.1"
    port: Port = 8080
    names: tuple[str, ...] = ()
    idle_minutes: Annotated[float, Field(ge=1, le=720)] = 30
    tls: Tls | None = None

    @model_validator(mode="after")
    def _passwords_never_in_the_clear(self) -> "WebSection":
        if not is_loopback(self.host) and not (self.tls and self.tls.cert and self.tls.key):
            raise ValueError(
                f"host {self.host!r} is open to the network, where passwords and films must not pass in the clear: "
                'give the page a certificate, e.g. tls = {cert = "page.crt", key = "page.key"}, or use 127.0.0.1'
            )
        return self


class ModelSection(Section):
    """The bundle that reads. Empty = the bundle that was activated, else the one that ships with the program.

    ``site``: a machine's own cut-offs wait for a person, or are taken at once.
    """

    bundle: str = ""
    providers: tuple[str, ...] = ("auto",)
    threads: Annotated[int, Field(ge=0, le=64)] = 0
    thresholds: Mapping[FindingName, Probability] = {}
    site: Literal["ask", "auto"] = "ask"


class PolicySection(Section):
    """What the site calls urgent, and when a consultation is asked for without a click.

    ``urgent_share``: of the films of a machine with cut-offs of its own, the gravest so many are urgent too.
    """

    urgent: tuple[FindingName, ...] = ("pneumothorax", "edema")
    urgent_share: Annotated[float, Field(ge=0, le=0.5)] = 0.05
    auto_request: Literal["urgent", "abnormal", "never"] = "urgent"
    minimum_age_years: Annotated[float, Field(ge=0, le=120)] = 15


class RegistrationSection(Section):
    """The form that feeds the X-ray machine's worklist. ``prefix`` begins every accession number."""

    prefix: Annotated[str, Field(pattern=r"^[A-Z0-9]{0,6}$")] = ""
    station_ae_title: Annotated[str, AfterValidator(lambda title: title and ae_title(title))] = ""


class RetentionSection(Section):
    """How long sent films stay, and how much disk is never used."""

    keep_days: Annotated[int, Field(ge=0)] = 90
    reserve_gb: Annotated[float, Field(ge=0)] = 5


class BackupSection(Section):
    """Where a running station writes a backup every day, and how many stay there. None: nowhere."""

    folder: Path | None = None
    keep: Annotated[int, Field(ge=1, le=1000)] = 14


class AuditSection(Section):
    """Who collects the audit trail: ``host:port`` of a syslog server with TLS. Empty: nobody."""

    syslog: Annotated[str, Field(pattern=r"^([^\s:]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5})?$")] = ""
    tls: Tls = Tls()

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of ``syslog``, which is set."""
        host, _, port = self.syslog.rpartition(":")
        return host.strip("[]"), int(port)
