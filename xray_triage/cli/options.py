"""Options that several verbs share."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from xray_triage.config.station import Config

ConfigPath = Annotated[
    Path | None,
    typer.Option("--config", help="station.toml; else $XRAY_TRIAGE_CONFIG, ./station.toml, /etc/xray-triage."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table for people.")]


def settings_or_defaults(path: Path | None) -> "Config":
    """For verbs that need no station: without any station.toml the defaults do."""
    from xray_triage.config.loading import CONFIG_PATHS, load_config
    from xray_triage.config.station import Config

    if path is None and "XRAY_TRIAGE_CONFIG" not in os.environ and not any(p.is_file() for p in CONFIG_PATHS):
        return Config()
    return load_config(path)
