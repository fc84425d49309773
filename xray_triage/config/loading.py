"""Finds, reads and checks station.toml.

The file is looked for at --config, $XRAY_TRIAGE_CONFIG, ./station.toml, /etc/xray-triage/station.toml. Every value may
be overridden by the environment as XRAY_TRIAGE__SECTION__KEY.
"""

import difflib
import os
import reprlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_settings import SettingsError

from dicom_router.clock import use_zone
from xray_triage.config.station import ENVIRONMENT_PREFIX, Config
from xray_triage.config.values import Section

CONFIG_PATHS = (Path("station.toml"), Path("/etc/xray-triage/station.toml"))


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line that names file and key and says what to do."""


def find_config(path: Path | None) -> Path:
    """The configuration file to use. Raises ConfigError when there is none."""
    named = path or (Path(os.environ["XRAY_TRIAGE_CONFIG"]) if os.environ.get("XRAY_TRIAGE_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigError(f"{named}: no such file; write one with: xray-triage init --config {named}")
        return named
    for candidate in CONFIG_PATHS:
        if candidate.is_file():
            return candidate
    raise ConfigError("no station.toml here or in /etc/xray-triage; write one with: xray-triage init")


def load_config(path: Path | None = None) -> Config:
    """Read and check the configuration. Relative paths in it count from its folder. Raises ConfigError.

    From then on the local time of this process is that of [station] timezone.
    """
    source = find_config(path)
    try:
        values = tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{source}: {error}") from error
    config = check_config(values, source=source)
    try:
        # In a container TZ may name a zone that the system has no file of.
        if zone := config.station.timezone or os.environ.get("TZ", "").lstrip(":"):
            use_zone(zone)
    except ValueError as error:
        if config.station.timezone:
            raise ConfigError(f"{source}: station.timezone: {error}") from error
    return config


def check_config(values: Mapping[str, Any], *, source: Path) -> Config:
    """``values`` as read from ``source``, with the environment on top. Raises ConfigError."""
    _check_environment()
    try:
        config = Config(**values)
    except ValidationError as error:
        raise ConfigError(f"{source}: {'; '.join(_problems(error))}") from error
    except SettingsError as error:
        raise ConfigError(f"environment: {error}: lists and tables are written as JSON") from error
    return _with_absolute_paths(config, source.absolute().parent)


def _check_environment() -> None:
    problems = []
    for name in sorted(os.environ):
        if name.startswith(ENVIRONMENT_PREFIX):
            section = name.removeprefix(ENVIRONMENT_PREFIX).split("__")[0].lower()
            if section not in Config.model_fields:
                problems.append(f"environment {name}: {_unknown(section, Config)}")
    if problems:
        raise ConfigError("; ".join(problems))


def _problems(error: ValidationError) -> Iterator[str]:
    """Every wrong key and value, so that nobody mends one to hear of the next."""
    for problem in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            yield f"{where}: {_unknown(str(problem['loc'][-1]), _section_at(problem['loc'][:-1]))}"
            continue
        message = problem["msg"].removeprefix("Value error, ")
        given = problem["input"]
        # A value that the message names needs no second telling; a table is told by its keys, a secret not at all.
        is_told = not isinstance(given, str | int | float) or repr(given) in message or where == "station.database"
        said = message if is_told else f"{message}, not {reprlib.repr(given)}"
        yield f"{where}: {said}" if where else said


def _unknown(key: str, section: type[BaseModel]) -> str:
    known = list(section.model_fields)
    near = difflib.get_close_matches(key, known, 1, cutoff=0.4)
    return f"unknown key {key!r}; " + (f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}")


def _section_at(location: tuple[int | str, ...]) -> type[BaseModel]:
    """The table class that stands at ``location`` in the configuration."""
    section: type[BaseModel] = Config
    for part in location:
        if isinstance(part, int):
            continue
        annotation: Any = section.model_fields[part].annotation
        candidates = [annotation, *get_args(annotation)]
        section = next(c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel))
    return section


def _with_absolute_paths(config: Config, folder: Path) -> Config:
    def resolve(value: Any) -> Any:
        if isinstance(value, Path):
            return folder / value
        if isinstance(value, tuple):
            return tuple(resolve(each) for each in value)
        if isinstance(value, Section | Config):
            return value.model_copy(update={key: resolve(getattr(value, key)) for key in type(value).model_fields})
        return value

    resolved: Config = resolve(config)
    if not config.model.bundle:
        return resolved
    model = resolved.model.model_copy(update={"bundle": str(folder / config.model.bundle)})
    return resolved.model_copy(update={"model": model})
