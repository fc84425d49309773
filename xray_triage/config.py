"""station.toml and its environment overrides, checked whole before anything starts.

The file is looked for at --config, $XRAY_TRIAGE_CONFIG, ./station.toml, /etc/xray-triage/station.toml. Every value may
be overridden by the environment as XRAY_TRIAGE__SECTION__KEY. Knows nothing of what uses it.
"""

import difflib
import ipaddress
import os
import reprlib
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from dicom_router.clock import use_zone
from xray_triage.reading.findings import ABNORMAL, KINDS

ENVIRONMENT_PREFIX = "XRAY_TRIAGE__"
CONFIG_PATHS = (Path("station.toml"), Path("/etc/xray-triage/station.toml"))


class ConfigError(Exception):
    """The configuration cannot be used. The message is one line that names file and key and says what to do."""


def is_loopback(host: str) -> bool:
    """Whether a listener on ``host`` can be reached from this computer only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _ae_title(value: str) -> str:
    title = value.strip()
    if not 1 <= len(title) <= 16 or not title.isascii() or not title.isprintable() or "\\" in title:
        raise ValueError("an AE title has 1 to 16 plain characters (PS3.5 6.2)")
    return title


def _finding_name(value: str) -> str:
    if value not in KINDS and value != ABNORMAL:
        near = difflib.get_close_matches(value, [*KINDS, ABNORMAL], 1)
        raise ValueError(f"no finding is called {value!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return value


def _database_url(value: str) -> str:
    if value and not value.startswith(("postgresql://", "sqlite:///")):
        raise ValueError('it is "" for SQLite in data_dir, or a URL that begins with postgresql://')
    return value


AeTitle = Annotated[str, AfterValidator(_ae_title)]
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


class StationSection(Section):
    """Who we are and where things are kept. ``timezone``: empty is the computer's."""

    name: str = "Trạm y tế"
    phone: str = ""
    ae_title: AeTitle = "XRAY_TRIAGE"
    data_dir: Path = Path("data")
    language: Literal["vi", "en"] = "vi"
    database: Annotated[str, AfterValidator(_database_url)] = ""
    timezone: str = ""


class Peer(Section):
    """A machine that may send to us. An empty field allows any."""

    ae_title: str = ""
    host: str = ""


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
    station_ae_title: Annotated[str, AfterValidator(lambda title: title and _ae_title(title))] = ""


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


class Config(BaseSettings):
    """The whole of station.toml."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__"
    )

    station: StationSection = StationSection()
    listener: ListenerSection = ListenerSection()
    web: WebSection = WebSection()
    model: ModelSection = ModelSection()
    policy: PolicySection = PolicySection()
    registration: RegistrationSection = RegistrationSection()
    destination: tuple[Destination, ...] = ()
    consultation: ConsultationSection = ConsultationSection()
    retention: RetentionSection = RetentionSection()
    backup: BackupSection = BackupSection()
    audit: AuditSection = AuditSection()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        del settings_cls, dotenv_settings, file_secret_settings
        return env_settings, init_settings

    @model_validator(mode="after")
    def _destinations_fit_together(self) -> "Config":
        names = [destination.name for destination in self.destination]
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"two destinations are called {min(twice)!r}; give each its own name")
        if self.consultation.destination and self.consultation.destination not in names:
            raise ValueError(f"consultation.destination {self.consultation.destination!r} is no [[destination]] name")
        return self

    @property
    def database_url(self) -> str:
        """That of PostgreSQL, or of the SQLite file in ``data_dir``."""
        return self.station.database or f"sqlite:///{self.station.data_dir / 'station.db'}"

    def destinations_for(self, what: Sent) -> tuple[str, ...]:
        """Names of the destinations that get this kind of object."""
        if what == "requests" and self.consultation.destination:
            return (self.consultation.destination,)
        return tuple(destination.name for destination in self.destination if destination.takes(what))

    @property
    def result_destinations(self) -> dict[str, tuple[str, ...]]:
        """Who gets which kind of result: sr, sc and gsps."""
        return {what: self.destinations_for(what) for what in RESULTS}


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
    def resolve(section: Section) -> Section:
        changes: dict[str, Any] = {}
        for key in type(section).model_fields:
            value = getattr(section, key)
            if isinstance(value, Path):
                changes[key] = folder / value
            elif isinstance(value, Section):
                changes[key] = resolve(value)
        return section.model_copy(update=changes)

    changes: dict[str, Any] = {
        name: resolve(value) for name in Config.model_fields if isinstance(value := getattr(config, name), Section)
    }
    changes["destination"] = tuple(resolve(destination) for destination in config.destination)
    if config.model.bundle:
        changes["model"] = changes["model"].model_copy(update={"bundle": str(folder / config.model.bundle)})
    return config.model_copy(update=changes)
