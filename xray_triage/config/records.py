"""The tables of station.toml that say how the station and its HIS know each other: orders in, results out."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from xray_triage.config.values import Port, Section, Tls, is_loopback

Standing = Literal["preliminary", "final"]


class FacilitySection(Section):
    """The station as its HIS and the health record know it. Without ``name`` the station's; codes may be unknown."""

    code: str = ""
    national_id: str = ""
    name: str = ""


class ProcedureCodes(Section):
    """What the HIS calls a procedure (MA_DICH_VU) and its result (MA_CHI_SO). Empty: sent empty, never invented."""

    service: str = ""
    indicator: str = ""


class CodesSection(Section):
    """The HIS's codes, by what was done."""

    chest_pa: ProcedureCodes = ProcedureCodes()


class Hl7Orders(Section):
    """Where the HIS's orders are awaited: HL7 v2 over MLLP. ``allow``: the addresses that may send them."""

    host: str = "127.0.0.1"
    port: Port = 2575
    allow: tuple[str, ...] = ()
    tls: Tls | None = None

    @model_validator(mode="after")
    def _only_known_peers_from_outside(self) -> "Hl7Orders":
        if not is_loopback(self.host) and not self.allow:
            raise ValueError(
                f"host {self.host!r} is open to the network, but nobody is named in allow: "
                'list the HIS, e.g. allow = ["192.168.1.30"]'
            )
        return self


class FolderOrders(Section):
    """The folder into which the HIS writes its orders, as files ``*.hl7``."""

    path: Path


class OrdersSection(Section):
    """How orders of the HIS come in. None: not that way."""

    hl7: Hl7Orders | None = None
    folder: FolderOrders | None = None


class RecordPeer(Section):
    """Who gets the results of cases: a HIS (HL7 v2 over MLLP), a FHIR R4 server, or a folder.

    ``version`` and ``ai`` (what the AI saw beside the doctor's words) are of HL7, by MLLP or in the folder.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    kind: Literal["hl7", "fhir", "folder"]
    host: str = ""
    port: Port = 2575
    url: str = ""
    path: Path | None = None
    token_file: Path | None = None
    tls: Tls | None = None
    send: tuple[Standing, ...] = ("final",)
    version: Literal["2.3.1", "2.5"] = "2.5"
    ai: bool = False

    @model_validator(mode="after")
    def _has_an_address(self) -> "RecordPeer":
        needed = {"hl7": "host", "fhir": "url", "folder": "path"}[self.kind]
        if not getattr(self, needed):
            raise ValueError(f"a record of kind {self.kind} needs {needed}")
        if self.kind == "fhir" and not self.url.startswith(("http://", "https://")):
            raise ValueError("url begins with http:// or https://, e.g. https://his/fhir")
        if "@" in self.url.partition("://")[2].partition("/")[0]:
            raise ValueError("url has a password in it, which logs would show: give token_file instead")
        return self
