"""The kinds of value that station.toml has: names, ports, shares, certificates. Knows no table of it."""

import difflib
import ipaddress
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from xray_triage.reading.findings import ABNORMAL, KINDS


def is_loopback(host: str) -> bool:
    """Whether a listener on ``host`` can be reached from this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def ae_title(value: str) -> str:
    """``value`` without blanks at its ends. Raises ValueError."""
    title = value.strip()
    if not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise ValueError("an AE title has 1 to 16 plain characters (PS3.5 6.2)")
    return title


def _finding_name(value: str) -> str:
    if value not in KINDS and value != ABNORMAL:
        near = difflib.get_close_matches(value, [*KINDS, ABNORMAL], 1)
        raise ValueError(f"no finding is called {value!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return value


def database_url(value: str) -> str:
    """``value`` as it is. Raises ValueError."""
    if value and not value.startswith(("postgresql://", "sqlite:///")):
        raise ValueError('it is "" for SQLite in data_dir, or a URL that begins with postgresql://')
    return value


AeTitle = Annotated[str, AfterValidator(ae_title)]
FindingName = Annotated[str, AfterValidator(_finding_name)]
Port = Annotated[int, Field(ge=0, le=65535)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Section(BaseModel):
    """Base of every table in station.toml: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Tls(Section):
    """Certificate files in PEM. ``ca`` asks the other side for a certificate signed by it."""

    cert: Path | None = None
    key: Path | None = None
    ca: Path | None = None
