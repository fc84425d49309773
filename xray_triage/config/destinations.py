"""The tables of station.toml that say who gets our objects, and how a specialist is asked."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from xray_triage.config.values import Port, Section, Tls

# What ``send`` may name; results are report, picture and outlines: sr, sc and gsps.
Sent = Literal["originals", "results", "sr", "sc", "gsps", "requests"]
RESULTS: tuple[Sent, ...] = ("sr", "sc", "gsps")


class Destination(Section):
    """A peer that gets our objects."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,40}$")]
    kind: Literal["dimse", "dicomweb", "folder"] = "dimse"
    host: str = ""
    port: Port = 104
    ae_title: str = ""
    url: str = ""
    path: Path | None = None
    username: str = ""
    password_file: Path | None = None
    tls: Tls | None = None
    send: tuple[Sent, ...] = ("results", "requests", "originals")
    compression: Literal["auto", "jpeg-ls", "jpeg2000", "none"] = "auto"
    commitment: bool = True
    max_kbit_per_second: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="before")
    @classmethod
    def _folder_may_stand_in_url(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("kind") == "folder" and values.get("url") and not values.get("path"):
            return {**values, "path": str(values["url"]).removeprefix("file://")}
        return values

    @model_validator(mode="after")
    def _no_password_in_the_url(self) -> "Destination":
        if "@" in self.url.partition("://")[2].partition("/")[0]:
            raise ValueError("url has a password in it, which logs would show: give username and password_file instead")
        return self

    @model_validator(mode="after")
    def _has_an_address(self) -> "Destination":
        needed = {"dimse": ("host", "ae_title"), "dicomweb": ("url",), "folder": ("path",)}[self.kind]
        missing = [key for key in needed if not getattr(self, key)]
        if missing:
            raise ValueError(f"a {self.kind} destination needs {' and '.join(missing)}")
        return self

    def takes(self, what: Sent) -> bool:
        """Whether it gets this kind of object."""
        return what in self.send or (what in RESULTS and "results" in self.send)


class OverdueMinutes(Section):
    """After how many minutes an unanswered consultation is overdue."""

    urgent: Annotated[int, Field(ge=1)] = 30
    routine: Annotated[int, Field(ge=1)] = 1440


class ConsultationSection(Section):
    """Where requests go (empty: every destination that takes them) and how the answer is awaited."""

    destination: str = ""
    poll_seconds: Annotated[float, Field(ge=1)] = 60
    overdue_minutes: OverdueMinutes = OverdueMinutes()
